//! A market of a few venues in virtual time, and the steps of a row's script.
//!
//! Each venue is a connection as in a feed ([`Rehearsal`]) with the bounds of the default
//! configuration. Its records go through the book, the decision and the broadcast, as the calculator
//! passes them on. After each step, no leg that is not live may be part of a pair that stands or of an
//! open opportunity.

use crate::far_venue::{self, FarVenue, Wanted};
use serde_json::Value;
use spreadwire_config::config::{self, Config};
use spreadwire_engine::feed::{ConnectionPlan, Notice, Rehearsal, Said};
use spreadwire_engine::plan::Plan;
use spreadwire_market::book::Book;
use spreadwire_market::clock::{MILLI, Nanos, SECOND};
use spreadwire_market::decision::DecisionMaker;
use spreadwire_market::instrument::{InstrumentId, VenueId};
use spreadwire_market::record::{Closed, Ended, Opened, Quote, Record, Spread, Status};
use spreadwire_market::state::{CloseReason, EndReason, Reason, State};
use spreadwire_rigs::broadcast::server::{self, Client, Server};
use spreadwire_rigs::pipeline::engine_under_test;
use spreadwire_venues::venue::{Symbol, Symbols};
use std::collections::{BTreeMap, BTreeSet};

const START: Nanos = 1_700_000_000 * SECOND;
/// How often a feed looks at its timers here, while little time passes.
const TURN: Nanos = 50 * MILLI;
/// Most turns of one wait, unless they would be longer than [`TURN_MAX`].
const TURNS_MAX: Nanos = 400;
const TURN_MAX: Nanos = SECOND;

/// Instrument, and the venues to buy and to sell on.
type Way = (InstrumentId, VenueId, VenueId);

/// A venue, and our connection to it.
struct Place {
    far: FarVenue,
    near: Rehearsal,
    /// Lines for which a socket is asked.
    asked: BTreeSet<usize>,
    sent: Vec<String>,
    pings: usize,
    told: Vec<String>,
}

/// Quotes that go on by themselves.
struct Kept {
    venue: usize,
    line: usize,
    base: String,
    prices: (String, String),
    every: Nanos,
    next: Nanos,
}

/// A market.
pub(crate) struct Rig {
    now: Nanos,
    plan: Plan,
    places: Vec<Place>,
    kept: Vec<Kept>,
    book: Book,
    /// Number of the next quote or status.
    number: u64,
    decision: DecisionMaker,
    server: Server,
    listener: Listener,
    states: BTreeMap<(VenueId, InstrumentId), State>,
    standing: BTreeSet<Way>,
    open: BTreeSet<Way>,
    /// Last prices that were said.
    prices: BTreeMap<(VenueId, InstrumentId), (i64, i64)>,
    said: Vec<String>,
}

/// Returns the plan of a market in words: `BTC ETH on okx binance*2`.
fn plan(market: &str) -> Plan {
    let (bases, venues) = market.split_once(" on ").unwrap();
    let venue = |word: &str| {
        let (name, lines) = word.split_once('*').unwrap_or((word, "1"));
        let lines = Some(lines.parse().unwrap());
        config::Venue { lines, ..config::Venue::at(name, "ws://127.0.0.1:1") }
    };
    let mut venues: Vec<config::Venue> = venues.split(' ').map(venue).collect();
    if venues.len() == 1 {
        // A plan wants two venues at least. The other one is not connected.
        let other = ["okx", "bybit"].into_iter().find(|name| *name != venues[0].name);
        venues.extend(other.map(venue));
    }
    let config = configuration(venues, bases.split(' ').map(|base| instrument(base, None)));
    engine_under_test::plan(config, std::path::Path::new("/nowhere"))
}

/// Returns a base against USDT, on these venues or on all.
pub(crate) fn instrument(base: &str, venues: Option<&[&str]>) -> config::Instrument {
    config::Instrument {
        place: config::Place::default(),
        name: format!("{base}/USDT"),
        price_decimals: 2,
        size_decimals: 4,
        venues: venues.map(|names| names.iter().map(|name| (*name).to_owned()).collect()),
        symbols: BTreeMap::new(),
        contract_sizes: BTreeMap::new(),
    }
}

/// Returns a configuration with one thread, and the defaults of everything that rows are about.
pub(crate) fn configuration(
    venues: Vec<config::Venue>,
    instruments: impl Iterator<Item = config::Instrument>,
) -> Config {
    let agents = ["feed", "calculator", "decision", "broadcast", "journal"];
    let mut config = Config {
        venues,
        threads: vec![config::Thread {
            name: "all".to_owned(),
            cpu: None,
            idle: "backoff".to_owned(),
            sleep_max_us: None,
            agents: agents.map(str::to_owned).to_vec(),
        }],
        broadcast: config::Broadcast {
            address: "127.0.0.1:0".to_owned(),
            ..config::Broadcast::default()
        },
        decision: config::Decision { cooldown_ms: 0, ..config::Decision::default() },
        ..Config::default()
    };
    spreadwire_catalogue::add_by_market(&mut config, instruments.collect());
    config
}

/// Returns the plan of a venue's connection, as the engine makes it.
fn connection(plan: &Plan, venue: VenueId) -> ConnectionPlan {
    let listings = plan.catalogue.listings.iter().filter(|listing| listing.venue == venue);
    let listings: Vec<_> = listings.collect();
    let instrument = |id| plan.catalogue.instrument(id);
    let planned = &plan.venues[venue.index()];
    let symbols = listings.iter().map(|listing| Symbol {
        text: listing.symbol.clone(),
        instrument: listing.instrument,
        price_scale: instrument(listing.instrument).price_scale,
        size_scale: instrument(listing.instrument).size_scale,
        contract: planned.contract_of(listing.instrument),
    });
    ConnectionPlan {
        venue,
        spec: planned.spec,
        symbols: Symbols::new(symbols.collect()),
        instruments: listings.iter().map(|l| instrument(l.instrument).name.clone()).collect(),
        bounds: planned.bounds,
        lines: planned.lines,
    }
}

impl Rig {
    /// Makes a market in words, with every line open and subscribed.
    pub(crate) fn new(market: &str) -> Rig {
        let plan = plan(market);
        let count = market.split_once(" on ").unwrap().1.split(' ').count();
        let ids = (0..).map(VenueId).take(count);
        let place = |id| Place {
            far: FarVenue::new(plan.venues[VenueId::index(id)].spec.name),
            near: Rehearsal::new(connection(&plan, id)),
            asked: BTreeSet::new(),
            sent: Vec::new(),
            pings: 0,
            told: Vec::new(),
        };
        let places = ids.map(place).collect();
        let mut server = Server::new(plan.catalogue.clone(), server::settings());
        let mut rig = Rig {
            now: START,
            places,
            kept: Vec::new(),
            book: Book::new(&plan.catalogue).believing(plan.max_net),
            number: 0,
            decision: DecisionMaker::new(&plan.catalogue, plan.decision.clone()),
            listener: Listener::join(&mut server),
            server,
            states: BTreeMap::new(),
            standing: BTreeSet::new(),
            open: BTreeSet::new(),
            prices: BTreeMap::new(),
            said: Vec::new(),
            plan,
        };
        rig.turn();
        (0..rig.places.len()).for_each(|place| rig.connect(place));
        rig.pass(SECOND);
        rig.said.clear();
        rig
    }

    /// Makes every line that a venue's connection asks for.
    fn connect(&mut self, place: usize) {
        let place = &mut self.places[place];
        assert!(!place.asked.is_empty(), "{} is not asked for a line", place.far.name);
        for line in std::mem::take(&mut place.asked) {
            place.near.connect(line, self.now);
        }
    }

    /// Lets time pass.
    fn pass(&mut self, time: Nanos) {
        let end = self.now + time;
        let turn = (time / TURNS_MAX).clamp(TURN, TURN_MAX);
        while self.now < end {
            self.now = (self.now + turn).min(end);
            self.turn();
        }
    }

    /// One turn of every feed, and of all that comes after.
    fn turn(&mut self) {
        self.quote_what_is_kept();
        for place in 0..self.places.len() {
            let Place { far, near, asked, sent, pings, told } = &mut self.places[place];
            near.turn(self.now);
            asked.extend(near.take_requests());
            for line in 0..LINES {
                for said in near.take_sent(line) {
                    far.answers(&said).into_iter().for_each(|answer| near.send(line, answer));
                    match far_venue::in_words(&said) {
                        Some(words) => sent.push(words),
                        None => *pings += 1,
                    }
                }
            }
            told.extend(near.take_notices().iter().filter_map(in_words));
            for record in near.take_records() {
                self.calculate(&record);
            }
        }
    }

    fn quote_what_is_kept(&mut self) {
        for at in 0..self.kept.len() {
            let Kept { venue, line, base, prices, every, next } = &mut self.kept[at];
            if *next <= self.now {
                *next = self.now + *every;
                let (venue, line, base, prices) = (*venue, *line, base.clone(), prices.clone());
                self.quote((venue, line), &base, None, prices, 0);
            }
        }
    }

    /// Does what the calculator does, and what its consumers do with it.
    fn calculate(&mut self, record: &Record) {
        let mut results = Vec::new();
        let (number, book) = (self.number, &mut self.book);
        if let Some(quote) = record.get::<Quote>() {
            book.on_quote(quote, number, &mut results);
            self.say_quote(quote);
        } else {
            let status: &Status = record.get().unwrap();
            results.push(*record);
            book.on_status(status, number, &mut results);
            self.say_status(status);
        }
        self.number += 1;
        self.decision.at(self.now);
        for result in results {
            self.say_result(&result);
            self.server.send(result);
            self.server.turn();
            let mut decided = Vec::new();
            self.decision.on_record(&result, &mut decided);
            decided.iter().for_each(|record| self.say_decision(record));
        }
        self.assert_only_live_legs_are_paired();
    }

    fn assert_only_live_legs_are_paired(&self) {
        for way in self.standing.union(&self.open) {
            for leg in [way.1, way.2] {
                let state = self.states.get(&(leg, way.0));
                assert_eq!(state, Some(&State::Live), "{}", self.way(*way));
            }
        }
    }

    fn say_quote(&mut self, quote: &Quote) {
        let key = (quote.venue, quote.instrument);
        let prices = (quote.bid_px, quote.ask_px);
        if self.prices.insert(key, prices) != Some(prices) {
            let text = |px: i64| match px {
                0 => "-".to_owned(),
                _ => format!("{}.{:02}", px / 100, px % 100),
            };
            self.say(format!("{} {}/{}", self.leg(key), text(prices.0), text(prices.1)));
        }
    }

    fn say_status(&mut self, status: &Status) {
        let key = (status.venue, status.instrument);
        let state = State::of_code(status.state).unwrap();
        let reason = Reason::of_code(status.reason).unwrap();
        self.states.insert(key, state);
        self.say(format!("{} {state} {reason}", self.leg(key)));
    }

    fn say_result(&mut self, record: &Record) {
        if let Some(spread) = record.get::<Spread>() {
            let way = (spread.instrument, spread.buy_venue, spread.sell_venue);
            if self.standing.insert(way) {
                self.say(self.way(way));
            }
        } else if let Some(ended) = record.get::<Ended>() {
            let way = (ended.instrument, ended.buy_venue, ended.sell_venue);
            assert!(self.standing.remove(&way), "{} ended twice", self.way(way));
            let reason = EndReason::of_code(ended.flags).unwrap();
            self.say(format!("ended {} {reason}", self.way(way)));
        }
    }

    fn say_decision(&mut self, record: &Record) {
        if let Some(opened) = record.get::<Opened>() {
            let way = (opened.instrument, opened.buy_venue, opened.sell_venue);
            self.open.insert(way);
            self.say(format!("opened {}", self.way(way)));
        } else {
            let closed: &Closed = record.get().unwrap();
            let way = (closed.instrument, closed.buy_venue, closed.sell_venue);
            assert!(self.open.remove(&way), "{} closed twice", self.way(way));
            let reason = CloseReason::of_code(closed.flags).unwrap();
            self.say(format!("closed {} {reason}", self.way(way)));
        }
    }

    fn say(&mut self, words: String) {
        self.said.push(words);
    }

    fn base(&self, instrument: InstrumentId) -> &str {
        self.plan.catalogue.instrument(instrument).name.split('/').next().unwrap()
    }

    fn leg(&self, (venue, instrument): (VenueId, InstrumentId)) -> String {
        format!("{} {}", self.base(instrument), self.plan.catalogue.venue(venue).name)
    }

    fn way(&self, (instrument, buy, sell): Way) -> String {
        let name = |venue| &self.plan.catalogue.venue(venue).name;
        format!("{} {}>{}", self.base(instrument), name(buy), name(sell))
    }

    /// Lets a venue quote on a line, at once.
    fn quote(
        &mut self,
        (venue, line): (usize, usize),
        base: &str,
        number: Option<u64>,
        prices: (String, String),
        offset: i64,
    ) {
        let id = VenueId(u8::try_from(venue).unwrap());
        let catalogue = &self.plan.catalogue;
        let is_it = |l: &&spreadwire_market::instrument::Listing| {
            l.venue == id && self.base(l.instrument) == base
        };
        let symbol = catalogue.listings.iter().find(is_it).unwrap().symbol.clone();
        let event_ms = self.now.strict_add_signed(offset) / MILLI;
        let wanted = Wanted { symbol, number, prices, event_ms };
        let place = &mut self.places[venue];
        let frame = place.far.quote(&wanted);
        place.near.send(line, Said::Text(frame));
    }
}

/// A client of the broadcast, and the spreads that hold as far as it was told.
struct Listener {
    client: Client,
    spreads: BTreeSet<String>,
    /// The same in the order of the snapshot.
    order: Vec<String>,
}

impl Listener {
    /// Returns a client that has heard the snapshot.
    fn join(server: &mut Server) -> Listener {
        let mut client = server.connect();
        let (mut spreads, mut order) = (BTreeSet::new(), Vec::new());
        loop {
            let part = client.expect(server, "snapshot");
            order.extend(part["spreads"].as_array().unwrap().iter().map(way_of));
            if part["last"].as_bool().unwrap() {
                spreads.extend(order.iter().cloned());
                return Listener { client, spreads, order };
            }
        }
    }

    fn listen(&mut self, server: &mut Server) {
        while 0 < server.turn() || self.client.read() {}
        for message in std::mem::take(&mut self.client.seen) {
            match message["type"].as_str().unwrap() {
                "spread" => drop(self.spreads.insert(way_of(&message))),
                "ended" => assert!(self.spreads.remove(&way_of(&message)), "{message}"),
                "status" => self.on_status(&message),
                other => panic!("{other} is not expected: {message}"),
            }
        }
    }

    /// A state that is not live ends the leg's spreads, whatever `ended` messages follow.
    fn on_status(&self, message: &Value) {
        let text = |field: &str| message[field].as_str().unwrap();
        assert!(!text("venue").is_empty() && !text("state").is_empty(), "{message}");
    }
}

/// The pair that a message is about.
fn way_of(message: &Value) -> String {
    let text = |field: &str| message[field].as_str().unwrap();
    let base = text("instrument").split('/').next().unwrap();
    format!("{base} {}>{}", text("buy_venue"), text("sell_venue"))
}

/// Lines that a connection may have.
const LINES: usize = spreadwire_venues::health::LINES_MAX;

/// A notice in words, where it is about an instrument or a line.
fn in_words(notice: &Notice) -> Option<String> {
    Some(match notice {
        Notice::Health { instrument, state, reason, .. } => {
            format!("{instrument} {state} {reason}")
        }
        Notice::Lost { why, .. } => format!("lost: {why}"),
        Notice::Replacing { why, .. } => format!("replacing: {why}"),
        Notice::Refused { refused, .. } => {
            format!("refused {}", refused.as_ref().map_or("something", |refused| &refused.symbol))
        }
        Notice::Unheard { instrument, line, is_over, .. } => {
            format!("{instrument} {} on line {line}", if *is_over { "heard" } else { "unheard" })
        }
        Notice::Rejected { reason, .. } => format!("rejected {reason}"),
        Notice::Opened { .. } | Notice::HeldUp { .. } => return None,
    })
}

/// The steps of a script.
impl Rig {
    /// Does a step.
    ///
    /// # Panics
    /// If it expects something else than what happened, or is no step.
    pub(crate) fn step(&mut self, step: &str) {
        let (word, rest) = step.split_once(' ').unwrap_or((step, ""));
        match word {
            "=" => {
                self.turn();
                assert_eq!(std::mem::take(&mut self.said), list(rest));
            }
            "wait" => self.pass(time(rest)),
            "held" => self.hold_up(),
            "queue" => {
                let (venue, step) = rest.split_once(' ').unwrap();
                let (at, line) = self.place(venue);
                self.quote_step(at, line, step);
            }
            "keep" => self.keep(rest),
            "stop" => {
                let (venue, base) = rest.split_once(' ').unwrap();
                let venue = self.place(venue).0;
                self.kept.retain(|kept| (kept.venue, kept.base.as_str()) != (venue, base));
            }
            "log" => {
                let told = self.places.iter_mut().flat_map(|p| std::mem::take(&mut p.told));
                assert_eq!(told.collect::<Vec<_>>(), list(rest));
            }
            "count" => self.count(rest),
            "snapshot" => assert_eq!(self.snapshot(), list(rest)),
            venue => self.venue_step(venue, rest),
        }
    }

    fn venue_step(&mut self, venue: &str, step: &str) {
        let (at, line) = self.place(venue);
        let (word, rest) = step.split_once(' ').unwrap_or((step, ""));
        let place = &mut self.places[at];
        match word {
            "<" => {
                let text = at_time(rest, self.now / MILLI);
                place.near.send(line, Said::Text(text));
                self.turn();
            }
            "bytes" => {
                place.near.send(line, Said::Binary(rest.as_bytes().to_vec()));
                self.turn();
            }
            ">" => assert_eq!(std::mem::take(&mut place.sent), list(rest)),
            "pinged" => assert!(0 < std::mem::take(&mut place.pings), "{venue} was not pinged"),
            "cut" => {
                place.near.end(line, tungstenite::Error::ConnectionClosed);
                self.turn();
            }
            "connects" => {
                self.connect(at);
                self.turn();
            }
            "fails" => {
                for line in std::mem::take(&mut place.asked) {
                    place.near.refuse(line, "no route", self.now);
                }
            }
            "asks" => assert_eq!(place.asked.len(), rest.parse::<usize>().unwrap()),
            "deaf" => place.far.is_deaf = true,
            "hears" => place.far.is_deaf = false,
            "refuses" => drop(place.far.refused.insert(rest.to_owned())),
            "lists" => assert!(place.far.refused.remove(rest), "{rest} was not refused"),
            _ => {
                self.quote_step(at, line, step);
                self.turn();
            }
        }
    }

    /// Lets a venue quote as `BTC 7 100.50/100.60 -60s` says, to be read at the next turn.
    fn quote_step(&mut self, at: usize, line: usize, step: &str) {
        let (base, rest) = step.split_once(' ').unwrap();
        let words: Vec<&str> = rest.split(' ').collect();
        let number = words[0].parse().ok();
        let words = if number.is_some() { &words[1..] } else { &words[..] };
        let offset = words.get(1).map_or(0, |text| match text.split_at(1) {
            ("-", ago) => -time(ago).cast_signed(),
            ("+", ahead) => time(ahead).cast_signed(),
            _ => panic!("no offset: {text:?}"),
        });
        self.quote((at, line), base, number, prices(words[0]), offset);
    }

    /// Takes what a venue was sent, but for pings.
    pub(crate) fn take_sent(&mut self, venue: &str) -> Vec<String> {
        let at = self.place(venue).0;
        std::mem::take(&mut self.places[at].sent)
    }

    /// Returns whether a line is asked for.
    pub(crate) fn asks(&self, venue: &str) -> bool {
        !self.places[self.place(venue).0].asked.is_empty()
    }

    fn hold_up(&mut self) {
        for place in &mut self.places {
            place.near.hold_up(self.now);
        }
    }

    fn keep(&mut self, step: &str) {
        let words: Vec<&str> = step.split(' ').collect();
        let [venue, base, quote, every] = words[..] else { panic!("keep {step}") };
        let ((venue, line), base, prices) = (self.place(venue), base.to_owned(), prices(quote));
        self.kept.retain(|kept| (kept.venue, &kept.base) != (venue, &base));
        self.kept.push(Kept { venue, line, base, prices, every: time(every), next: self.now });
        self.turn();
    }

    fn count(&self, step: &str) {
        let words: Vec<&str> = step.split(' ').collect();
        let [venue, counter, wanted] = words[..] else { panic!("count {step}") };
        let name = format!("feed.{venue}.0.{counter}");
        let counted = self.places[self.place(venue).0].near.counters().expect(&name);
        assert_eq!(counted, wanted.parse::<u64>().unwrap(), "{name}");
    }

    /// Returns the spreads that a client hears which comes now.
    fn snapshot(&mut self) -> Vec<String> {
        self.turn();
        Listener::join(&mut self.server).order
    }

    /// Returns the time, ms since 1970 UTC.
    pub(crate) fn now_ms(&self) -> u64 {
        self.now / MILLI
    }

    /// Returns the state of a symbol, as it was said last.
    pub(crate) fn state(&self, venue: &str, base: &str) -> State {
        let of_it = |key: &&(VenueId, InstrumentId)| self.leg(**key) == format!("{base} {venue}");
        self.states.keys().find(of_it).map_or(State::Down, |key| self.states[key])
    }

    /// Checks that a client which was there from the beginning knows the pairs that stand, and no
    /// other.
    pub(crate) fn assert_a_client_hears_the_same(&mut self) {
        self.listener.listen(&mut self.server);
        let standing: BTreeSet<String> = self.standing.iter().map(|way| self.way(*way)).collect();
        assert_eq!(self.listener.spreads, standing);
    }

    /// Checks the same of a client that comes now.
    pub(crate) fn assert_a_new_client_hears_the_same(&mut self) {
        self.listener = Listener::join(&mut self.server);
        self.assert_a_client_hears_the_same();
    }

    /// Returns the venue and the line of `okx` or `okx/1`.
    fn place(&self, venue: &str) -> (usize, usize) {
        let (name, line) = venue.split_once('/').unwrap_or((venue, "0"));
        let at = self.places.iter().position(|place| place.far.name == name);
        (at.unwrap_or_else(|| panic!("{venue:?} begins no step")), line.parse().unwrap())
    }
}

fn list(text: &str) -> Vec<String> {
    text.split(" | ").map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

fn prices(text: &str) -> (String, String) {
    let (bid, ask) = text.split_once('/').unwrap_or_else(|| panic!("no quote: {text:?}"));
    (bid.to_owned(), ask.to_owned())
}

fn time(text: &str) -> Nanos {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap();
    let unit = match &text[digits..] {
        "ms" => MILLI,
        "s" => SECOND,
        "m" => 60 * SECOND,
        "h" => 3_600 * SECOND,
        other => panic!("no unit of time: {other:?}"),
    };
    text[..digits].parse::<Nanos>().unwrap() * unit
}

/// Replaces `$now` and `$now-5000`, in ms, the same time in other units, and `$nul`.
fn at_time(text: &str, now_ms: u64) -> String {
    let mut parts = text.split("$now");
    let mut whole = parts.next().unwrap().to_owned();
    for part in parts {
        let offset = part.strip_prefix('-').unwrap_or("");
        let digits = offset.find(|c: char| !c.is_ascii_digit()).unwrap_or(offset.len());
        let (before, rest) = if digits == 0 {
            (0, part)
        } else {
            (offset[..digits].parse().unwrap(), &offset[digits..])
        };
        whole += &format!("{}{rest}", now_ms - before);
    }
    whole
        .replace("$micros", &format!("{}", now_ms * 1_000))
        .replace("$nanos", &format!("{}", now_ms * 1_000_000))
        .replace("$seconds", &format!("{}", now_ms / 1_000))
        .replace("$nul", "\0")
}
