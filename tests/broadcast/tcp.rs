//! The agent over real sockets on loopback. Only the kernel's behaviour is tested here. Tests wait
//! for what they can see, however long the kernel takes.

use serde_json::json;
use spreadwire_engine::broadcast::network::Network;
use spreadwire_engine::broadcast::{self, Settings};
use spreadwire_rigs::broadcast::model::Model;
use spreadwire_rigs::broadcast::server::{Client, Door, Server, catalogue, settings, spread};
use std::io::{ErrorKind, Read, Write};
use tungstenite::protocol::frame::coding::CloseCode;

#[test]
fn a_port_in_use_is_an_error_at_start() {
    let server = Server::on_loopback(catalogue(1, 2), settings());
    let error = broadcast::bind(server.door).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&server.door.to_string()), "{error}");
}

#[test]
fn clients_connect_ask_listen_and_leave() {
    let mut model = Model::new(31, 3, 3);
    let mut server = Server::on_loopback(catalogue(3, 3), settings());
    let mut clients = [server.connect(), server.connect()];
    for client in &mut clients {
        client.expect(&mut server, "snapshot");
    }
    (0..500).for_each(|_| model.batch(&mut server));
    let [first, second] = &mut clients;
    for client in [&mut *first, &mut *second] {
        client.until_seq(&mut server, model.seq);
        assert_eq!(client.spread_seqs(), (1..=model.seq).collect::<Vec<_>>());
    }
    first.ask(&json!({"op": "ping", "id": "here"}));
    assert_eq!(first.expect(&mut server, "pong")["id"], "here");
    first.say("buy!");
    assert_eq!(first.close_code(&mut server), Some(CloseCode::Invalid));
    second.socket.close(None).unwrap();
    server.until("the second leaves", |server| server.count("disconnected.left") == 1);
    assert_eq!(server.count("clients"), 0);
    let answer = server.answer(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 426 Upgrade Required\r\n"), "{answer}");
}

#[test]
fn a_client_that_the_kernel_takes_no_more_for_is_conflated_and_then_reads_on() {
    let mut server = Server::on_loopback(catalogue(2, 2), settings());
    let mut slow = server.connect();
    slow.expect(&mut server, "snapshot");
    falls_behind_and_reads_on(&mut server, &mut slow, 1_000);
}

/// Sends batches of spreads until a client that does not read is conflated, then has it read: it is
/// told of each spread, or that it missed it.
pub(crate) fn falls_behind_and_reads_on<N: Network, D: Door>(
    server: &mut Server<N, D>,
    slow: &mut Client<D::Far>,
    batch: i64,
) {
    let mut seq = 0;
    while server.count("congestions") == 0 {
        assert!(seq < 1_000_000, "what is buffered for a client has no end");
        (0..batch).for_each(|n| server.send(spread(0, 0, 1, 10_000 + n)));
        seq += batch.unsigned_abs();
        server.turn();
    }
    server.until("it has caught up", |_| {
        slow.read();
        slow.seen.last().is_some_and(|m| m["seq"] == seq)
    });
    let gap = slow.seen.iter().find(|m| m["type"] == "gap").unwrap();
    let missed = gap["missed"].as_u64().unwrap();
    assert_eq!(slow.spread_seqs().len() as u64 + missed, seq, "told or missed, nothing else");
}

#[test]
fn a_client_that_resets_its_connection_is_gone() {
    let mut server = Server::on_loopback(catalogue(2, 2), settings());
    let mut client = server.connect();
    client.expect(&mut server, "snapshot");
    client.socket.get_mut().write_all(&[0x81]).unwrap();
    // If a socket is closed with unread data, the kernel sends a reset.
    server.send(spread(0, 0, 1, 10_100));
    server.turn();
    drop(client);
    server.until("it is gone", |server| server.count("clients") == 0);
    assert_eq!(server.count("disconnected.left") + server.count("disconnected.reset"), 1);
}

#[test]
fn a_refused_connection_gets_its_answer_whole_although_it_sends_on() {
    let limits = Settings { max_clients: 1, ..settings() };
    let mut server = Server::on_loopback(catalogue(1, 2), limits);
    let mut first = server.connect();
    first.expect(&mut server, "hello");
    let mut socket = std::net::TcpStream::connect(server.door).unwrap();
    let upgrade = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    // What follows is in the kernel when the answer is sent: closing at once would reset.
    socket.write_all(&[upgrade.as_bytes(), &[0x81; 20_000]].concat()).unwrap();
    socket.set_nonblocking(true).unwrap();
    let (mut answer, mut end) = (Vec::new(), None);
    server.until("the answer and the end", |_| {
        let mut bytes = [0; 4096];
        match socket.read(&mut bytes) {
            Ok(0) => end = Some(Ok(())),
            Ok(count) => answer.extend(&bytes[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => end = Some(Err(error.kind())),
        }
        end.is_some()
    });
    assert_eq!(end, Some(Ok(())), "an end, not a reset");
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("later\n"), "{answer}");
}
