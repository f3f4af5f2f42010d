//! The answer to an HTTP request: it opens a WebSocket, or says why not.
//!
//! tungstenite parses and checks the request; its own handshake machine would drop the socket on a
//! bad one without a word, so the answers are written here.

use crate::broadcast::log::Protocol;
use tungstenite::Error;
use tungstenite::error::ProtocolError;
use tungstenite::handshake::machine::TryParse;
use tungstenite::handshake::server::{Request, create_response, write_response};
use tungstenite::http::HeaderValue;
use tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;

/// The subprotocol of JSON texts, which is also spoken to a client that offers none.
pub const JSON_SUBPROTOCOL: &str = "spreadwire.v1.json";
/// The subprotocol of binary messages, which is selected wherever it is offered.
pub const BINARY_SUBPROTOCOL: &str = "spreadwire.v1.bin";

/// Most bytes of a request's line and headers; browsers send well under 2 KiB.
pub(super) const REQUEST_BYTES_MAX: usize = 8 * 1024;

/// What to do with the bytes so far.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Upgrade {
    /// The request is not whole yet.
    Incomplete,
    /// Send the response and speak WebSocket.
    Accept(Accepted),
    /// Send the response and close.
    Refuse(Vec<u8>),
}

/// An upgrade that is made.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Accepted {
    /// Status line and headers.
    pub(super) response: Vec<u8>,
    /// Length of the request; frames begin behind it.
    pub(super) consumed: usize,
    /// The protocol that is spoken from then on.
    pub(super) protocol: Protocol,
}

/// Reads the request in `bytes`.
pub(super) fn read(bytes: &[u8]) -> Upgrade {
    match Request::try_parse(bytes) {
        Ok(None) if REQUEST_BYTES_MAX <= bytes.len() => Upgrade::Refuse(refusal(
            "431 Request Header Fields Too Large",
            "the request is longer than 8 KiB",
        )),
        Ok(None) => Upgrade::Incomplete,
        Ok(Some((consumed, request))) => match respond(&request) {
            Ok((response, protocol)) => Upgrade::Accept(Accepted { response, consumed, protocol }),
            Err(error) => Upgrade::Refuse(explain(&error)),
        },
        Err(error) => Upgrade::Refuse(explain(&error)),
    }
}

/// Returns the answer when there is no place for one more client.
pub(super) fn full() -> Vec<u8> {
    let sentence = "as many clients as are allowed are connected; try again later";
    refusal("503 Service Unavailable", sentence)
}

/// Returns a refusal with a sentence as its body.
fn refusal(status: &str, sentence: &str) -> Vec<u8> {
    let length = sentence.len() + 1;
    let upgrade = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nConnection: close";
    let kind = "Content-Type: text/plain; charset=utf-8";
    format!(
        "HTTP/1.1 {status}\r\n{upgrade}\r\n{kind}\r\nContent-Length: {length}\r\n\r\n{sentence}\n"
    )
    .into_bytes()
}

fn respond(request: &Request) -> Result<(Vec<u8>, Protocol), Error> {
    let mut response = create_response(request)?;
    let offers = |protocol: &str| {
        let offered = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL);
        let mut names = offered.iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(','));
        names.any(|name| name.trim() == protocol)
    };
    let (protocol, selected) = if offers(BINARY_SUBPROTOCOL) {
        (Protocol::Binary, Some(BINARY_SUBPROTOCOL))
    } else {
        (Protocol::Json, offers(JSON_SUBPROTOCOL).then_some(JSON_SUBPROTOCOL))
    };
    if let Some(name) = selected {
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(name));
    }
    let mut bytes = Vec::with_capacity(256);
    write_response(&mut bytes, &response)?;
    Ok((bytes, protocol))
}

fn explain(error: &Error) -> Vec<u8> {
    use ProtocolError::{
        MissingConnectionUpgradeHeader, MissingSecWebSocketVersionHeader,
        MissingUpgradeWebSocketHeader, WrongHttpMethod,
    };
    if matches!(error, Error::Protocol(WrongHttpMethod)) {
        return refusal("405 Method Not Allowed", "a WebSocket is opened with GET");
    }
    if matches!(
        error,
        Error::Protocol(
            MissingConnectionUpgradeHeader
                | MissingUpgradeWebSocketHeader
                | MissingSecWebSocketVersionHeader
        )
    ) {
        let sentence = "this is the WebSocket of spreadwire: connect with a WebSocket client";
        return refusal("426 Upgrade Required", sentence);
    }
    refusal("400 Bad Request", &error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\n\
        Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

    fn text(upgrade: Upgrade) -> String {
        match upgrade {
            Upgrade::Incomplete => String::new(),
            Upgrade::Accept(Accepted { response: bytes, .. }) | Upgrade::Refuse(bytes) => {
                String::from_utf8(bytes).unwrap()
            }
        }
    }

    #[test]
    fn a_request_cut_anywhere_is_incomplete_and_whole_it_is_accepted() {
        let request = format!("{GOOD}\r\n");
        for cut in 0..request.len() {
            assert_eq!(read(&request.as_bytes()[..cut]), Upgrade::Incomplete, "cut at {cut}");
        }
        let answer = text(read(request.as_bytes()));
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        assert!(answer.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "RFC 6455 1.3: {answer}");
        assert!(!answer.to_lowercase().contains("protocol:"), "none was offered: {answer}");
    }

    #[test]
    fn only_our_subprotocols_are_selected_and_binary_first() {
        let with = |offer: &str| {
            text(read(format!("{GOOD}Sec-WebSocket-Protocol: {offer}\r\n\r\n").as_bytes()))
        };
        assert!(with("soap, spreadwire.v1.json").contains("protocol: spreadwire.v1.json\r\n"));
        assert!(with("spreadwire.v1.json,spreadwire.v1.bin").contains("spreadwire.v1.bin\r\n"));
        let two_lines = "spreadwire.v1.json\r\nSec-WebSocket-Protocol: spreadwire.v1.bin";
        assert!(with(two_lines).contains("protocol: spreadwire.v1.bin\r\n"));
        assert!(!with("soap, spreadwire.v2").contains("protocol:"));
    }

    #[test]
    fn what_is_no_upgrade_is_told_why() {
        for (request, status) in [
            ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "426 "),
            ("POST / HTTP/1.1\r\nHost: x\r\n\r\n", "405 "),
            ("GET / HTTP/1.0\r\n\r\n", "400 "),
            ("\u{1}\u{2}\r\n\r\n", "400 "),
        ] {
            let answer = text(read(request.as_bytes()));
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{request:?}: {answer}");
        }
        let endless = format!("GET / HTTP/1.1\r\nA: {}", "a".repeat(REQUEST_BYTES_MAX));
        assert!(text(read(endless.as_bytes())).starts_with("HTTP/1.1 431 "));
    }
}
