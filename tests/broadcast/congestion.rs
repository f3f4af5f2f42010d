//! Clients that do not keep up are conflated, told so, and finally disconnected; the others wait
//! for none of them.

use crate::streaming::recording;
use serde_json::{Value, json};
use spreadwire_engine::broadcast::Settings;
use spreadwire_market::clock::{MILLI, SECOND};
use spreadwire_market::record::{Gap, RecordingState};
use spreadwire_rigs::broadcast::model::{Model, View};
use spreadwire_rigs::broadcast::server::{Client, START, Server, catalogue, settings, spread};
use std::collections::BTreeSet;

/// Sends spreads until a client that does not read is conflated; `reads` receives all of them.
pub(crate) fn congest(server: &mut Server, model: &mut Model, reads: &mut Client) {
    let mut known = 0;
    while server.count("conflated") < 500 {
        assert!(model.seq < 400_000, "the line has no end");
        (0..50).for_each(|_| model.batch(server));
        server.turn();
        reads.until_seq(server, model.seq);
        let seqs = reads.spread_seqs();
        assert_eq!(seqs, (known + 1..=model.seq).collect::<Vec<_>>(), "the other gets everything");
        assert!(reads.seen.iter().all(|m| m["conflated"].is_null()));
        known = model.seq;
        reads.seen.clear();
    }
}

#[test]
fn a_client_that_stops_reading_is_conflated_and_delays_nobody() {
    let mut model = Model::new(11, 24, 6);
    let mut server = Server::new(catalogue(24, 6), settings());
    let (mut slow, mut quick) = (server.connect(), server.connect());
    slow.expect(&mut server, "snapshot");
    quick.expect(&mut server, "snapshot");
    congest(&mut server, &mut model, &mut quick);
    // Every pair is waiting, so catching up takes more than one cycle.
    for instrument in 0..24 {
        for (buy, sell) in (0..5).flat_map(|b| (0..5).map(move |s| (b, s))).filter(|(b, s)| b != s)
        {
            let spread = model.spread_of(instrument, buy, sell);
            server.send(spread);
        }
    }
    quick.until_seq(&mut server, model.seq);
    let conflated = server.count("conflated");
    assert_eq!(server.count("congestions"), 1);

    server.until("the slow one has everything", |_| {
        slow.read();
        slow.seen.last().is_some_and(|m| m["seq"] == model.seq)
    });
    let gaps: Vec<&Value> = slow.seen.iter().filter(|m| m["type"] == "gap").collect();
    assert_eq!(gaps.len(), 1);
    assert_eq!(
        (&gaps[0]["reason"], &gaps[0]["missed"]),
        (&json!("slow_client"), &json!(conflated))
    );
    let got: BTreeSet<u64> = slow.spread_seqs().into_iter().collect();
    assert_eq!(got.len() as u64 + conflated, model.seq, "told or missed, nothing else");
    let missed: Vec<u64> = (1..=model.seq).filter(|seq| !got.contains(seq)).collect();
    assert_eq!(gaps[0]["from_seq"], missed[0]);
    assert_eq!(gaps[0]["to_seq"], missed[missed.len() - 1]);
    let seqs = slow.spread_seqs();
    assert!(seqs.is_sorted(), "the latest come in order");
    let gap_at = slow.seen.iter().position(|m| m["type"] == "gap").unwrap();
    assert!(slow.seen[..gap_at].iter().all(|m| m["conflated"].is_null()));
    assert!(slow.seen[gap_at + 1..].iter().all(|m| m["conflated"] == true));
    let (mut view, mut expected) = (View::default(), View::default());
    slow.seen.iter().for_each(|message| view.take(message));
    model.told.iter().for_each(|event| expected.take(event));
    assert_eq!(view, expected);

    slow.seen.clear();
    let before = model.seq;
    model.batch(&mut server);
    slow.until_seq(&mut server, model.seq);
    assert_eq!(slow.spread_seqs(), (before + 1..=model.seq).collect::<Vec<_>>());
    assert!(slow.seen.iter().all(|m| m["conflated"].is_null()), "in order again");
}

#[test]
fn a_client_with_a_filter_is_conflated_before_what_waits_for_it_is_overwritten() {
    let limits = Settings { client_buffer_bytes: 128 * 1024, ..settings() };
    let mut server = Server::new(catalogue(3, 3), limits);
    let (mut slow, mut quick) = (server.connect(), server.connect());
    slow.ask(&json!({"op": "subscribe", "instruments": ["C0/USDT"]}));
    slow.expect(&mut server, "subscribed");
    slow.expect(&mut server, "snapshot");
    quick.expect(&mut server, "snapshot");
    // The client wants one of five spreads, all of one pair.
    let (mut seq, mut wanted) = (0, Vec::new());
    while server.count("congestions") == 0 {
        assert!(seq < 1_000_000, "the line has no end");
        for _ in 0..100 {
            let instrument = if seq % 5 == 0 { 0 } else { 1 };
            server.send(spread(instrument, 0, 1, 10_000));
            seq += 1;
            if instrument == 0 {
                wanted.push(seq);
            }
        }
        server.turn();
        quick.until_seq(&mut server, seq);
        quick.seen.clear();
    }
    server.send(spread(0, 0, 1, 10_000));
    wanted.push(seq + 1);
    slow.until_seq(&mut server, seq + 1);
    let gap = slow.seen.iter().position(|m| m["type"] == "gap").unwrap();
    let missed = slow.seen[gap]["missed"].as_u64().unwrap();
    let seqs = slow.spread_seqs();
    let (latest, whole) = seqs.split_last().unwrap();
    assert_eq!(whole, &wanted[..whole.len()], "whole frames, in order");
    assert_eq!((*latest, seqs.len() as u64 + missed), (seq + 1, wanted.len() as u64));
    // 128 KiB hold some 500 of them; the log was full long before.
    assert!((1..400).contains(&missed), "{missed}");
    assert_eq!(slow.seen.len(), gap + 2, "a gap and the latest");
}

#[test]
fn a_client_that_stays_stuck_is_disconnected() {
    let mut model = Model::new(12, 3, 3);
    let mut server = Server::new(catalogue(3, 3), settings());
    let (mut slow, mut quick) = (server.connect(), server.connect());
    slow.expect(&mut server, "snapshot");
    quick.expect(&mut server, "snapshot");
    congest(&mut server, &mut model, &mut quick);
    server.pass(5 * SECOND - 1);
    server.turn();
    assert_eq!((server.count("clients"), server.count("disconnected.stuck")), (2, 0));
    server.pass(1);
    server.turn();
    assert_eq!((server.count("clients"), server.count("disconnected.stuck")), (1, 1));
    let before = model.seq;
    model.batch(&mut server);
    quick.until_seq(&mut server, model.seq);
    assert_eq!(quick.spread_seqs(), (before + 1..=model.seq).collect::<Vec<_>>());
    server.until("the slow one sees the end", |_| {
        slow.read();
        slow.closed.is_some()
    });
}

#[test]
fn a_loss_before_the_broadcast_reaches_a_congested_client_too() {
    let mut model = Model::new(13, 3, 3);
    let mut server = Server::new(catalogue(3, 3), settings());
    let (mut slow, mut quick) = (server.connect(), server.connect());
    slow.expect(&mut server, "snapshot");
    quick.expect(&mut server, "snapshot");
    congest(&mut server, &mut model, &mut quick);
    server.send(Gap::new(START, 3));
    model.told.push(json!({"type": "gap", "reason": "engine"}));
    server.send(Gap::new(START, 4));
    model.batch(&mut server);
    server.until("the slow one has everything", |_| {
        slow.read();
        slow.seen.last().is_some_and(|m| m["seq"] == model.seq)
    });
    let gaps: Vec<&Value> = slow.seen.iter().filter(|m| m["type"] == "gap").collect();
    assert_eq!((&gaps[0]["reason"], &gaps[0]["missed"]), (&json!("engine"), &json!(7)));
    let (mut view, mut expected) = (View::default(), View::default());
    slow.seen.iter().for_each(|message| view.take(message));
    model.told.iter().for_each(|event| expected.take(event));
    assert_eq!(view, expected);
}

#[test]
fn a_congested_client_hears_the_present_state_of_recording_alone() {
    let mut model = Model::new(14, 3, 3);
    let mut server = Server::new(catalogue(3, 3), settings());
    let (mut slow, mut quick) = (server.connect(), server.connect());
    slow.expect(&mut server, "snapshot");
    quick.expect(&mut server, "snapshot");
    congest(&mut server, &mut model, &mut quick);
    for (state, lost) in [(RecordingState::Vanished, 5), (RecordingState::Refused, 9)] {
        server.record(state, lost);
    }
    model.batch(&mut server);
    server.until("the slow one has everything", |_| {
        slow.read();
        slow.seen.last().is_some_and(|m| m["seq"] == model.seq)
    });
    let told: Vec<&Value> = slow.seen.iter().filter(|m| m["type"] == "recording").collect();
    assert_eq!(told, [&recording("refused", 9)]);
    assert_eq!(quick.expect(&mut server, "recording"), recording("vanished", 5));
    assert_eq!(quick.expect(&mut server, "recording"), recording("refused", 9));
}

#[test]
fn a_client_that_reads_slowly_but_reads_is_not_stuck() {
    let mut model = Model::new(14, 3, 3);
    let mut server = Server::new(catalogue(3, 3), settings());
    let (mut slow, mut quick) = (server.connect(), server.connect());
    slow.expect(&mut server, "snapshot");
    quick.expect(&mut server, "snapshot");
    congest(&mut server, &mut model, &mut quick);
    for _ in 0..15 {
        // Some 250 KB every four seconds.
        slow.seen.clear();
        slow.read();
        server.pass(4 * SECOND);
        for _ in 0..8 {
            (0..50).for_each(|_| model.batch(&mut server));
            server.turn();
            quick.until_seq(&mut server, model.seq);
            quick.seen.clear();
        }
    }
    assert_eq!((server.count("clients"), server.count("disconnected.stuck")), (2, 0));
}

#[test]
fn a_client_that_takes_a_single_byte_in_time_is_neither_stuck_nor_silent() {
    let mut model = Model::new(18, 3, 3);
    let mut server = Server::new(catalogue(3, 3), settings());
    let (mut slow, mut quick) = (server.connect(), server.connect());
    slow.expect(&mut server, "snapshot");
    quick.expect(&mut server, "snapshot");
    slow.line().allowance = 0;
    congest(&mut server, &mut model, &mut quick);
    let held = slow.line().held();
    for second in 1..=100 {
        // Its kernel accepts one byte every four seconds; the poll does not report it.
        slow.line().allowance = 1;
        slow.read();
        server.pass(4 * SECOND);
        server.turn();
        assert_eq!(slow.line().held(), held, "the byte is taken");
        assert_eq!(server.count("disconnected.stuck"), 0, "after {second} bytes");
        quick.read();
    }
    assert_eq!(server.count("clients"), 2);
    server.pass(5 * SECOND);
    server.turn();
    assert_eq!((server.count("clients"), server.count("disconnected.stuck")), (1, 1));
}

#[test]
fn a_blocked_socket_that_the_poll_says_nothing_about_is_tried_again_after_5_ms() {
    let mut server = Server::new(catalogue(2, 2), settings());
    let mut client = server.connect();
    client.expect(&mut server, "snapshot");
    client.line().is_silent = true;
    client.line().budget = 0;
    server.send(spread(0, 0, 1, 10_100));
    server.turn();
    client.line().lift_budget();
    server.pass(5 * MILLI - 1);
    server.turn();
    assert!(!client.read(), "it is not tried before");
    server.pass(1);
    server.turn();
    client.read();
    assert_eq!(client.spread_seqs(), [1]);
}

#[test]
fn a_blocked_socket_that_the_poll_says_is_writable_is_tried_at_once() {
    let mut server = Server::new(catalogue(2, 2), settings());
    let mut client = server.connect();
    client.expect(&mut server, "snapshot");
    client.line().budget = 0;
    server.send(spread(0, 0, 1, 10_100));
    server.turn();
    client.line().lift_budget();
    server.turn();
    client.read();
    assert_eq!(client.spread_seqs(), [1]);
}
