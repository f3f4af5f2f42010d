//! The messages to a client that keeps up, from `hello` to the end.

use serde_json::{Value, json};
use spreadwire_engine::broadcast;
use spreadwire_engine::runtime::agent::{Agent, Report};
use spreadwire_kit::counting_allocator::counted;
use spreadwire_market::record::{Gap, RecordingState};
use spreadwire_market::state::State;
use spreadwire_rigs::broadcast::server::{START, Server, catalogue, settings, spread, status};
use tungstenite::protocol::frame::coding::CloseCode;

#[test]
fn two_clients_get_hello_then_a_snapshot_then_every_spread_in_order() {
    let mut server = Server::new(catalogue(2, 3), settings());
    server.send(spread(0, 0, 1, 10_050));
    server.send(status(1, 1, State::Live));
    server.turn();
    let mut clients = [server.connect(), server.connect()];
    for client in &mut clients {
        let hello = client.expect(&mut server, "hello");
        assert_eq!(hello["protocol"], broadcast::PROTOCOL);
        assert_eq!(hello["venues"][2], json!({"name": "venue2", "taker_fee_bps": 10.0}));
        assert_eq!(
            hello["instruments"][1],
            json!({"name": "C1/USDT", "price_scale": 2, "size_scale": 4, "venues": ["venue0", "venue1"]})
        );
        let snapshot = client.expect(&mut server, "snapshot");
        assert_eq!(
            (&snapshot["id"], &snapshot["seq"], &snapshot["last"]),
            (&json!("default"), &json!(1), &json!(true))
        );
        assert_eq!(snapshot["spreads"].as_array().unwrap().len(), 1);
        let states = snapshot["states"].as_array().unwrap();
        let live: Vec<_> = states.iter().filter(|s| s["state"] == "live").collect();
        assert_eq!((states.len(), live.len()), (5, 1));
        assert_eq!(live[0]["venue"], "venue1");
    }
    for n in 0..3000 {
        server.send(spread(n % 2, 0, 1, 10_000 + i64::from(n)));
        if n % 100 == 0 {
            server.turn();
        }
    }
    for client in &mut clients {
        client.until_seq(&mut server, 3001);
        assert_eq!(client.spread_seqs(), (2..=3001).collect::<Vec<_>>());
        assert_eq!(
            client.seen.last().unwrap(),
            &json!({
                "type": "spread", "seq": 3001, "instrument": "C1/USDT",
                "buy_venue": "venue0", "sell_venue": "venue1",
                "buy_px": "100", "sell_px": "129.99", "buy_sz": "0.0005", "sell_sz": "7",
                "gross_bps": 2999, "net_bps": 2979, "ts_recv": START, "quote_seq": 0,
            })
        );
    }
    let mut report = Report::default();
    server.agent.report(&mut report);
    assert_eq!(report.latencies[0].0, "read_to_broadcast");
    assert_eq!(report.latencies[0].1.count(), 3000, "only what somebody was there for");
    assert_eq!((server.count("clients"), server.count("spreads")), (2, 3001));
}

#[test]
fn a_loss_before_the_broadcast_is_told_to_all_and_forgets_the_spreads() {
    let mut server = Server::new(catalogue(2, 2), settings());
    server.send(spread(0, 0, 1, 10_050));
    let mut client = server.connect();
    let snapshot = client.expect(&mut server, "snapshot");
    assert_eq!(snapshot["spreads"].as_array().unwrap().len(), 1);
    server.send(Gap::new(START + 1, 7));
    assert_eq!(
        client.expect(&mut server, "gap"),
        json!({"type": "gap", "reason": "engine", "missed": 7, "ts_recv": START + 1})
    );
    let snapshot = server.connect().expect(&mut server, "snapshot");
    assert_eq!(snapshot["spreads"], json!([]));
}

#[test]
fn after_a_loss_a_leg_whose_state_was_lost_is_told_to_be_live_before_its_spread() {
    let mut server = Server::new(catalogue(2, 3), settings());
    server.send(status(0, 0, State::Live));
    server.send(status(0, 1, State::Stale));
    let mut client = server.connect();
    client.expect(&mut server, "snapshot");
    // Without a loss, nothing is made up.
    server.send(spread(0, 0, 2, 10_050));
    client.expect(&mut server, "spread");
    server.send(Gap::new(START + 1, 7));
    client.expect(&mut server, "gap");
    server.send(spread(0, 0, 1, 10_050));
    server.send(spread(0, 1, 0, 10_050));
    server.until("three messages", |_| {
        client.read();
        client.seen.len() == 3
    });
    assert_eq!(client.types(), ["status", "spread", "spread"], "it is told once");
    let told = &client.seen[0];
    assert_eq!(
        (&told["venue"], &told["health"], &told["previous"], &told["reason"]),
        (&json!("venue1"), &json!("live"), &json!("stale"), &json!("quote"))
    );
    let snapshot = server.connect().expect(&mut server, "snapshot");
    let states: Vec<&Value> = snapshot["states"].as_array().unwrap().iter().collect();
    assert_eq!((&states[0]["health"], &states[1]["health"]), (&json!("live"), &json!("live")));
    assert_eq!(snapshot["spreads"].as_array().unwrap().len(), 2);
}

/// Returns a `recording` message as clients see it.
pub(crate) fn recording(state: &str, lost: u64) -> Value {
    json!({"type": "recording", "state": state, "ts_recv": START, "lost": lost})
}

#[test]
fn everyone_hears_whether_quotes_are_recorded_and_who_comes_later_before_the_snapshot() {
    let mut server = Server::new(catalogue(1, 2), settings());
    let (mut client, mut deaf) = (server.connect(), server.connect());
    client.expect(&mut server, "snapshot");
    deaf.expect(&mut server, "snapshot");
    deaf.ask(&json!({"op": "unsubscribe"}));
    deaf.expect(&mut server, "unsubscribed");
    server.record(RecordingState::DiskFull, 3);
    assert_eq!(client.expect(&mut server, "recording"), recording("disk_full", 3));
    let mut late = server.connect();
    late.expect(&mut server, "snapshot");
    let mut again = server.connect();
    server.until("the snapshot", |_| {
        again.read();
        again.seen.len() == 3
    });
    assert_eq!(again.types(), ["hello", "recording", "snapshot"]);
    assert_eq!(again.seen.remove(1), recording("disk_full", 3));
    server.record(RecordingState::On, 40);
    for client in [&mut client, &mut late, &mut again] {
        assert_eq!(client.expect(&mut server, "recording"), recording("on", 40));
    }
    let mut last = server.connect();
    server.until("the snapshot", |_| {
        last.read();
        1 < last.seen.len()
    });
    assert_eq!(last.types(), ["hello", "snapshot"], "all is well again");
    deaf.ask(&json!({"op": "ping"}));
    server.until("an answer", |_| deaf.read());
    assert_eq!(deaf.types(), ["pong"], "it asked for nothing");
    assert_eq!(server.count("recordings"), 2);
}

#[test]
fn at_the_end_everyone_gets_what_is_left_and_1001() {
    let mut server = Server::new(catalogue(2, 2), settings());
    let mut client = server.connect();
    client.expect(&mut server, "snapshot");
    (0..100).for_each(|n| server.send(spread(0, 0, 1, 10_000 + n)));
    server.edge = None;
    assert!(!server.agent.is_finished());
    server.turn();
    assert!(!server.agent.is_finished(), "the journal may have a last word");
    server.states = None;
    assert!(server.agent.is_finished());
    server.agent.on_close();
    while client.closed.is_none() {
        assert!(client.read(), "everything is on the line");
    }
    assert_eq!(client.spread_seqs().len(), 100);
    assert_eq!(client.closed.unwrap().unwrap().code, CloseCode::Away);
    assert_eq!(server.count("clients"), 0);
}

#[test]
fn spreads_of_what_the_catalogue_does_not_list_are_counted_and_nothing_else() {
    let mut server = Server::new(catalogue(2, 3), settings());
    let mut client = server.connect();
    client.expect(&mut server, "snapshot");
    server.send(spread(1, 0, 2, 10_000));
    server.send(spread(9, 0, 1, 10_000));
    server.send(status(1, 7, State::Down));
    server.send(spread(1, 0, 1, 10_000));
    client.until_seq(&mut server, 1);
    assert_eq!((client.seen.len(), server.count("unknown")), (1, 3));
}

#[test]
fn a_cycle_allocates_nothing_once_every_buffer_has_its_size() {
    let mut server = Server::new(catalogue(2, 3), settings());
    let mut clients = [server.connect(), server.connect()];
    let filter = json!({"op": "subscribe", "instruments": ["C0/USDT"]});
    clients[1].ask(&filter);
    clients[1].expect(&mut server, "subscribed");
    let mut allocated = 0;
    for round in 0..200 {
        for n in 0..100 {
            server.send(spread(n % 2, 0, 1, 10_000 + i64::from(n)));
        }
        server.send(status(0, 0, State::Live));
        let ((), count) = counted(|| {
            server.turn();
            server.turn();
        });
        if round > 0 {
            allocated += count;
        }
        clients.iter_mut().for_each(|client| {
            client.read();
        });
    }
    assert_eq!(allocated, 0);
    clients[0].until_seq(&mut server, 20_000);
    assert_eq!(clients[0].spread_seqs().len(), 20_000);
}
