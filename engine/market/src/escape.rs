//! Texts of a peer, made safe for a terminal and a log.
//!
//! A name, a close reason or an error text of a peer may contain ESC sequences, newlines and
//! characters that reverse the direction of what follows. [`escape`] writes each of them as
//! `\u{1b}` or `\n`, so that a line stays one line and shows what was sent.

use std::fmt::{Display, Formatter, Write};

/// A text whose `Display` shows control and other invisible characters as escapes.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a> {
    text: &'a str,
    characters_max: usize,
}

/// Returns the text in a form that can be printed: letters, digits, signs and spaces as they are,
/// everything else as an escape.
#[must_use]
pub fn escape(text: &str) -> Escaped<'_> {
    Escaped { text, characters_max: usize::MAX }
}

impl Escaped<'_> {
    /// Limits the output to the first `characters` of the text; `...` stands for the rest.
    #[must_use]
    pub fn at_most(self, characters: usize) -> Self {
        Escaped { characters_max: characters, ..self }
    }
}

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let mut characters = self.text.chars();
        for character in characters.by_ref().take(self.characters_max) {
            if is_printable(character) {
                f.write_char(character)?;
            } else {
                write!(f, "{}", character.escape_debug())?;
            }
        }
        f.write_str(if characters.next().is_some() { "..." } else { "" })
    }
}

/// Returns whether a character is shown as itself: it is neither a control character nor one that
/// is invisible, combines with the one before it, or changes the direction of the text.
#[must_use]
pub fn is_printable(character: char) -> bool {
    // These three are printable, but `escape_debug` escapes them for use inside of quotes.
    matches!(character, '"' | '\'' | '\\') || character.escape_debug().len() == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown_and_the_rest_is_left_alone() {
        for (text, expected) in [
            ("BTC/USDT:PERP", "BTC/USDT:PERP"),
            ("Zürich 東京 \"a\\b\" it's", "Zürich 東京 \"a\\b\" it's"),
            ("\u{1b}[2J\u{1b}]0;x\u{7}", "\\u{1b}[2J\\u{1b}]0;x\\u{7}"),
            ("one\ntwo\r\tthree\0", "one\\ntwo\\r\\tthree\\0"),
            ("\u{9b}31m\u{7f}", "\\u{9b}31m\\u{7f}"),
            ("a\u{202e}b\u{2066}c\u{200f}d\u{61c}", "a\\u{202e}b\\u{2066}c\\u{200f}d\\u{61c}"),
            (
                "a\u{200b}\u{feff}\u{2028}\u{2029}\u{ad}",
                "a\\u{200b}\\u{feff}\\u{2028}\\u{2029}\\u{ad}",
            ),
            ("", ""),
        ] {
            assert_eq!(escape(text).to_string(), expected);
            assert!(escape(text).to_string().chars().all(is_printable));
        }
    }

    #[test]
    fn a_long_text_is_cut_in_characters_of_the_original() {
        assert_eq!(escape("äöü").at_most(3).to_string(), "äöü");
        assert_eq!(escape("ä\nü").at_most(2).to_string(), "ä\\n...");
        assert_eq!(escape("x").at_most(0).to_string(), "...");
    }
}
