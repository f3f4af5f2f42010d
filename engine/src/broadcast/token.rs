//! Tokens: named secrets that let their holders in.

use spreadwire_config::secret::Secret;
use spreadwire_market::named;
use std::sync::Arc;

named! {
    /// What a token is good for. A token of one kind is not good for the other.
    pub enum TokenKind {
        /// Reading the stream.
        Read => "read",
        /// Commands to the engine, of which there are none yet.
        Control => "control",
    }
}

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The name, which is told instead of the secret.
    pub name: Arc<str>,
    /// What it is good for.
    pub kind: TokenKind,
    /// The secret.
    pub secret: Secret,
}

impl Token {
    /// Finds the token with a secret. All are compared, so that the time tells nothing about which
    /// one it was.
    pub(super) fn find<'a>(tokens: &'a [Token], secret: &str) -> Option<&'a Token> {
        let mut found = None;
        for token in tokens {
            if token.secret.is(secret) {
                found = Some(token);
            }
        }
        found
    }
}
