//! Keys to an account. They are never printed, and overwritten in memory when they are dropped.
//!
//! Nothing is read here: the caller reads keys from where its configuration says they are.

use crate::signing::{KeyError, Signer};
use zeroize::Zeroizing;

/// The keys to an account at a venue.
pub struct Keys {
    api_key: String,
    signer: Signer,
    passphrase: Zeroizing<String>,
}

impl Keys {
    /// Takes keys that sign by HMAC-SHA256. Only OKX has a passphrase; it is empty elsewhere.
    ///
    /// # Errors
    /// If the key or the secret is empty, or if one of them could not stand in a header.
    pub fn hmac(api_key: &str, secret: &str, passphrase: &str) -> Result<Keys, KeyError> {
        Keys::new(api_key, Signer::hmac(secret)?, passphrase)
    }

    /// Takes keys that sign by Ed25519, which Binance recommends. `private_key` is a PEM text
    /// (`BEGIN PRIVATE KEY`, PKCS #8).
    ///
    /// # Errors
    /// If the key is empty, or if `private_key` is no such text.
    pub fn ed25519(api_key: &str, private_key: &str) -> Result<Keys, KeyError> {
        Keys::new(api_key, Signer::ed25519(private_key)?, "")
    }

    fn new(api_key: &str, signer: Signer, passphrase: &str) -> Result<Keys, KeyError> {
        let plain = |text: &str| text.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
        if api_key.is_empty() || !plain(api_key) || api_key.contains(' ') || !plain(passphrase) {
            return Err(KeyError::Characters);
        }
        let passphrase = Zeroizing::new(passphrase.to_owned());
        Ok(Keys { api_key: api_key.to_owned(), signer, passphrase })
    }

    /// Returns the public part.
    #[must_use]
    pub fn api_key(&self) -> &str {
        &self.api_key
    }

    /// Returns what signs.
    #[must_use]
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// Returns the passphrase, to send it to the venue.
    #[must_use]
    pub fn passphrase(&self) -> &str {
        &self.passphrase
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(not shown)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_not_printed() {
        let keys = Keys::hmac("public-part", "a-secret-text", "a pass phrase").unwrap();
        let shown = format!("{keys:?} {:?}", keys.signer());
        for hidden in ["public-part", "a-secret-text", "a pass phrase"] {
            assert!(!shown.contains(hidden), "{shown}");
        }
    }

    #[test]
    fn keys_that_cannot_stand_in_a_header_are_refused() {
        for (api_key, secret, passphrase) in
            [("", "s", ""), ("a b", "s", ""), ("a\nb", "s", ""), ("a", "", ""), ("a", "s", "x\r\n")]
        {
            assert!(Keys::hmac(api_key, secret, passphrase).is_err(), "{api_key:?} {secret:?}");
        }
    }
}
