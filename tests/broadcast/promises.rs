//! Promises of `docs/broadcast.md` that are easy to break without noticing: what comes in which
//! order, what is heard and when, and that what was queued is sent whatever happens.

use crate::congestion::congest;
use serde_json::{Value, json};
use spreadwire_engine::runtime::agent::Agent;
use spreadwire_rigs::broadcast::model::Model;
use spreadwire_rigs::broadcast::server::{Client, Server, catalogue, settings, spread};
use tungstenite::protocol::frame::coding::CloseCode;

/// Returns a server with a client that does not keep up and one that does.
fn congested(seed: u64) -> (Model, Server, Client, Client) {
    let mut model = Model::new(seed, 24, 6);
    let mut server = Server::new(catalogue(24, 6), settings());
    let (mut slow, mut quick) = (server.connect(), server.connect());
    slow.expect(&mut server, "snapshot");
    quick.expect(&mut server, "snapshot");
    congest(&mut server, &mut model, &mut quick);
    (model, server, slow, quick)
}

/// Has every pair wait for the slow client, which is more than it gets in one cycle.
fn fill(model: &mut Model, server: &mut Server) {
    for instrument in 0..24 {
        for (buy, sell) in (0..5).flat_map(|b| (0..5).map(move |s| (b, s))).filter(|(b, s)| b != s)
        {
            let spread = model.spread_of(instrument, buy, sell);
            server.send(spread);
        }
    }
    server.turn();
}

#[test]
fn what_happens_while_a_client_catches_up_does_not_overtake_what_it_missed() {
    let (mut model, mut server, mut slow, _quick) = congested(51);
    fill(&mut model, &mut server);
    let mut during = 0;
    server.until("the slow one has caught up", |server| {
        slow.read();
        let caught_up = slow.seen.iter().filter(|m| m["conflated"] == true).count();
        if 0 < caught_up && during < 5 {
            during += 1;
            model.batch(server);
        }
        during == 5 && slow.seen.last().is_some_and(|m| m["seq"] == model.seq)
    });
    assert!(slow.spread_seqs().is_sorted(), "in the order of the stream");
    let gaps = slow.seen.iter().filter(|m| m["type"] == "gap");
    let missed: u64 = gaps.map(|gap| gap["missed"].as_u64().unwrap()).sum();
    assert_eq!(slow.spread_seqs().len() as u64 + missed, model.seq, "told or missed");
}

#[test]
fn a_client_that_is_behind_is_not_heard_until_it_has_caught_up() {
    let (model, mut server, mut slow, _quick) = congested(52);
    let heard = server.count("requests");
    for id in ["first", "second", "third"] {
        slow.ask(&json!({"op": "ping", "id": id}));
    }
    (0..20).for_each(|_| {
        server.turn();
    });
    assert_eq!(server.count("requests"), heard, "it is behind");
    let is_told = |slow: &Client| slow.seen.iter().any(|m| m["seq"] == model.seq);
    server.until("an answer", |_| {
        slow.read();
        slow.seen.iter().any(|m| m["id"] == "third")
    });
    assert!(is_told(&slow));
    let answer = slow.seen.iter().position(|m| m["type"] == "pong").unwrap();
    assert!(slow.seen[answer..].iter().all(|m| m["conflated"].is_null()), "behind what it missed");
    assert_eq!(server.count("requests"), heard + 3);
}

/// Begins with a client that takes nothing more, and one that does.
fn blocked() -> (Model, Server, Client, Client) {
    let model = Model::new(53, 24, 6);
    let mut server = Server::new(catalogue(24, 6), settings());
    let (mut slow, mut quick) = (server.connect(), server.connect());
    slow.expect(&mut server, "snapshot");
    quick.expect(&mut server, "snapshot");
    slow.line().budget = 0;
    (model, server, slow, quick)
}

/// Sends the same in each round, without the half that listens.
fn round(model: &mut Model, server: &mut Server) {
    for _ in 0..100 {
        let spread = model.spread_of(0, 0, 1);
        server.send(spread);
    }
    server.agent.do_work(server.clock.now());
}

#[test]
fn a_request_that_was_read_before_a_client_fell_behind_is_answered_behind_what_it_missed() {
    let (mut model, mut server, _slow, _quick) = blocked();
    let mut rounds = 0;
    while server.count("congestions") == 0 {
        rounds += 1;
        round(&mut model, &mut server);
    }
    let (mut model, mut server, mut slow, mut quick) = blocked();
    (1..rounds).for_each(|_| round(&mut model, &mut server));
    // The request waits for the broadcast, and in its next cycle the client falls behind first.
    slow.ask(&json!({"op": "unsubscribe"}));
    server.reception.do_work(server.clock.now());
    round(&mut model, &mut server);
    assert_eq!(server.count("congestions"), 1);
    slow.line().lift_budget();
    server.until("an answer", |_| {
        slow.read();
        slow.seen.iter().any(|m| m["type"] == "unsubscribed")
    });
    assert!(slow.seen.iter().any(|m| m["conflated"] == true));
    model.batch(&mut server);
    quick.until_seq(&mut server, model.seq);
    slow.read();
    let answer = slow.seen.iter().position(|m| m["type"] == "unsubscribed").unwrap();
    assert_eq!(answer, slow.seen.len() - 1, "it wants nothing any more");
}

#[test]
fn records_that_wait_when_the_engine_ends_are_sent() {
    let mut server = Server::new(catalogue(2, 2), settings());
    let mut client = server.connect();
    client.expect(&mut server, "snapshot");
    (0..100).for_each(|n| server.send(spread(0, 0, 1, 10_000 + n)));
    server.edge = None;
    server.states = None;
    server.agent.on_close();
    while client.closed.is_none() {
        assert!(client.read(), "everything is on the line");
    }
    assert_eq!(client.spread_seqs(), (1..=100).collect::<Vec<_>>());
    assert_eq!(client.closed.unwrap().unwrap().code, CloseCode::Away);
}

#[test]
fn whoever_is_connected_when_the_engine_ends_is_counted() {
    let mut server = Server::new(catalogue(2, 2), settings());
    let mut clients = [server.connect(), server.connect()];
    clients.iter_mut().for_each(|client| {
        client.expect(&mut server, "snapshot");
    });
    clients[0].line().budget = 0;
    // Neither did this one ever speak.
    let _half_open = server.door.dial();
    server.turn();
    server.send(spread(0, 0, 1, 10_000));
    server.edge = None;
    server.states = None;
    server.agent.on_close();
    server.reception.on_close();
    assert_eq!(server.count("disconnected.stopped"), 1);
    assert_eq!((server.count("disconnected.shutdown"), server.count("clients")), (2, 0));
}

#[test]
fn a_request_that_waits_when_the_engine_ends_breaks_nothing() {
    let mut server = Server::new(catalogue(2, 2), settings());
    let mut client = server.connect();
    client.expect(&mut server, "snapshot");
    client.ask(&json!({"op": "ping", "id": "last"}));
    server.reception.do_work(server.clock.now());
    server.edge = None;
    server.states = None;
    server.agent.on_close();
    while client.closed.is_none() {
        assert!(client.read(), "everything is on the line");
    }
    assert_eq!(client.types(), ["pong"]);
    assert!(!server.reception.is_finished(), "the other half is still there");
    let Server { mut reception, agent, .. } = server;
    drop(agent);
    assert!(reception.is_finished());
    reception.on_close();
}

#[test]
fn what_waits_for_a_client_that_is_told_to_go_is_sent_first() {
    let mut server = Server::new(catalogue(2, 2), settings());
    let mut client = server.connect();
    client.expect(&mut server, "snapshot");
    client.line().budget = 100;
    (0..50).for_each(|n| server.send(spread(0, 0, 1, 10_000 + n)));
    server.turn();
    client.say("buy!");
    server.turn();
    assert_eq!(server.count("disconnected.not_json"), 1);
    // What happens from now on is not for it.
    server.send(spread(0, 0, 1, 10_900));
    server.turn();
    client.line().lift_budget();
    assert_eq!(client.close_code(&mut server), Some(CloseCode::Invalid));
    assert_eq!(client.spread_seqs(), (1..=50).collect::<Vec<_>>());
}

#[test]
fn messages_are_those_that_clients_were_sent() {
    let (mut model, mut server, mut slow, mut quick) = congested(54);
    fill(&mut model, &mut server);
    let done = |client: &Client| client.seen.last().is_some_and(|m: &Value| m["seq"] == model.seq);
    let mut seen = 0;
    server.until("both have everything", |_| {
        slow.read();
        quick.read();
        let done = done(&slow) && done(&quick);
        seen = slow.seen.len();
        done
    });
    // `congest` drops what the quick one has seen: it has seen everything. Before that both were
    // sent `hello` and the first part of a snapshot, and the quick one its second part.
    let told_to_quick = model.told.len();
    let greetings = 2 * 2 + 1;
    let expected = seen + told_to_quick + greetings;
    assert_eq!(server.count("messages"), expected as u64);
}

#[test]
fn snapshots_of_many_clients_at_once_take_many_cycles() {
    let mut model = Model::new(55, 24, 6);
    let mut server = Server::new(catalogue(24, 6), settings());
    (0..300).for_each(|_| {
        model.batch(&mut server);
        server.turn();
    });
    let mut clients: Vec<Client> = (0..60).map(|_| server.connect()).collect();
    for client in &mut clients {
        while client.expect(&mut server, "snapshot")["last"] == false {}
    }
    clients.iter_mut().for_each(|client| client.ask(&json!({"op": "subscribe"})));
    let now = server.clock.now();
    (0..20).for_each(|_| {
        server.reception.do_work(now);
    });
    let mut counts = Vec::new();
    for _ in 0..100 {
        let before = server.count("messages");
        server.agent.do_work(now);
        counts.push(server.count("messages") - before);
    }
    // Each part has up to 128 items, and a cycle some 2,048; an answer takes none.
    assert!(counts.iter().all(|count| *count <= 60 + 2_048 / 128 + 1), "{counts:?}");
    for client in &mut clients {
        client.expect(&mut server, "subscribed");
        while client.expect(&mut server, "snapshot")["last"] == false {}
    }
}

#[test]
fn in_a_cycle_so_many_orders_are_carried_out() {
    let mut server = Server::new(catalogue(2, 2), settings());
    let mut clients: Vec<Client> = (0..100).map(|_| server.connect()).collect();
    clients.iter_mut().for_each(|client| {
        client.expect(&mut server, "snapshot");
    });
    clients.iter_mut().for_each(|client| client.ask(&json!({"op": "ping"})));
    let now = server.clock.now();
    server.reception.do_work(now);
    let before = server.count("messages");
    server.agent.do_work(now);
    assert_eq!(server.count("messages") - before, 64);
    server.agent.do_work(now);
    assert_eq!(server.count("messages") - before, 100);
}

#[test]
fn after_the_last_part_of_a_snapshot_each_number_is_one_more_than_the_one_before() {
    let mut model = Model::new(56, 24, 6);
    let mut server = Server::new(catalogue(24, 6), settings());
    for _ in 0..20 {
        (0..50).for_each(|_| {
            model.batch(&mut server);
            server.turn();
        });
        let mut client = server.connect();
        for _ in 0..40 {
            model.batch(&mut server);
            server.turn();
        }
        client.until_seq(&mut server, model.seq);
        let last = client.seen.iter().position(|m| m["last"] == true).unwrap();
        let until = client.seen[last]["seq"].as_u64().unwrap();
        let before = client.seen[..last].iter().filter_map(|m| m["seq"].as_u64());
        assert!(before.max().unwrap_or(0) <= until);
        client.seen.drain(..=last);
        assert_eq!(client.spread_seqs(), (until + 1..=model.seq).collect::<Vec<_>>());
    }
}
