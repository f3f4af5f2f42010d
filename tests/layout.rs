//! The same ordered input gives the same spreads and decisions in every thread layout; and if an
//! agent fails, the others end in order.

#![allow(clippy::print_stdout, reason = "a test tells what it did")]
#![allow(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spreadwire_config::config::{self, Config};
use spreadwire_config::trading::{Limits, Number, Trading, TradingVenue};
use spreadwire_engine::calculator::{Calculator, Output};
use spreadwire_engine::decision::Decision;
use spreadwire_engine::decision::execution::{self, Execution};
use spreadwire_engine::plan::{Host, Plan};
use spreadwire_engine::runtime::agent::{Agent, IdleStrategy, Report};
use spreadwire_engine::runtime::ring::{self, CountSender, EdgeCounters, HoldSender, Receiver};
use spreadwire_engine::runtime::runner::{self, Stop, ThreadPlan};
use spreadwire_kit::quotes;
use spreadwire_market::book::Book;
use spreadwire_market::clock::{Clock, MILLI, Nanos};
use spreadwire_market::counters::Counters;
use spreadwire_market::instrument::{Catalogue, Listing};
use spreadwire_market::record::{Ended, Kind, Quote, Record, Spread};
use spreadwire_market::state::State;
use spreadwire_trading::entry::{Entry, Event};
use spreadwire_trading::kill::KillSwitch;
use spreadwire_trading::order::Answer;
use spreadwire_trading::paper_trader::Restoring;
use spreadwire_trading::trader::Out;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

const SEED: u64 = 20_261_122;
const QUOTES: usize = 20_000;
/// Spreads with this net or more are recorded: 5 bp.
const SPREADS_MIN_NET: f64 = 0.0005;

fn preset(name: &str) -> Plan {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config").join(name);
    let host = Host { cpus: (0..8).collect(), descriptors: u64::MAX, now: 0 };
    let mut problems = Vec::new();
    let mut config = config::read(&path, &mut problems).unwrap();
    // Compared on all four venues, a quote leads to more spreads than on the three of spot alone.
    config.instruments.retain(|instrument| !instrument.name.ends_with(":PERP"));
    let instruments = std::mem::take(&mut config.instruments);
    spreadwire_catalogue::add_by_market(&mut config, instruments);
    config.trading = trading(&config);
    Plan::new(config, &path, &host, problems).unwrap()
}

/// Returns a section `[trading]` that executes on paper, with enough of everything at every venue.
fn trading(config: &Config) -> Trading {
    let number = |text: &str| Number(text.to_owned());
    let instruments = config.instruments.iter().chain(&config.across_markets);
    let names = instruments.map(|it| it.name.split('/').next().unwrap().to_owned());
    let mut balances: BTreeMap<String, Number> = names.map(|it| (it, number("1000000"))).collect();
    balances.insert("USDT".to_owned(), number("1000000000"));
    let venue = |it: &config::Venue| TradingVenue {
        orders_per_second: Some(1_000),
        balances: balances.clone(),
        ..TradingVenue::named(&it.name)
    };
    let limits =
        Limits { failures: 1_000_000, drawdown: number("1000000000"), ..Limits::default() };
    let limits = Limits { loss_per_day: number("1000000000"), max_net_bps: 1e6, ..limits };
    let venues = config.venues.iter().map(venue).collect();
    Trading { mode: "paper".to_owned(), latency_ms: 0.5, limits, venues, ..Trading::default() }
}

/// Generates quotes around one price, with venues now and then expensive, cheap, quiet or down.
fn input(catalogue: &Catalogue) -> Vec<Record> {
    println!("seed {SEED}");
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let mut records = Vec::new();
    let status = |listing: &Listing, state, now| -> Record {
        quotes::status(listing.venue.0, listing.instrument.0, state, now).into()
    };
    let mut now = 1_000_000 * MILLI;
    for listing in &catalogue.listings {
        records.push(status(listing, State::Live, now));
    }
    for _ in 0..QUOTES {
        now += random.random_range(0..2 * MILLI);
        let listing = &catalogue.listings[random.random_range(0..catalogue.listings.len())];
        if random.random_range(0..200) == 0 {
            let states = [State::Live, State::ALL[random.random_range(0..State::ALL.len())]];
            let state = states[random.random_range(0..2)];
            records.push(status(listing, state, now));
            continue;
        }
        let shock =
            if random.random_range(0..50) == 0 { random.random_range(-800..800) } else { 0 };
        let bid_px = 100_000 + random.random_range(-40..40) + shock;
        records.push(
            Quote {
                bid_px,
                ask_px: bid_px + random.random_range(1..20),
                bid_sz: random.random_range(1..1_000),
                ask_sz: random.random_range(1..1_000),
                ..quotes::quote(listing.venue.0, listing.instrument.0, now)
            }
            .into(),
        );
    }
    records
}

/// A source in place of the feeds, which sends a list of records in order.
struct Replay {
    role: String,
    records: std::vec::IntoIter<Record>,
    edge: HoldSender,
}

impl Agent for Replay {
    fn role(&self) -> &str {
        &self.role
    }
    fn do_work(&mut self, _now: Nanos) -> usize {
        let mut sent = 0;
        while sent < 100 && self.edge.room(1) {
            let Some(record) = self.records.next() else { break };
            self.edge.send(record);
            sent += 1;
        }
        sent
    }
    fn is_finished(&self) -> bool {
        self.records.as_slice().is_empty() || self.edge.is_abandoned()
    }
}

/// A consumer that keeps what it receives, and panics where it is told to.
struct Tap {
    role: &'static str,
    input: Receiver,
    seen: Arc<Mutex<Vec<Record>>>,
    panic_after: usize,
    closed: Arc<Mutex<Vec<&'static str>>>,
}

impl Agent for Tap {
    fn role(&self) -> &str {
        self.role
    }
    fn do_work(&mut self, _now: Nanos) -> usize {
        let mut seen = self.seen.lock().unwrap();
        let work = self.input.drain(|record| seen.push(*record));
        let count = seen.len();
        drop(seen);
        assert!(count <= self.panic_after, "told to panic");
        work
    }
    fn is_finished(&self) -> bool {
        self.input.is_finished()
    }
    fn on_close(&mut self) {
        self.closed.lock().unwrap().push(self.role);
    }
}

/// Output of a run.
struct Run {
    report: Report,
    spreads: Vec<Record>,
    journalled: Vec<Record>,
    opportunities: Vec<Record>,
    /// Entries of the trading on paper.
    entries: Vec<Entry>,
    /// Spreads and opportunities as the journal receives them.
    annexed: [Vec<Record>; 2],
    closed: Vec<&'static str>,
}

fn edge(capacity: usize) -> (CountSender, Receiver) {
    ring::count(capacity, EdgeCounters::default())
}

/// Runs the input through the calculator and the decision on a preset's threads.
fn run(name: &str, panic_after: usize) -> Run {
    let plan = preset(name);
    let records = input(&plan.catalogue);
    let clock = Clock::manual(0);
    let (counters, stop) = (Counters::default(), Stop::default());
    let closed = Arc::new(Mutex::new(Vec::new()));
    let mut agents: BTreeMap<String, Box<dyn Agent>> = BTreeMap::new();
    let mut inputs = Vec::new();
    for (place, feed) in plan.feeds.iter().enumerate() {
        let (edge, receiver) = ring::hold(256, EdgeCounters::default());
        inputs.push(receiver);
        // A single source: with several, the interleaving would depend on the machine.
        let records = if place == 0 { records.clone() } else { Vec::new() }.into_iter();
        let replay = Replay { role: feed.role.clone(), records, edge };
        agents.insert(feed.role.clone(), Box::new(replay));
    }
    let mut tap = |role, input| {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let panic_after = if role == "broadcast" { panic_after } else { usize::MAX };
        let closed = Arc::clone(&closed);
        let tap = Tap { role, input, seen: Arc::clone(&seen), panic_after, closed };
        agents.insert(role.to_owned(), Box::new(tap));
        seen
    };
    // There is space for everything; slow consumers have tests of their own.
    let (to_broadcast, broadcast_in) = edge(QUOTES * 12);
    let (to_decision, decision_in) = edge(QUOTES * 12);
    let (to_journal, journal_in) = edge(QUOTES * 2);
    let (to_chronicle, chronicle_in) = edge(QUOTES);
    let (journal_spreads, spreads_in) = edge(QUOTES * 12);
    let (journal_opportunities, opportunities_in) = edge(QUOTES);
    let spreads = tap("broadcast", broadcast_in);
    let journalled = tap("journal", journal_in);
    let opportunities = tap("chronicle", chronicle_in);
    let annexed = [tap("spreads", spreads_in), tap("opportunities", opportunities_in)];
    let outputs = vec![
        Output::of_results(to_decision),
        Output::of_results(to_broadcast),
        Output::of_inputs(to_journal),
        Output::of_spreads(journal_spreads, SPREADS_MIN_NET),
    ];
    let book = Book::new(&plan.catalogue);
    let calculator = Calculator::new(inputs, outputs, book, clock.clone(), &counters);
    agents.insert("calculator".to_owned(), Box::new(calculator));
    let (to_entries, mut entries) = execution::edge();
    let trading = plan.trading.as_ref().unwrap();
    let restoring = Restoring::new(plan.trader(trading, KillSwitch::default()));
    let paper = trading.paper.clone();
    let trader = restoring.on_paper(&trading.balances, paper, 0, &mut Out::default());
    let execution = Execution::new(trader, to_entries, Arc::default(), &counters);
    let outputs = vec![to_chronicle, journal_opportunities];
    let decision = Decision::new(decision_in, outputs, execution, clock.clone(), &counters);
    agents.insert("decision".to_owned(), Box::new(decision));
    let threads = crews(&plan.threads, &mut agents);
    let report = runner::start(threads, &clock, &stop, &counters, MILLI).unwrap().join();
    assert_eq!(counters.expect("trading.entries_lost"), 0, "the edge holds every entry");
    let waiting = entries.slots();
    let entries = entries.read_chunk(waiting).unwrap().into_iter().collect();
    let take = |seen: &Mutex<Vec<Record>>| std::mem::take(&mut *seen.lock().unwrap());
    let closed = std::mem::take(&mut *closed.lock().unwrap());
    Run {
        report,
        spreads: take(&spreads),
        journalled: take(&journalled),
        opportunities: take(&opportunities),
        entries,
        annexed: annexed.map(|seen| take(&seen)),
        closed,
    }
}

/// Returns the preset's threads with their agents. This machine may have fewer cores than the
/// preset needs, so threads are not pinned and spinners beyond its cores yield.
fn crews(
    plans: &[ThreadPlan],
    agents: &mut BTreeMap<String, Box<dyn Agent>>,
) -> Vec<(ThreadPlan, Vec<Box<dyn Agent>>)> {
    let crowded = spreadwire_engine::runtime::cpu::available().len() <= plans.len();
    let mut crews = Vec::new();
    for plan in plans {
        let mut plan = ThreadPlan { cpu: None, ..plan.clone() };
        if crowded && plan.idle == IdleStrategy::Spin {
            plan.idle = IdleStrategy::Yield;
        }
        let crew = plan.agents.iter().map(|role| agents.remove(role).unwrap()).collect();
        crews.push((plan, crew));
    }
    let rest = std::mem::take(agents).into_values().collect();
    let cold = ThreadPlan {
        name: "cold".to_owned(),
        cpu: None,
        idle: IdleStrategy::Yield,
        agents: Vec::new(),
    };
    crews.push((cold, rest));
    crews
}

#[test]
fn every_layout_gives_the_same_spreads_and_decisions() {
    let alone = run("laptop.toml", usize::MAX);
    assert!(alone.report.failures.is_empty(), "{:?}", alone.report.failures);
    let opened = alone.opportunities.iter().filter(|r| r.kind() == Some(Kind::Opened)).count();
    assert!(opened > 50, "the input must lead to decisions, not {opened}");
    let fills = |entry: &&Entry| matches!(entry.event, Event::Answered(Answer::Filled(_)));
    let fills = alone.entries.iter().filter(fills).count();
    assert!(50 < fills, "the opportunities must lead to fills, not {fills}");
    assert!(alone.spreads.len() > QUOTES, "{} spreads", alone.spreads.len());
    let best = |record: &&Record| {
        record.is::<Ended>() || record.get().is_some_and(|s: &Spread| SPREADS_MIN_NET <= s.net)
    };
    let recorded: Vec<Record> = alone.spreads.iter().filter(best).copied().collect();
    assert!(!recorded.is_empty() && recorded.len() < alone.spreads.len());
    assert!(alone.annexed == [recorded, alone.opportunities.clone()]);
    for name in ["pinned-2.toml", "pinned-8.toml"] {
        let other = run(name, usize::MAX);
        assert!(other.report.failures.is_empty(), "{name}: {:?}", other.report.failures);
        assert!(other.spreads == alone.spreads, "{name}: other spreads");
        assert!(other.opportunities == alone.opportunities, "{name}: other opportunities");
        assert!(other.entries == alone.entries, "{name}: other decisions, fills or profits");
        assert!(other.journalled == alone.journalled, "{name}: another journal");
        assert!(other.annexed == alone.annexed, "{name}: other annexes");
    }
}

#[test]
fn the_journal_replays_to_the_same_spreads_bit_for_bit() {
    let live = run("pinned-2.toml", usize::MAX);
    let plan = preset("pinned-2.toml");
    let mut book = Book::new(&plan.catalogue);
    let mut again = Vec::new();
    for (sequence, record) in live.journalled.iter().enumerate() {
        match record.kind() {
            Some(Kind::Quote) => {
                book.on_quote(record.view(), sequence as u64, &mut again);
            }
            _ => {
                again.push(*record);
                book.on_status(record.view(), sequence as u64, &mut again);
            }
        }
    }
    assert!(again == live.spreads);
}

#[test]
fn a_panic_in_one_agent_ends_the_others_in_order_and_is_a_failure() {
    for name in ["laptop.toml", "pinned-2.toml", "pinned-8.toml"] {
        let broken = run(name, 500);
        let failures = broken.report.failures;
        assert_eq!(failures.len(), 1, "{name}: {failures:?}");
        assert!(failures[0].contains("\"broadcast\" panicked: told to panic"), "{failures:?}");
        assert!(!broken.closed.contains(&"broadcast"));
        assert!(broken.closed.contains(&"journal"), "{name}: the journal was not closed");
        // Everything that the source had sent reached the journal; nothing was lost.
        let all = input(&preset(name).catalogue);
        assert!(broken.journalled == all[..broken.journalled.len()]);
        assert_eq!(broken.journalled.len(), all.len(), "{name}: this source runs to its end");
    }
}
