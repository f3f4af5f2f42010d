//! The key to an account, as a text in JSON. No part of it is ever shown.

use serde::Deserialize;
use spreadwire_gateways::credentials::Keys;
use zeroize::Zeroize;

/// What a key looks like.
const FORMS: &str = "write {\"api_key\": \"...\", \"secret\": \"...\"}, with a \"passphrase\" for OKX, or \
    {\"api_key\": \"...\", \"ed25519\": \"-----BEGIN PRIVATE KEY-----...\"}";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    api_key: String,
    #[serde(default)]
    secret: String,
    #[serde(default)]
    passphrase: String,
    #[serde(default)]
    ed25519: String,
}

impl Drop for Written {
    fn drop(&mut self) {
        self.secret.zeroize();
        self.passphrase.zeroize();
        self.ed25519.zeroize();
    }
}

/// Reads a key.
///
/// # Errors
/// What is wrong and what to do, without the key.
pub(crate) fn read(text: &str) -> Result<Keys, (String, &'static str)> {
    // What the reader says of a wrong value would show it.
    let written: Written = serde_json::from_str(text).map_err(|error| {
        (format!("the key is not as expected at column {}", error.column()), FORMS)
    })?;
    let keys = match (written.secret.as_str(), written.ed25519.as_str()) {
        (secret, "") => Keys::hmac(&written.api_key, secret, &written.passphrase),
        ("", pem) => Keys::ed25519(&written.api_key, pem),
        _ => return Err(("the key has both secret and ed25519".to_owned(), FORMS)),
    };
    keys.map_err(|error| (error.to_string(), FORMS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_both_kinds_are_read_and_wrong_ones_are_not_shown() {
        let pem = "-----BEGIN PRIVATE KEY-----\\n\
            MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\\n\
            -----END PRIVATE KEY-----\\n";
        let keys = read(r#"{"api_key": "k", "secret": "s", "passphrase": "p"}"#).unwrap();
        assert_eq!((keys.api_key(), keys.passphrase()), ("k", "p"));
        assert!(!keys.signer().is_ed25519());
        let keys = read(&format!(r#"{{"api_key": "k", "ed25519": "{pem}"}}"#)).unwrap();
        assert!(keys.signer().is_ed25519());
        for text in [
            "hidden",
            r#""hidden""#,
            r#"{"api_key": "hidden"}"#,
            r#"{"secret": "hidden"}"#,
            r#"{"api_key": "k", "secret": ["hidden"]}"#,
            r#"{"api_key": "k", "secret": "hidden", "hidden": 1}"#,
            r#"{"api_key": "k", "secret": "hidden", "ed25519": "hidden"}"#,
            r#"{"api_key": "k", "ed25519": "hidden"}"#,
            r#"{"api_key": "hid\nden", "secret": "s"}"#,
        ] {
            let (reason, remedy) = read(text).unwrap_err();
            assert!(!reason.contains("hid"), "{reason}");
            assert!(remedy.contains("api_key"));
        }
    }
}
