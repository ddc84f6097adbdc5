//! The keys that lead to a value.

/// The keys that lead to a value; made into text only for findings.
pub(super) struct Path<'p> {
    /// The table or list around it.
    pub(super) parent: Option<&'p Path<'p>>,
    /// The last step.
    pub(super) step: Step<'p>,
}

/// One step of a path.
pub(super) enum Step<'p> {
    /// The file.
    Root,
    /// A key.
    Key(&'p str),
    /// An item, from 0.
    Index(usize),
}

impl<'p> Path<'p> {
    /// The file.
    pub(super) fn root() -> Self {
        Self { parent: None, step: Step::Root }
    }

    /// A key below this.
    pub(super) fn key(&'p self, name: &'p str) -> Self {
        Self { parent: Some(self), step: Step::Key(name) }
    }

    /// An item of this.
    pub(super) fn index(&'p self, index: usize) -> Self {
        Self { parent: Some(self), step: Step::Index(index) }
    }

    /// `view[0].networks[1]`; names that are no bare keys are quoted.
    pub(super) fn text(&self) -> String {
        let mut text = self.parent.map(Path::text).unwrap_or_default();
        match self.step {
            Step::Root => {}
            Step::Key(name) => {
                if !text.is_empty() {
                    text.push('.');
                }
                let bare = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
                if !name.is_empty() && name.bytes().all(bare) {
                    text.push_str(name);
                } else {
                    text.push_str(&format!("{name:?}"));
                }
            }
            Step::Index(index) => text.push_str(&format!("[{index}]")),
        }
        text
    }
}
