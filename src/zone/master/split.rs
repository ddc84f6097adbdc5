//! Text → logical lines of tokens: quotes, parentheses, comments, blanks in front (RFC 1035 §5.1).

/// One token; escapes are left in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token<'t> {
    /// As written, without the quotes.
    pub(super) text: &'t str,
    /// Whether it stood in quotes.
    pub(super) quoted: bool,
}

/// One entry, which parentheses may spread over several lines.
#[derive(Debug, Clone)]
pub(super) struct Line<'t> {
    /// The line that it begins at, from 1.
    pub(super) number: u32,
    /// Whether it begins with a blank: the owner is that of the entry before.
    pub(super) blank: bool,
    /// Its tokens.
    pub(super) tokens: Vec<Token<'t>>,
    /// Why it cannot be read.
    pub(super) fault: Option<&'static str>,
}

/// All entries of a text; empty ones are left out.
pub(super) fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let mut splitter = Splitter { text, at: 0, number: 1 };
    std::iter::from_fn(move || splitter.next())
}

struct Splitter<'t> {
    text: &'t str,
    at: usize,
    number: u32,
}

impl<'t> Splitter<'t> {
    /// The octet at the cursor.
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Moves behind the octet at the cursor.
    fn step(&mut self) {
        if self.peek() == Some(b'\n') {
            self.number = self.number.saturating_add(1);
        }
        self.at = self.at.saturating_add(1);
    }

    /// The next entry that has tokens or a fault.
    fn next(&mut self) -> Option<Line<'t>> {
        while self.peek().is_some() {
            let blank = matches!(self.peek(), Some(b' ' | b'\t'));
            let mut line = Line { number: self.number, blank, tokens: Vec::new(), fault: None };
            self.entry(&mut line);
            if !line.tokens.is_empty() || line.fault.is_some() {
                return Some(line);
            }
        }
        None
    }

    /// Reads to the end of an entry.
    fn entry(&mut self, line: &mut Line<'t>) {
        let mut depth = 0_u32;
        while let Some(octet) = self.peek() {
            match octet {
                b'\n' => {
                    self.step();
                    if depth == 0 {
                        return;
                    }
                }
                b' ' | b'\t' | b'\r' => self.step(),
                b';' => {
                    while self.peek().is_some_and(|octet| octet != b'\n') {
                        self.step();
                    }
                }
                b'(' => {
                    depth = depth.saturating_add(1);
                    self.step();
                }
                b')' => {
                    if depth == 0 {
                        line.fault = Some("a closing parenthesis without an opening one");
                    }
                    depth = depth.saturating_sub(1);
                    self.step();
                }
                b'"' => self.quoted(line),
                _ => self.word(line),
            }
        }
        if depth > 0 {
            line.fault = Some("a parenthesis is not closed");
        }
    }

    /// A token in quotes, which does not go over the end of a line.
    fn quoted(&mut self, line: &mut Line<'t>) {
        self.step();
        let start = self.at;
        loop {
            match self.peek() {
                None | Some(b'\n') => {
                    line.fault = Some("a quote is not closed");
                    return;
                }
                Some(b'"') => break,
                Some(b'\\') => {
                    self.step();
                    if self.peek().is_some_and(|octet| octet != b'\n') {
                        self.step();
                    }
                }
                Some(_) => self.step(),
            }
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        line.tokens.push(Token { text, quoted: true });
        self.step();
    }

    /// A token without quotes.
    fn word(&mut self, line: &mut Line<'t>) {
        let start = self.at;
        while let Some(octet) = self.peek() {
            match octet {
                b'\n' | b' ' | b'\t' | b'\r' | b';' | b'(' | b')' | b'"' => break,
                b'\\' => {
                    self.step();
                    if self.peek().is_some_and(|octet| octet != b'\n') {
                        self.step();
                    }
                }
                _ => self.step(),
            }
        }
        // an escape may have ended inside a character
        let mut end = self.at;
        while !self.text.is_char_boundary(end) {
            end = end.saturating_add(1);
        }
        self.at = end;
        let text = self.text.get(start..end).unwrap_or_default();
        line.tokens.push(Token { text, quoted: false });
    }
}
