//! Tests of the timers and of the answers to clients, over loopback and with the time handed in.

mod rig;

use std::time::Duration;

use tungstenite::Message;

use crate::feed::Feed;
use crate::model::ModelOptions;
use crate::options::{Options, Source, Speed, VenueAt};
use crate::orders::options::OrdersOptions;
use crate::server::hub::Frame;
use crate::server::player::Player;
use crate::server::tests::rig::{Client, NS_PER_S, Rig, connection};
use crate::server::timers::check;

const STUCK_AFTER: Duration = Duration::from_secs(30);

fn check_at(rig: &mut Rig, now_ns: u64) {
    check(&mut rig.hub, STUCK_AFTER, now_ns);
    for connection in rig.hub.connections.iter_mut().flatten() {
        connection.flush(now_ns);
    }
}

/// Reads `pings` pings and then a close. Returns its code and reason.
fn closed(client: &mut Client, pings: usize) -> (u16, String) {
    for _ in 0..pings {
        assert!(matches!(client.read(), Ok(Message::Ping(_))));
    }
    match client.read() {
        Ok(Message::Close(Some(frame))) => (frame.code.into(), frame.reason.to_string()),
        other => panic!("not a close: {other:?}"),
    }
}

#[test]
fn a_handshake_that_does_not_end_is_given_up() {
    let mut rig = Rig::new("binance");
    let _client = rig.connect(NS_PER_S);
    check_at(&mut rig, 6 * NS_PER_S - 1);
    assert!(rig.hub.connections[0].is_some());
    check_at(&mut rig, 6 * NS_PER_S);
    assert!(rig.hub.connections[0].is_none());
    assert_eq!(rig.hub.markets[0].stats.connections, 0);
}

#[test]
fn a_client_that_answers_no_ping_is_expelled() {
    let mut rig = Rig::new("binance");
    let mut client = rig.open(0);
    for s in 0..=79 {
        check_at(&mut rig, s * NS_PER_S);
    }
    assert_eq!((rig.hub.markets[0].stats.pings, rig.hub.markets[0].stats.expelled), (3, 0));
    check_at(&mut rig, 80 * NS_PER_S);
    assert_eq!(rig.hub.markets[0].stats.expelled, 1);
    assert_eq!(closed(&mut client, 3), (1008, "Pong timeout".to_owned()));
}

#[test]
fn a_client_that_was_sent_nothing_is_expelled_by_okx() {
    let mut rig = Rig::new("okx");
    let mut client = rig.open(0);
    check_at(&mut rig, 30 * NS_PER_S - 1);
    assert_eq!(rig.hub.markets[0].stats.expelled, 0);
    check_at(&mut rig, 30 * NS_PER_S);
    assert_eq!(rig.hub.markets[0].stats.expelled, 1);
    assert_eq!(closed(&mut client, 0), (1008, "No data received".to_owned()));
}

#[test]
fn the_order_side_forgets_a_connection_that_is_gone() {
    let mut rig = Rig::new("okx");
    rig.hub.markets[0].take_orders(&OrdersOptions::default());
    let _client = rig.open(0);
    let ping = |rig: &mut Rig| {
        let desk = rig.hub.markets[0].desk.as_mut().expect("okx takes orders");
        desk.on_text(0, "ping", 0);
        desk.poll(0).is_some()
    };
    let desk = rig.hub.markets[0].desk.as_mut().expect("okx takes orders");
    desk.connect(0, "1", "/ws/v5/private", "", 0);
    assert!(ping(&mut rig));
    rig.hub.abandon(0, 0);
    assert!(!ping(&mut rig));
}

#[test]
fn silence_counts_from_the_end_of_the_handshake() {
    let mut rig = Rig::new("okx");
    let stream = rig.connect(0);
    let _client = rig.shake_hands(stream, 4 * NS_PER_S);
    check_at(&mut rig, 34 * NS_PER_S - 1);
    assert_eq!(rig.hub.markets[0].stats.expelled, 0);
    check_at(&mut rig, 34 * NS_PER_S);
    assert_eq!(rig.hub.markets[0].stats.expelled, 1);
}

#[test]
fn a_close_that_is_not_answered_is_given_up() {
    let mut rig = Rig::new("okx");
    let _client = rig.open(0);
    rig.hub.expel(0, "for the test", NS_PER_S);
    check_at(&mut rig, 6 * NS_PER_S - 1);
    assert_eq!(rig.hub.markets[0].stats.connections, 1);
    check_at(&mut rig, 6 * NS_PER_S);
    assert!(rig.hub.connections[0].is_none());
    assert_eq!(rig.hub.markets[0].stats.connections, 0);
}

#[test]
fn what_came_during_a_stall_is_answered_at_its_end() {
    let mut rig = Rig::new("okx");
    let mut client = rig.open(0);
    rig.hub.each_live(0, |it| it.stalled_until_ns = Some(3 * NS_PER_S));
    client.send(Message::text("ping")).expect("the connection is open");
    rig.until(NS_PER_S, |hub| connection(hub).is_unread);
    check_at(&mut rig, 3 * NS_PER_S - 1);
    assert_eq!(rig.hub.markets[0].stats.heartbeats, 0);
    check_at(&mut rig, 3 * NS_PER_S);
    assert_eq!(rig.hub.markets[0].stats.heartbeats, 1);
    assert_eq!(client.read().ok(), Some(Message::text("pong")));
}

#[test]
fn a_client_that_reads_nothing_is_cut_off() {
    let mut rig = Rig::new("binance");
    let _client = rig.open(0);
    let text = "x".repeat(1 << 20);
    while !rig.hub.is_blocked() {
        rig.hub.send_to_all(0, &text, NS_PER_S);
        rig.hub.each_live(0, |it| it.flush(NS_PER_S));
    }
    check(&mut rig.hub, STUCK_AFTER, 31 * NS_PER_S);
    assert_eq!(rig.hub.markets[0].stats.stuck, 0);
    check(&mut rig.hub, STUCK_AFTER, 31 * NS_PER_S + 1);
    assert_eq!(rig.hub.markets[0].stats.stuck, 1);
    assert!(rig.hub.connections[0].is_none());
}

#[test]
fn a_full_socket_holds_the_source_and_loses_nothing() {
    let mut rig = Rig::new("binance");
    let mut client = rig.open(0);
    rig.hub.subscribe(0, "btcusdt@bookTicker", 0);
    let model = ModelOptions { instruments: 1, ..ModelOptions::default() };
    let (source, speed) = (Source::Model(model), Speed::Max);
    let venues = vec![VenueAt::any_port("binance")];
    let options = Options { venues, source, speed, limit: Some(10), ..Options::default() };
    let (feed, _) = Feed::open(&options).expect("the model");
    let mut player = Player::new(feed, &options);
    player.begin_if_ready(&mut rig.hub, 0);

    let filler = "x".repeat(1 << 20);
    let mut fillers = 0;
    while !rig.hub.is_blocked() {
        rig.hub.send_to_all(0, &filler, NS_PER_S);
        rig.hub.each_live(0, |it| it.flush(NS_PER_S));
        fillers += 1;
    }
    player.play(&mut rig.hub, NS_PER_S);
    assert_eq!(player.wait_ns(&rig.hub, NS_PER_S), None);
    assert_eq!(player.progress(rig.hub.is_drained()).produced, 0);

    // The client reads what was written; the rest leaves as the socket takes it.
    let reader = std::thread::Builder::new().spawn(move || {
        for _ in 0..fillers {
            client.read().expect("a filler");
        }
        client
    });
    rig.until_written(NS_PER_S);
    let mut client = reader.expect("a thread").join().expect("the reader");
    player.play(&mut rig.hub, NS_PER_S);
    rig.hub.each_live(0, |it| it.flush(NS_PER_S));
    for _ in 0..10 {
        let text = client.read().expect("a quote").to_string();
        assert!(text.starts_with(r#"{"u":"#), "{text}");
    }
    let progress = player.progress(rig.hub.is_drained());
    assert_eq!((progress.produced, progress.has_ended), (10, true));
}

#[test]
fn bybit_repeats_a_silent_topic_to_its_subscribers() {
    let mut rig = Rig::new("bybit");
    let _client = rig.open(0);
    check_at(&mut rig, 10 * NS_PER_S);
    assert_eq!(rig.hub.markets[0].stats.repeats, 0, "nobody is subscribed");
    rig.hub.subscribe(0, "orderbook.1.BTCUSDT", 10 * NS_PER_S);
    rig.hub.deliver(0, 0, Frame::bare("{}"), 11 * NS_PER_S);
    check_at(&mut rig, 14 * NS_PER_S - 1);
    assert_eq!(rig.hub.markets[0].stats.repeats, 0);
    check_at(&mut rig, 14 * NS_PER_S);
    assert_eq!(rig.hub.markets[0].stats.repeats, 1);
    check_at(&mut rig, 17 * NS_PER_S);
    assert_eq!(rig.hub.markets[0].stats.repeats, 2);
}

fn list_subscriptions(client: &mut Client, times: usize) {
    for id in 0..times {
        let request = format!(r#"{{"method":"LIST_SUBSCRIPTIONS","id":{id}}}"#);
        client.send(Message::text(request)).expect("the connection is open");
    }
}

#[test]
fn five_messages_a_second_are_allowed_by_binance_and_a_sixth_is_not() {
    let mut rig = Rig::new("binance");
    let mut client = rig.open(0);
    for s in 1..=3 {
        list_subscriptions(&mut client, 5);
        rig.until(s * NS_PER_S, |hub| hub.markets[0].stats.requests == 5 * s);
    }
    assert_eq!(rig.hub.markets[0].stats.expelled, 0);
    list_subscriptions(&mut client, 1);
    rig.until(4 * NS_PER_S - 1, |hub| hub.markets[0].stats.expelled == 1);
    assert_eq!(rig.hub.markets[0].stats.requests, 15, "the sixth is not answered");
}

#[test]
fn a_client_that_leaves_frees_its_slot_and_its_subscriptions() {
    let mut rig = Rig::new("okx");
    let client = rig.open(0);
    rig.hub.subscribe(0, "bbo-tbt:BTC-USDT", 0);
    assert_eq!((rig.hub.subscriptions(), rig.hub.markets[0].stats.connections), (1, 1));
    drop(client);
    rig.until(0, |hub| hub.connections[0].is_none());
    assert_eq!((rig.hub.subscriptions(), rig.hub.markets[0].stats.connections), (0, 0));
}
