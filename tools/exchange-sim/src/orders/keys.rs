//! The API keys that the simulator knows.
//!
//! The built-in keys are no secrets: they are documented, so that tests and demos can sign with them. A
//! file of other keys is JSON:
//!
//! ```json
//! [
//!   { "venue": "binance", "key": "...", "secret": "..." },
//!   { "venue": "binance", "key": "...", "ed25519": "64 hex digits of the public key" },
//!   { "venue": "okx", "key": "...", "secret": "...", "passphrase": "..." }
//! ]
//! ```

use std::path::Path;

use serde_json::Value;

use crate::error::SimError;
use crate::orders::signing;

/// How requests of a key are signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    /// HMAC-SHA256 with this secret.
    Hmac(String),
    /// Ed25519; this is the public key.
    Ed25519(Vec<u8>),
}

/// An API key of a venue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Name of the venue.
    pub venue: String,
    /// The key that requests name.
    pub key: String,
    /// How its requests are signed.
    pub secret: Secret,
    /// The passphrase, for OKX. Empty for other venues.
    pub passphrase: String,
}

impl ApiKey {
    /// Returns whether `signature` is this key's signature of a message. `hmac` writes an HMAC as the
    /// venue does.
    pub(crate) fn signs(
        &self,
        message: &str,
        signature: &str,
        hmac: fn(&str, &str) -> String,
    ) -> bool {
        match &self.secret {
            Secret::Hmac(secret) => hmac(secret, message) == signature,
            Secret::Ed25519(public) => signing::is_ed25519(public, message, signature),
        }
    }
}

/// Private key, as hex, of the built-in Ed25519 key. It is that of RFC 8032, section 7.1, test 1.
pub const TEST_ED25519_PRIVATE: &str =
    "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";

const TEST_ED25519_PUBLIC: &str =
    "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

/// Returns the built-in keys.
#[must_use]
pub fn test_keys() -> Vec<ApiKey> {
    let hmac = |venue: &str, passphrase: &str| ApiKey {
        venue: venue.to_owned(),
        key: format!("sim-{venue}-key"),
        secret: Secret::Hmac(format!("sim-{venue}-secret")),
        passphrase: passphrase.to_owned(),
    };
    let ed25519 = ApiKey {
        venue: "binance".to_owned(),
        key: "sim-binance-ed25519-key".to_owned(),
        secret: Secret::Ed25519(signing::bytes_of_hex(TEST_ED25519_PUBLIC).unwrap_or_default()),
        passphrase: String::new(),
    };
    vec![hmac("binance", ""), ed25519, hmac("bybit", ""), hmac("okx", "sim-okx-passphrase")]
}

/// Reads a file of keys.
///
/// # Errors
///
/// If the file cannot be read or an entry is not as described in this file.
pub fn read_keys(path: &Path) -> Result<Vec<ApiKey>, SimError> {
    let text = std::fs::read_to_string(path).map_err(|source| SimError::file(path, source))?;
    let wrong = |why: &str| SimError::Option(format!("keys of {}: {why}", path.display()));
    let parsed: Value = serde_json::from_str(&text).map_err(|it| wrong(&it.to_string()))?;
    let list = parsed.as_array().ok_or_else(|| wrong("expected a list"))?;
    let entry = |(index, it): (usize, &Value)| {
        key_of(it).ok_or_else(|| {
            wrong(&format!(
                "entry {} needs venue, key, and either secret or ed25519 (64 hex digits)",
                index + 1
            ))
        })
    };
    list.iter().enumerate().map(entry).collect()
}

fn key_of(entry: &Value) -> Option<ApiKey> {
    let text = |name: &str| entry.get(name).and_then(Value::as_str).map(str::to_owned);
    let secret = match (text("secret"), text("ed25519")) {
        (Some(secret), None) => Secret::Hmac(secret),
        (None, Some(public)) => {
            Secret::Ed25519(signing::bytes_of_hex(&public).filter(|bytes| bytes.len() == 32)?)
        }
        (Some(_), Some(_)) | (None, None) => return None,
    };
    let passphrase = text("passphrase").unwrap_or_default();
    Some(ApiKey { venue: text("venue")?, key: text("key")?, secret, passphrase })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_keys_are_read_and_wrong_entries_are_named() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("keys.json");
        let write = |text: &str| std::fs::write(&path, text).expect("temporary file");
        let public = "00".repeat(32);
        write(&format!(
            r#"[{{"venue":"okx","key":"k","secret":"s","passphrase":"p"}},
                {{"venue":"binance","key":"e","ed25519":"{public}"}}]"#
        ));
        let keys = read_keys(&path).expect("good keys");
        assert_eq!((keys[0].key.as_str(), keys[0].passphrase.as_str()), ("k", "p"));
        assert_eq!(keys[1].secret, Secret::Ed25519(vec![0; 32]));
        for (text, told) in [
            ("{}", "expected a list"),
            (r#"[{"venue":"okx","key":"k"}]"#, "entry 1 needs venue"),
            (r#"[{"venue":"okx","key":"k","ed25519":"00"}]"#, "64 hex digits"),
            ("[", "EOF"),
        ] {
            write(text);
            let problem = read_keys(&path).expect_err(text).to_string();
            assert!(problem.contains(told), "{problem}");
        }
    }
}
