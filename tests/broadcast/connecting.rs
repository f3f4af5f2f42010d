//! The lifetime of connections: how they begin, are kept alive, and end.

use spreadwire_engine::broadcast::Settings;
use spreadwire_market::clock::SECOND;
use spreadwire_rigs::broadcast::fake_network::Far;
use spreadwire_rigs::broadcast::server::{Server, catalogue, end_of, settings};
use std::io::{ErrorKind, Read, Write};
use tungstenite::protocol::frame::coding::CloseCode;

/// A whole request for an upgrade.
const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

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
    let answer = server.answer(UPGRADE.as_bytes());
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

/// Returns whether the server has closed a connection, without a word.
fn is_cut(far: &mut Far) -> bool {
    matches!(far.read(&mut [0; 64]), Ok(0))
}

#[test]
fn half_open_connections_give_way_to_newer_ones_and_keep_nobody_out() {
    let limits = Settings { max_upgrades: 8, ..settings() };
    let mut server = Server::new(catalogue(1, 2), limits);
    let mut half_open: Vec<Far> = Vec::new();
    for number in 0..100 {
        let mut far = server.door.dial();
        far.write_all(b"GET / HTTP/1.1\r\n").unwrap();
        half_open.push(far);
        server.turn();
        if number % 10 == 9 {
            server.connect().expect(&mut server, "hello");
        }
    }
    let cut = half_open.iter_mut().map(is_cut).collect::<Vec<_>>();
    let held = cut.iter().filter(|cut| !**cut).count();
    assert!((1..=8).contains(&held), "{held} are held");
    assert!(cut.is_sorted_by_key(|cut| !cut), "the oldest were closed");
    assert_eq!(server.count("disconnected.evicted"), 100 - held as u64);
    // One of those that are left goes on.
    let last = half_open.last_mut().unwrap();
    last.write_all(&UPGRADE.as_bytes()["GET / HTTP/1.1\r\n".len()..]).unwrap();
    let mut answer = Vec::new();
    server.until("an upgrade", |_| {
        end_of(half_open.last_mut().unwrap(), &mut answer);
        answer.starts_with(b"HTTP/1.1 101 ")
    });
}

#[test]
fn a_burst_of_connections_in_one_cycle_keeps_nobody_out() {
    let limits = Settings { max_upgrades: 8, ..settings() };
    let mut server = Server::new(catalogue(1, 2), limits);
    let mut far = server.door.dial();
    far.write_all(UPGRADE.as_bytes()).unwrap();
    let others: Vec<Far> = (0..7).map(|_| server.door.dial()).collect();
    let mut answer = Vec::new();
    server.until("an upgrade", |_| {
        end_of(&mut far, &mut answer);
        answer.starts_with(b"HTTP/1.1 101 ")
    });
    drop(others);
}

#[test]
fn an_address_with_too_many_connections_or_too_fast_ones_is_told_so() {
    let limits = Settings { clients_per_address: 2, connects_per_second: 4, ..settings() };
    let mut server = Server::new(catalogue(1, 2), limits);
    let (mut first, mut second) = (server.connect(), server.connect());
    first.expect(&mut server, "hello");
    second.expect(&mut server, "hello");
    let answer = server.answer(UPGRADE.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 429 ") && answer.contains("as many"), "{answer}");
    drop(first);
    server.until("the first leaves", |server| server.count("clients") == 1);
    server.turn();
    let mut third = server.connect();
    third.expect(&mut server, "hello");
    let answer = server.answer(UPGRADE.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 429 ") && answer.contains("too often"), "{answer}");
    drop(third);
    server.until("the third leaves", |server| server.count("clients") == 1);
    server.turn();
    server.pass(SECOND);
    server.connect().expect(&mut server, "hello");
    let refused = ["address_full", "address_fast"];
    let counts = refused.map(|why| server.count(&format!("disconnected.{why}")));
    assert_eq!(counts, [1, 1]);
}

#[test]
fn foreign_hosts_and_origins_are_refused_and_counted() {
    let origins = vec!["https://pages.example".to_owned()];
    let limits = Settings { hosts: vec!["spreads.example".to_owned()], origins, ..settings() };
    let mut server = Server::new(catalogue(1, 2), limits);
    let mut answer = |host: &str, origin: &str| {
        let host = UPGRADE.replace("localhost", host);
        let request = host.replace("Upgrade: websocket", &format!("Upgrade: websocket{origin}"));
        let mut far = server.door.dial();
        far.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        server.until("an answer", |_| {
            end_of(&mut far, &mut answer);
            !answer.is_empty()
        });
        String::from_utf8_lossy(&answer[9..12]).into_owned()
    };
    assert_eq!(answer("spreads.example", "\r\nOrigin: https://pages.example"), "101");
    assert_eq!(answer("evil.example", ""), "403");
    assert_eq!(answer("localhost", "\r\nOrigin: https://evil.example"), "403");
    assert_eq!(server.count("disconnected.foreign_host"), 1);
    assert_eq!(server.count("disconnected.foreign_origin"), 1);
}

#[test]
fn who_is_refused_and_never_closes_is_let_go_after_a_second() {
    let mut server = Server::new(catalogue(1, 2), settings());
    let mut far = server.door.dial();
    far.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    server.until("the answer and our end", |_| end_of(&mut far, &mut answer));
    assert!(answer.starts_with(b"HTTP/1.1 426 "));
    server.pass(SECOND - 1);
    server.turn();
    far.write_all(b"more").unwrap();
    server.pass(1);
    server.turn();
    assert_eq!(far.write(b"more").unwrap_err().kind(), ErrorKind::BrokenPipe, "it is closed");
}

#[test]
fn who_leaves_but_never_closes_is_let_go_after_a_second() {
    let mut server = Server::new(catalogue(1, 2), settings());
    let mut client = server.connect();
    client.expect(&mut server, "snapshot");
    client.say("buy!");
    assert_eq!(client.close_code(&mut server), Some(CloseCode::Invalid));
    server.pass(SECOND);
    (0..3).for_each(|_| {
        server.turn();
    });
    server.pass(SECOND);
    (0..3).for_each(|_| {
        server.turn();
    });
    let late = client.socket.get_mut().write(b"more");
    assert_eq!(late.unwrap_err().kind(), ErrorKind::BrokenPipe, "it is closed");
}
