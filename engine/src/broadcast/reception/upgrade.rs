//! The answer to an HTTP request: it opens a WebSocket, or says why not.
//!
//! tungstenite parses the request. What makes it an upgrade is checked here, by RFC 6455 (4.2.1)
//! and RFC 9110: headers may come in several lines, and what could mean two things is refused.

use super::access::Access;
use super::denial::{Denial, UNAUTHORIZED, values};
use crate::broadcast::departure::Dismissal;
use crate::broadcast::log::Protocol;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::sync::Arc;
use tungstenite::Error;
use tungstenite::error::{CapacityError, ProtocolError};
use tungstenite::handshake::derive_accept_key;
use tungstenite::handshake::machine::TryParse;
use tungstenite::handshake::server::Request;
use tungstenite::http::HeaderMap;
use tungstenite::http::header::{
    CONNECTION, CONTENT_LENGTH, HeaderName, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
};

/// The subprotocol of JSON texts, which is also spoken to a client that offers none.
pub const JSON_SUBPROTOCOL: &str = "spreadwire.v1.json";
/// The subprotocol of binary messages, which is selected wherever it is offered.
pub const BINARY_SUBPROTOCOL: &str = "spreadwire.v1.bin";

/// Most bytes of a request's line and headers; browsers send well under 2 KiB.
pub(in crate::broadcast) const REQUEST_BYTES_MAX: usize = 8 * 1024;

/// The status of an address beyond a limit.
const TOO_MANY: &str = "429 Too Many Requests";
/// The version of the WebSocket protocol.
const VERSION: &str = "13";
/// Bytes of a client's key.
const KEY_BYTES: usize = 16;

/// What to do with the bytes so far.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::broadcast) enum Upgrade {
    /// The request is not whole yet.
    Incomplete,
    /// Send the response and speak WebSocket.
    Accept(Accepted),
    /// Send the response and close.
    Refuse(Dismissal, Vec<u8>),
}

/// An upgrade that is made.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::broadcast) struct Accepted {
    /// Status line and headers.
    pub(in crate::broadcast) response: Vec<u8>,
    /// Length of the request; frames begin behind it.
    pub(in crate::broadcast) consumed: usize,
    /// The protocol that is spoken from then on.
    pub(in crate::broadcast) protocol: Protocol,
    /// The name of the token that the request brought, if it needed one.
    pub(in crate::broadcast) token: Option<Arc<str>>,
}

/// Reads the request in `bytes`.
pub(in crate::broadcast) fn read(bytes: &[u8], access: &Access) -> Upgrade {
    let upgrade = match Request::try_parse(bytes) {
        Ok(None) if REQUEST_BYTES_MAX <= bytes.len() => {
            let too_large = "431 Request Header Fields Too Large";
            Err(denial(too_large, "the request is longer than 8 KiB"))
        }
        Ok(None) => return Upgrade::Incomplete,
        Ok(Some((consumed, request))) => check(request.headers(), access)
            .map(|(key, token)| accept(&key, request.headers(), consumed, token))
            .map_err(|denial| *denial),
        Err(error) => Err(explain(&error)),
    };
    match upgrade {
        Ok(accepted) => Upgrade::Accept(accepted),
        Err(Denial { why, status, sentence }) => Upgrade::Refuse(why, refusal(status, &sentence)),
    }
}

/// Returns the subprotocol that is spoken.
pub(super) fn name_of(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Json => JSON_SUBPROTOCOL,
        Protocol::Binary => BINARY_SUBPROTOCOL,
    }
}

/// Returns the answer when there is no place for one more client.
pub(super) fn full() -> Vec<u8> {
    let sentence = "as many clients as are allowed are connected; try again later";
    refusal("503 Service Unavailable", sentence)
}

/// Returns the answer to an address that has too many connections, or makes them too fast.
pub(super) fn too_many(why: Dismissal) -> Vec<u8> {
    let sentence = if why == Dismissal::AddressFast {
        "your address connects too often; wait a second, and longer after each failure"
    } else {
        "your address has as many connections as one may have"
    };
    refusal(TOO_MANY, sentence)
}

/// Returns the answer to an address that brings no right token too often.
pub(super) fn failed_too_often() -> Vec<u8> {
    refusal(TOO_MANY, "your address brings no right token too often; wait a minute")
}

/// Returns a refusal with a sentence as its body.
fn refusal(status: &str, sentence: &str) -> Vec<u8> {
    let length = sentence.len() + 1;
    let upgrade = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nConnection: close";
    let challenge = if status == UNAUTHORIZED {
        "WWW-Authenticate: Bearer realm=\"spreadwire\"\r\n"
    } else {
        ""
    };
    let kind = "Content-Type: text/plain; charset=utf-8";
    format!(
        "HTTP/1.1 {status}\r\n{upgrade}\r\n{challenge}{kind}\r\nContent-Length: {length}\r\n\r\n{sentence}\n"
    )
    .into_bytes()
}

fn denial(status: &'static str, sentence: &str) -> Denial {
    Denial { why: Dismissal::NoUpgrade, status, sentence: sentence.to_owned() }
}

/// Checks that this is an upgrade that may be made; returns the client's key and its token's name.
fn check(headers: &HeaderMap, access: &Access) -> Result<(String, Option<Arc<str>>), Box<Denial>> {
    let bad = |sentence: &str| Box::new(denial("400 Bad Request", sentence));
    let is_upgrade = lists(headers, CONNECTION, "upgrade") && lists(headers, UPGRADE, "websocket");
    let versions: Vec<&str> = values(headers, SEC_WEBSOCKET_VERSION).collect();
    if !is_upgrade || versions.is_empty() || (versions.len() == 1 && versions != [VERSION]) {
        let sentence = "this is the WebSocket of spreadwire: connect with a WebSocket client";
        return Err(Box::new(denial("426 Upgrade Required", sentence)));
    }
    let keys: Vec<&str> = values(headers, SEC_WEBSOCKET_KEY).collect();
    let &[key] = &keys[..] else {
        return Err(bad("an upgrade has one Sec-WebSocket-Key"));
    };
    if versions.len() != 1 {
        return Err(bad("an upgrade has one Sec-WebSocket-Version"));
    }
    if STANDARD.decode(key).map(|key| key.len()) != Ok(KEY_BYTES) {
        return Err(bad("Sec-WebSocket-Key is 16 bytes in base64"));
    }
    if values(headers, CONTENT_LENGTH).any(|length| length != "0")
        || headers.contains_key(TRANSFER_ENCODING)
    {
        return Err(bad("an upgrade has no body"));
    }
    let token = access.check(headers).map_err(Box::new)?;
    Ok((key.to_owned(), token))
}

/// Returns whether a header lists a token in any of its lines.
fn lists(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    values(headers, name)
        .flat_map(|value| value.split(','))
        .any(|listed| listed.trim().eq_ignore_ascii_case(token))
}

fn accept(key: &str, headers: &HeaderMap, consumed: usize, token: Option<Arc<str>>) -> Accepted {
    let offers = |protocol: &str| {
        let mut offered =
            values(headers, SEC_WEBSOCKET_PROTOCOL).flat_map(|value| value.split(','));
        offered.any(|name| name.trim() == protocol)
    };
    let (protocol, selected) = if offers(BINARY_SUBPROTOCOL) {
        (Protocol::Binary, Some(BINARY_SUBPROTOCOL))
    } else {
        (Protocol::Json, offers(JSON_SUBPROTOCOL).then_some(JSON_SUBPROTOCOL))
    };
    let accept = derive_accept_key(key.as_bytes());
    let selected =
        selected.map_or_else(String::new, |name| format!("Sec-WebSocket-Protocol: {name}\r\n"));
    let response = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{selected}\r\n"
    );
    Accepted { response: response.into_bytes(), consumed, protocol, token }
}

fn explain(error: &Error) -> Denial {
    if matches!(error, Error::Protocol(ProtocolError::WrongHttpMethod)) {
        return denial("405 Method Not Allowed", "a WebSocket is opened with GET");
    }
    if matches!(error, Error::Capacity(CapacityError::TooManyHeaders)) {
        let too_large = "431 Request Header Fields Too Large";
        return denial(too_large, "the request has too many headers");
    }
    denial("400 Bad Request", &error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broadcast::settings::Settings;

    const GOOD: &str = "GET / HTTP/1.1\r\nHost: localhost:8181\r\nConnection: keep-alive, Upgrade\r\n\
        Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

    fn answer(request: &str) -> Upgrade {
        let settings = Settings {
            hosts: vec!["Spreads.example".to_owned()],
            origins: vec!["https://pages.example:8443".to_owned()],
            ..Settings::default()
        };
        read(request.as_bytes(), &Access::new(&settings))
    }

    fn text(upgrade: Upgrade) -> String {
        match upgrade {
            Upgrade::Incomplete => String::new(),
            Upgrade::Accept(Accepted { response: bytes, .. }) | Upgrade::Refuse(_, bytes) => {
                String::from_utf8(bytes).unwrap()
            }
        }
    }

    /// Returns a good request without the line of a header, and with other lines.
    fn with(instead_of: &str, lines: &[&str]) -> String {
        let rest = GOOD.split_inclusive("\r\n").filter(|line| !line.starts_with(instead_of));
        let added = lines.iter().map(|line| format!("{line}\r\n"));
        rest.map(str::to_owned).chain(added).collect::<String>() + "\r\n"
    }

    #[test]
    fn a_request_cut_anywhere_is_incomplete_and_whole_it_is_accepted() {
        let request = format!("{GOOD}\r\n");
        for cut in 0..request.len() {
            assert_eq!(answer(&request[..cut]), Upgrade::Incomplete, "cut at {cut}");
        }
        let answer = text(answer(&request));
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        assert!(answer.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "RFC 6455 1.3: {answer}");
        assert!(!answer.to_lowercase().contains("protocol:"), "none was offered: {answer}");
    }

    #[test]
    fn only_our_subprotocols_are_selected_and_binary_first() {
        let with = |offer: &str| {
            text(answer(&with("-", &[&format!("Sec-WebSocket-Protocol: {offer}")]))).to_lowercase()
        };
        assert!(with("soap, spreadwire.v1.json").contains("protocol: spreadwire.v1.json\r\n"));
        assert!(with("spreadwire.v1.json,spreadwire.v1.bin").contains("spreadwire.v1.bin\r\n"));
        let two_lines = "spreadwire.v1.json\r\nSec-WebSocket-Protocol: spreadwire.v1.bin";
        assert!(with(two_lines).contains("protocol: spreadwire.v1.bin\r\n"));
        assert!(!with("soap, spreadwire.v2").contains("protocol:"));
    }

    #[test]
    fn an_upgrade_may_be_written_in_several_ways_but_not_mean_two_things() {
        let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
        for (instead_of, lines, status) in [
            ("-", &[][..], "101 "),
            ("Connection", &["Connection: keep-alive", "Connection: Upgrade"], "101 "),
            ("Connection", &["connection:upgrade,close"], "101 "),
            ("Connection", &["Connection: keep-alive"], "426 "),
            ("Connection", &["Connection: notupgrade"], "426 "),
            ("Upgrade", &["Upgrade: h2c, WebSocket"], "101 "),
            ("Upgrade", &["Upgrade: h2c", "Upgrade: websocket"], "101 "),
            ("Upgrade", &["Upgrade: h2c"], "426 "),
            ("Sec-WebSocket-Version", &["Sec-WebSocket-Version: 8"], "426 "),
            ("Sec-WebSocket-Version", &[], "426 "),
            ("-", &["Sec-WebSocket-Version: 13"], "400 "),
            ("-", &["Sec-WebSocket-Version: 8"], "400 "),
            ("-", &[key], "400 "),
            ("Sec-WebSocket-Key", &[], "400 "),
            ("Sec-WebSocket-Key", &["Sec-WebSocket-Key: c2hvcnQ="], "400 "),
            ("Sec-WebSocket-Key", &["Sec-WebSocket-Key: not base64 at all!!!"], "400 "),
            ("-", &["Content-Length: 0"], "101 "),
            ("-", &["Content-Length: 5"], "400 "),
            ("-", &["Content-Length: 0", "Content-Length: 5"], "400 "),
            ("-", &["Transfer-Encoding: chunked"], "400 "),
        ] {
            let answer = text(answer(&with(instead_of, lines)));
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{lines:?}: {answer}");
        }
    }

    #[test]
    fn hosts_and_origins_are_ours_or_listed_and_the_answer_names_the_key() {
        let (host, origin) = (Dismissal::ForeignHost, Dismissal::ForeignOrigin);
        for (instead_of, lines, expected) in [
            ("Host", &["Host: 127.0.0.1:8181"][..], None),
            ("Host", &["Host: 192.168.1.5"], None),
            ("Host", &["Host: [::1]:8181"], None),
            ("Host", &["Host: LOCALHOST"], None),
            ("Host", &["Host: localhost.:80"], None),
            ("Host", &["Host: spreads.EXAMPLE:443"], None),
            ("Host", &["Host: evil.example"], Some((host, "403 ", "broadcast.hosts"))),
            ("Host", &["Host: localhost.evil.example"], Some((host, "403 ", "broadcast.hosts"))),
            ("Host", &["Host: 127.0.0.1.evil.example"], Some((host, "403 ", "broadcast.hosts"))),
            ("Host", &["Host: localhost@evil.example"], Some((host, "400 ", "Host"))),
            ("Host", &["Host: "], Some((host, "400 ", "Host"))),
            ("Host", &[], Some((host, "400 ", "Host"))),
            ("-", &["Host: localhost"], Some((host, "400 ", "one Host"))),
            ("-", &["Origin: https://pages.example:8443"], None),
            ("-", &["Origin: https://pages.example"], Some((origin, "403 ", "broadcast.origins"))),
            ("-", &["Origin: http://localhost"], Some((origin, "403 ", "broadcast.origins"))),
            ("-", &["Origin: null"], Some((origin, "403 ", "broadcast.origins"))),
            (
                "-",
                &["Origin: https://pages.example:8443", "Origin: https://pages.example:8443"],
                Some((origin, "400 ", "one Origin")),
            ),
        ] {
            match (answer(&with(instead_of, lines)), expected) {
                (Upgrade::Accept(_), None) => {}
                (Upgrade::Refuse(why, bytes), Some((counted, status, word))) => {
                    let text = String::from_utf8(bytes).unwrap();
                    assert_eq!(why, counted, "{lines:?}");
                    assert!(text.starts_with(&format!("HTTP/1.1 {status}")), "{lines:?}: {text}");
                    assert!(text.contains(word), "{lines:?}: {text}");
                }
                (answer, _) => panic!("{lines:?}: {}", text(answer)),
            }
        }
    }

    #[test]
    fn what_is_no_upgrade_is_told_why() {
        for (request, status) in [
            ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "426 "),
            ("POST / HTTP/1.1\r\nHost: x\r\n\r\n", "405 "),
            ("GET / HTTP/1.0\r\n\r\n", "400 "),
            ("\u{1}\u{2}\r\n\r\n", "400 "),
        ] {
            let answer = text(answer(request));
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{request:?}: {answer}");
        }
        let endless = format!("GET / HTTP/1.1\r\nA: {}", "a".repeat(REQUEST_BYTES_MAX));
        assert!(text(answer(&endless)).starts_with("HTTP/1.1 431 "));
        let many = with("-", &["A: b"; 200]);
        assert!(text(answer(&many)).starts_with("HTTP/1.1 431 "));
    }
}
