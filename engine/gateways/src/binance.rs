//! Binance spot, WebSocket API v3: orders, questions and the user data stream on one connection.
//!
//! Read on 2026-11-30: `web-socket-api.md`, `user-data-stream.md` and `errors.md` of
//! <https://github.com/binance/binance-spot-api-docs>.
//!
//! - With an Ed25519 key the connection logs in (`session.logon`) and requests carry a time stamp
//!   alone. With an HMAC key each request is signed, and the stream is subscribed to by signature.
//! - An order's response (`FULL`) has its trades; the stream has them again. Who hears a trade twice is
//!   told by its id.
//! - A trade list names orders by the venue's id, so the orders are asked for before it.
//! - The WebSocket API has no cancel-on-disconnect (FIX has). Orders here are IOC and never rest.
//! - A request that the matching engine does not answer in 10 s is answered by -1007: what became of it
//!   is not known.

use crate::credentials::Keys;
use crate::protocol::{
    Account, Call, Composed, Endpoints, Fact, Fields, Inquiry, Line, Malformed, Message, Protocol,
    VenueTime, Verdict, failure, millis, or_malformed,
};
use crate::terms::Terms;
use serde_json::{Map, Value};
use spreadwire_market::clock::Nanos;
use spreadwire_trading::amount::Amount;
use spreadwire_trading::order::{AssetName, ClientId, Ended, Fill, Order, Reject, Side, VenueText};
use std::collections::{HashMap, VecDeque};

/// Rows of a page.
const PAGE: usize = 1000;
/// Most orders whose venue ids are remembered, to tell whose trades are whose.
const NAMES_MAX: usize = 65_536;

/// The protocol.
#[derive(Debug)]
pub struct Binance {
    account: Account,
    keys: Keys,
    /// Whose the orders are, by the venue's ids: `None` for those of others.
    names: HashMap<String, Option<ClientId>>,
    oldest: VecDeque<String>,
}

impl Binance {
    /// Returns the protocol of an account.
    #[must_use]
    pub fn new(account: Account, keys: Keys) -> Binance {
        Binance { account, keys, names: HashMap::new(), oldest: VecDeque::new() }
    }

    fn remember(&mut self, venue_order: &str, id: Option<ClientId>) {
        if self.names.insert(venue_order.to_owned(), id).is_none() {
            self.oldest.push_back(venue_order.to_owned());
        }
        if NAMES_MAX < self.oldest.len()
            && let Some(oldest) = self.oldest.pop_front()
        {
            self.names.remove(&oldest);
        }
    }

    /// Writes a request without a signature.
    fn plain(method: &str, tag: &str, params: Vec<(&str, Value)>) -> Composed {
        let mut request = Map::new();
        request.insert("id".to_owned(), Value::from(tag));
        request.insert("method".to_owned(), Value::from(method));
        if !params.is_empty() {
            let params = params.into_iter().map(|(name, value)| (name.to_owned(), value));
            request.insert("params".to_owned(), Value::Object(params.collect()));
        }
        Composed::Text(Line::Orders, Value::Object(request).to_string())
    }

    /// Writes a request of an account: with a time stamp, and signed unless the connection has logged
    /// in.
    fn signed(
        &self,
        method: &str,
        tag: &str,
        mut params: Vec<(&str, Value)>,
        at: VenueTime,
    ) -> Composed {
        params.push(("timestamp", Value::from(at.millis())));
        params.push(("recvWindow", Value::from(self.account.recv_window)));
        let is_logon = method == "session.logon";
        if !self.keys.signer().is_ed25519() || is_logon {
            params.push(("apiKey", Value::from(self.keys.api_key())));
            let signature = self.keys.signer().sign(&signature_payload(&params));
            params.push(("signature", Value::from(signature)));
        }
        Binance::plain(method, tag, params)
    }

    fn step(&self, step: usize, tag: &str, at: VenueTime) -> Option<Composed> {
        match (self.keys.signer().is_ed25519(), step) {
            (true, 0) => Some(self.signed("session.logon", tag, Vec::new(), at)),
            (true, 1) => Some(Binance::plain("userDataStream.subscribe", tag, Vec::new())),
            (false, 0) => {
                Some(self.signed("userDataStream.subscribe.signature", tag, Vec::new(), at))
            }
            (true | false, _) => None,
        }
    }

    fn place(&self, order: &Order, tag: &str, at: VenueTime) -> Option<Composed> {
        let terms = self.account.terms(order.instrument)?;
        let side = match order.side {
            Side::Buy => "BUY",
            Side::Sell => "SELL",
        };
        let params = vec![
            ("symbol", Value::from(terms.symbol.as_str())),
            ("side", Value::from(side)),
            ("type", Value::from("LIMIT")),
            ("timeInForce", Value::from("IOC")),
            ("price", Value::from(terms.price_text(order.px))),
            ("quantity", Value::from(terms.size_text(order.sz)?)),
            ("newClientOrderId", Value::from(self.account.text(order.id))),
            ("newOrderRespType", Value::from("FULL")),
        ];
        Some(self.signed("order.place", tag, params, at))
    }

    /// The new client id is the old one, so that the order is found by it afterwards.
    fn cancel(&self, terms: &Terms, id: ClientId, tag: &str, at: VenueTime) -> Composed {
        let text = self.account.text(id);
        let params = vec![
            ("symbol", Value::from(terms.symbol.as_str())),
            ("origClientOrderId", Value::from(text.as_str())),
            ("newClientOrderId", Value::from(text)),
        ];
        self.signed("order.cancel", tag, params, at)
    }

    fn amend(&self, order: &Order, sz: i64, tag: &str, at: VenueTime) -> Option<Composed> {
        let terms = self.account.terms(order.instrument)?;
        let text = self.account.text(order.id);
        let params = vec![
            ("symbol", Value::from(terms.symbol.as_str())),
            ("origClientOrderId", Value::from(text.as_str())),
            ("newClientOrderId", Value::from(text)),
            ("newQty", Value::from(terms.size_text(sz)?)),
        ];
        Some(self.signed("order.amend.keepPriority", tag, params, at))
    }

    fn trades_of(
        &self,
        order: &Order,
        venue_order: VenueText,
        tag: &str,
        page: Option<&str>,
        at: VenueTime,
    ) -> Option<Composed> {
        let terms = self.account.terms(order.instrument)?;
        let mut params = vec![
            ("symbol", Value::from(terms.symbol.as_str())),
            ("orderId", Value::from(venue_order.as_str().parse::<u64>().ok()?)),
            ("limit", Value::from(PAGE)),
        ];
        params.extend(number(page).map(|from| ("fromId", from)));
        Some(self.signed("myTrades", tag, params, at))
    }

    fn inquire(
        &self,
        inquiry: Inquiry,
        tag: &str,
        page: Option<&str>,
        at: VenueTime,
    ) -> Option<Composed> {
        let (method, instrument, since, next) = match inquiry {
            Inquiry::OpenOrders => {
                return Some(self.signed("openOrders.status", tag, Vec::new(), at));
            }
            Inquiry::Balances => {
                let params = vec![("omitZeroBalances", Value::from(true))];
                return Some(self.signed("account.status", tag, params, at));
            }
            Inquiry::OrdersSince(instrument, since) => ("allOrders", instrument, since, "orderId"),
            Inquiry::TradesSince(instrument, since) => ("myTrades", instrument?, since, "fromId"),
        };
        let symbol = self.account.terms(instrument)?.symbol.as_str();
        let mut params = vec![("symbol", Value::from(symbol)), ("limit", Value::from(PAGE))];
        params.push(match number(page) {
            Some(from) => (next, from),
            None => ("startTime", Value::from(since / 1_000_000)),
        });
        Some(self.signed(method, tag, params, at))
    }

    fn failed(call: &Call, status: i64, error: &Value) -> Vec<Fact> {
        let code = error.integer("code").unwrap_or_default();
        let message = error.text("msg").unwrap_or_default();
        let mut facts = Vec::new();
        if matches!(status, 403 | 418 | 429) {
            let until = error.get("data").and_then(|data| millis(data, "retryAfter"));
            facts.push(Fact::RateLimited(until));
        }
        if code == -1021 {
            facts.push(Fact::ClockOff);
        }
        if let (Call::Status(order, _), -2026) = (call, code) {
            // Archived: cancelled or expired 90 days ago, without a fill.
            facts.push(Fact::State(order.id, None, Some((Ended::Cancelled, 0))));
            return facts;
        }
        facts.push(failure(call, code, verdict(status, code, &message), code == -2013));
        facts
    }

    fn placed(&mut self, order: &Order, result: &Value) -> Result<Vec<Fact>, Malformed> {
        let terms = or_malformed(self.account.terms(order.instrument))?.clone();
        if result.text("clientOrderId") != Some(self.account.text(order.id)) {
            return Err(Malformed);
        }
        let venue_order = result.filled("orderId");
        if let Some(text) = &venue_order {
            self.remember(text, Some(order.id));
        }
        let venue_order = venue_order.and_then(|text| VenueText::new(&text));
        let mut facts = vec![Fact::Acked(order.id, venue_order, 0)];
        let ts = or_malformed(millis(result, "transactTime"))?;
        for row in result.rows("fills").into_iter().flatten() {
            let reading = Reading { trade: "tradeId", px: "price", sz: "qty" };
            let mut fill = or_malformed(self.trade(&terms, row, &reading, order.side, ts))?;
            fill.order = Some(order.id);
            facts.push(Fact::Trade(fill));
        }
        if result.get("status").is_some() {
            facts.extend(state(&terms, order.id, result, &REPORTED)?);
        }
        Ok(facts)
    }

    fn status(&mut self, order: &Order, result: &Value) -> Result<Vec<Fact>, Malformed> {
        let terms = or_malformed(self.account.terms(order.instrument))?.clone();
        let text = or_malformed(result.text("clientOrderId"))?;
        if self.account.owner.client_id(&text).is_some_and(|id| id != order.id) {
            return Err(Malformed);
        }
        let venue_order = or_malformed(result.filled("orderId"))?;
        self.remember(&venue_order, Some(order.id));
        let mut facts = state(&terms, order.id, result, &REPORTED)?;
        if facts.is_empty() {
            facts.push(Fact::State(order.id, VenueText::new(&venue_order), None));
        }
        Ok(facts)
    }

    fn open_orders(&self, rows: &[Value]) -> Vec<Fact> {
        let open = |row: &Value| {
            let id = self.account.owner.client_id(&row.text("clientOrderId")?)?;
            let terms = self.account.markets.named(&row.text("symbol")?)?;
            Some(Fact::Open(terms.instrument, id))
        };
        rows.iter().map(|row| open(row).unwrap_or(Fact::Foreign)).collect()
    }

    fn orders(&mut self, rows: &[Value]) -> Result<Vec<Fact>, Malformed> {
        let mut last = 0;
        for row in rows {
            let venue_order = or_malformed(row.filled("orderId"))?;
            last = or_malformed(venue_order.parse::<u64>().ok())?.max(last);
            let client = row.text("clientOrderId").unwrap_or_default();
            self.remember(&venue_order, self.account.owner.client_id(&client));
        }
        Ok(more(rows.len(), last))
    }

    fn trades(&self, rows: &[Value], order: Option<ClientId>) -> Result<Vec<Fact>, Malformed> {
        let (mut facts, mut last) = (Vec::new(), 0);
        for row in rows {
            let symbol = or_malformed(row.text("symbol"))?;
            let Some(terms) = self.account.markets.named(&symbol) else {
                facts.push(Fact::Foreign);
                continue;
            };
            let is_buy = or_malformed(row.get("isBuyer").and_then(Value::as_bool))?;
            let side = if is_buy { Side::Buy } else { Side::Sell };
            let ts = or_malformed(millis(row, "time"))?;
            let reading = Reading { trade: "id", px: "price", sz: "qty" };
            let mut fill = or_malformed(self.trade(terms, row, &reading, side, ts))?;
            last = or_malformed(row.integer("id"))?.unsigned_abs().max(last);
            let venue_order = or_malformed(row.filled("orderId"))?;
            let named = order.map(Some).or_else(|| self.names.get(&venue_order).copied());
            facts.push(match named {
                Some(whose) => {
                    fill.order = whose;
                    Fact::Trade(fill)
                }
                // The order is newer than the list of orders that was asked for before.
                None => Fact::Nameless,
            });
        }
        facts.extend(more(rows.len(), last));
        Ok(facts)
    }

    fn trade(
        &self,
        terms: &Terms,
        row: &Value,
        reading: &Reading,
        side: Side,
        ts: Nanos,
    ) -> Option<Fill> {
        let fee_asset = row.filled("commissionAsset").or_else(|| row.filled("N"));
        let fee = row.text("commission").or_else(|| row.text("n"))?;
        Some(Fill {
            order: None,
            trade: VenueText::new(&row.filled(reading.trade)?)?,
            instrument: terms.instrument,
            venue: self.account.venue,
            side,
            px: terms.price(&row.text(reading.px)?)?,
            sz: terms.size(&row.text(reading.sz)?).filter(|sz| 0 < *sz)?,
            fee: Amount::parse(&fee).ok()?,
            // Absent where no fee was taken.
            fee_asset: fee_asset.map_or(Some(terms.quote), |name| AssetName::new(&name))?,
            ts,
        })
    }

    fn balances(&self, rows: &[Value], names: &[&str; 3]) -> Result<Vec<Fact>, Malformed> {
        let amount = |row: &Value, name: &str| Amount::parse(&row.text(name)?).ok();
        let balance = |row: &Value| {
            let [asset, free, locked] = names;
            let total = amount(row, free).zip(amount(row, locked)).map(|(free, it)| free + it);
            self.account.balance(&or_malformed(row.text(asset))?, total)
        };
        rows.iter().map(balance).collect()
    }

    fn event(&mut self, event: &Value) -> Result<Vec<Fact>, Malformed> {
        match or_malformed(event.text("e"))?.as_str() {
            "executionReport" => self.execution_report(event),
            "outboundAccountPosition" => {
                self.balances(or_malformed(event.rows("B"))?, &["a", "f", "l"])
            }
            "eventStreamTerminated" | "serverShutdown" => Ok(vec![Fact::Terminated]),
            _ => Ok(Vec::new()),
        }
    }

    fn execution_report(&mut self, event: &Value) -> Result<Vec<Fact>, Malformed> {
        // An order that is being cancelled has its own client id in `C`.
        let text = or_malformed(event.filled("C").or_else(|| event.text("c")))?;
        let id = self.account.owner.client_id(&text);
        let symbol = or_malformed(event.text("s"))?;
        let Some(terms) = self.account.markets.named(&symbol).cloned() else {
            return Ok(vec![Fact::Foreign]);
        };
        match (self.report(&terms, id, event), id) {
            (Err(Malformed), Some(id)) => Ok(vec![Fact::Doubtful(id)]),
            (facts, _) => facts,
        }
    }

    fn report(
        &mut self,
        terms: &Terms,
        id: Option<ClientId>,
        event: &Value,
    ) -> Result<Vec<Fact>, Malformed> {
        let mut facts = Vec::new();
        let venue_order = or_malformed(event.filled("i"))?;
        self.remember(&venue_order, id);
        match or_malformed(event.text("x"))?.as_str() {
            "NEW" => {
                facts.extend(id.map(|id| Fact::Acked(id, VenueText::new(&venue_order), 0)));
            }
            "TRADE" => {
                let side = or_malformed(side_of(event.text("S").as_deref()))?;
                let ts = or_malformed(millis(event, "T"))?;
                let reading = Reading { trade: "t", px: "L", sz: "l" };
                let mut fill = or_malformed(self.trade(terms, event, &reading, side, ts))?;
                fill.order = id;
                facts.push(Fact::Trade(fill));
            }
            _ => {}
        }
        match id {
            Some(id) => facts.extend(state(terms, id, event, &STREAMED)?),
            None if facts.is_empty() => facts.push(Fact::Foreign),
            None => {}
        }
        Ok(facts)
    }
}

impl Protocol for Binance {
    fn account(&self) -> &Account {
        &self.account
    }

    fn endpoints(&self) -> Endpoints {
        Endpoints {
            lines: &[(
                Line::Orders,
                "wss://ws-api.binance.com:443/ws-api/v3?returnRateLimits=false",
            )],
            rest: None,
        }
    }

    fn steps(&self, _line: Line) -> usize {
        if self.keys.signer().is_ed25519() { 2 } else { 1 }
    }

    fn inquiries(&self, since: Nanos, _at: VenueTime) -> Vec<Inquiry> {
        let ids = || self.account.markets.all().iter().map(|terms| terms.instrument);
        let orders = ids().map(|id| Inquiry::OrdersSince(id, since));
        let trades = ids().map(|id| Inquiry::TradesSince(Some(id), since));
        orders.chain(trades).chain([Inquiry::Balances]).collect()
    }

    fn compose(
        &self,
        call: &Call,
        tag: &str,
        page: Option<&str>,
        at: VenueTime,
    ) -> Option<Composed> {
        match call {
            Call::Step(_, step) => self.step(*step, tag, at),
            Call::Time => Some(Binance::plain("time", tag, Vec::new())),
            Call::Ping(_) => Some(Binance::plain("ping", tag, Vec::new())),
            Call::Place(order) => self.place(order, tag, at),
            Call::Cancel(instrument, id) => {
                Some(self.cancel(self.account.terms(*instrument)?, *id, tag, at))
            }
            Call::Amend(order, sz) => self.amend(order, *sz, tag, at),
            Call::Status(order, _) => {
                let symbol = self.account.terms(order.instrument)?.symbol.as_str();
                let params = vec![
                    ("symbol", Value::from(symbol)),
                    ("origClientOrderId", Value::from(self.account.text(order.id))),
                ];
                Some(self.signed("order.status", tag, params, at))
            }
            Call::TradesOf(order, venue_order) => {
                self.trades_of(order, *venue_order, tag, page, at)
            }
            Call::Inquire(inquiry) => self.inquire(*inquiry, tag, page, at),
            Call::Guard => None,
        }
    }

    fn read(&mut self, _line: Line, text: &str) -> Result<Message, Malformed> {
        let value: Value = serde_json::from_str(text).map_err(|_| Malformed)?;
        if let Some(event) = value.get("event") {
            return self.event(event).map(Message::News);
        }
        match value.filled("id") {
            Some(tag) => Ok(Message::Reply(Some(tag), value)),
            // The key was revoked during the session.
            None if value.integer("status") == Some(401) => {
                Ok(Message::News(vec![Fact::Terminated]))
            }
            None => Err(Malformed),
        }
    }

    fn reply(&mut self, call: &Call, _status: u16, value: &Value) -> Result<Vec<Fact>, Malformed> {
        let status = or_malformed(value.integer("status"))?;
        if status != 200 {
            return Ok(Binance::failed(call, status, or_malformed(value.get("error"))?));
        }
        let result = value.get("result").unwrap_or(&Value::Null);
        match call {
            Call::Step(..) => Ok(vec![Fact::StepDone]),
            Call::Time => Ok(vec![Fact::Time(or_malformed(millis(result, "serverTime"))?)]),
            Call::Place(order) => self.placed(order, result),
            Call::Cancel(instrument, id) => {
                let terms = or_malformed(self.account.terms(*instrument))?;
                state(terms, *id, result, &REPORTED)
            }
            Call::Status(order, _) => self.status(order, result),
            Call::TradesOf(order, _) => self.trades(rows_of(result)?, Some(order.id)),
            Call::Inquire(Inquiry::OpenOrders) => Ok(self.open_orders(rows_of(result)?)),
            Call::Inquire(Inquiry::OrdersSince(..)) => self.orders(rows_of(result)?),
            Call::Inquire(Inquiry::TradesSince(..)) => self.trades(rows_of(result)?, None),
            Call::Inquire(Inquiry::Balances) => {
                let rows = or_malformed(result.rows("balances"))?;
                self.balances(rows, &["asset", "free", "locked"])
            }
            Call::Ping(_) | Call::Amend(..) | Call::Guard => Ok(Vec::new()),
        }
    }
}

/// Names of a trade's fields, which differ between messages.
struct Reading {
    trade: &'static str,
    px: &'static str,
    sz: &'static str,
}

/// Names of the fields that tell an order's state.
struct StateFields {
    status: &'static str,
    filled: &'static str,
    expiry: &'static str,
    order: &'static str,
}

const REPORTED: StateFields = StateFields {
    status: "status",
    filled: "executedQty",
    expiry: "expiryReason",
    order: "orderId",
};
const STREAMED: StateFields = StateFields { status: "X", filled: "z", expiry: "eR", order: "i" };

/// Returns how an order ended; nothing if it is open.
fn state(
    terms: &Terms,
    id: ClientId,
    value: &Value,
    names: &StateFields,
) -> Result<Vec<Fact>, Malformed> {
    let filled = or_malformed(value.text(names.filled).and_then(|text| terms.size(&text)))?;
    let how = match or_malformed(value.text(names.status))?.as_str() {
        "NEW" | "PENDING_NEW" | "PARTIALLY_FILLED" | "PENDING_CANCEL" => return Ok(Vec::new()),
        "FILLED" => Ended::Filled,
        "CANCELED" | "EXPIRED_IN_MATCH" => Ended::Cancelled,
        "EXPIRED" if value.text(names.expiry).as_deref() == Some("EXCHANGE_CANCELED") => {
            Ended::Cancelled
        }
        "EXPIRED" => Ended::Unfilled,
        "REJECTED" => {
            let is_poor = value.text("r").as_deref() == Some("INSUFFICIENT_BALANCES");
            let why = if is_poor { Reject::Balance } else { Reject::Other };
            return Ok(vec![Fact::Rejected(id, why, 0)]);
        }
        _ => return Err(Malformed),
    };
    let venue_order = value.filled(names.order).and_then(|text| VenueText::new(&text));
    Ok(vec![Fact::State(id, venue_order, Some((how, filled)))])
}

/// Returns the text that is signed: the parameters by name, as `name=value`, joined by `&`.
fn signature_payload(params: &[(&str, Value)]) -> String {
    let mut params: Vec<&(&str, Value)> = params.iter().collect();
    params.sort_by_key(|(name, _)| *name);
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let pairs: Vec<String> =
        params.iter().map(|(name, value)| format!("{name}={}", text(value))).collect();
    pairs.join("&")
}

/// Decides what an error response to `order.place` says of the order.
fn verdict(status: i64, code: i64, message: &str) -> Verdict {
    let doubtful = 500 <= status || status == 409 || matches!(code, -1000 | -1001 | -1006 | -1007);
    if doubtful {
        return Verdict::Doubtful;
    }
    Verdict::Rejected(match code {
        _ if matches!(status, 403 | 418 | 429) => Reject::RateLimit,
        -1003 | -1008 | -1015 | -1034 => Reject::RateLimit,
        -1002 | -1021 | -1022 | -2014 | -2015 => Reject::Auth,
        -1013 | -1199..=-1100 => Reject::Filter,
        -1016 => Reject::Halted,
        -2010 if message.contains("insufficient balance") => Reject::Balance,
        -2010 if message.starts_with("Duplicate order") => Reject::Duplicate,
        -2010 if message.starts_with("Market is closed") => Reject::Halted,
        -2010 if message.starts_with("Price * QTY") => Reject::Filter,
        _ => Reject::Other,
    })
}

fn side_of(text: Option<&str>) -> Option<Side> {
    match text {
        Some("BUY") => Some(Side::Buy),
        Some("SELL") => Some(Side::Sell),
        _ => None,
    }
}

fn rows_of(result: &Value) -> Result<&[Value], Malformed> {
    or_malformed(result.as_array().map(Vec::as_slice))
}

fn number(page: Option<&str>) -> Option<Value> {
    page?.parse::<u64>().ok().map(Value::from)
}

/// Asks for the rows behind the last one, if the page was full.
fn more(rows: usize, last: u64) -> Vec<Fact> {
    if rows < PAGE { Vec::new() } else { vec![Fact::More(last.saturating_add(1).to_string())] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terms::Markets;
    use serde_json::json;
    use spreadwire_market::instrument::{InstrumentId, VenueId};
    use spreadwire_trading::order::Owner;

    #[test]
    fn a_full_page_is_followed_by_the_next_one() {
        let terms = Terms {
            instrument: InstrumentId(1),
            symbol: "BTCUSDT".to_owned(),
            code: 0,
            price_scale: 2,
            size_scale: 8,
            contract: None,
            base: AssetName::new("BTC").unwrap(),
            quote: AssetName::new("USDT").unwrap(),
        };
        let account = Account {
            venue: VenueId(0),
            owner: Owner::new("desk1").unwrap(),
            markets: Markets::new(vec![terms]),
            recv_window: 2_000,
        };
        let mut binance = Binance::new(account, Keys::hmac("key", "secret", "").unwrap());
        binance.remember("1", None);
        let call = Call::Inquire(Inquiry::TradesSince(Some(InstrumentId(1)), 0));
        for (rows, next) in [(PAGE - 1, None), (PAGE, Some("1040"))] {
            let row = |id| {
                json!({"symbol": "BTCUSDT", "id": 40 + id, "orderId": 1, "price": "1", "qty": "1",
                    "commission": "0", "commissionAsset": "BNB", "time": 1, "isBuyer": true})
            };
            let result: Vec<Value> = (0..rows).map(row).collect();
            let facts = binance.reply(&call, 0, &json!({"status": 200, "result": result})).unwrap();
            assert_eq!(facts.iter().find_map(Fact::page).as_deref(), next);
        }
        let composed = binance.compose(&call, "tag", Some("1040"), VenueTime(5)).unwrap();
        let Composed::Text(_, text) = composed else { panic!() };
        assert!(text.contains("\"fromId\":1040") && !text.contains("startTime"), "{text}");
    }

    #[test]
    fn whose_orders_are_whose_is_remembered_within_bounds() {
        let account = Account {
            venue: VenueId(0),
            owner: Owner::new("desk1").unwrap(),
            markets: Markets::default(),
            recv_window: 2_000,
        };
        let mut binance = Binance::new(account, Keys::hmac("key", "secret", "").unwrap());
        for id in 0..=NAMES_MAX as u64 {
            binance.remember(&id.to_string(), Some(ClientId(id)));
            binance.remember(&id.to_string(), Some(ClientId(id)));
        }
        assert_eq!((binance.names.len(), binance.oldest.len()), (NAMES_MAX, NAMES_MAX));
        assert!(!binance.names.contains_key("0") && binance.names.contains_key("1"));
    }
}
