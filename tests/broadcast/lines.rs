//! Sockets that accept bytes as they like: one at a time, up to any byte of a frame, or no more.

use crate::plain_binary;
use serde_json::{Value, json};
use spreadwire_engine::broadcast::{BINARY_SUBPROTOCOL, JSON_SUBPROTOCOL, Settings};
use spreadwire_market::clock::SECOND;
use spreadwire_rigs::broadcast::fake_network::Step;
use spreadwire_rigs::broadcast::model::Model;
use spreadwire_rigs::broadcast::server::{Client, Server, catalogue, settings, spread};
use std::io::ErrorKind;
use tungstenite::protocol::frame::coding::CloseCode;

const SUBPROTOCOLS: [&str; 2] = [JSON_SUBPROTOCOL, BINARY_SUBPROTOCOL];

/// Returns what a client has received since the last call, in either protocol.
fn told(client: &mut Client) -> Vec<Value> {
    client.read();
    let mut told = std::mem::take(&mut client.seen);
    told.extend(plain_binary::decode(&std::mem::take(&mut client.bytes)));
    told
}

fn seqs(told: &[Value]) -> Vec<u64> {
    told.iter().map(|m| m["seq"].as_u64().unwrap()).collect()
}

#[test]
fn a_line_that_passes_one_byte_at_a_time_passes_everything() {
    let mut model = Model::new(21, 3, 3);
    let mut server = Server::new(catalogue(3, 3), settings());
    let thin = server.door.dial();
    thin.line().chunk = 1;
    let mut thin = server.shake_hands(thin, None);
    let mut wide = server.connect();
    for client in [&mut thin, &mut wide] {
        client.ask(&json!({"op": "subscribe", "id": "mine", "venues": ["venue0"]}));
        client.expect(&mut server, "subscribed");
        client.expect(&mut server, "snapshot");
    }
    (0..100).for_each(|_| model.batch(&mut server));
    thin.ask(&json!({"op": "ping", "id": "end"}));
    let pong = thin.expect(&mut server, "pong");
    assert_eq!(pong["id"], "end");
    (0..20).for_each(|_| model.batch(&mut server));
    server.turn();
    wide.read();
    server.until("everything", |_| {
        thin.read();
        thin.seen.last() == wide.seen.last()
    });
    assert!(!thin.seen.is_empty() && wide.seen.ends_with(&thin.seen));
}

#[test]
fn a_socket_that_would_block_at_any_byte_tears_no_frame() {
    for subprotocol in SUBPROTOCOLS {
        let mut server = Server::new(catalogue(2, 2), settings());
        let mut client = server.connect_offering(Some(subprotocol));
        server.send(spread(0, 0, 1, 10_100));
        server
            .until("the first spread", |_| told(&mut client).last().is_some_and(|m| m["seq"] == 1));
        let mut seq = 1;
        // Three frames of at most 350 bytes: the cut falls on every byte of each.
        for cut in 0..1_100 {
            client.line().budget = cut;
            (0..3).for_each(|n| server.send(spread(0, 0, 1, 10_100 + n)));
            server.turn();
            let mut all = told(&mut client);
            // What follows is queued after the frame that was begun.
            (0..2).for_each(|n| server.send(spread(0, 0, 1, 10_200 + n)));
            server.turn();
            client.line().lift_budget();
            server.turn();
            all.append(&mut told(&mut client));
            assert_eq!(seqs(&all), (seq + 1..=seq + 5).collect::<Vec<_>>(), "cut at {cut}");
            seq += 5;
        }
        assert_eq!((server.count("congestions"), server.count("clients")), (0, 1));
    }
}

#[test]
fn a_client_that_falls_behind_at_any_byte_of_a_frame_gets_that_frame_whole() {
    for subprotocol in SUBPROTOCOLS {
        let limits = Settings { client_buffer_bytes: 128 * 1024, ..settings() };
        let mut server = Server::new(catalogue(2, 2), limits);
        let mut client = server.connect_offering(Some(subprotocol));
        server.send(spread(0, 0, 1, 10_100));
        server
            .until("the first spread", |_| told(&mut client).last().is_some_and(|m| m["seq"] == 1));
        let mut seq = 1;
        // One frame and the first bytes of the next.
        for cut in 0..360 {
            let congestions = server.count("congestions");
            client.line().budget = cut;
            let first = seq + 1;
            while server.count("congestions") == congestions {
                for _ in 0..100 {
                    seq += 1;
                    server.send(spread(0, 0, 1, 10_000 + i64::try_from(seq % 90).unwrap()));
                }
                server.turn();
            }
            client.line().lift_budget();
            let mut all = Vec::new();
            server.until("it has caught up", |_| {
                all.append(&mut told(&mut client));
                all.last().is_some_and(|m| m["seq"] == seq)
            });
            let gap = all.iter().position(|m| m["type"] == "gap").unwrap();
            let missed = all[gap]["missed"].as_u64().unwrap();
            let before = seqs(&all[..gap]);
            assert_eq!(before, (first..first + gap as u64).collect::<Vec<_>>(), "cut at {cut}");
            assert_eq!(seqs(&all[gap + 1..]), [seq], "the latest, cut at {cut}");
            assert_eq!(gap as u64 + missed + 1, seq + 1 - first, "told or missed, cut at {cut}");
            assert_eq!(all[gap]["from_seq"], first + gap as u64);
            assert_eq!(all[gap]["to_seq"], seq - 1);
        }
        assert_eq!(server.count("clients"), 1);
    }
}

#[test]
fn interrupted_and_partial_writes_lose_nothing() {
    let mut server = Server::new(catalogue(2, 2), settings());
    let mut client = server.connect();
    client.expect(&mut server, "snapshot");
    let interrupted = Step::Fail(ErrorKind::Interrupted);
    client.line().script =
        [interrupted, Step::Take(1), interrupted, interrupted, Step::Take(200), Step::Take(7)]
            .into();
    (0..5).for_each(|n| server.send(spread(0, 0, 1, 10_100 + n)));
    server.turn();
    client.read();
    assert_eq!(client.spread_seqs(), [1, 2, 3, 4, 5]);
    assert!(client.line().script.is_empty());
}

#[test]
fn a_write_that_fails_ends_that_client_alone() {
    for step in
        [Step::Fail(ErrorKind::ConnectionReset), Step::Fail(ErrorKind::BrokenPipe), Step::Take(0)]
    {
        let mut server = Server::new(catalogue(2, 2), settings());
        let (mut lost, mut other) = (server.connect(), server.connect());
        lost.expect(&mut server, "snapshot");
        other.expect(&mut server, "snapshot");
        lost.line().script = [Step::Take(50), step].into();
        server.send(spread(0, 0, 1, 10_100));
        server.turn();
        assert_eq!(
            (server.count("clients"), server.count("disconnected.reset")),
            (1, 1),
            "{step:?}"
        );
        server.send(spread(0, 0, 1, 10_200));
        other.until_seq(&mut server, 2);
        assert_eq!(other.spread_seqs(), [1, 2]);
        assert_eq!(lost.close_code(&mut server), None, "the line ends within a frame");
    }
}

#[test]
fn a_client_that_vanishes_is_a_departure_like_any_other() {
    let mut server = Server::new(catalogue(1, 2), settings());
    let mut client = server.connect();
    client.expect(&mut server, "snapshot");
    drop(client);
    server.until("it is gone", |server| server.count("clients") == 0);
    assert_eq!(server.count("disconnected.left") + server.count("disconnected.reset"), 1);
}

#[test]
fn who_is_told_to_go_but_takes_nothing_is_let_go_after_a_second() {
    let mut server = Server::new(catalogue(1, 2), settings());
    let mut client = server.connect();
    client.expect(&mut server, "snapshot");
    client.line().budget = 3;
    client.say("buy!");
    server.until("it is told to go", |server| server.count("clients") == 0);
    server.pass(SECOND - 1);
    server.turn();
    client.line().lift_budget();
    server.turn();
    assert_eq!(client.close_code(&mut server), Some(CloseCode::Invalid), "still in time");

    let mut client = server.connect();
    client.expect(&mut server, "snapshot");
    client.line().budget = 3;
    client.say("buy!");
    server.until("it is told to go", |server| server.count("clients") == 0);
    server.pass(SECOND);
    server.turn();
    client.line().lift_budget();
    assert_eq!(client.close_code(&mut server), None, "cut off");
    assert_eq!(server.count("disconnected.not_json"), 2);
}
