//! Tests the trader against the engine's own broadcast server: the same records give the same
//! decisions.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use spreadwire_engine::broadcast::{self, Settings};
use spreadwire_engine::runtime::agent::Agent;
use spreadwire_engine::runtime::ring::{self, EdgeCounters, HoldSender};
use spreadwire_kit::approved::approved;
use spreadwire_kit::{catalogue, quotes};
use spreadwire_market::client::{Heard, Limits};
use spreadwire_market::clock::{Clock, Nanos, SECOND};
use spreadwire_market::counters::Counters;
use spreadwire_market::decision::{self, DecisionMaker};
use spreadwire_market::instrument::Catalogue;
use spreadwire_market::record::{Closed, Kind, Opened, Record, Spread, Status};
use spreadwire_market::spread::{BPS, FeeFactors};
use spreadwire_market::state::{CloseReason, Reason, State};
use std::net::SocketAddr;
use std::sync::Arc;
use trader::{News, Rule, Server, SpreadListener, Trader};

const START: Nanos = 1_700_000_000 * SECOND;
/// Number of calls of `listen` without news after which a test gives up: a minute and a half.
const CALLS_MAX: usize = 100_000;
const FEES: [f64; 3] = [0.001, 0.0008, 0.00055];

fn catalogue() -> Catalogue {
    let instruments = (0..2).map(|n| format!("C{n}/USDT"));
    let draft = catalogue::of(instruments, (0..3).map(|n| format!("venue{n}"))).scales(3, 5);
    draft.fees(FEES).max_age(Nanos::MAX).listed().build()
}

fn spread(step: u64, instrument: u32, buy: u8, sell: u8, sell_px: i64) -> Record {
    let fee = |venue: u8| FeeFactors::of(FEES[usize::from(venue)]);
    Spread {
        sequence: step,
        net: spreadwire_market::spread::net(sell_px, fee(sell), 100_000, fee(buy)),
        ..quotes::spread(instrument, [buy, sell], [100_000, sell_px], START + step * SECOND)
    }
    .into()
}

fn status(step: u64, instrument: u32, venue: u8, state: State) -> Record {
    let status = quotes::status(venue, instrument, state, START + step * SECOND);
    Status { reason: Reason::Quiet as u8, ..status }.into()
}

/// A sequence with openings, an exit, a leg that ends, and an opportunity left open.
fn story() -> Vec<Record> {
    let legs = (0..2).flat_map(|instrument| (0..3).map(move |venue| (instrument, venue)));
    let live = legs.map(|(instrument, venue)| status(0, instrument, venue, State::Live));
    let mut records: Vec<Record> = live.collect();
    for step in 0..400 {
        let (instrument, buy) = (u32::from(step % 3 == 0), u8::try_from(step % 2).unwrap());
        let swing = i64::try_from(step * 37 % 600).unwrap();
        records.push(spread(step, instrument, buy, 2, 100_000 + swing));
        if step % 50 == 49 {
            records.push(status(step, instrument, buy, State::Stale));
            records.push(status(step, instrument, buy, State::Live));
        }
    }
    records.push(spread(500, 0, 0, 1, 100_900));
    records
}

fn server_at(address: SocketAddr) -> Server {
    Server::new(&format!("ws://{address}"), None, None).unwrap()
}

fn rule() -> Rule {
    Rule {
        entry_bps: 20.0,
        exit_bps: 5.0,
        cooldown: 2 * SECOND,
        instruments: vec!["*".into()],
        approved: None,
        read_at: 0,
    }
}

/// Starts a server on a thread of the scope and returns the edge that feeds it. The thread ends
/// with the edge.
fn serve<'scope>(
    scope: &'scope std::thread::Scope<'scope, '_>,
    address: SocketAddr,
) -> (SocketAddr, HoldSender, std::thread::ScopedJoinHandle<'scope, ()>) {
    let (edge, records) = ring::hold(4096, EdgeCounters::default());
    let (_, states) = ring::count(1, EdgeCounters::default());
    let listener = broadcast::bind(address).unwrap();
    let (clock, counters) = (Clock::host(), Counters::default());
    let (shared, settings) = (Arc::new(catalogue()), Settings::default());
    let clocked = clock.clone();
    let (mut reception, mut agent) =
        broadcast::serve(records, states, shared, listener, settings, clocked, &counters).unwrap();
    let address = reception.address().unwrap();
    let thread = scope.spawn(move || {
        while !agent.is_finished() {
            if reception.do_work(clock.now()) + agent.do_work(clock.now()) == 0 {
                std::thread::yield_now();
            }
        }
        agent.on_close();
        reception.on_close();
    });
    (address, edge, thread)
}

/// Listens until `done` accepts the news and the events so far.
fn listen(
    listener: &mut SpreadListener,
    trader: &mut Trader,
    events: &mut Vec<Record>,
    mut done: impl FnMut(&News, &[Record]) -> bool,
) {
    for _ in 0..CALLS_MAX {
        let mut records = Vec::new();
        let news = listener.listen(&mut records);
        match &news {
            News::None => {}
            News::Connected(catalogue) => {
                assert!(trader.connected(catalogue.clone()).is_empty());
            }
            News::Records(heard) => trader.take(*heard, &records, events),
            News::Lost { .. } => trader.take(Heard::CatchingUp, &records, events),
            News::OtherProtocol { why } => panic!("{why}"),
        }
        if done(&news, &records) {
            return;
        }
    }
    panic!("gave up waiting; so far {events:?}");
}

#[test]
fn the_trader_decides_as_the_engine_and_survives_the_server() {
    let all = catalogue();
    let settings = decision::Settings {
        entry: 20.0 / BPS,
        exit: 5.0 / BPS,
        cooldown: 2 * SECOND,
        enabled: vec![true; 2],
        rules: None,
    };
    let mut maker = DecisionMaker::new(&all, settings);
    let mut expected = Vec::new();
    story().iter().for_each(|record| maker.on_record(record, &mut expected));
    assert!(expected.len() > 20 && maker.open_now() > 0, "the story is one");

    let mut events = Vec::new();
    let mut trader = Trader::new(rule());
    std::thread::scope(|scope| {
        let (address, mut edge, thread) = serve(scope, "127.0.0.1:0".parse().unwrap());
        let mut listener =
            SpreadListener::new(server_at(address), Limits::timeless(), Clock::host());
        let whole = |news: &News, _: &[Record]| matches!(news, News::Records(Heard::InStep));
        listen(&mut listener, &mut trader, &mut events, whole);
        assert_eq!(
            trader.catalogue(),
            &Catalogue { venues: trader.catalogue().venues.clone(), ..all.clone() }
        );
        for record in story() {
            assert!(edge.room(1));
            edge.send(record);
        }
        let is_last = |_: &News, records: &[Record]| {
            records.iter().any(|r| r.ts_recv() == START + 500 * SECOND)
        };
        listen(&mut listener, &mut trader, &mut events, is_last);
        assert_eq!(events, expected);

        events.clear();
        drop(edge);
        let lost = |news: &News, _: &[Record]| matches!(news, News::Lost { .. });
        listen(&mut listener, &mut trader, &mut events, lost);
        assert_eq!(events.len(), maker.open_now(), "all that was open is closed");
        let reasons = events.iter().map(|e| e.view::<Closed>().flags);
        assert!(reasons.into_iter().all(|reason| reason == CloseReason::Gap as u8));

        events.clear();
        thread.join().unwrap();
        let (_, mut edge, _) = serve(scope, address);
        let back = |news: &News, _: &[Record]| matches!(news, News::Connected(_));
        listen(&mut listener, &mut trader, &mut events, back);
        edge.send(status(600, 1, 0, State::Live));
        edge.send(status(600, 1, 2, State::Live));
        edge.send(spread(600, 1, 0, 2, 100_900));
        let opened = |_: &News, records: &[Record]| {
            !records.is_empty() && records[0].kind() == Some(Kind::Spread)
        };
        listen(&mut listener, &mut trader, &mut events, opened);
    });
}

#[test]
fn only_approved_pairs_open_by_their_own_thresholds_until_expiry() {
    let rule = Rule { approved: Some(approved(START, START + 300 * SECOND)), ..rule() };
    let mut trader = Trader::new(rule);
    assert_eq!(trader.connected(catalogue()), ["C2/USDT buy venue1 sell venue2"]);
    assert!(trader.expire(START + 300 * SECOND - 1).is_empty());
    let mut events = Vec::new();
    trader.take(Heard::InStep, &story(), &mut events);
    let opened: Vec<&Opened> = events
        .iter()
        .filter(|event| event.kind() == Some(Kind::Opened))
        .map(Record::view::<Opened>)
        .collect();
    let of = |instrument: u32| opened.iter().filter(move |o| o.instrument.0 == instrument);
    assert!(of(0).count() > 5 && of(1).count() > 5, "{opened:?}");
    assert!(of(0).all(|o| (o.buy_venue.0, o.sell_venue.0) == (0, 2) && 10.0 / BPS <= o.net));
    assert!(of(1).all(|o| (o.buy_venue.0, o.sell_venue.0) == (1, 2) && 30.0 / BPS <= o.net));
    assert!(of(0).any(|o| o.net < 20.0 / BPS), "below the entry for all pairs");
    assert!(opened.iter().all(|o| o.ts_recv < START + 300 * SECOND));
}

#[test]
fn by_its_own_clock_the_trader_opens_nothing_after_expiry_whatever_the_server_says() {
    let rule = Rule { approved: Some(approved(START, START + 300 * SECOND)), ..rule() };
    let mut trader = Trader::new(rule);
    trader.connected(catalogue());
    let mut events = Vec::new();
    trader.take(Heard::InStep, &[spread(1, 0, 0, 2, 100_600)], &mut events);
    assert_eq!(events.len(), 1);
    let now = START + 300 * SECOND;
    let told = trader.expire(now);
    assert_eq!(told.len(), 4, "each pair, and that none is left: {told:?}");
    assert!(told[3].starts_with("0 pairs enabled: nothing will open"), "{told:?}");
    assert!(trader.expire(now + 1).is_empty(), "told once");
    let records = [spread(2, 1, 1, 2, 100_900), spread(3, 0, 0, 2, 100_000)];
    trader.take(Heard::InStep, &records, &mut events);
    assert_eq!(events.len(), 2, "what was open closes, nothing opens");
    assert_eq!(events[1].view::<Closed>().flags, CloseReason::Exit as u8);
    let mut other = catalogue();
    other.venues.pop();
    other.listings.retain(|l| usize::from(l.venue.0) < other.venues.len());
    trader.connected(other);
    trader.connected(catalogue());
    trader.take(Heard::InStep, &[spread(9, 0, 0, 2, 100_900)], &mut events);
    assert_eq!(events.len(), 2, "nor after another connection");
}
