//! A place in a JSON text: keys without case, ARM's `properties` looked through, pointers.

use serde_json::Value;

/// A value and how to get there.
#[derive(Clone, Debug)]
pub(super) struct Node<'v> {
    value: &'v Value,
    pointer: String,
}

impl<'v> Node<'v> {
    /// The whole text.
    pub(super) fn root(value: &'v Value) -> Self {
        Self { value, pointer: String::new() }
    }

    /// The value itself.
    pub(super) fn value(&self) -> &'v Value {
        self.value
    }

    /// The pointer (RFC 6901).
    pub(super) fn pointer(&self) -> String {
        self.pointer.clone()
    }

    /// A key of this object, matched without case; null is the same as missing.
    pub(super) fn get(&self, key: &str) -> Option<Self> {
        let object = self.value.as_object()?;
        let found = object
            .get_key_value(key)
            .filter(|(_, value)| !value.is_null())
            .or_else(|| object.iter().find(|(own, value)| own.eq_ignore_ascii_case(key) && !value.is_null()));
        let (own, value) = found?;
        let escaped = own.replace('~', "~0").replace('/', "~1");
        Some(Self { value, pointer: format!("{}/{escaped}", self.pointer) })
    }

    /// A key of this object or of its `properties`.
    pub(super) fn field(&self, key: &str) -> Option<Self> {
        self.get(key).or_else(|| self.get("properties")?.get(key))
    }

    /// The items of a list; nothing where it is none.
    pub(super) fn items(&self) -> impl Iterator<Item = Self> + use<'v> {
        let pointer = self.pointer.clone();
        let items = self.value.as_array().map(Vec::as_slice).unwrap_or_default();
        items
            .iter()
            .enumerate()
            .filter(|(_, value)| !value.is_null())
            .map(move |(index, value)| Self { value, pointer: format!("{pointer}/{index}") })
    }

    /// The items of a list below a key.
    pub(super) fn list(&self, key: &str) -> impl Iterator<Item = Self> + use<'v> {
        let list = self.field(key);
        list.into_iter().flat_map(|list| list.items())
    }

    /// The text of a string.
    pub(super) fn text(&self) -> Option<&'v str> {
        self.value.as_str()
    }

    /// The text of a string below a key, if it is not empty.
    pub(super) fn text_of(&self, key: &str) -> Option<&'v str> {
        self.field(key)?.text().filter(|text| !text.is_empty())
    }

    /// An id below a key, lower-cased: Azure compares them without case.
    pub(super) fn id_of(&self, key: &str) -> Option<String> {
        self.text_of(key).map(str::to_ascii_lowercase)
    }

    /// The `id` of an object below a key, lower-cased.
    pub(super) fn reference(&self, key: &str) -> Option<String> {
        self.field(key)?.id_of("id")
    }
}

/// The segment of an id that follows `kind`, without case: the name of that resource.
pub(super) fn segment_after<'i>(id: &'i str, kind: &str) -> Option<&'i str> {
    let mut segments = id.split('/');
    segments.by_ref().find(|segment| segment.eq_ignore_ascii_case(kind))?;
    segments.next().filter(|segment| !segment.is_empty())
}

/// The last segment of an id.
pub(super) fn last_segment(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}
