//! Signatures of requests: HMAC-SHA256 and Ed25519.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use ring::signature::Ed25519KeyPair;
use sha2::Sha256;
use zeroize::Zeroizing;

/// Reason why a text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Empty.
    #[error("the key is empty")]
    Empty,
    /// Characters that cannot stand in a request's header.
    #[error("the key has characters other than visible ASCII")]
    Characters,
    /// No Ed25519 key in PEM.
    #[error("no Ed25519 private key in PEM; make one with: openssl genpkey -algorithm ed25519")]
    NotEd25519,
    /// A venue that signs by HMAC alone was given an Ed25519 key.
    #[error("this venue takes no Ed25519 keys: use an HMAC key")]
    HmacOnly,
}

/// Signs texts.
pub enum Signer {
    /// By HMAC-SHA256 with a secret text.
    Hmac(Zeroizing<Vec<u8>>),
    /// By Ed25519.
    Ed25519(Box<Ed25519KeyPair>),
}

impl Signer {
    /// Takes the secret of an HMAC key.
    ///
    /// # Errors
    /// If it is empty.
    pub fn hmac(secret: &str) -> Result<Signer, KeyError> {
        if secret.is_empty() {
            return Err(KeyError::Empty);
        }
        Ok(Signer::Hmac(Zeroizing::new(secret.as_bytes().to_vec())))
    }

    /// Takes an Ed25519 private key as PEM (PKCS #8).
    ///
    /// # Errors
    /// If the text is no such key.
    pub fn ed25519(pem: &str) -> Result<Signer, KeyError> {
        let body = pem
            .split_once("-----BEGIN PRIVATE KEY-----")
            .and_then(|(_, rest)| rest.split_once("-----END PRIVATE KEY-----"))
            .ok_or(KeyError::NotEd25519)?
            .0;
        let text: Zeroizing<String> =
            Zeroizing::new(body.chars().filter(|c| !c.is_ascii_whitespace()).collect());
        let der = BASE64.decode(text.as_bytes()).map(Zeroizing::new);
        let der = der.map_err(|_| KeyError::NotEd25519)?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der);
        Ok(Signer::Ed25519(Box::new(pair.map_err(|_| KeyError::NotEd25519)?)))
    }

    /// Returns whether this signs by Ed25519.
    #[must_use]
    pub fn is_ed25519(&self) -> bool {
        matches!(self, Signer::Ed25519(_))
    }

    /// Returns the signature of a text: of HMAC in lower-case hexadecimal digits, of Ed25519 in base64.
    #[must_use]
    pub fn sign(&self, text: &str) -> String {
        match self {
            Signer::Hmac(secret) => hex(&digest(secret, text)),
            Signer::Ed25519(pair) => BASE64.encode(pair.sign(text.as_bytes()).as_ref()),
        }
    }

    /// Returns the signature of a text in base64, whatever the kind of key.
    #[must_use]
    pub fn sign_base64(&self, text: &str) -> String {
        match self {
            Signer::Hmac(secret) => BASE64.encode(digest(secret, text)),
            Signer::Ed25519(_) => self.sign(text),
        }
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer(not shown)")
    }
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
fn digest(secret: &[u8], text: &str) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("a key of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().into()
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = |byte: &u8| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
    bytes.iter().flat_map(digits).map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pem(body: &str) -> String {
        format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n")
    }

    /// Binance's documentation, "SIGNED request example (HMAC)" of its WebSocket and REST APIs.
    #[test]
    fn signatures_of_binances_documentation() {
        const KEY: &str = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A";
        const SECRET: &str = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";
        let signer = Signer::hmac(SECRET).unwrap();
        for (text, expected) in [
            (
                format!(
                    "apiKey={KEY}&price=52000.00&quantity=0.01000000&recvWindow=100&side=SELL\
                     &symbol=BTCUSDT&timeInForce=GTC&timestamp=1645423376532&type=LIMIT"
                ),
                "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24",
            ),
            (
                format!(
                    "apiKey={KEY}&price=0.10000000&quantity=1.00000000&recvWindow=5000&side=BUY\
                     &symbol=１２３４５６&timeInForce=GTC&timestamp=1645423376532&type=LIMIT"
                ),
                "b33892ae8e687c939f4468c6268ddd4c40ac1af18ad19a064864c47bae0752cd",
            ),
            (
                "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1\
                 &recvWindow=5000&timestamp=1499827319559"
                    .to_owned(),
                "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71",
            ),
        ] {
            assert_eq!(signer.sign(&text), expected);
        }
    }

    /// Made with: `printf TEXT | openssl dgst -sha256 -hmac SECRET`, `-hex` or `-binary | base64`.
    #[test]
    fn login_texts_of_bybit_and_okx_are_signed_as_by_openssl() {
        let bybit = Signer::hmac("bybit-example-secret").unwrap();
        for (text, expected) in [
            (
                "GET/realtime1711010121452",
                "9e8c3a5cd33c54d8a7c19ffed1a77e2eb3f011be999623fc18e776ea0b65746e",
            ),
            (
                "1658384314791XXXXXXXXXX5000category=option&symbol=BTC-29JUL22-25000-C",
                "505efdc628fb5f1a147b060fcbada9d2e1e8aa9a7bba4bee86554404fa63fd14",
            ),
        ] {
            assert_eq!(bybit.sign(text), expected, "{text}");
        }
        let okx = Signer::hmac("22582BD0CFF14C41EDBF1AB98506286D").unwrap();
        for (text, expected) in [
            ("1538054050GET/users/self/verify", "+LdIr8lkkvhr5hoA3g9TMC0+uQJ849ftAcocA/ouu4M="),
            (
                "2020-12-08T09:08:57.715ZGET/api/v5/account/balance?ccy=BTC",
                "HiZhvSfMtWJA3uUIVXV3a/bSXNPCWvYFXoGCVS8V4zY=",
            ),
        ] {
            assert_eq!(okx.sign_base64(text), expected, "{text}");
        }
    }

    /// RFC 8032, section 7.1, tests 1 to 3, with the seeds wrapped as PKCS #8; and one text signed by
    /// `openssl pkeyutl -sign -rawin`.
    #[test]
    fn ed25519_signs_as_rfc_8032_says() {
        for (key, text, expected) in [
            (
                "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g",
                "",
                "5VZDAMNgrHKQhuLMgG6CioSHfx645dl02HPgZSJJAVVfuIIVkKM7rMYeOXAc+bRr0lv18FlbviRlUUFDjnoQCw==",
            ),
            (
                "MC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7",
                "r",
                "kqAJqfDUyrhyDoILX2QlQKKye1QWUD+Ps3YiI+vbadoIWsHkPhWZbkWPNhPQ8R2MOHsurrQwKu6wDSkWErsMAA==",
            ),
            (
                "MC4CAQAwBQYDK2VwBCIEIHDgk0TV+hgos21l+akxcGhqTTFe6nCtNdGFt7cvh91S",
                "apiKey=k&timestamp=1649729878532",
                "r7MKg3pQ7tfBLLShvvRW84MLtKYTyhVDHj/JI+lPEJ0dM4LQeXtCJMsUaV/BVl2/Q4Is5x5u8PmxiaQ37utLCQ==",
            ),
        ] {
            let signer = Signer::ed25519(&pem(key)).unwrap();
            assert_eq!(signer.sign(text), expected, "{text:?}");
            assert_eq!(signer.sign_base64(text), expected, "{text:?}");
        }
        // Test 3 signs two bytes that are no text.
        let third = "MC4CAQAwBQYDK2VwBCIEIMWqjfQ/n4N77bdELzHct7Fm04U1B28JS4XOOi4LRFj3";
        let Signer::Ed25519(pair) = Signer::ed25519(&pem(third)).unwrap() else { panic!() };
        assert_eq!(
            BASE64.encode(pair.sign(&[0xaf, 0x82]).as_ref()),
            "YpHWV97sJAJIJ+acOr4BowzlSKKEdDpEXjaA19taw6wY/5tTjRbykK5n92CYTcZZSnwV6XFu0o3AJ77O6h7ECg=="
        );
    }

    #[test]
    fn texts_that_are_no_keys_are_refused() {
        for text in ["", "MC4CAQAwBQYDK2VwBCIE", &pem("MC4CAQAwBQYDK2Vw"), &pem("not base64!")] {
            assert_eq!(Signer::ed25519(text).err(), Some(KeyError::NotEd25519), "{text:?}");
        }
        assert_eq!(Signer::hmac("").err(), Some(KeyError::Empty));
    }
}
