//! Sessions against venues that are late, lose connections, double and reorder what they say, lag in
//! their lists, fail, send garbage, and at times tell an end that is not true. Whatever happens:
//! - no order reaches a venue twice;
//! - each trade is passed on once, and none is missing in the end;
//! - each order ends as it ended at the venue, and is known to end within a bounded time;
//! - an order that reached the venue is never said not to have been there.
//!
//! A failing seed is printed; `SEED=number` runs that one alone.

#![allow(clippy::unwrap_used, reason = "a venue that cannot read a frame has found a fault")]

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use spreadwire_gateways::credentials::Keys;
use spreadwire_gateways::gateway::protocol;
use spreadwire_gateways::okx::TradeMode;
use spreadwire_gateways::protocol::{Account, Line, Request};
use spreadwire_gateways::session::{Incoming, Options, Outgoing, Session};
use spreadwire_gateways::terms::{Markets, Terms};
use spreadwire_market::clock::{MILLI, Nanos, SECOND};
use spreadwire_market::instrument::{InstrumentId, VenueId};
use spreadwire_trading::order::{
    Answer, AssetName, ClientId, Ended, Order, Owner, Purpose, Reject, Side,
};
use std::collections::{BTreeMap, BTreeSet};

const START: Nanos = 1_660_801_715_000 * MILLI;
const SEEDS: u64 = 400;
const ORDERS: u64 = 12;
const CHAOS: u32 = 250;
/// Steps within which everything must be known once the venue behaves.
const CALM: u32 = 3_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Binance,
    Bybit,
    Okx,
}

/// What became of an order in truth.
#[derive(Clone, Debug)]
struct Truth {
    id: u64,
    arrives: Nanos,
    is_rejected: bool,
    fills: Vec<(u64, i64)>,
    sz: i64,
}

impl Truth {
    fn filled(&self) -> i64 {
        self.fills.iter().map(|(_, sz)| sz).sum()
    }

    fn how(&self) -> Ended {
        if self.filled() == self.sz { Ended::Filled } else { Ended::Unfilled }
    }

    fn text(&self) -> String {
        owner().client_text(ClientId(self.id))
    }
}

fn owner() -> Owner {
    Owner::new("desk1").unwrap()
}

fn decimal(sz: i64) -> String {
    format!("{}.{:08}", sz / 100_000_000, sz % 100_000_000)
}

/// A venue as it should not be.
struct Venue {
    kind: Kind,
    rng: ChaCha8Rng,
    orders: BTreeMap<u64, Truth>,
    /// What is on its way to the session, and when it may arrive.
    deliveries: Vec<(Nanos, Delivery)>,
    next_trade: u64,
    is_calm: bool,
}

#[derive(Clone, Debug)]
enum Delivery {
    Text(Line, String),
    Http(u64, u16, String),
    Failed(u64),
}

impl Venue {
    fn chance(&mut self, percent: u32) -> bool {
        !self.is_calm && self.rng.random_range(0..100) < percent
    }

    fn later(&mut self, from: Nanos) -> Nanos {
        from + self.rng.random_range(0..2_500) * MILLI
    }

    fn deliver(&mut self, at: Nanos, line: Line, value: &Value) {
        let text = value.to_string();
        if self.chance(4) {
            let cut = text.len() / 2;
            self.deliveries.push((at, Delivery::Text(line, text[..cut].to_owned())));
        }
        if self.chance(15) {
            let again = self.later(at);
            self.deliveries.push((again, Delivery::Text(line, text.clone())));
        }
        self.deliveries.push((at, Delivery::Text(line, text)));
    }

    /// Takes an order; a second time is what must never be.
    fn take(&mut self, now: Nanos, client: &str, tag: &str, sz: i64) {
        let id = owner().client_id(client).unwrap().0;
        let is_slow = self.chance(10);
        let delay = if is_slow { 11_900 } else { 1_500 };
        let arrives = now + self.rng.random_range(0..delay) * MILLI;
        let mut truth = Truth { id, arrives, is_rejected: self.chance(15), fills: Vec::new(), sz };
        let mut left = if truth.is_rejected { 0 } else { sz };
        while 0 < left && self.rng.random_range(0..4) != 0 {
            let part = self.rng.random_range(1..=left);
            self.next_trade += 1;
            truth.fills.push((self.next_trade, part));
            left -= part;
        }
        self.tell(&truth, tag);
        let twice = self.orders.insert(id, truth);
        assert!(twice.is_none(), "order {id} was sent twice");
    }

    fn tell(&mut self, truth: &Truth, tag: &str) {
        let at = truth.arrives;
        let answer_at = self.later(at);
        let answer = self.place_answer(truth, tag);
        self.deliver(answer_at, Line::Orders, &answer);
        if truth.is_rejected {
            return;
        }
        let private = if self.kind == Kind::Bybit { Line::Private } else { Line::Orders };
        if self.chance(8) {
            let lie = self.news(&Truth { fills: Vec::new(), ..truth.clone() }, None);
            let when = self.later(at);
            self.deliver(when, private, &lie);
        }
        for fill in 0..truth.fills.len() {
            let news = self.news(truth, Some(fill));
            let when = self.later(at);
            self.deliver(when, private, &news);
        }
        let end = self.news(truth, None);
        let when = self.later(at);
        self.deliver(when, private, &end);
    }

    fn place_answer(&mut self, truth: &Truth, tag: &str) -> Value {
        let venue_order = 1000 + truth.id;
        match self.kind {
            Kind::Binance if truth.is_rejected => json!({"id": tag, "status": 400,
                "error": {"code": -2010, "msg": "Account has insufficient balance for requested action."}}),
            Kind::Binance => {
                let fill = |(id, sz): &(u64, i64)| {
                    json!({"price": "20000.00", "qty": decimal(*sz), "commission": "0.1",
                        "commissionAsset": "BNB", "tradeId": id})
                };
                json!({"id": tag, "status": 200, "result": {"symbol": "BTCUSDT", "orderId": venue_order,
                    "clientOrderId": truth.text(), "transactTime": truth.arrives / MILLI,
                    "executedQty": decimal(truth.filled()), "status": self.state(truth),
                    "fills": truth.fills.iter().map(fill).collect::<Vec<_>>()}})
            }
            Kind::Bybit => {
                let code = if truth.is_rejected { 170_131 } else { 0 };
                json!({"reqId": tag, "retCode": code, "retMsg": "", "op": "order.create",
                    "data": {"orderId": venue_order.to_string(), "orderLinkId": truth.text()}})
            }
            Kind::Okx => {
                let (code, row_code) = if truth.is_rejected { ("1", "51008") } else { ("0", "0") };
                json!({"id": tag, "op": "order", "code": code, "msg": "", "inTime": "1", "outTime": "2",
                    "data": [{"clOrdId": truth.text(), "ordId": venue_order.to_string(),
                    "sCode": row_code, "sMsg": ""}]})
            }
        }
    }

    fn state(&self, truth: &Truth) -> &'static str {
        let is_full = truth.how() == Ended::Filled;
        match self.kind {
            Kind::Binance => {
                if is_full {
                    "FILLED"
                } else {
                    "EXPIRED"
                }
            }
            Kind::Bybit => {
                if is_full {
                    "Filled"
                } else {
                    "Cancelled"
                }
            }
            Kind::Okx => {
                if is_full {
                    "filled"
                } else {
                    "canceled"
                }
            }
        }
    }

    /// One fill, or the end.
    fn news(&self, truth: &Truth, fill: Option<usize>) -> Value {
        let venue_order = 1000 + truth.id;
        let (trade, sz) = fill.map_or((0, 0), |at| truth.fills[at]);
        let until = fill.map_or(truth.fills.len(), |at| at + 1);
        let filled: i64 = truth.fills[..until].iter().map(|(_, sz)| sz).sum();
        match (self.kind, fill) {
            (Kind::Binance, _) => {
                let (kind, state) = match fill {
                    Some(_) if filled == truth.sz => ("TRADE", "FILLED"),
                    Some(_) => ("TRADE", "PARTIALLY_FILLED"),
                    None if truth.how() == Ended::Filled => ("NONE", "FILLED"),
                    None => ("EXPIRED", "EXPIRED"),
                };
                json!({"subscriptionId": 0, "event": {"e": "executionReport", "s": "BTCUSDT",
                    "c": truth.text(), "C": "", "S": "BUY", "x": kind, "X": state, "i": venue_order,
                    "l": decimal(sz), "z": decimal(filled), "L": "20000.00", "n": "0.1", "N": "BNB",
                    "T": truth.arrives / MILLI, "t": trade}})
            }
            (Kind::Bybit, Some(_)) => {
                json!({"topic": "execution", "data": [self.bybit_trade(truth, trade, sz)]})
            }
            (Kind::Bybit, None) => json!({"topic": "order", "data": [self.order_row(truth)]}),
            (Kind::Okx, Some(_)) => {
                let state = if filled == truth.sz { "filled" } else { "partially_filled" };
                json!({"arg": {"channel": "orders"}, "data": [{"instId": "BTC-USDT",
                    "clOrdId": truth.text(), "ordId": venue_order.to_string(), "side": "buy",
                    "state": state, "accFillSz": decimal(filled), "fillSz": decimal(sz),
                    "fillPx": "20000", "fillFee": "-0.1", "fillFeeCcy": "BNB",
                    "fillTime": (truth.arrives / MILLI).to_string(), "tradeId": trade.to_string()}]})
            }
            (Kind::Okx, None) => {
                json!({"arg": {"channel": "orders"}, "data": [self.order_row(truth)]})
            }
        }
    }

    fn order_row(&self, truth: &Truth) -> Value {
        let (order, state, filled) = (1000 + truth.id, self.state(truth), decimal(truth.filled()));
        match self.kind {
            Kind::Binance => {
                json!({"symbol": "BTCUSDT", "orderId": order, "clientOrderId": truth.text(),
                "executedQty": filled, "status": state})
            }
            Kind::Bybit => {
                json!({"symbol": "BTCUSDT", "orderId": order.to_string(), "orderStatus": state,
                "orderLinkId": truth.text(), "cumExecQty": filled, "cancelType": "UNKNOWN"})
            }
            Kind::Okx => json!({"instId": "BTC-USDT", "ordId": order.to_string(), "side": "buy",
                "clOrdId": truth.text(), "state": state, "accFillSz": filled, "fillSz": "0",
                "cancelSource": "14"}),
        }
    }

    fn bybit_trade(&self, truth: &Truth, trade: u64, sz: i64) -> Value {
        json!({"symbol": "BTCUSDT", "orderLinkId": truth.text(), "side": "Buy",
            "execId": trade.to_string(), "execPrice": "20000", "execQty": decimal(sz),
            "execFee": "0.1", "feeCurrency": "BNB", "execType": "Trade",
            "execTime": (truth.arrives / MILLI).to_string()})
    }

    fn trade_row(&self, truth: &Truth, trade: u64, sz: i64) -> Value {
        match self.kind {
            Kind::Binance => json!({"symbol": "BTCUSDT", "id": trade, "orderId": 1000 + truth.id,
                "price": "20000", "qty": decimal(sz), "commission": "0.1", "commissionAsset": "BNB",
                "time": truth.arrives / MILLI, "isBuyer": true}),
            Kind::Bybit => self.bybit_trade(truth, trade, sz),
            Kind::Okx => json!({"instId": "BTC-USDT", "clOrdId": truth.text(), "side": "buy",
                "tradeId": trade.to_string(), "fillSz": decimal(sz), "fillPx": "20000", "fee": "-0.1",
                "feeCcy": "BNB", "billId": trade.to_string(),
                "fillTime": (truth.arrives / MILLI).to_string()}),
        }
    }

    fn arrived(&self, now: Nanos) -> impl Iterator<Item = &Truth> {
        self.orders.values().filter(move |truth| truth.arrives <= now && !truth.is_rejected)
    }

    /// The trades of an order, or of all. A list may lag.
    fn trades(&mut self, now: Nanos, of: Option<u64>) -> Vec<Value> {
        let mut rows: Vec<Value> = Vec::new();
        for truth in self.arrived(now).filter(|truth| of.is_none_or(|id| truth.id == id)) {
            let row = |(id, sz): &(u64, i64)| self.trade_row(truth, *id, *sz);
            rows.extend(truth.fills.iter().map(row));
        }
        if self.chance(20) {
            rows.pop();
        }
        rows
    }

    fn found(&self, now: Nanos, client: &str) -> Option<Value> {
        let id = owner().client_id(client)?.0;
        self.arrived(now).find(|truth| truth.id == id).map(|truth| self.order_row(truth))
    }

    /// Takes a frame.
    fn hear(&mut self, now: Nanos, line: Line, text: &str) {
        if text == "ping" {
            return self.deliveries.push((now, Delivery::Text(line, "pong".to_owned())));
        }
        let frame: Value = serde_json::from_str(text).unwrap();
        match self.kind {
            Kind::Binance => self.hear_binance(now, &frame),
            Kind::Bybit => self.hear_bybit(now, line, &frame),
            Kind::Okx => self.hear_okx(now, &frame),
        }
    }

    fn hear_binance(&mut self, now: Nanos, frame: &Value) {
        let (tag, params) = (frame["id"].as_str().unwrap(), &frame["params"]);
        let order_of = |name: &str| params[name].as_u64().map(|order| order - 1000);
        let result = match frame["method"].as_str().unwrap() {
            "order.place" => {
                let client = params["newClientOrderId"].as_str().unwrap();
                return self.take(now, client, tag, size(&params["quantity"]));
            }
            "time" => json!({"serverTime": now / MILLI}),
            "order.status" => {
                match self.found(now, params["origClientOrderId"].as_str().unwrap()) {
                    Some(row) => row,
                    None => return self.binance_error(now, tag, 400, -2013),
                }
            }
            "myTrades" => Value::from(self.trades(now, order_of("orderId"))),
            "allOrders" => self.arrived(now).map(|truth| self.order_row(truth)).collect(),
            "openOrders.status" => json!([]),
            "account.status" => json!({"balances": []}),
            _ => json!({}),
        };
        if self.chance(6) {
            return self.binance_error(now, tag, 500, -1001);
        }
        let at = self.later(now);
        self.deliver(at, Line::Orders, &json!({"id": tag, "status": 200, "result": result}));
    }

    fn binance_error(&mut self, now: Nanos, tag: &str, status: u16, code: i64) {
        let at = self.later(now);
        let error = json!({"id": tag, "status": status, "error": {"code": code, "msg": ""}});
        self.deliver(at, Line::Orders, &error);
    }

    fn hear_bybit(&mut self, now: Nanos, line: Line, frame: &Value) {
        let tag = frame["reqId"].as_str().or(frame["req_id"].as_str()).unwrap();
        let answer = match (frame["op"].as_str().unwrap(), line) {
            ("order.create", _) => {
                let args = &frame["args"][0];
                let client = args["orderLinkId"].as_str().unwrap();
                return self.take(now, client, tag, size(&args["qty"]));
            }
            ("ping", _) => json!({"op": "pong", "args": []}),
            (op, Line::Orders) => json!({"reqId": tag, "retCode": 0, "op": op}),
            (op, Line::Private) => json!({"req_id": tag, "success": true, "op": op}),
        };
        let at = self.later(now);
        self.deliver(at, line, &answer);
    }

    fn hear_okx(&mut self, now: Nanos, frame: &Value) {
        let answer = match frame["op"].as_str().unwrap() {
            "order" => {
                let args = &frame["args"][0];
                let client = args["clOrdId"].as_str().unwrap();
                return self.take(now, client, frame["id"].as_str().unwrap(), size(&args["sz"]));
            }
            "login" => json!({"event": "login", "code": "0"}),
            _ => json!({"event": "subscribe", "id": frame["id"]}),
        };
        let at = self.later(now);
        self.deliver(at, Line::Orders, &answer);
    }

    /// Takes a request.
    fn asked(&mut self, now: Nanos, number: u64, request: &Request) {
        let at = self.later(now);
        if self.chance(8) {
            return self.deliveries.push((at, Delivery::Failed(number)));
        }
        let (status, body) = if self.chance(8) {
            (500, "{\"code\":\"50026\",\"retCode\":10016,\"data\":[]}".to_owned())
        } else if self.chance(4) {
            (502, "<html>bad gateway</html>".to_owned())
        } else {
            (200, self.answer(now, &request.path).to_string())
        };
        self.deliveries.push((at, Delivery::Http(number, status, body)));
    }

    fn answer(&mut self, now: Nanos, path: &str) -> Value {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let of = |name: &str| query.split('&').find_map(|it| it.strip_prefix(name));
        let of_order = |name: &str| of(name).map(|text| text.parse::<u64>().unwrap() - 1000);
        let rows = match path {
            "/v5/market/time" => {
                return json!({"retCode": 0, "result": {"timeNano": now.to_string()}});
            }
            "/api/v5/public/time" => json!([{"ts": (now / MILLI).to_string()}]),
            "/v5/order/realtime" | "/v5/order/history" | "/api/v5/trade/order" => {
                let client = of("orderLinkId=").or(of("clOrdId="));
                match client.map(|client| self.found(now, client)) {
                    Some(None) if self.kind == Kind::Okx => {
                        return json!({"code": "51603", "data": [], "msg": ""});
                    }
                    Some(Some(row)) => json!([row]),
                    Some(None) | None => json!([]),
                }
            }
            "/v5/execution/list" => Value::from(self.trades(now, of_order("orderId="))),
            "/api/v5/trade/fills" => Value::from(self.trades(now, of_order("ordId="))),
            "/v5/account/wallet-balance" => json!([{"coin": []}]),
            _ => json!([]),
        };
        match self.kind {
            Kind::Okx => json!({"code": "0", "data": rows, "msg": ""}),
            Kind::Bybit | Kind::Binance => {
                json!({"retCode": 0, "result": {"list": rows, "nextPageCursor": ""}})
            }
        }
    }
}

fn size(value: &Value) -> i64 {
    spreadwire_market::decimal::parse(value.as_str().unwrap().as_bytes(), 8).unwrap()
}

/// A trader that asks until it knows, and what it heard.
#[derive(Default)]
struct Trader {
    orders: BTreeMap<u64, Order>,
    /// When to ask about an unknown order.
    unknown: BTreeMap<u64, Nanos>,
    ended: BTreeMap<u64, Result<(Ended, i64), Reject>>,
    fills: BTreeMap<u64, i64>,
    trades: BTreeSet<String>,
    is_up: bool,
    is_reconciled: bool,
}

impl Trader {
    fn hear(&mut self, now: Nanos, answer: &Answer) {
        match *answer {
            Answer::Filled(fill) => {
                assert!(self.trades.insert(fill.trade.to_string()), "trade told twice: {fill:?}");
                let id = fill.order.expect("all orders are ours").0;
                *self.fills.entry(id).or_default() += fill.sz;
            }
            Answer::Done { id, how, filled } => {
                self.unknown.remove(&id.0);
                self.ended.insert(id.0, Ok((how, filled)));
            }
            Answer::Rejected { id, why, .. } => {
                self.unknown.remove(&id.0);
                self.ended.insert(id.0, Err(why));
            }
            Answer::Unknown { id } => {
                self.ended.remove(&id.0);
                self.unknown.insert(id.0, now + SECOND);
            }
            Answer::Connection { is_up, .. } => {
                self.is_up = is_up;
                self.is_reconciled &= is_up;
            }
            Answer::Reconciled { .. } => self.is_reconciled = true,
            Answer::Acked { .. } | Answer::Balance { .. } => {}
        }
    }

    fn knows_all(&self) -> bool {
        let is_whole = |(id, end): (&u64, &Result<(Ended, i64), Reject>)| match end {
            Ok((_, filled)) => *filled == self.fills.get(id).copied().unwrap_or_default(),
            Err(_) => true,
        };
        self.ended.len() == self.orders.len() && self.ended.iter().all(is_whole)
    }
}

struct World {
    session: Session,
    venue: Venue,
    trader: Trader,
    now: Nanos,
    up: BTreeMap<Line, bool>,
    not_sent: BTreeSet<u64>,
}

impl World {
    fn new(kind: Kind, seed: u64) -> World {
        let (name, symbol) = match kind {
            Kind::Binance => ("binance", "BTCUSDT"),
            Kind::Bybit => ("bybit", "BTCUSDT"),
            Kind::Okx => ("okx", "BTC-USDT"),
        };
        let terms = Terms {
            instrument: InstrumentId(1),
            symbol: symbol.to_owned(),
            code: 5,
            price_scale: 2,
            size_scale: 8,
            contract: None,
            base: AssetName::new("BTC").unwrap(),
            quote: AssetName::new("USDT").unwrap(),
        };
        let account = Account {
            venue: VenueId(0),
            owner: owner(),
            markets: Markets::new(vec![terms]),
            recv_window: 2_000,
        };
        let keys = Keys::hmac("key", "secret", "pass").unwrap();
        let protocol = protocol(name, account, keys, TradeMode::Cash).unwrap();
        let options = Options { cancel_on_disconnect: false, ..Options::default() };
        let session = Session::new(protocol, options, None, START);
        let up = session.endpoints().lines.iter().map(|(line, _)| (*line, false)).collect();
        let venue = Venue {
            kind,
            rng: ChaCha8Rng::seed_from_u64(seed),
            orders: BTreeMap::new(),
            deliveries: Vec::new(),
            next_trade: 0,
            is_calm: false,
        };
        let (trader, not_sent) = (Trader::default(), BTreeSet::new());
        World { session, venue, trader, now: START, up, not_sent }
    }

    fn lose(&mut self, line: Line) {
        self.up.insert(line, false);
        self.venue.deliveries.retain(|(_, it)| !matches!(it, Delivery::Text(on, _) if *on == line));
        self.session.incoming(self.now, Incoming::Lost(line));
    }

    /// Does what the session wants, and hears what it says.
    fn transport(&mut self) {
        while let Some(outgoing) = self.session.outgoing() {
            match outgoing {
                Outgoing::Text { line, number, text } => {
                    assert!(self.up[&line], "sent on a connection that is gone");
                    if self.venue.chance(2) {
                        self.session.incoming(self.now, Incoming::NotSent(number));
                        self.note_unsent(&text);
                        self.lose(line);
                    } else {
                        self.venue.hear(self.now, line, &text);
                    }
                }
                Outgoing::Http { number, request } => self.venue.asked(self.now, number, &request),
                Outgoing::Close { line } => self.lose(line),
            }
        }
        let mut answers = Vec::new();
        self.session.answers(&mut answers);
        for answer in &answers {
            self.must_be_true(answer);
            self.trader.hear(self.now, answer);
            if matches!(answer, Answer::Connection { is_up: true, .. }) {
                self.session.reconcile(self.now, START);
            }
        }
    }

    /// What says that an order was not taken must be true whenever it is said.
    fn must_be_true(&self, answer: &Answer) {
        let (Answer::Done { id, how: Ended::NeverThere, .. } | Answer::Rejected { id, .. }) =
            answer
        else {
            return;
        };
        let was_taken = self.venue.orders.get(&id.0).is_some_and(|truth| !truth.is_rejected);
        assert!(!was_taken, "{answer:?}, but the venue took it");
    }

    fn note_unsent(&mut self, text: &str) {
        let id = (1..=ORDERS).find(|id| {
            let client = owner().client_text(ClientId(*id));
            let is_place = text.contains("IOC") || text.contains("ioc");
            is_place && text.contains(&client)
        });
        self.not_sent.extend(id);
    }

    fn step(&mut self) {
        let pick = self.venue.rng.random_range(0..100);
        let now = self.now;
        if pick < 45 {
            self.one_delivery();
        } else if pick < 55 && (self.trader.orders.len() as u64) < ORDERS {
            self.place();
        } else if pick < 57 && !self.venue.is_calm {
            let lines: Vec<Line> = self.up.keys().copied().collect();
            let line = lines[self.venue.rng.random_range(0..lines.len())];
            if self.up[&line] {
                self.lose(line);
            }
        } else if pick < 65 {
            let down = self.up.iter().find(|(_, is_up)| !**is_up).map(|(line, _)| *line);
            if let Some(line) = down {
                self.up.insert(line, true);
                self.session.incoming(now, Incoming::Opened(line));
            }
        } else if pick < 72 {
            self.place_again();
        } else {
            self.now += self.venue.rng.random_range(0..600) * MILLI;
            self.session.on_time(self.now);
            let due = |(id, at): (&u64, &Nanos)| (*at <= self.now).then_some(*id);
            let due: Vec<u64> = self.trader.unknown.iter().filter_map(due).collect();
            for id in due {
                self.trader.unknown.insert(id, self.now + SECOND);
                self.session.ask(self.now, &self.trader.orders[&id]);
            }
        }
        self.transport();
    }

    fn place(&mut self) {
        let id = self.trader.orders.len() as u64 + 1;
        let order = Order {
            id: ClientId(id),
            deal: 1,
            purpose: Purpose::Entry,
            instrument: InstrumentId(1),
            venue: VenueId(0),
            side: Side::Buy,
            px: 2_000_000,
            sz: self.venue.rng.random_range(1..1_000_000),
            ts: self.now,
        };
        self.trader.orders.insert(id, order);
        self.session.place(self.now, &order);
    }

    /// A trader that forgot that it placed an order, and is told that it is not known.
    fn place_again(&mut self) {
        let (any, count) = (self.venue.chance(10), self.trader.orders.len() as u64);
        if any && 0 < count {
            let id = self.venue.rng.random_range(1..=count);
            self.session.place(self.now, &self.trader.orders[&id].clone());
        }
    }

    fn one_delivery(&mut self) {
        let ready =
            |(at, (when, _)): (usize, &(Nanos, Delivery))| (*when <= self.now).then_some(at);
        let ready: Vec<usize> =
            self.venue.deliveries.iter().enumerate().filter_map(ready).collect();
        if ready.is_empty() {
            return;
        }
        let at = ready[self.venue.rng.random_range(0..ready.len())];
        match self.venue.deliveries.swap_remove(at).1 {
            Delivery::Text(line, text) => {
                self.session.incoming(self.now, Incoming::Text(line, &text));
            }
            Delivery::Http(number, status, body) => {
                self.session.incoming(self.now, Incoming::Http { number, status, body: &body });
            }
            Delivery::Failed(number) => self.session.incoming(self.now, Incoming::Failed(number)),
        }
    }

    fn run(&mut self) {
        for _ in 0..CHAOS {
            self.step();
        }
        // A last loss, after which everything is asked for again.
        self.lose(Line::Orders);
        self.transport();
        self.venue.is_calm = true;
        for _ in 0..CALM {
            self.step();
            let is_quiet = self.venue.deliveries.is_empty();
            if self.trader.is_reconciled && self.trader.knows_all() && is_quiet {
                return self.check();
            }
        }
        panic!(
            "not known in the end: ended {:?}, unknown {:?}, reconciled {}, up {}",
            self.trader.ended, self.trader.unknown, self.trader.is_reconciled, self.trader.is_up
        );
    }

    fn check(&self) {
        for (id, end) in &self.trader.ended {
            let filled = self.trader.fills.get(id).copied().unwrap_or_default();
            match (self.venue.orders.get(id), end) {
                (None, Err(Reject::NotSent)) => assert_eq!(filled, 0),
                (None, Ok((Ended::NeverThere, 0))) => {}
                (Some(truth), Err(_)) => assert!(truth.is_rejected, "{id}: {end:?}, {truth:?}"),
                (Some(truth), Ok((how, told))) if truth.is_rejected => {
                    assert_eq!((*how, *told), (Ended::NeverThere, 0), "{id}: {truth:?}");
                }
                (Some(truth), Ok((how, told))) => {
                    let expected = (truth.how(), truth.filled(), truth.filled());
                    assert_eq!((*how, *told, filled), expected, "{id}: {truth:?}");
                }
                (None, end) => panic!("{id}: never sent, but {end:?}"),
            }
            let was_sent = self.venue.orders.contains_key(id);
            assert!(!(was_sent && self.not_sent.contains(id)), "{id}");
        }
    }
}

fn run(kind: Kind) {
    let one = std::env::var("SEED").ok().map(|seed| seed.parse::<u64>().unwrap());
    let seeds = one.map_or(0..SEEDS, |seed| seed..seed + 1);
    for seed in seeds {
        let result = std::panic::catch_unwind(|| World::new(kind, seed).run());
        assert!(result.is_ok(), "{kind:?} failed with SEED={seed}");
    }
}

#[test]
fn binance_whatever_happens() {
    run(Kind::Binance);
}

#[test]
fn bybit_whatever_happens() {
    run(Kind::Bybit);
}

#[test]
fn okx_whatever_happens() {
    run(Kind::Okx);
}
