//! Who brings a right token comes in, and all others are told why not, counted and limited.

use spreadwire_config::secret::Secret;
use spreadwire_engine::broadcast::Settings;
use spreadwire_engine::broadcast::peer::Peer;
use spreadwire_engine::broadcast::token::{Token, TokenKind};
use spreadwire_market::clock::SECOND;
use spreadwire_rigs::broadcast::server::{Server, catalogue, end_of, settings};
use std::io::Write;
use std::net::SocketAddr;

const READ: &str = "read-0123456789abcdef0123456789abcdef";
const CONTROL: &str = "control-0123456789abcdef0123456789abcdef";

fn server() -> Server {
    let token = |name: &str, kind, secret| Token {
        name: name.into(),
        kind,
        secret: Secret::new(secret).unwrap(),
    };
    let tokens =
        vec![token("desk", TokenKind::Read, READ), token("admin", TokenKind::Control, CONTROL)];
    Server::new(catalogue(1, 2), Settings { tokens, ..settings() })
}

/// Returns what the server answers to an upgrade from an address with one more header.
fn answer(server: &mut Server, host: u8, target: &str, header: &str) -> String {
    let mut far = server.door.dial();
    far.line().peer = Peer::Remote(SocketAddr::from(([10, 0, 0, host], 5000)));
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{header}\r\n"
    );
    far.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    server.until("an answer", |_| {
        end_of(&mut far, &mut answer);
        answer.windows(4).any(|end| end == b"\r\n\r\n")
    });
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(!answer.contains("0123456789abcdef"), "it tells a token: {answer}");
    answer
}

fn status(server: &mut Server, host: u8, header: &str) -> u16 {
    answer(server, host, "/", header)[9..12].parse().unwrap()
}

#[test]
fn a_right_token_lets_in_by_header_or_subprotocol_and_nothing_else_does() {
    let mut server = server();
    let line = |value: &str| format!("Authorization: Bearer {value}\r\n");
    let offer = |value: &str| format!("Sec-WebSocket-Protocol: {value}\r\n");
    for (header, expected) in [
        (line(READ), 101),
        (offer(&format!("spreadwire.v1.json, bearer.{READ}")), 101),
        (String::new(), 401),
        (line(&READ.replace('f', "e")), 401),
        (line(CONTROL), 403),
        (line(READ).repeat(2), 400),
    ] {
        assert_eq!(status(&mut server, 1, &header), expected, "{header}");
    }
    let counts = ["no_token", "wrong_token", "token_fast"];
    let counts = counts.map(|why| server.count(&format!("disconnected.{why}")));
    assert_eq!((counts, server.count("connections")), ([1, 3, 0], 2));
}

#[test]
fn a_refusal_says_what_to_bring_and_a_token_in_the_url_is_none() {
    let mut server = server();
    let refused = answer(&mut server, 1, &format!("/?token={READ}"), "");
    assert!(refused.starts_with("HTTP/1.1 401 "), "{refused}");
    assert!(refused.contains("\r\nWWW-Authenticate: Bearer"), "{refused}");
    assert!(refused.contains("Authorization: Bearer TOKEN"), "{refused}");
    let missing = answer(&mut server, 1, "/", &format!("Origin: http://x\r\nX-Token: {READ}\r\n"));
    assert!(missing.starts_with("HTTP/1.1 403 "), "the origin is checked first: {missing}");
    assert!(!missing.contains("WWW-Authenticate"), "{missing}");
}

#[test]
fn the_selected_subprotocol_is_never_the_one_with_the_token() {
    let mut server = server();
    for (offered, selected) in [
        (format!("bearer.{READ}, spreadwire.v1.bin"), Some("spreadwire.v1.bin")),
        (format!("spreadwire.v1.json, bearer.{READ}"), Some("spreadwire.v1.json")),
        (format!("bearer.{READ}"), None),
    ] {
        let header = format!("Sec-WebSocket-Protocol: {offered}\r\n");
        let answer = answer(&mut server, 1, "/", &header);
        let line = answer.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Protocol: "));
        assert_eq!(line, selected, "{answer}");
    }
}

#[test]
fn who_fails_too_often_is_told_so_and_keeps_no_right_token_out() {
    let mut server = server();
    let right = format!("Authorization: Bearer {READ}\r\n");
    for _ in 0..10 {
        assert_eq!(status(&mut server, 1, ""), 401);
    }
    assert_eq!(status(&mut server, 1, ""), 429);
    assert_eq!(status(&mut server, 1, &right), 101, "the right one comes in all the same");
    assert_eq!(status(&mut server, 2, ""), 401, "another address has its own limit");
    server.pass(60 * SECOND);
    assert_eq!(status(&mut server, 1, ""), 401);
    assert_eq!(server.count("disconnected.token_fast"), 1);
}
