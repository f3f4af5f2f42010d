//! A trader, the sessions of its two venues, and two simulated venues, on one virtual clock.

use exchange_sim::{
    Desk, OrderFault, OrdersOptions, Outgoing as Said, TEST_ED25519_PRIVATE, Texts,
};
use serde_json::Value;
use spreadwire_gateways::credentials::Keys;
use spreadwire_gateways::gateway::{VenueGateway, protocol};
use spreadwire_gateways::okx::TradeMode;
use spreadwire_gateways::protocol::{Account, Line, Request};
use spreadwire_gateways::session::{Incoming, Options, Outgoing, Session};
use spreadwire_gateways::terms::{Markets, Terms as MarketTerms};
use spreadwire_market::clock::{MILLI, Nanos, SECOND};
use spreadwire_market::decision;
use spreadwire_market::instrument::{Catalogue, Instrument, InstrumentId, VenueId, VenueInfo};
use spreadwire_market::record::{Spread, Status};
use spreadwire_market::spread::{FeeFactors, net};
use spreadwire_market::state::State;
use spreadwire_trading::amount::Amount;
use spreadwire_trading::entry::{Entry, Event};
use spreadwire_trading::gateway::{Gateway, Mode};
use spreadwire_trading::kill::KillSwitch;
use spreadwire_trading::order::{Answer, AssetName, ClientId, Fill, Order, Owner};
use spreadwire_trading::settings::{Exit, Hedge, Hedging, Limits, Settings};
use spreadwire_trading::terms::{Assets, FeeAsset, Settlement, Terms, Tier, VenueTerms};
use spreadwire_trading::trader::{Out, Trader};
use std::collections::BTreeMap;

const FEE: f64 = 0.001;
/// Digits after the point of prices and sizes.
const PLACES: (u8, u8) = (2, 5);
const START: Nanos = 1_711_001_595_207 * MILLI;
const ASSETS: [&str; 2] = ["BTC", "USDT"];
const STEP: Nanos = MILLI;
const LONG_STEP: Nanos = 50 * MILLI;

/// What a simulated venue is, and how it is reached.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) venue: &'static str,
    pub(crate) is_ed25519: bool,
}

impl Kind {
    pub(crate) const ALL: [Kind; 4] = [
        Kind { venue: "binance", is_ed25519: false },
        Kind { venue: "binance", is_ed25519: true },
        Kind { venue: "bybit", is_ed25519: false },
        Kind { venue: "okx", is_ed25519: false },
    ];

    /// The keys that the simulator knows.
    fn keys(self) -> Keys {
        let name = self.venue;
        let (key, secret) = (format!("sim-{name}-key"), format!("sim-{name}-secret"));
        let passphrase = if name == "okx" { "sim-okx-passphrase" } else { "" };
        if !self.is_ed25519 {
            return Keys::hmac(&key, &secret, passphrase).unwrap();
        }
        // What stands before the 32 bytes of an Ed25519 key in PKCS #8.
        let mut bytes = vec![
            0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22,
            0x04, 0x20,
        ];
        let digits = (0..64).step_by(2).map(|at| &TEST_ED25519_PRIVATE[at..at + 2]);
        bytes.extend(digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()));
        let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes);
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
        Keys::ed25519("sim-binance-ed25519-key", &pem).unwrap()
    }
}

/// What is changed in the orders that leave for the first venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rewrite {
    /// Nothing.
    Nothing,
    /// They rest until they are cancelled.
    Resting,
    /// They rest, and are another trader's.
    Strange,
}

struct Venue {
    kind: Kind,
    desk: Desk,
    /// The number of the connection of each line; `None` while it is down.
    lines: BTreeMap<Line, Option<usize>>,
    retry_at: Nanos,
    is_comparing: bool,
    compare_at: Nanos,
    fills: u64,
}

/// Everything.
pub(crate) struct World {
    pub(crate) trader: Trader,
    gateway: VenueGateway,
    venues: [Venue; 2],
    pub(crate) now: Nanos,
    out: Out,
    /// The entries of the journal.
    pub(crate) entries: Vec<Entry>,
    /// Every text and request that was sent, by venue.
    pub(crate) sent: Vec<(usize, String)>,
    connections: usize,
    is_busy: bool,
    /// What is changed on the way to the first venue.
    pub(crate) rewrite: Rewrite,
}

/// Returns whether a text places an order.
fn is_place(text: &str) -> bool {
    let places = ["\"order.place\"", "\"order.create\"", "\"op\":\"order\""];
    places.iter().any(|it| text.contains(it))
}

fn name(text: &str) -> AssetName {
    AssetName::new(text).unwrap()
}

fn catalogue(kinds: [Kind; 2]) -> Catalogue {
    let venue = |name: &str| VenueInfo { name: name.into(), taker_fee: FEE, max_age: 10 * SECOND };
    let instrument =
        Instrument { name: "BTC/USDT".into(), price_scale: PLACES.0, size_scale: PLACES.1 };
    Catalogue {
        instruments: vec![instrument],
        venues: kinds.iter().map(|kind| venue(kind.venue)).collect(),
        listings: Vec::new(),
    }
}

fn settings() -> Settings {
    let mut assets = Assets::default();
    let [base, quote] = ASSETS.map(|text| assets.intern(name(text)));
    let terms = Terms {
        settlement: Settlement::Spot,
        base,
        quote,
        px_scale: PLACES.0,
        sz_scale: PLACES.1,
        tick: 1,
        lot: 1,
        min_sz: 1,
        min_notional: Amount::parse("5").unwrap(),
    };
    let venue = VenueTerms {
        tiers: vec![Tier { from: Amount::ZERO, millionths: 1_000 }],
        volume: Amount::ZERO,
        fee_asset: FeeAsset::Received,
        orders_per_second: 1_000,
        max_age: 10 * SECOND,
    };
    let most = Amount::parse("1000000").unwrap();
    Settings {
        assets,
        currency: name("USDT"),
        rates: vec![None, Some(1_000_000)],
        terms: vec![Some(terms); 2],
        venues: vec![venue; 2],
        sizes: vec![None; 4],
        exits: vec![None; 4],
        min_lifetime: 0,
        exit: Exit::Inventory,
        hedging: Hedging { policy: Hedge::Complete, band: 0.05, time_to_live: 8 * SECOND },
        limits: Limits {
            order: most,
            instrument: most,
            venue: most,
            total: most,
            open_deals: 8,
            loss_per_day: most,
            drawdown: most,
            failures: 100,
            max_net: 0.5,
        },
        latencies: vec![MILLI; 2],
        answer_timeout: 2 * SECOND,
    }
}

fn account(number: u8, kind: Kind) -> Account {
    let symbol = if kind.venue == "okx" { "BTC-USDT" } else { "BTCUSDT" };
    let terms = MarketTerms {
        instrument: InstrumentId(0),
        symbol: symbol.to_owned(),
        code: if kind.venue == "okx" { 211_001 } else { 0 },
        price_scale: PLACES.0,
        size_scale: PLACES.1,
        contract: None,
        base: name("BTC"),
        quote: name("USDT"),
    };
    Account {
        venue: VenueId(number),
        owner: Owner::new("desk1").unwrap(),
        markets: Markets::new(vec![terms]),
        recv_window: 1_000,
    }
}

fn trader(kinds: [Kind; 2], first_order: u64) -> Trader {
    let thresholds = decision::Settings {
        entry: 0.002,
        exit: 0.0005,
        cooldown: 0,
        enabled: vec![true],
        rules: None,
    };
    let kill = KillSwitch::default();
    let mut trader = Trader::new(&catalogue(kinds), thresholds, settings(), kill, first_order);
    trader.caught_up();
    trader
}

fn session(number: u8, kind: Kind, used: Option<ClientId>, now: Nanos) -> Session {
    let protocol =
        protocol(kind.venue, account(number, kind), kind.keys(), TradeMode::Cash).unwrap();
    let options = Options {
        answer_timeout: 2 * SECOND,
        question_timeout: 2 * SECOND,
        margin: SECOND,
        cancel_on_disconnect: false,
        ..Options::default()
    };
    Session::new(protocol, options, used, now)
}

impl World {
    /// Buys at the first venue and sells at the second. Faults name their venue.
    pub(crate) fn new(kinds: [Kind; 2], faults: &[String]) -> World {
        let faults: Vec<OrderFault> = faults.iter().map(|it| it.parse().expect(it)).collect();
        let options = OrdersOptions { faults, ..OrdersOptions::default() };
        let instruments = [("BTC/USDT", usize::from(PLACES.0), usize::from(PLACES.1))];
        let venue = |kind: Kind| Venue {
            kind,
            desk: Desk::new(kind.venue, &options, &instruments).unwrap(),
            lines: session(0, kind, None, START)
                .endpoints()
                .lines
                .iter()
                .map(|(line, _)| (*line, None))
                .collect(),
            retry_at: 0,
            is_comparing: false,
            compare_at: 0,
            fills: 0,
        };
        let sessions =
            [0, 1].map(|at| session(at, kinds[usize::from(at)], Some(ClientId(0)), START));
        let mut world = World {
            trader: trader(kinds, 1),
            gateway: VenueGateway::new(Mode::Sim, sessions.into()),
            venues: kinds.map(venue),
            now: START,
            out: Out::default(),
            entries: Vec::new(),
            sent: Vec::new(),
            connections: 0,
            is_busy: true,
            rewrite: Rewrite::Nothing,
        };
        world.venues.iter_mut().for_each(|it| it.desk.begin(START));
        world.live();
        world
    }

    /// The process ends at once, and another one goes on from its journal.
    pub(crate) fn restart(&mut self) {
        let kinds = [self.venues[0].kind, self.venues[1].kind];
        let first = self.trader.desk().next_order().0 + (1 << 20);
        self.trader = trader(kinds, first);
        self.entries.iter().for_each(|entry| self.trader.restore(entry));
        let now = self.now;
        for venue in &mut self.venues {
            for connection in venue.lines.values_mut().filter_map(Option::take) {
                venue.desk.disconnect(connection, now);
            }
            venue.is_comparing = false;
        }
        let used = Some(ClientId(first - 1));
        let sessions = [0, 1].map(|at| session(at, kinds[usize::from(at)], used, now));
        self.gateway = VenueGateway::new(Mode::Sim, sessions.into());
        self.out = Out::default();
        self.trader.restored(now, &mut self.out);
        self.live();
        self.flush();
    }

    fn live(&mut self) {
        for venue in 0..2 {
            let status = Status {
                ts_recv: self.now,
                state: State::Live as u8,
                instrument: InstrumentId(0),
                venue: VenueId(venue),
                ..Status::default()
            };
            self.trader.on_record(&status.into(), &mut self.out);
        }
    }

    /// Shows a quote of a venue to its own matching: bid, its size, ask, its size.
    pub(crate) fn quote(&mut self, venue: usize, [bid, bid_qty, ask, ask_qty]: [&str; 4]) {
        let [bid, bid_qty, ask, ask_qty] = [bid, bid_qty, ask, ask_qty].map(str::to_owned);
        let texts = Texts { bid, bid_qty, ask, ask_qty };
        self.venues[venue].desk.on_quote("BTC/USDT", &texts, self.now);
    }

    /// Shows a spread to the trader: what to buy for at the first venue, what to sell for at the second.
    pub(crate) fn spread(&mut self, buy: (i64, i64), sell: (i64, i64)) {
        let fee = FeeFactors::of(FEE);
        let spread = Spread {
            ts_recv: self.now,
            buy_px: buy.0,
            buy_sz: buy.1,
            sell_px: sell.0,
            sell_sz: sell.1,
            net: net(sell.0, fee, buy.0, fee),
            buy_venue: VenueId(0),
            sell_venue: VenueId(1),
            ..Spread::default()
        };
        self.trader.on_record(&spread.into(), &mut self.out);
        self.flush();
    }

    /// Lets a time pass: in short steps while something happens, and else in longer ones.
    pub(crate) fn pass(&mut self, time: Nanos) {
        let until = self.now + time;
        while self.now < until {
            let step = if std::mem::take(&mut self.is_busy) { STEP } else { LONG_STEP };
            let due = self.next_due().clamp(self.now + STEP, self.now + step);
            self.now = due.min(until);
            self.step();
        }
    }

    fn next_due(&self) -> Nanos {
        let venues = self.venues.iter();
        let due = venues.filter_map(|it| it.desk.next_ns()).chain(self.gateway.next_deadline());
        due.min().unwrap_or(Nanos::MAX).min(self.trader.next_due())
    }

    fn step(&mut self) {
        let (now, sent) = (self.now, self.sent.len());
        self.connect();
        for at in 0..2 {
            self.venues[at].desk.tick(now);
            self.deliver(at);
            self.hand_out(at);
            self.deliver(at);
        }
        let mut answers = Vec::new();
        self.gateway.poll(now, &mut answers);
        self.is_busy |= !answers.is_empty() || sent < self.sent.len();
        for answer in &answers {
            self.compared(answer);
            self.trader.on_answer(answer, now, &mut self.out);
        }
        if self.trader.next_due() <= now {
            self.trader.on_time(now, &mut self.out);
        }
        self.compare();
        self.flush();
    }

    fn connect(&mut self) {
        for at in 0..2 {
            let is_limited = self.now < self.gateway.sessions()[at].limited_until();
            if self.now < self.venues[at].retry_at || is_limited {
                continue;
            }
            let down = self.venues[at].lines.iter().filter(|(_, it)| it.is_none());
            let down: Vec<Line> = down.map(|(line, _)| *line).collect();
            for line in down {
                self.open(at, line);
            }
        }
    }

    fn open(&mut self, at: usize, line: Line) {
        self.connections += 1;
        let session = &mut self.gateway.sessions()[at];
        let lines = session.endpoints().lines;
        let url = lines.iter().find(|(it, _)| *it == line).unwrap().1;
        let rest = url.split_once("://").unwrap().1;
        let target = &rest[rest.find('/').unwrap()..];
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let venue = &mut self.venues[at];
        assert!(venue.desk.has_path(path), "{path}");
        let id = format!("c{}", self.connections);
        venue.desk.connect(self.connections, &id, path, query, self.now);
        venue.lines.insert(line, Some(self.connections));
        session.incoming(self.now, Incoming::Opened(line));
    }

    /// Hands what a venue has said to its session.
    fn deliver(&mut self, at: usize) {
        let now = self.now;
        while let Some(said) = self.venues[at].desk.poll(now) {
            let (Said::Send { connection, .. } | Said::Reset { connection }) = said;
            let lines = self.venues[at].lines.iter();
            let mut lines = lines.filter(|(_, it)| **it == Some(connection));
            let Some((line, _)) = lines.next() else { continue };
            let line = *line;
            let session = &mut self.gateway.sessions()[at];
            match said {
                Said::Send { text, .. } => session.incoming(now, Incoming::Text(line, &text)),
                Said::Reset { .. } => {
                    self.venues[at].lines.insert(line, None);
                    self.venues[at].retry_at = now + 100 * MILLI;
                    session.incoming(now, Incoming::Lost(line));
                }
            }
        }
    }

    /// Hands what a session has to send to its venue.
    fn hand_out(&mut self, at: usize) {
        let now = self.now;
        while let Some(outgoing) = self.gateway.sessions()[at].outgoing() {
            match outgoing {
                Outgoing::Text { line, number, text } => match self.venues[at].lines[&line] {
                    Some(connection) => {
                        let text = self.rewritten(at, text);
                        self.sent.push((at, text.clone()));
                        self.venues[at].desk.on_text(connection, &text, now);
                    }
                    None => {
                        self.gateway.sessions()[at].incoming(now, Incoming::NotSent(number));
                    }
                },
                Outgoing::Http { number, request } => self.ask(at, number, &request),
                Outgoing::Close { line } => {
                    if let Some(connection) = self.venues[at].lines.insert(line, None).flatten() {
                        self.venues[at].desk.disconnect(connection, now);
                        self.venues[at].retry_at = now + 100 * MILLI;
                    }
                }
            }
        }
    }

    fn rewritten(&self, at: usize, text: String) -> String {
        if at != 0 || self.rewrite == Rewrite::Nothing || !is_place(&text) {
            return text;
        }
        let kind = self.venues[0].kind;
        let text = match self.rewrite {
            Rewrite::Strange => text.replace("swdesk1", "swdesk2"),
            Rewrite::Nothing | Rewrite::Resting => text,
        };
        let mut text: Value = serde_json::from_str(&text).unwrap();
        match kind.venue {
            "okx" => text["args"][0]["ordType"] = "limit".into(),
            "bybit" => text["args"][0]["timeInForce"] = "GTC".into(),
            _ => {
                let params = text["params"].as_object_mut().unwrap();
                params["timeInForce"] = "GTC".into();
                if params.remove("signature").is_some() {
                    let pair = |(name, value): (&String, &Value)| match value.as_str() {
                        Some(text) => format!("{name}={text}"),
                        None => format!("{name}={value}"),
                    };
                    let sorted: BTreeMap<&String, &Value> = params.iter().collect();
                    let pairs: Vec<String> = sorted.into_iter().map(pair).collect();
                    let signature = kind.keys().signer().sign(&pairs.join("&"));
                    params.insert("signature".to_owned(), signature.into());
                }
            }
        }
        text.to_string()
    }

    fn ask(&mut self, at: usize, number: u64, request: &Request) {
        let Request { method, path, headers, body } = request;
        self.sent.push((at, format!("{method} {path} {body}")));
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = self.venues[at].desk.ask(method, path, &headers, body, self.now);
        let (status, body) = answer.unwrap_or_else(|| panic!("{method} {path} is not served"));
        let incoming = Incoming::Http { number, status, body: &body };
        self.gateway.sessions()[at].incoming(self.now, incoming);
    }

    fn compared(&mut self, answer: &Answer) {
        let now = self.now;
        let mut end = |venue: &VenueId, compare_at| {
            let venue = &mut self.venues[venue.index()];
            (venue.is_comparing, venue.compare_at) = (false, compare_at);
        };
        if let Answer::Reconciled { venue } = answer {
            end(venue, now + SECOND);
        }
        if let Answer::Connection { venue, .. } = answer {
            end(venue, 0);
        }
    }

    fn compare(&mut self) {
        let waiting: Vec<VenueId> = self.trader.to_reconcile().collect();
        for id in waiting {
            let venue = &mut self.venues[id.index()];
            if !venue.is_comparing && venue.compare_at <= self.now {
                venue.is_comparing = true;
                self.is_busy = true;
                self.gateway.reconcile(id, self.now - 60 * SECOND);
            }
        }
    }

    fn flush(&mut self) {
        let orders: Vec<Order> = std::mem::take(&mut self.out.orders);
        let asks: Vec<Order> = std::mem::take(&mut self.out.asks);
        self.entries.append(&mut self.out.entries);
        self.out.records.clear();
        self.is_busy |= !orders.is_empty() || !asks.is_empty();
        orders.iter().for_each(|order| self.gateway.place(order));
        asks.iter().for_each(|order| self.gateway.ask(order));
    }

    /// A person adopts what the venues say.
    pub(crate) fn adopt(&mut self) {
        self.trader.adopt(self.now, &mut self.out);
        self.flush();
    }

    /// Returns the trades that were told, each once.
    pub(crate) fn trades(&self) -> Vec<Fill> {
        let fills = self.entries.iter().filter_map(|entry| {
            let Event::Answered(Answer::Filled(fill)) = entry.event else { return None };
            Some(fill)
        });
        let by_id: BTreeMap<_, Fill> = fills.map(|fill| ((fill.venue, fill.trade), fill)).collect();
        by_id.into_values().collect()
    }

    /// Returns the orders that were placed.
    pub(crate) fn placed(&self) -> Vec<Order> {
        let placed = self.entries.iter().filter_map(|entry| {
            let Event::Placed(order) = entry.event else { return None };
            Some(order)
        });
        placed.collect()
    }

    /// Returns the balances of the books and of the venues that differ.
    pub(crate) fn differences(&self) -> Vec<String> {
        let desk = self.trader.desk();
        let mut differences = Vec::new();
        for (at, venue) in self.venues.iter().enumerate() {
            for asset in ASSETS {
                let id = desk.settings.assets.find(name(asset)).unwrap();
                let number = VenueId(u8::try_from(at).unwrap());
                let booked = desk.books.account(number, id).balance();
                let there = venue.desk.balance(asset).total().to_string();
                if booked != Amount::parse(&there).unwrap() {
                    differences.push(format!("{asset} at {at}: booked {booked}, there {there}"));
                }
            }
        }
        differences
    }

    /// Checks what must hold whatever happens: no order left twice, each trade that the venues made was
    /// told. That it was booked once is for the balances. `foreign` trades had no order of ours.
    pub(crate) fn check(&mut self, foreign: usize) {
        let owner = Owner::new("desk1").unwrap();
        for order in self.placed() {
            let tag = owner.client_text(order.id);
            let is_it = |(_, text): &&(usize, String)| is_place(text) && text.contains(&tag);
            let times = self.sent.iter().filter(is_it).count();
            assert!(times <= 1, "order {:?} was sent {times} times", order.id);
        }
        let mut made = 0;
        for venue in &mut self.venues {
            venue.fills += venue.desk.take_counts().fills;
            made += venue.fills;
        }
        assert_eq!(self.trades().len() as u64, made, "trades told and made");
        let strange = self.trades().iter().filter(|fill| fill.order.is_none()).count();
        assert_eq!(strange, foreign);
        assert!(self.trader.desk().orders().is_empty(), "{:?}", self.trader.desk().orders());
    }

    /// Returns the number of open orders at the first venue.
    pub(crate) fn open_orders(&self) -> usize {
        self.venues[0].desk.open_orders()
    }

    /// Returns the entries as lines, with the time since the start in ms.
    pub(crate) fn told(&self) -> Vec<String> {
        let line = |entry: &Entry| format!("{} {:?}", (entry.ts - START) / MILLI, entry.event);
        self.entries.iter().map(line).collect()
    }

    /// Returns what the sessions counted.
    pub(crate) fn counts(&mut self) -> Vec<spreadwire_gateways::session::Counts> {
        self.gateway.sessions().iter().map(Session::counts).collect()
    }
}
