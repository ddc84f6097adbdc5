//! Words of a text with their places, by line or as a tree of statements and blocks. Bounded in number and depth, so
//! that no text can fill the memory or the stack.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use crate::config::{Finding, Place, Source, codes};

/// The most words of a text that is read as a tree.
const MOST_WORDS: usize = 2_000_000;
/// The deepest blocks.
const DEEPEST: usize = 32;

/// A word.
#[derive(Debug, Clone)]
pub(super) struct Word<'s> {
    /// Its text, without quotes.
    pub(super) text: Cow<'s, str>,
    /// Whether it stood in quotes.
    pub(super) quoted: bool,
    /// The octets that it stands in, quotes included.
    span: Range<usize>,
}

impl Word<'_> {
    /// Where it stands.
    pub(super) fn place(&self, source: &Arc<Source>) -> Place {
        source.place(self.span.clone())
    }

    /// At most 60 characters of it, for messages.
    pub(super) fn shortened(&self) -> String {
        self.text.chars().take(60).collect()
    }
}

/// A statement: words, and maybe a block behind them.
#[derive(Debug)]
pub(super) struct Statement<'s> {
    /// Its words; never none.
    pub(super) words: Vec<Word<'s>>,
    /// Its block.
    pub(super) block: Option<Vec<Statement<'s>>>,
}

impl<'s> Statement<'s> {
    /// Its first word.
    pub(super) fn key(&self) -> &str {
        self.words.first().map_or("", |word| &word.text)
    }

    /// Its words but the first.
    pub(super) fn values(&self) -> &[Word<'s>] {
        self.words.get(1..).unwrap_or_default()
    }

    /// Where it begins.
    pub(super) fn place(&self, source: &Arc<Source>) -> Place {
        self.words.first().map_or_else(|| source.place(0..0), |word| word.place(source))
    }

    /// Its words as one line, for messages.
    pub(super) fn text(&self) -> String {
        let line: String = self.words.iter().map(|word| &*word.text).collect::<Vec<_>>().join(" ");
        let mut short: String = line.chars().take(80).collect();
        if short.len() < line.len() {
            short.push('…');
        }
        short
    }

    /// The statements of its block.
    pub(super) fn inside(&self) -> &[Self] {
        self.block.as_deref().unwrap_or_default()
    }
}

/// The words of each line that has some; a comment begins with one of `comments` at the start of a word.
pub(super) fn words<'s>(source: &'s Source, comments: &'s [char]) -> impl Iterator<Item = Vec<Word<'s>>> + 's {
    let text = source.text();
    let mut at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    std::iter::from_fn(move || {
        while at < text.len() {
            let rest = text.get(at..)?;
            let end = rest.find('\n').map_or(text.len(), |end| at + end + 1);
            let line = line_words(text.get(at..end)?, at, comments);
            at = end;
            if !line.is_empty() {
                return Some(line);
            }
        }
        None
    })
}

/// The words of one line that begins at `start`.
fn line_words<'s>(line: &'s str, start: usize, comments: &[char]) -> Vec<Word<'s>> {
    let mut words = Vec::new();
    let mut begun: Option<usize> = None;
    for (at, c) in line.char_indices() {
        if let Some(from) = begun {
            if c.is_whitespace() {
                words.extend(line.get(from..at).map(|text| plain(text, start + from)));
                begun = None;
            }
        } else if comments.contains(&c) {
            return words;
        } else if !c.is_whitespace() {
            begun = Some(at);
        }
    }
    if let Some(from) = begun {
        words.extend(line.get(from..).map(|text| plain(text, start + from)));
    }
    words
}

/// All words of a text that has no blocks, quotes taken off; comments begin with `#`.
///
/// # Errors
/// An open quote, or too many words.
pub(super) fn quoted_words<'s>(source: &'s Arc<Source>, what: &str) -> Result<Vec<Word<'s>>, Box<Finding>> {
    let text = source.text();
    let at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let syntax = Syntax { by_line: true, slashes: false, single: true };
    let mut reader = Reader { text, at, syntax, left: MOST_WORDS };
    let mut words = Vec::new();
    loop {
        match reader.next().map_err(|fault| not_a_tree(source, what, fault))? {
            Token::Word(word) if words.len() == MOST_WORDS => {
                return Err(not_a_tree(source, what, (word.span, format!("more than {MOST_WORDS} words"))));
            }
            Token::Word(word) => words.push(word),
            Token::Open(at) | Token::Close(at) => {
                return Err(not_a_tree(source, what, (at..at + 1, "a brace".to_owned())));
            }
            Token::End => {}
            Token::Done => return Ok(words),
        }
    }
}

/// A word without quotes.
fn plain(text: &str, at: usize) -> Word<'_> {
    Word { text: Cow::Borrowed(text), quoted: false, span: at..at + text.len() }
}

/// How a format is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Syntax {
    /// Whether a line's end ends a statement; else `;` does.
    pub(super) by_line: bool,
    /// Whether `//` and `/* */` begin comments beside `#`.
    pub(super) slashes: bool,
    /// Whether `'` opens a word as `"` does.
    pub(super) single: bool,
}

/// Reads a text as a tree.
///
/// # Errors
/// An open quote, comment or block, a brace too many, too many words, blocks too deep.
pub(super) fn tree(source: &Source, syntax: Syntax) -> Result<Vec<Statement<'_>>, (Range<usize>, String)> {
    let text = source.text();
    let at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut reader = Reader { text, at, syntax, left: MOST_WORDS };
    reader.block(0, None)
}

/// The finding of a text that is no tree.
pub(super) fn not_a_tree(source: &Arc<Source>, what: &str, fault: (Range<usize>, String)) -> Box<Finding> {
    let message = format!("not {what}: {}", fault.1);
    Box::new(Finding::new(&codes::NOT_THIS_FORMAT, source.place(fault.0), "", message))
}

/// What is met next.
enum Token<'s> {
    Word(Word<'s>),
    Open(usize),
    Close(usize),
    /// The end of a statement.
    End,
    /// The end of the text.
    Done,
}

struct Reader<'s> {
    text: &'s str,
    at: usize,
    syntax: Syntax,
    left: usize,
}

impl<'s> Reader<'s> {
    /// The statements up to the end of a block that was opened at `open`, or of the text.
    fn block(&mut self, depth: usize, open: Option<usize>) -> Result<Vec<Statement<'s>>, (Range<usize>, String)> {
        let mut statements = Vec::new();
        let mut words: Vec<Word<'s>> = Vec::new();
        loop {
            match self.next()? {
                Token::Word(word) => {
                    self.left = self.left.saturating_sub(1);
                    if self.left == 0 {
                        return Err((word.span, format!("more than {MOST_WORDS} words")));
                    }
                    words.push(word);
                }
                Token::Open(at) => {
                    if depth >= DEEPEST {
                        return Err((at..at + 1, format!("blocks more than {DEEPEST} deep")));
                    }
                    let block = Some(self.block(depth + 1, Some(at))?);
                    if words.is_empty() {
                        return Err((at..at + 1, "a block without a name".to_owned()));
                    }
                    let mut statement = Statement { words: std::mem::take(&mut words), block };
                    if !self.syntax.by_line {
                        self.rest(&mut statement)?;
                    }
                    statements.push(statement);
                }
                Token::End if words.is_empty() => {}
                Token::End => statements.push(Statement { words: std::mem::take(&mut words), block: None }),
                Token::Close(at) if open.is_none() => return Err((at..at + 1, "a brace too many".to_owned())),
                Token::Done if open.is_some() => {
                    let at = open.unwrap_or_default();
                    return Err((at..at + 1, "the block that is opened here is never closed".to_owned()));
                }
                Token::Close(_) | Token::Done => {
                    if let (false, Some(word)) = (self.syntax.by_line || words.is_empty(), words.first()) {
                        return Err((word.span.clone(), "a statement without its semicolon".to_owned()));
                    }
                    if !words.is_empty() {
                        statements.push(Statement { words, block: None });
                    }
                    return Ok(statements);
                }
            }
        }
    }

    /// Words behind a block, up to the semicolon: they belong to the statement (`zone "x" { … } in;` is not known, but
    /// harmless).
    fn rest(&mut self, statement: &mut Statement<'s>) -> Result<(), (Range<usize>, String)> {
        loop {
            let before = self.at;
            match self.next()? {
                Token::Word(word) => statement.words.push(word),
                Token::End | Token::Done => return Ok(()),
                Token::Open(_) | Token::Close(_) => {
                    self.at = before;
                    return Ok(());
                }
            }
        }
    }

    /// The next token.
    fn next(&mut self) -> Result<Token<'s>, (Range<usize>, String)> {
        loop {
            let start = self.at;
            let Some(c) = self.text.get(start..).and_then(|rest| rest.chars().next()) else { return Ok(Token::Done) };
            let ahead = |text: &str| self.text.get(start..).is_some_and(|rest| rest.starts_with(text));
            match c {
                '\n' => {
                    self.at += 1;
                    if self.syntax.by_line {
                        return Ok(Token::End);
                    }
                }
                ';' if !self.syntax.by_line => {
                    self.at += 1;
                    return Ok(Token::End);
                }
                '#' => self.skip_line(),
                '/' if self.syntax.slashes && ahead("//") => self.skip_line(),
                '/' if self.syntax.slashes && ahead("/*") => {
                    let end = self.text.get(start + 2..).and_then(|rest| rest.find("*/"));
                    let Some(end) = end else {
                        return Err((start..start + 2, "the comment that is opened here is never closed".to_owned()));
                    };
                    self.at = start + 2 + end + 2;
                }
                '{' if self.is_brace() => {
                    self.at += 1;
                    return Ok(Token::Open(start));
                }
                '}' if self.is_brace() => {
                    self.at += 1;
                    return Ok(Token::Close(start));
                }
                '"' => return self.quoted('"').map(Token::Word),
                '\'' if self.syntax.single => return self.quoted('\'').map(Token::Word),
                c if c.is_whitespace() => self.at += c.len_utf8(),
                _ => return Ok(Token::Word(self.bare())),
            }
        }
    }

    /// Whether the brace at the cursor stands alone: by line `{$NAME}` is a word.
    fn is_brace(&self) -> bool {
        let rest = self.text.get(self.at + 1..).unwrap_or_default();
        !self.syntax.by_line || rest.chars().next().is_none_or(|c| c.is_whitespace() || c == '#')
    }

    fn skip_line(&mut self) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        self.at += rest.find('\n').unwrap_or(rest.len());
    }

    /// A word in quotes; a backslash takes the next character as it is.
    fn quoted(&mut self, quote: char) -> Result<Word<'s>, (Range<usize>, String)> {
        let start = self.at;
        let rest = self.text.get(start + 1..).unwrap_or_default();
        let mut text = String::new();
        let mut escaped = false;
        for (at, c) in rest.char_indices() {
            if escaped {
                text.push(c);
                escaped = false;
                continue;
            }
            match c {
                '\\' => escaped = true,
                c if c == quote => {
                    self.at = start + 1 + at + 1;
                    return Ok(Word { text: Cow::Owned(text), quoted: true, span: start..self.at });
                }
                c => text.push(c),
            }
        }
        Err((start..start + 1, "the quote that is opened here is never closed".to_owned()))
    }

    /// A word without quotes.
    fn bare(&mut self) -> Word<'s> {
        let start = self.at;
        let rest = self.text.get(start..).unwrap_or_default();
        let by_line = self.syntax.by_line;
        let ends = |c: char| c.is_whitespace() || !by_line && matches!(c, ';' | '{' | '}' | '"');
        let end = rest.find(ends).unwrap_or(rest.len()).max(1);
        self.at = start + end;
        plain(rest.get(..end).unwrap_or_default(), start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BIND: Syntax = Syntax { by_line: false, slashes: true, single: false };
    const COREFILE: Syntax = Syntax { by_line: true, slashes: false, single: false };

    /// The tree as text.
    fn brief(statements: &[Statement<'_>]) -> String {
        let one = |own: &Statement<'_>| match &own.block {
            Some(block) => format!("{}{{{}}}", own.text(), brief(block)),
            None => own.text(),
        };
        statements.iter().map(one).collect::<Vec<_>>().join("; ")
    }

    fn read(text: &str, syntax: Syntax) -> Result<String, String> {
        let source = Source::new("x", text);
        let tree = tree(&source, syntax).map(|tree| brief(&tree));
        tree.map_err(|(span, message)| {
            format!("{}:{} {message}", source.place(span.clone()).line(), source.place(span).column())
        })
    }

    #[test]
    fn statements_end_by_line_or_by_semicolon() {
        let text = "options { a b; // x\n c { d; }; /* } */ }; zone \"e;f\" in { g; };";
        assert_eq!(read(text, BIND).unwrap(), "options{a b; c{d}}; zone e;f in{g}");
        let text = ". example:53 {\n  forward . {$UP} # up\n  hosts {\n 1 a\n }\n}\n";
        assert_eq!(read(text, COREFILE).unwrap(), ". example:53{forward . {$UP}; hosts{1 a}}");
    }

    #[test]
    fn cut_texts_say_what_was_opened_where() {
        assert_eq!(read("a;\nb { c;", BIND).unwrap_err(), "2:3 the block that is opened here is never closed");
        assert_eq!(read("a \"b;", BIND).unwrap_err(), "1:3 the quote that is opened here is never closed");
        assert_eq!(read("a /* b", BIND).unwrap_err(), "1:3 the comment that is opened here is never closed");
        assert_eq!(read("a; };", BIND).unwrap_err(), "1:4 a brace too many");
        assert_eq!(read("a b", BIND).unwrap_err(), "1:1 a statement without its semicolon");
        assert_eq!(read("x {\n", COREFILE).unwrap_err(), "1:3 the block that is opened here is never closed");
        let deep = "a {".repeat(100_000);
        assert!(read(&deep, BIND).unwrap_err().ends_with("deep"));
        let many = "a ".repeat(MOST_WORDS + 1);
        assert!(read(&many, COREFILE).unwrap_err().ends_with("words"));
    }
}
