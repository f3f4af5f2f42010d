//! Everything on one clock: what happens next, who hears of it, and when the trader crashes.

use crate::market::{Market, venue_id};
use crate::network::{Happening, Network};
use crate::options::{Faults, Options, START, settings, thresholds};
use crate::oracle::Oracle;
use crate::terms::{ASSETS, INSTRUMENTS, PRICES, VENUES, catalogue};
use crate::venue::Venue;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use spreadwire_market::clock::{MILLI, Nanos, SECOND};
use spreadwire_market::decision;
use spreadwire_market::instrument::InstrumentId;
use spreadwire_market::record::{Ended, Gap, Record, Spread, Status};
use spreadwire_market::state::State;
use spreadwire_trading::desk::Desk;
use spreadwire_trading::entry::{Entry, Event, Halt, Outcome, Stage};
use spreadwire_trading::kill::KillSwitch;
use spreadwire_trading::order::{Answer, ClientId, Order, Side};
use spreadwire_trading::settings::Settings;
use spreadwire_trading::trader::{Out, Trader};
use std::collections::{HashSet, VecDeque};

/// Time that everything has at most to come to rest once nothing goes wrong any more.
const REST: Nanos = 600 * SECOND;

/// How often things happened, so that a simulation in which nothing happens is noticed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    orders: u64,
    fills: u64,
    crashes: u64,
    late: u64,
    settled: u64,
    outcomes: [u64; Outcome::ALL.len()],
    halts: [u64; Halt::ALL.len()],
    stages: [u64; Stage::ALL.len()],
    adoptions: u64,
    kills: u64,
    unknown: u64,
}

impl Report {
    pub(crate) fn add(&mut self, other: &Report) {
        for (mine, more) in self.counts().into_iter().zip(other.clone_counts()) {
            *mine.1 += more;
        }
    }

    fn counts(&mut self) -> Vec<(String, &mut u64)> {
        let Report { orders, fills, crashes, late, settled, adoptions, kills, unknown, .. } = self;
        let mut counts: Vec<(String, &mut u64)> = vec![
            ("orders".into(), orders),
            ("fills".into(), fills),
            ("crashes".into(), crashes),
            ("late".into(), late),
            ("settled".into(), settled),
            ("adoptions".into(), adoptions),
            ("kills".into(), kills),
            ("unknown".into(), unknown),
        ];
        let outcomes = Outcome::ALL.iter().map(|it| it.name().to_owned());
        counts.extend(outcomes.zip(&mut self.outcomes));
        counts.extend(Halt::ALL.iter().map(|it| it.name().to_owned()).zip(&mut self.halts));
        counts.extend(Stage::ALL.iter().map(|it| it.name().to_owned()).zip(&mut self.stages));
        counts
    }

    fn clone_counts(&self) -> Vec<u64> {
        let mut copy = *self;
        copy.counts().into_iter().map(|(_, count)| *count).collect()
    }

    /// Checks that every kind of event occurred, so that no invariant holds for want of one.
    pub(crate) fn assert_everything_happened(mut self) {
        let text = format!("{self:?}");
        // Nothing ever goes back to entering, and no fee is unknown here.
        let never = [Stage::Entering.name(), Halt::UnknownFee.name()];
        let counts = self.counts();
        let missing =
            counts.iter().filter(|(name, count)| **count == 0 && !never.contains(&&**name));
        let missing: Vec<_> = missing.map(|(name, _)| name).collect();
        assert!(missing.is_empty(), "never happened: {missing:?} in {text}");
    }

    fn note(&mut self, event: &Event) {
        match event {
            Event::Placed(_) => self.orders += 1,
            Event::Answered(Answer::Filled(_)) => self.fills += 1,
            Event::Answered(Answer::Unknown { .. }) => self.unknown += 1,
            Event::Settled(settled) => self.outcomes[usize::from(settled.outcome.code())] += 1,
            Event::Halted(halt) => self.halts[usize::from(halt.code())] += 1,
            Event::Stage { stage, .. } => self.stages[usize::from(stage.code())] += 1,
            Event::Adopted { .. } => self.adoptions += 1,
            Event::Answered(_)
            | Event::Funded { .. }
            | Event::Decided(_)
            | Event::Resumed
            | Event::Capturable(_)
            | Event::Markout(_) => {}
        }
    }
}

/// What is left of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Things go wrong.
    Storm,
    /// Nothing goes wrong any more, and everything ends.
    Calm,
    /// All venues are compared once more: nothing may differ.
    Compared,
}

pub(crate) struct World {
    rng: ChaCha8Rng,
    now: Nanos,
    end: Nanos,
    pace: Nanos,
    phase: Phase,
    is_told: bool,
    market: Market,
    venues: Vec<Venue>,
    network: Network,
    trader: Option<Box<Trader>>,
    /// What the trader said last, kept for its memory.
    out: Out,
    kill: KillSwitch,
    settings: Settings,
    thresholds: decision::Settings,
    disk: Vec<Entry>,
    oracle: Oracle,
    ids: HashSet<ClientId>,
    /// Times of the orders of the last second, by venue.
    sent: Vec<VecDeque<Nanos>>,
    /// Until when a reconciliation is waited for, by venue.
    reconciling: [Nanos; VENUES],
    report: Report,
}

impl World {
    pub(crate) fn new(options: Options, is_told: bool) -> World {
        let Options { mut rng, faults, settings, thresholds, latency, pace, length } = options;
        let network = Network::new(faults, latency, settings.answer_timeout);
        let venues = (0..VENUES).map(|place| Venue::new(place, &mut rng)).collect();
        let mut world = World {
            rng,
            now: START,
            end: START + length,
            pace,
            phase: Phase::Storm,
            is_told,
            market: Market::default(),
            venues,
            network,
            trader: None,
            out: Out::default(),
            kill: KillSwitch::default(),
            oracle: Oracle::new(settings.clone(), thresholds.clone()),
            settings,
            thresholds,
            disk: Vec::new(),
            ids: HashSet::new(),
            sent: vec![VecDeque::new(); VENUES],
            reconciling: [0; VENUES],
            report: Report::default(),
        };
        for book in world.market.books.iter_mut().flatten() {
            book.is_live = true;
        }
        for what in [Happening::Restart, Happening::Market, Happening::Person] {
            world.network.add(START, what);
        }
        world
    }

    pub(crate) fn run(mut self) -> Report {
        while !self.is_at_rest() {
            assert!(
                self.now < self.end + REST,
                "no rest: {:#?}",
                self.trader.as_deref().map(summary)
            );
            let due = self.trader.as_ref().map_or(Nanos::MAX, |trader| trader.next_due());
            if due <= self.network.next() {
                self.now = self.now.max(due);
                self.call(|trader, now, out| trader.on_time(now, out));
                continue;
            }
            let Some((ts, what)) = self.network.take() else { unreachable!("people never end") };
            self.now = self.now.max(ts);
            self.happens(what);
            if self.phase == Phase::Storm && self.end <= self.now {
                self.calm();
            }
        }
        self.is_true();
        self.report.late = self.oracle.late;
        self.report.settled = self.oracle.settled;
        self.report
    }

    fn tell(&self, text: impl FnOnce() -> String) {
        if self.is_told {
            let ms = (self.now - START) / 1_000;
            println!("{:>9}.{:03} {}", ms / 1_000, ms % 1_000, text());
        }
    }

    fn happens(&mut self, what: Happening) {
        if !matches!(what, Happening::Market | Happening::CaughtUp) {
            self.tell(|| format!("{what:?}"));
        }
        match what {
            Happening::Market => self.market_moves(),
            Happening::CaughtUp => {
                self.oracle.is_in_step |= self.trader.is_some();
                self.call(|trader, _, _| trader.caught_up());
            }
            Happening::Person => self.person(),
            Happening::KillOff => self.kill.set(false),
            Happening::Restart => self.restart(),
            Happening::Live(instrument, venue) => {
                self.market.books[instrument][venue].is_live = true;
                self.record(status(self.now, instrument, venue, State::Live));
            }
            Happening::Up(venue) => self.connect(venue),
            Happening::Arrives(order) => {
                let venue = order.venue.index();
                let Faults { reject, overfill, .. } = self.network.faults;
                let answers = self.venues[venue].arrive(
                    &order,
                    self.now,
                    &mut self.market,
                    &mut self.rng,
                    (reject, overfill),
                );
                self.network.answer(venue, &answers, self.now, &mut self.rng);
            }
            Happening::Asked(venue, id) => {
                let answers = self.venues[venue].asked(id);
                self.network.answer(venue, &answers, self.now, &mut self.rng);
            }
            Happening::Reconciles(venue) => {
                let answers = self.venues[venue].reconciled();
                self.network.reconciled(venue, &answers, self.now, &mut self.rng);
            }
            Happening::Told { venue, session, answer } => {
                let is_here = matches!(answer, Answer::Rejected { .. } | Answer::Unknown { .. });
                if self.network.is_current(venue, session) || is_here {
                    self.answer(&answer);
                }
            }
        }
        self.reconcile();
    }

    /// Does something with the trader, if it runs, and with what it says.
    fn call(&mut self, work: impl FnOnce(&mut Trader, Nanos, &mut Out)) {
        let Some(mut trader) = self.trader.take() else { return };
        let is_killed = self.kill.is_on() || trader.desk().is_halted(Halt::Killed);
        let mut out = std::mem::take(&mut self.out);
        out.clear();
        work(&mut trader, self.now, &mut out);
        assert!(!is_killed || out.orders.is_empty(), "sent while killed: {:?}", out.orders);
        let (above, acted) = trader.above_and_acted();
        assert_eq!(above, acted + trader.why_not().total(), "every spread has its reason");
        let is_quiet = out.entries.is_empty() && out.orders.is_empty();
        let crash = self.network.faults.crash;
        if !is_quiet && self.rng.random_bool(crash) {
            self.crash(&trader, &out);
        } else {
            self.write(&out.entries);
            out.orders.iter().for_each(|order| self.place(order));
            for order in &out.asks {
                self.network.ask(order, self.now, &mut self.rng);
            }
            if !is_quiet {
                self.oracle.check(trader.desk());
            }
            self.trader = Some(trader);
        }
        self.out = out;
    }

    fn write(&mut self, entries: &[Entry]) {
        for entry in entries {
            self.tell(|| format!("  {:?}", entry.event));
            self.report.note(&entry.event);
            self.oracle.on_entry(entry);
            self.disk.push(*entry);
        }
    }

    fn place(&mut self, order: &Order) {
        assert!(self.ids.insert(order.id), "{order:?} was sent before");
        let (venue, now) = (order.venue.index(), self.now);
        let sent = &mut self.sent[venue];
        sent.push_back(now);
        while sent.front().is_some_and(|ts| *ts + SECOND <= now) {
            sent.pop_front();
        }
        let most = self.settings.venues[venue].orders_per_second;
        assert!(sent.len() <= most, "{} orders within a second to venue {venue}", sent.len());
        self.network.place(order, now, &mut self.rng);
    }

    /// Ends the trader anywhere between the first entry and the last order.
    fn crash(&mut self, trader: &Trader, out: &Out) {
        let written = self.rng.random_range(0..=out.entries.len());
        self.write(&out.entries[..written]);
        if written == out.entries.len() {
            let sent = self.rng.random_range(0..=out.orders.len());
            out.orders[..sent].iter().for_each(|order| self.place(order));
            let mut restored = self.new_trader();
            self.disk.iter().for_each(|entry| restored.restore(entry));
            assert_eq!(state(restored.desk()), state(trader.desk()), "restored from the disk");
        }
        self.tell(|| format!("crash after {written} of {} entries", out.entries.len()));
        self.report.crashes += 1;
        (0..VENUES).for_each(|venue| self.network.disconnect(venue));
        let down = self.rng.random_range(0..500) * MILLI;
        self.network.add(self.now + down, Happening::Restart);
    }

    fn new_trader(&self) -> Trader {
        let (thresholds, settings) = (self.thresholds.clone(), self.settings.clone());
        Trader::new(&catalogue(), thresholds, settings, self.kill.clone(), 1)
    }

    fn restart(&mut self) {
        let mut trader = self.new_trader();
        self.disk.iter().for_each(|entry| trader.restore(entry));
        self.oracle = self.oracle.restarted(&self.disk);
        self.oracle.check(trader.desk());
        self.trader = Some(Box::new(trader));
        self.call(|trader, now, out| trader.restored(now, out));
        for venue in 0..VENUES {
            let wait = self.rng.random_range(0..50) * MILLI;
            self.network.add(self.now + wait, Happening::Up(venue));
        }
    }

    fn connect(&mut self, venue: usize) {
        if self.trader.is_none() || self.network.is_up[venue] {
            return;
        }
        self.network.is_up[venue] = true;
        self.connection(venue, true);
    }

    fn connection(&mut self, venue: usize, is_up: bool) {
        self.oracle.is_up[venue] = is_up;
        self.reconciling[venue] = 0;
        self.answer(&Answer::Connection { venue: venue_id(venue), is_up });
    }

    fn disconnect(&mut self, venue: usize) {
        if self.network.is_up[venue] {
            self.network.disconnect(venue);
            self.connection(venue, false);
            let wait = self.rng.random_range(1..300) * MILLI;
            self.network.add(self.now + wait, Happening::Up(venue));
        }
    }

    fn answer(&mut self, answer: &Answer) {
        if let Answer::Reconciled { venue } = answer {
            self.reconciling[venue.index()] = 0;
        }
        self.oracle.spread = None;
        self.call(|trader, now, out| trader.on_answer(answer, now, out));
    }

    fn record(&mut self, record: Record) {
        if self.trader.is_some() {
            self.oracle.on_record(&record);
            self.call(|trader, _, out| trader.on_record(&record, out));
            self.oracle.spread = None;
        }
    }

    /// Asks the venues that wait for it.
    fn reconcile(&mut self) {
        let Some(trader) = &self.trader else { return };
        let waiting: Vec<usize> = trader.to_reconcile().map(|venue| venue.index()).collect();
        for venue in waiting {
            if self.reconciling[venue] <= self.now {
                self.reconciling[venue] = self.now + 200 * MILLI;
                self.network.reconcile(venue, self.now, &mut self.rng);
            }
        }
    }

    fn market_moves(&mut self) {
        let (instrument, venue) = self.market.step(&mut self.rng);
        for record in self.market.spreads(instrument, venue, self.now) {
            let record = self.made_wild(record);
            self.record(record);
        }
        self.strike();
        if self.rng.random_bool(0.5) {
            self.network.add(self.now, Happening::CaughtUp);
        }
        let wait = self.rng.random_range(0..self.pace);
        self.network.add(self.now + wait, Happening::Market);
    }

    fn made_wild(&mut self, record: Record) -> Record {
        let nets = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.2];
        if !self.rng.random_bool(self.network.faults.wild_net) {
            return record;
        }
        let net = nets[self.rng.random_range(0..nets.len())];
        Spread { net, ..*record.view::<Spread>() }.into()
    }

    /// Lets something go wrong.
    fn strike(&mut self) {
        let Faults { kill, gap, stale, disconnect, retune, foreign_trade, deposit, .. } =
            self.network.faults;
        let mut is_due = |share: f64| self.rng.random_bool(share);
        let [kill, gap, stale, disconnect, retune, foreign_trade, deposit] =
            [kill, gap, stale, disconnect, retune, foreign_trade, deposit].map(&mut is_due);
        let venue = self.rng.random_range(0..VENUES);
        if kill {
            self.kill_on();
        }
        if gap {
            self.record(Gap::new(self.now, 1).into());
        }
        if stale {
            self.stale(venue);
        }
        if disconnect {
            self.disconnect(venue);
        }
        if retune {
            self.retune();
        }
        if foreign_trade {
            self.liquidate(venue);
        }
        if deposit {
            let asset = self.rng.random_range(0..ASSETS.len());
            self.venues[venue].balances[asset] += 10_i128.pow(17);
            self.tell(|| format!("deposit of {} at {venue}", ASSETS[asset]));
        }
    }

    fn kill_on(&mut self) {
        self.report.kills += 1;
        if self.rng.random_bool(0.3) {
            self.call(|trader, now, out| trader.halt(now, out));
            return;
        }
        self.tell(|| "kill switch".into());
        self.kill.set(true);
        let wait = self.rng.random_range(0..400) * MILLI;
        self.network.add(self.now + wait, Happening::KillOff);
    }

    fn stale(&mut self, venue: usize) {
        let instrument = self.rng.random_range(0..INSTRUMENTS);
        if self.rng.random_bool(0.3) {
            let other = (venue + 1) % VENUES;
            self.record(ended(self.now, instrument, venue, other));
            return;
        }
        self.market.books[instrument][venue].is_live = false;
        self.record(status(self.now, instrument, venue, State::Stale));
        let wait = self.rng.random_range(0..200) * MILLI;
        self.network.add(self.now + wait, Happening::Live(instrument, venue));
    }

    /// Reloads other settings. What becomes of the legs stays, as a person would keep it.
    fn retune(&mut self) {
        self.settings = settings(&mut self.rng);
        self.thresholds = thresholds(&mut self.rng);
        let (settings, thresholds) = (self.settings.clone(), self.thresholds.clone());
        (self.oracle.settings, self.oracle.thresholds) = (settings.clone(), thresholds.clone());
        self.tell(|| "reload".into());
        self.call(|trader, _, _| trader.retune(thresholds, settings));
    }

    /// A venue trades for us, unasked.
    fn liquidate(&mut self, venue: usize) {
        let instrument = self.rng.random_range(0..INSTRUMENTS);
        let id = InstrumentId(u32::try_from(instrument).unwrap());
        let at = (PRICES[instrument], self.rng.random_range(1..50));
        let fill = self.venues[venue].trade(None, id, Side::Sell, at, self.now);
        self.tell(|| format!("liquidation {fill:?}"));
        if self.rng.random_bool(0.5) {
            self.network.answer(venue, &[Answer::Filled(fill)], self.now, &mut self.rng);
        }
    }

    /// A person looks at the trader now and then, and ends what halts it.
    fn person(&mut self) {
        self.network.add(self.now + 100 * MILLI, Happening::Person);
        let Some(trader) = &self.trader else { return };
        let is_halted = trader.desk().halts().next().is_some();
        let has_kept = trader.desk().deals().iter().any(|deal| deal.stage == Stage::Kept);
        let is_compared = trader.to_reconcile().next().is_none();
        if !is_halted && !has_kept || self.phase == Phase::Storm && self.rng.random_bool(0.8) {
            return;
        }
        let is_apart = self.oracle.is_apart;
        self.call(|trader, now, out| assert_ne!(trader.resume(now, out), is_apart));
        if is_compared {
            self.oracle.is_adopting = true;
            self.call(|trader, now, out| trader.adopt(now, out));
            self.oracle.is_adopting = false;
        }
    }

    /// Ends the storm.
    fn calm(&mut self) {
        self.phase = Phase::Calm;
        self.network.faults = Faults::default();
        self.market.is_calm = true;
        self.kill.set(false);
        self.tell(|| "calm".into());
        (0..VENUES).for_each(|venue| self.disconnect(venue));
    }

    /// Returns whether nothing is left to be done: then all venues are compared once more.
    fn is_at_rest(&mut self) -> bool {
        let Some(trader) = &self.trader else { return false };
        let desk = trader.desk();
        let is_held = |stage: Stage| stage == Stage::Holding;
        let is_at_rest = self.phase != Phase::Storm
            && desk.orders().is_empty()
            && desk.deals().iter().all(|deal| is_held(deal.stage) && deal.residual() == 0)
            && trader.to_reconcile().next().is_none()
            && !self.network.has_orders_under_way()
            && self.network.is_up.iter().all(|is_up| *is_up)
            && desk.halts().next().is_none();
        if is_at_rest && self.phase == Phase::Calm {
            self.phase = Phase::Compared;
            self.tell(|| "compared once more".into());
            (0..VENUES).for_each(|venue| self.disconnect(venue));
            return false;
        }
        is_at_rest
    }

    /// Checks the end: what the venues hold is what the entries say, and so are the books.
    fn is_true(&self) {
        let desk = self.trader.as_ref().unwrap().desk();
        self.oracle.check(desk);
        for (place, venue) in self.venues.iter().enumerate() {
            assert_eq!(self.oracle.balances(place), venue.balances, "venue {place}");
            for asset in desk.settings.assets.ids() {
                let reserved = desk.books.account(venue_id(place), asset).reserved;
                assert_eq!(reserved.units(), 0, "at venue {place}");
            }
        }
    }
}

fn summary(trader: &Trader) -> String {
    let desk = trader.desk();
    let halts: Vec<_> = desk.halts().collect();
    format!("{halts:?} {:#?} {:#?}", desk.deals(), desk.orders())
}

/// What must be the same after a restart. Times at which orders are asked for follow later settings.
fn state(desk: &Desk) -> String {
    let orders: Vec<_> = desk.orders().iter().map(|it| (it.order, it.filled, it.ended)).collect();
    let halts: Vec<_> = desk.halts().collect();
    let sums = (desk.profit(), desk.peak(), desk.failures(), desk.next_deal(), desk.next_order());
    format!("{:?} {:?} {orders:?} {halts:?} {sums:?}", desk.deals(), desk.books)
}

fn status(ts: Nanos, instrument: usize, venue: usize, state: State) -> Record {
    let instrument = InstrumentId(u32::try_from(instrument).unwrap());
    let (venue, state) = (venue_id(venue), state as u8);
    Status { ts_recv: ts, state, instrument, venue, ..Status::default() }.into()
}

fn ended(ts: Nanos, instrument: usize, buy: usize, sell: usize) -> Record {
    let instrument = InstrumentId(u32::try_from(instrument).unwrap());
    let (buy_venue, sell_venue) = (venue_id(buy), venue_id(sell));
    Ended { ts_recv: ts, instrument, buy_venue, sell_venue, ..Ended::default() }.into()
}
