//! The lifetime of connections: how they begin, are kept alive, and end.

use spreadwire_engine::broadcast::Settings;
use spreadwire_market::clock::SECOND;
use spreadwire_rigs::broadcast::server::{Server, catalogue, end_of, settings};
use std::io::{ErrorKind, Write};
use tungstenite::protocol::frame::coding::CloseCode;

#[test]
fn only_the_subprotocol_that_is_spoken_is_selected() {
    let mut server = Server::new(catalogue(1, 2), settings());
    let mut client = server.connect_offering(Some("soap, spreadwire.v1.json"));
    client.expect(&mut server, "hello");
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Protocol: soap\r\n\r\n";
    let mut socket = server.door.dial();
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    server.until("hello behind the answer", |_| {
        end_of(&mut socket, &mut answer);
        String::from_utf8_lossy(&answer).contains("hello")
    });
    let answer = String::from_utf8_lossy(&answer).to_lowercase();
    assert!(answer.starts_with("http/1.1 101 ") && !answer.contains("sec-websocket-protocol"));
}

#[test]
fn http_that_is_no_upgrade_is_told_so() {
    let mut server = Server::new(catalogue(1, 2), settings());
    let answer = server.answer(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 426 Upgrade Required\r\n"), "{answer}");
    let answer = server.answer(b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
    let answer = server.answer(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 400 "), "TLS on a plain port: {answer}");
    assert_eq!(server.count("disconnected.no_upgrade"), 3);
}

#[test]
fn a_handshake_that_is_never_finished_is_closed() {
    let mut server = Server::new(catalogue(1, 2), settings());
    let mut socket = server.door.dial();
    socket.write_all(b"GET / HTTP/1.1\r\nHost:").unwrap();
    server.pass(4 * SECOND);
    server.until("a turn", |_| true);
    assert_eq!(server.count("disconnected.handshake_timeout"), 0);
    server.pass(6 * SECOND);
    let mut answer = Vec::new();
    server.until("the end", |server| {
        server.pass(5 * SECOND);
        end_of(&mut socket, &mut answer)
    });
    assert!(answer.is_empty());
    assert_eq!(server.count("disconnected.handshake_timeout"), 1);
}

#[test]
fn more_clients_than_allowed_are_refused_until_one_leaves() {
    let mut server = Server::new(catalogue(1, 2), Settings { max_clients: 1, ..settings() });
    let mut first = server.connect();
    first.expect(&mut server, "hello");
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let answer = server.answer(request.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    first.socket.close(None).unwrap();
    server.until("the first leaves", |server| server.count("clients") == 0);
    assert_eq!(first.close_code(&mut server), None, "our answer to its close has no code");
    server.connect().expect(&mut server, "hello");
    assert_eq!(server.count("disconnected.left"), 1);
    assert_eq!(server.count("disconnected.full"), 1);
}

#[test]
fn who_answers_pings_stays_and_who_is_silent_is_closed() {
    let mut server = Server::new(catalogue(1, 2), settings());
    let (mut alive, mut dead) = (server.connect(), server.connect());
    alive.expect(&mut server, "hello");
    dead.expect(&mut server, "hello");
    for second in 1..=35 {
        server.pass(SECOND);
        let heard = server.count("requests");
        server.turn();
        if second % 15 == 0 {
            // Reading answers the ping; the dead client never reads.
            server.until("a pong", |server| {
                alive.read();
                server.count("requests") > heard
            });
        }
    }
    assert_eq!(server.count("clients"), 1);
    assert_eq!(server.count("disconnected.silent"), 1);
    assert_eq!(dead.close_code(&mut server), Some(CloseCode::Policy));
}

#[test]
fn a_connection_that_cannot_be_accepted_is_counted_and_the_next_one_is_served() {
    let mut server = Server::new(catalogue(1, 2), settings());
    server.door.fail_accept(ErrorKind::Other);
    server.connect().expect(&mut server, "hello");
    assert_eq!((server.count("accept_failures"), server.count("clients")), (1, 1));
}

#[test]
fn a_place_that_a_client_leaves_is_the_next_ones() {
    let mut server = Server::new(catalogue(1, 2), Settings { max_clients: 2, ..settings() });
    let mut stays = server.connect();
    for left in 1..50 {
        let mut goes = server.connect();
        goes.expect(&mut server, "hello");
        drop(goes);
        server.until("it is gone", |server| server.count("clients") == 1);
        assert_eq!(server.count("connections"), 1 + left);
    }
    stays.expect(&mut server, "hello");
    assert_eq!(server.count("disconnected.full"), 0);
}
