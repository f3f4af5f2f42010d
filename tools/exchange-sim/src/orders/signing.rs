//! The signatures of the venues: HMAC-SHA256 as hex or base64, and Ed25519 as base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use ring::signature::{ED25519, UnparsedPublicKey};

/// Returns the HMAC-SHA256 of a message.
fn hmac(secret: &str, message: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), message.as_bytes())
}

/// Returns the HMAC-SHA256 of a message as hex.
pub(crate) fn hmac_hex(secret: &str, message: &str) -> String {
    use std::fmt::Write as _;
    hmac(secret, message).as_ref().iter().fold(String::new(), |mut out, byte| {
        let written = write!(out, "{byte:02x}");
        debug_assert!(written.is_ok(), "writing to a String cannot fail");
        out
    })
}

/// Returns the HMAC-SHA256 of a message as base64.
pub(crate) fn hmac_base64(secret: &str, message: &str) -> String {
    STANDARD.encode(hmac(secret, message))
}

/// Returns whether `signature`, in base64, is the Ed25519 signature of a message.
pub(crate) fn is_ed25519(public: &[u8], message: &str, signature: &str) -> bool {
    let Ok(bytes) = STANDARD.decode(signature) else { return false };
    UnparsedPublicKey::new(&ED25519, public).verify(message.as_bytes(), &bytes).is_ok()
}

/// Returns the bytes of a text of hex digits.
pub(crate) fn bytes_of_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of Binance's documentation.
    const SECRET: &str = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";

    #[test]
    fn the_three_examples_of_binance_have_their_signatures() {
        const KEY: &str = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A";
        for (message, signature) in [
            (
                format!(
                    "apiKey={KEY}&price=52000.00&quantity=0.01000000&recvWindow=100&side=SELL&\
                     symbol=BTCUSDT&timeInForce=GTC&timestamp=1645423376532&type=LIMIT"
                ),
                "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24",
            ),
            (
                format!(
                    "apiKey={KEY}&price=0.10000000&quantity=1.00000000&recvWindow=5000&side=BUY&\
                     symbol=１２３４５６&timeInForce=GTC&timestamp=1645423376532&type=LIMIT"
                ),
                "b33892ae8e687c939f4468c6268ddd4c40ac1af18ad19a064864c47bae0752cd",
            ),
            (
                "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&\
                 recvWindow=5000&timestamp=1499827319559"
                    .to_owned(),
                "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71",
            ),
        ] {
            assert_eq!(hmac_hex(SECRET, &message), signature);
        }
    }

    /// RFC 4231, test case 2, as hex and as base64.
    #[test]
    fn hmac_is_that_of_rfc_4231() {
        let (key, data) = ("Jefe", "what do ya want for nothing?");
        let hex = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(hmac_hex(key, data), hex);
        assert_eq!(hmac_base64(key, data), STANDARD.encode(bytes_of_hex(hex).expect("hex")));
    }

    /// RFC 8032, section 7.1, tests 1 and 2: the messages are empty and one byte, `r`.
    #[test]
    fn ed25519_is_that_of_rfc_8032() {
        for (public, message, signature) in [
            (
                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
                "",
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bac\
                 c61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
            ),
            (
                "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
                "r",
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e\
                 458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
            ),
        ] {
            let public = bytes_of_hex(public).expect("hex");
            let signature = STANDARD.encode(bytes_of_hex(signature).expect("hex"));
            assert!(is_ed25519(&public, message, &signature));
            assert!(!is_ed25519(&public, "x", &signature));
            assert!(!is_ed25519(&public, message, &signature.to_lowercase()));
            assert!(!is_ed25519(&public, message, "no base64"));
        }
    }

    #[test]
    fn hex_is_pairs_of_digits() {
        assert_eq!(bytes_of_hex("00fF"), Some(vec![0, 255]));
        assert_eq!(bytes_of_hex("0"), None);
        assert_eq!(bytes_of_hex("zz"), None);
    }
}
