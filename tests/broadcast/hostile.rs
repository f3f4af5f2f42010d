//! Clients that say as much as they can: each costs its budget, and the others notice nothing.

use serde_json::json;
use spreadwire_engine::broadcast::{Settings, client_bytes_max};
use spreadwire_engine::runtime::agent::Agent;
use spreadwire_market::clock::{MILLI, SECOND};
use spreadwire_rigs::broadcast::fake_network::Far;
use spreadwire_rigs::broadcast::server::{Client, Server, catalogue, settings, spread};
use std::io::Write;
use std::sync::Arc;
use tungstenite::protocol::frame::coding::CloseCode;

/// Returns an empty masked frame.
fn empty(first: u8) -> [u8; 6] {
    [first, 0x80, 0, 0, 0, 0]
}

/// Returns a server, a client that attacks, and another.
fn scene(limits: Settings) -> (Server, Client, Client) {
    let mut server = Server::new(catalogue(2, 3), limits);
    let mut clients = [server.connect(), server.connect()];
    clients.iter_mut().for_each(|client| {
        client.expect(&mut server, "snapshot");
    });
    let [bad, good] = clients;
    (server, bad, good)
}

fn raw(client: &mut Client) -> &mut Far {
    client.socket.get_mut()
}

#[test]
fn a_message_in_empty_fragments_without_end_is_cut() {
    let limits = Settings { requests_per_second: 1_000_000, ..settings() };
    let (mut server, mut bad, mut good) = scene(limits);
    let (first, more) = (empty(0x01), empty(0x00).repeat(10_000));
    raw(&mut bad).write_all(&[&first[..], &more].concat()).unwrap();
    good.ask(&json!({"op": "ping"}));
    server.turn();
    good.read();
    assert_eq!(good.types(), ["pong"], "in the same turn");
    assert_eq!(bad.close_code(&mut server), Some(CloseCode::Policy));
    assert_eq!(server.count("disconnected.endless"), 1);
}

#[test]
fn of_one_client_so_many_frames_are_read_in_a_cycle() {
    let limits = Settings { requests_per_second: 1_000_000, ..settings() };
    for first in [0x8A, 0x8A, 0x01] {
        let (mut server, mut bad, _good) = scene(limits.clone());
        let heard = server.count("requests");
        raw(&mut bad).write_all(&empty(first).repeat(1_000)).unwrap();
        server.turn();
        let frames = server.count("requests") - heard;
        assert!((1..=16).contains(&frames), "{frames} frames of {first:x}");
    }
}

#[test]
fn of_one_client_so_many_bytes_are_read_in_a_cycle() {
    let limits = Settings { request_bytes_max: 1 << 20, ..settings() };
    let (mut server, mut bad, _good) = scene(limits);
    let header = [&[0x81, 0x80 | 127][..], &100_000_u64.to_be_bytes(), &[0; 4]].concat();
    raw(&mut bad).write_all(&[header, vec![b' '; 100_000]].concat()).unwrap();
    let before = server.door.moved();
    server.reception.do_work(server.clock.now());
    let read = server.door.moved() - before;
    assert!((1..=20 * 1024).contains(&read), "{read} bytes");
}

#[test]
fn frames_and_bytes_beyond_the_rate_end_the_connection() {
    let frames = Settings { requests_per_second: 20, ..settings() };
    let bytes = Settings { request_bytes_per_second: 10_000, ..settings() };
    // Pongs, parts of a message, and one long message that never ends.
    let long = [&[0x81, 0x80 | 126, 0x3F, 0xFF, 0, 0, 0, 0][..], &[b' '; 12_000]].concat();
    let parts = [empty(0x01).to_vec(), empty(0x00).repeat(30)].concat();
    for (limits, said) in [
        (frames.clone(), empty(0x8A).repeat(30)),
        (frames.clone(), empty(0x89).repeat(30)),
        (frames, parts),
        (bytes, long),
    ] {
        let (mut server, mut bad, mut good) = scene(limits);
        raw(&mut bad).write_all(&said).unwrap();
        assert_eq!(bad.close_code(&mut server), Some(CloseCode::Policy));
        assert_eq!(server.count("disconnected.too_fast"), 1);
        good.ask(&json!({"op": "ping"}));
        good.expect(&mut server, "pong");
    }
    let limits = Settings { requests_per_second: 20, ..settings() };
    let (mut server, mut steady, _good) = scene(limits);
    for _ in 0..5 {
        raw(&mut steady).write_all(&empty(0x8A).repeat(20)).unwrap();
        server.until("all are heard", |_| true);
        (0..3).for_each(|_| {
            server.turn();
        });
        server.pass(SECOND);
    }
    assert_eq!((server.count("requests"), server.count("clients")), (100, 2), "within the rate");
}

#[test]
fn a_client_that_asks_and_never_reads_is_given_no_more_answers() {
    let limits = Settings {
        requests_per_second: 1_000_000,
        request_bytes_per_second: 1 << 30,
        ..settings()
    };
    let (mut server, mut bad, _good) = scene(limits.clone());
    bad.line().budget = 0;
    let request = json!({"op": "ping", "id": "x".repeat(64)}).to_string();
    let asked = 50_000;
    for _ in 0..asked {
        bad.say(request.as_str());
    }
    (0..asked).for_each(|_| {
        server.turn();
    });
    let answered = server.count("messages");
    assert!(answered < 10_000, "{answered} answers wait: half the buffer holds some 5,000");
    bad.line().lift_budget();
    server.until("all answers", |_| {
        bad.read();
        bad.seen.len() == asked
    });
}

#[test]
fn a_partial_frame_is_no_sign_of_life() {
    let (mut server, mut bad, _good) = scene(settings());
    raw(&mut bad).write_all(&[0x81, 0x80 | 100, 0, 0, 0, 0]).unwrap();
    for _ in 0..35 {
        server.pass(SECOND);
        raw(&mut bad).write_all(b" ").unwrap();
        server.turn();
    }
    assert_eq!(bad.close_code(&mut server), Some(CloseCode::Policy));
    assert_eq!(server.count("disconnected.silent"), 2);
}

#[test]
fn a_client_that_misses_more_than_its_buffer_holds_is_sent_off() {
    let limits = Settings { client_buffer_bytes: 128 * 1024, ..settings() };
    let mut server = Server::new(catalogue(40, 8), limits);
    let mut slow = server.connect();
    slow.expect(&mut server, "snapshot");
    slow.line().budget = 0;
    let mut turns = 0;
    while server.count("disconnected.overrun") == 0 {
        assert!(turns < 1_000, "2,240 pairs are more than 1,024 entries");
        turns += 1;
        for pair in 0..40 * 56 {
            let (instrument, buy, other) = (pair / 56, pair / 7 % 8, pair % 7);
            if instrument < 39 {
                let [buy, sell] = [buy, if other < buy { other } else { other + 1 }];
                let [buy, sell] = [buy, sell].map(|venue| u8::try_from(venue).unwrap());
                server.send(spread(u32::try_from(instrument).unwrap(), buy, sell, 10_100));
            }
        }
        server.turn();
    }
    assert_eq!(server.count("clients"), 0);
    slow.line().lift_budget();
    assert_eq!(slow.close_code(&mut server), Some(CloseCode::Policy));
}

#[test]
fn the_worst_case_of_a_client_is_known() {
    let bytes = client_bytes_max(&settings(), &Arc::new(catalogue(24, 6)));
    assert!(3 << 20 < bytes && bytes < 4 << 20, "{bytes}");
}

#[test]
fn a_cycle_without_time_left_serves_the_others_in_the_next_one() {
    let mut server = Server::new(catalogue(2, 3), settings());
    let mut clients: Vec<Client> = (0..9).map(|_| server.connect()).collect();
    clients.iter_mut().for_each(|client| {
        client.expect(&mut server, "snapshot");
    });
    for client in &mut clients {
        client.ask(&json!({"op": "ping"}));
        client.line().slow_read = Some((server.clock.clone(), MILLI));
    }
    let mut heard = Vec::new();
    for _ in 0..20 {
        let before = server.count("requests");
        server.turn();
        heard.push(server.count("requests") - before);
        // Those that were served have more to say: they have to wait for the others.
        for client in &mut clients {
            if client.read() && client.seen.len() < 2 {
                client.ask(&json!({"op": "ping"}));
            }
        }
        if clients.iter().all(|client| !client.seen.is_empty()) {
            break;
        }
    }
    assert!(heard.iter().all(|count| *count <= 2), "2 ms, 1 ms each: {heard:?}");
    assert!(heard.len() <= 9, "each was served in its turn: {heard:?}");
}

#[test]
fn connections_of_every_kind_together_are_as_many_as_the_limits_say() {
    let limits = Settings { max_clients: 4, max_upgrades: 4, ..settings() };
    let most = limits.connections_max();
    assert_eq!(most, 4 + 64 + 4 + 256, "clients, leaving, upgrades, parting");
    let mut server = Server::new(catalogue(1, 2), limits);
    let upgrade = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let mut held = Vec::new();
    for number in 0..900 {
        let mut far = server.door.dial();
        // Half open, refused, and a client that has to go and takes nothing.
        match number % 3 {
            0 => far.write_all(b"GET").unwrap(),
            1 => far.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap(),
            _ => {
                far.line().budget = 0;
                far.write_all(upgrade.as_bytes()).unwrap();
                far.write_all(&[0x81, 0]).unwrap();
            }
        }
        held.push(far);
        server.turn();
        assert!(server.door.held() <= most, "{} of {most}", server.door.held());
        assert!(server.count("clients") <= 4);
    }
    assert!(server.count("disconnected.full") > 100 && server.count("disconnected.evicted") > 100);
    assert!(most - 4 <= server.door.held(), "the limits were reached");
}
