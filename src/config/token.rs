//! The bearer token of the admin API (RFC 6750), kept as a digest alone, so that no log and no dump can have it.

use std::fmt;

use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use subtle::ConstantTimeEq;

/// Characters of a token at least.
const LEAST: usize = 16;
/// Characters of a token at most.
const MOST: usize = 1_024;

/// Why a text is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadToken {
    /// Too few characters to be unguessable, or too many.
    #[error("a token has {LEAST} to {MOST} characters")]
    Length,
    /// A character that no header may carry.
    #[error("a token holds letters, digits and `-._~+/=` alone")]
    Character,
}

/// A token.
#[derive(Clone, PartialEq, Eq)]
pub struct Token([u8; SHA256_OUTPUT_LEN]);

impl Token {
    /// Reads a file's text; white space around it does not count.
    ///
    /// # Errors
    /// Where it is none.
    pub fn read(text: &str) -> Result<Self, BadToken> {
        let text = text.trim();
        if !(LEAST..=MOST).contains(&text.len()) {
            return Err(BadToken::Length);
        }
        // RFC 6750 §2.1.
        if !text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-._~+/=".contains(&octet)) {
            return Err(BadToken::Character);
        }
        Ok(Self(hash(text)))
    }

    /// Whether `presented` is the token; in a time that tells nothing of it.
    pub fn is(&self, presented: &str) -> bool {
        self.0.ct_eq(&hash(presented)).into()
    }
}

fn hash(text: &str) -> [u8; SHA256_OUTPUT_LEN] {
    digest(&SHA256, text.as_bytes()).as_ref().try_into().unwrap_or_default()
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "0123456789abcdef";

    #[test]
    fn a_token_is_itself_and_nothing_else() {
        let token = Token::read(&format!("{OWN}\n")).unwrap();
        assert!(token.is(OWN));
        for other in ["", "0123456789abcdeg", "0123456789abcdef0", "0123456789ABCDEF", " 0123456789abcdef"] {
            assert!(!token.is(other), "{other}");
        }
        assert!(!format!("{token:?}").contains("0123"));
    }

    #[test]
    fn what_is_guessable_or_fits_no_header_is_refused() {
        assert_eq!(Token::read(""), Err(BadToken::Length));
        assert_eq!(Token::read("short"), Err(BadToken::Length));
        assert_eq!(Token::read(&"x".repeat(1_025)), Err(BadToken::Length));
        assert_eq!(Token::read("0123456789 abcdef"), Err(BadToken::Character));
        assert_eq!(Token::read("0123456789äabcdef"), Err(BadToken::Character));
    }
}
