//! Bybit v5: orders on `/v5/trade`, their states and fills on `/v5/private`, questions by REST.
//!
//! Read on 2026-11-30: `docs/v5/websocket/trade/guideline.mdx`, `websocket/private/{order,execution,
//! fast-execution,wallet,dcp}.mdx`, `order/*.mdx`, `error.mdx` and `enum.mdx` of
//! <https://github.com/bybit-exchange/docs>.
//!
//! - The answer to `order.create` says that the order was taken, not what was filled. Fills come as
//!   `execution`. The quicker `execution.fast` names no fee, so it is not used.
//! - The request id of an order is its client id: a request that came twice would be refused (20006).
//! - A cancel that meets a fill gives two messages that say `Filled`.
//! - An order that has ended is found in `/v5/order/realtime` until the service is restarted, and in
//!   `/v5/order/history` later.
//! - Disconnect protection (DCP) cancels all orders of the account, whoever placed them, and is for
//!   institutions only. It is therefore not used; orders here are IOC and never rest.

use crate::credentials::Keys;
use crate::protocol::{
    Account, Call, Composed, Endpoints, Fact, Fields, Inquiry, Line, Malformed, Message, Protocol,
    Request, VenueTime, Verdict, failure, millis, or_malformed,
};
use crate::signing::KeyError;
use crate::terms::Terms;
use serde_json::{Value, json};
use spreadwire_market::clock::Nanos;
use spreadwire_trading::amount::Amount;
use spreadwire_trading::order::{AssetName, ClientId, Ended, Fill, Order, Reject, Side, VenueText};

/// How long a login may take to arrive, ms.
const LOGIN_MS: u64 = 10_000;

/// Longest time that one list of trades reaches over: 7 days from its start.
const LIST_SPAN: Nanos = 7 * 86_400 * 1_000_000_000;
/// How long trades are kept: 2 years.
const KEPT: Nanos = 730 * 86_400 * 1_000_000_000;

/// Which products an account trades.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    /// Spot.
    Spot,
    /// Perpetual contracts that settle in the quote asset. Sizes are in the base asset.
    Linear,
}

impl Category {
    fn name(self) -> &'static str {
        match self {
            Category::Spot => "spot",
            Category::Linear => "linear",
        }
    }
}

/// The protocol.
#[derive(Debug)]
pub struct Bybit {
    account: Account,
    keys: Keys,
    category: Category,
}

impl Bybit {
    /// Returns the protocol of an account.
    ///
    /// # Errors
    /// If the keys sign by Ed25519.
    pub fn new(account: Account, keys: Keys, category: Category) -> Result<Bybit, KeyError> {
        if keys.signer().is_ed25519() {
            return Err(KeyError::HmacOnly);
        }
        Ok(Bybit { account, keys, category })
    }

    fn auth(&self, line: Line, tag: &str, at: VenueTime) -> Composed {
        let expires = at.millis() + LOGIN_MS;
        let signature = self.keys.signer().sign(&format!("GET/realtime{expires}"));
        let id = if line == Line::Orders { "reqId" } else { "req_id" };
        let text =
            json!({ id: tag, "op": "auth", "args": [self.keys.api_key(), expires, signature] });
        Composed::Text(line, text.to_string())
    }

    fn step(&self, line: Line, step: usize, tag: &str, at: VenueTime) -> Option<Composed> {
        match (line, step) {
            (_, 0) => Some(self.auth(line, tag, at)),
            (Line::Private, 1) => {
                let topics = ["order", "execution", "wallet"];
                let text = json!({ "req_id": tag, "op": "subscribe", "args": topics });
                Some(Composed::Text(line, text.to_string()))
            }
            (Line::Orders | Line::Private, _) => None,
        }
    }

    fn operation(&self, op: &str, tag: &str, args: &Value, at: VenueTime) -> Composed {
        let text = json!({
            "reqId": tag,
            "header": {
                "X-BAPI-TIMESTAMP": at.millis().to_string(),
                "X-BAPI-RECV-WINDOW": self.account.recv_window.to_string(),
            },
            "op": op,
            "args": [args],
        });
        Composed::Text(Line::Orders, text.to_string())
    }

    fn place(&self, order: &Order, tag: &str, at: VenueTime) -> Option<Composed> {
        let terms = self.account.terms(order.instrument)?;
        let side = match order.side {
            Side::Buy => "Buy",
            Side::Sell => "Sell",
        };
        let args = json!({
            "category": self.category.name(),
            "symbol": terms.symbol,
            "side": side,
            "orderType": "Limit",
            "qty": terms.size_text(order.sz)?,
            "price": terms.price_text(order.px),
            "timeInForce": "IOC",
            "orderLinkId": self.account.text(order.id),
        });
        Some(self.operation("order.create", tag, &args, at))
    }

    fn change(
        &self,
        op: &str,
        terms: &Terms,
        id: ClientId,
        qty: Option<String>,
        tag: &str,
        at: VenueTime,
    ) -> Composed {
        let mut args = json!({
            "category": self.category.name(),
            "symbol": terms.symbol,
            "orderLinkId": self.account.text(id),
        });
        if let Some(qty) = qty {
            args["qty"] = Value::from(qty);
        }
        self.operation(op, tag, &args, at)
    }

    fn get(&self, path: &str, query: &str, page: Option<&str>, at: VenueTime) -> Composed {
        // The cursor is given percent-encoded, and goes back as it came.
        let query = match page {
            Some(cursor) => format!("{query}&cursor={cursor}"),
            None => query.to_owned(),
        };
        let (timestamp, window) = (at.millis().to_string(), self.account.recv_window.to_string());
        let signed = format!("{timestamp}{}{window}{query}", self.keys.api_key());
        Composed::Http(Request {
            method: "GET",
            path: format!("{path}?{query}"),
            headers: vec![
                ("X-BAPI-API-KEY", self.keys.api_key().to_owned()),
                ("X-BAPI-TIMESTAMP", timestamp),
                ("X-BAPI-RECV-WINDOW", window),
                ("X-BAPI-SIGN", self.keys.signer().sign(&signed)),
            ],
            body: String::new(),
        })
    }

    fn status(&self, order: &Order, is_old: bool, at: VenueTime) -> Option<Composed> {
        let path = if is_old { "/v5/order/history" } else { "/v5/order/realtime" };
        let query = format!(
            "category={}&symbol={}&orderLinkId={}",
            self.category.name(),
            self.account.terms(order.instrument)?.symbol,
            self.account.text(order.id)
        );
        Some(self.get(path, &query, None, at))
    }

    fn trades_of(
        &self,
        order: &Order,
        venue_order: VenueText,
        page: Option<&str>,
        at: VenueTime,
    ) -> Option<Composed> {
        let symbol = &self.account.terms(order.instrument)?.symbol;
        let category = self.category.name();
        let query = format!("category={category}&symbol={symbol}&orderId={venue_order}&limit=100");
        Some(self.get("/v5/execution/list", &query, page, at))
    }

    fn inquire(&self, inquiry: Inquiry, page: Option<&str>, at: VenueTime) -> Option<Composed> {
        let category = self.category.name();
        match inquiry {
            Inquiry::OpenOrders => {
                let coin = match self.category {
                    Category::Spot => String::new(),
                    Category::Linear => {
                        format!("&settleCoin={}", self.account.markets.all().first()?.quote)
                    }
                };
                let query = format!("category={category}{coin}&openOnly=0&limit=50");
                Some(self.get("/v5/order/realtime", &query, page, at))
            }
            Inquiry::TradesSince(_, since) => {
                let start = since / 1_000_000;
                let query = format!("category={category}&startTime={start}&limit=100");
                Some(self.get("/v5/execution/list", &query, page, at))
            }
            Inquiry::Balances => {
                Some(self.get("/v5/account/wallet-balance", "accountType=UNIFIED", page, at))
            }
            Inquiry::OrdersSince(..) => None,
        }
    }

    fn failed(call: &Call, status: u16, code: i64, value: &Value) -> Vec<Fact> {
        let mut facts = Vec::new();
        let is_limit = matches!(code, 10_006 | 10_403 | 10_429 | 20_003 | 170_005 | 170_222);
        if is_limit || matches!(status, 403 | 429) {
            let header = value.get("header");
            let until = header.and_then(|header| millis(header, "X-Bapi-Limit-Reset-Timestamp"));
            facts.push(Fact::RateLimited(until));
        }
        if code == 10_002 {
            facts.push(Fact::ClockOff);
        }
        if matches!(call, Call::Place(_)) && code == 10_019 {
            // The service restarts: a new connection leads to another one.
            facts.push(Fact::Terminated);
        }
        facts.push(failure(call, code, verdict(code), matches!(code, 110_001 | 170_213)));
        facts
    }

    fn open_orders(&self, rows: &[Value]) -> Vec<Fact> {
        let open = |row: &Value| {
            let id = self.account.owner.client_id(&row.text("orderLinkId")?)?;
            let terms = self.account.markets.named(&row.text("symbol")?)?;
            Some(Fact::Open(terms.instrument, id))
        };
        rows.iter().map(|row| open(row).unwrap_or(Fact::Foreign)).collect()
    }

    fn trades(&self, rows: &[Value]) -> Result<Vec<Fact>, Malformed> {
        let mut facts = Vec::new();
        for row in rows {
            facts.push(self.execution(row)?);
        }
        Ok(facts)
    }

    /// Reads a trade. A payment of funding is none.
    fn execution(&self, row: &Value) -> Result<Fact, Malformed> {
        let symbol = or_malformed(row.text("symbol"))?;
        let is_here = row.text("category").is_none_or(|category| category == self.category.name());
        let (Some(terms), true) = (self.account.markets.named(&symbol), is_here) else {
            return Ok(Fact::Foreign);
        };
        let kind = row.text("execType");
        if kind.as_deref() == Some("Funding") {
            return Ok(Fact::Foreign);
        }
        let id = row.text("orderLinkId").and_then(|text| self.account.owner.client_id(&text));
        match (self.fill(terms, row, id), id) {
            (Some(fill), _) => Ok(Fact::Trade(fill)),
            (None, Some(id)) => Ok(Fact::Doubtful(id)),
            (None, None) => Err(Malformed),
        }
    }

    fn fill(&self, terms: &Terms, row: &Value, order: Option<ClientId>) -> Option<Fill> {
        let side = side_of(&row.text("side")?)?;
        // A taker pays in what it receives, unless the venue says otherwise; contracts settle in quote.
        let usual = match (self.category, side) {
            (Category::Spot, Side::Buy) => terms.base,
            (Category::Spot, Side::Sell) | (Category::Linear, _) => terms.quote,
        };
        let fee_asset = match row.filled("feeCurrency") {
            Some(name) => AssetName::new(&name)?,
            None => usual,
        };
        Some(Fill {
            order,
            trade: VenueText::new(&row.filled("execId")?)?,
            instrument: terms.instrument,
            venue: self.account.venue,
            side,
            px: terms.price(&row.text("execPrice")?)?,
            sz: terms.size(&row.text("execQty")?).filter(|sz| 0 < *sz)?,
            fee: Amount::parse(&row.filled("execFee")?).ok()?,
            fee_asset,
            ts: millis(row, "execTime")?,
        })
    }

    fn balances(&self, row: &Value) -> Result<Vec<Fact>, Malformed> {
        let balance = |coin: &Value| {
            let total = coin.filled("walletBalance").and_then(|text| Amount::parse(&text).ok());
            self.account.balance(&or_malformed(coin.text("coin"))?, total)
        };
        or_malformed(row.rows("coin"))?.iter().map(balance).collect()
    }

    fn order_news(&self, row: &Value) -> Result<Vec<Fact>, Malformed> {
        let text = or_malformed(row.text("orderLinkId"))?;
        let symbol = or_malformed(row.text("symbol"))?;
        let is_here = row.text("category").is_none_or(|category| category == self.category.name());
        let own = self.account.owner.client_id(&text).zip(self.account.markets.named(&symbol));
        let (Some((id, terms)), true) = (own, is_here) else { return Ok(vec![Fact::Foreign]) };
        Ok(state(terms, id, row).unwrap_or_else(|Malformed| vec![Fact::Doubtful(id)]))
    }

    fn news(&self, topic: &str, value: &Value) -> Result<Vec<Fact>, Malformed> {
        let rows = or_malformed(value.rows("data"))?;
        let mut facts = Vec::new();
        for row in rows {
            match topic {
                "order" => facts.extend(self.order_news(row)?),
                "execution" => facts.push(self.execution(row)?),
                "wallet" => facts.extend(self.balances(row)?),
                _ => facts.push(Fact::Foreign),
            }
        }
        Ok(facts)
    }

    fn acked(&self, order: &Order, value: &Value) -> Result<Vec<Fact>, Malformed> {
        let data = or_malformed(value.get("data"))?;
        if data.text("orderLinkId") != Some(self.account.text(order.id)) {
            return Err(Malformed);
        }
        let venue_order = data.filled("orderId").and_then(|text| VenueText::new(&text));
        Ok(vec![Fact::Acked(order.id, venue_order, 0)])
    }

    fn rest(&self, call: &Call, result: &Value) -> Result<Vec<Fact>, Malformed> {
        let rows = || or_malformed(result.rows("list"));
        let mut facts = match call {
            Call::Status(order, _) => {
                return self.account.found(order, rows()?, ["orderLinkId", "orderId"], state);
            }
            Call::Time => {
                let nanos = or_malformed(result.integer("timeNano"))?;
                return Ok(vec![Fact::Time(u64::try_from(nanos).map_err(|_| Malformed)?)]);
            }
            Call::TradesOf(..) | Call::Inquire(Inquiry::TradesSince(..)) => self.trades(rows()?)?,
            Call::Inquire(Inquiry::OpenOrders) => self.open_orders(rows()?),
            Call::Inquire(Inquiry::Balances) => {
                let mut facts = Vec::new();
                for row in rows()? {
                    facts.extend(self.balances(row)?);
                }
                facts
            }
            Call::Inquire(Inquiry::OrdersSince(..))
            | Call::Step(..)
            | Call::Ping(_)
            | Call::Place(_)
            | Call::Cancel(..)
            | Call::Amend(..)
            | Call::Guard => Vec::new(),
        };
        // A page without rows is the last one, whatever its cursor says.
        let more =
            result.filled("nextPageCursor").filter(|_| rows().is_ok_and(|it| !it.is_empty()));
        facts.extend(more.map(Fact::More));
        Ok(facts)
    }
}

impl Protocol for Bybit {
    fn account(&self) -> &Account {
        &self.account
    }

    fn endpoints(&self) -> Endpoints {
        Endpoints {
            lines: &[
                (Line::Orders, "wss://stream.bybit.com/v5/trade"),
                (Line::Private, "wss://stream.bybit.com/v5/private"),
            ],
            rest: Some("https://api.bybit.com"),
        }
    }

    fn steps(&self, line: Line) -> usize {
        match line {
            Line::Orders => 1,
            Line::Private => 2,
        }
    }

    fn inquiries(&self, since: Nanos, at: VenueTime) -> Vec<Inquiry> {
        let first = since.max(at.0.saturating_sub(KEPT));
        let mut inquiries = vec![Inquiry::TradesSince(None, first)];
        let mut start = first.saturating_add(LIST_SPAN);
        while start <= at.0 {
            inquiries.push(Inquiry::TradesSince(None, start));
            start += LIST_SPAN;
        }
        inquiries.push(Inquiry::Balances);
        inquiries
    }

    fn compose(
        &self,
        call: &Call,
        tag: &str,
        page: Option<&str>,
        at: VenueTime,
    ) -> Option<Composed> {
        match call {
            Call::Step(line, step) => self.step(*line, *step, tag, at),
            Call::Time => Some(Composed::Http(Request {
                method: "GET",
                path: "/v5/market/time".to_owned(),
                headers: Vec::new(),
                body: String::new(),
            })),
            Call::Ping(line) => {
                let id = if *line == Line::Orders { "reqId" } else { "req_id" };
                Some(Composed::Text(*line, json!({ id: tag, "op": "ping" }).to_string()))
            }
            Call::Place(order) => self.place(order, tag, at),
            Call::Cancel(instrument, id) => {
                let terms = self.account.terms(*instrument)?;
                Some(self.change("order.cancel", terms, *id, None, tag, at))
            }
            Call::Amend(order, sz) => {
                let terms = self.account.terms(order.instrument)?;
                let qty = Some(terms.size_text(*sz)?);
                Some(self.change("order.amend", terms, order.id, qty, tag, at))
            }
            Call::Status(order, is_old) => self.status(order, *is_old, at),
            Call::TradesOf(order, venue_order) => self.trades_of(order, *venue_order, page, at),
            Call::Inquire(inquiry) => self.inquire(*inquiry, page, at),
            Call::Guard => None,
        }
    }

    fn read(&mut self, _line: Line, text: &str) -> Result<Message, Malformed> {
        let value: Value = serde_json::from_str(text).map_err(|_| Malformed)?;
        if let Some(topic) = value.text("topic") {
            return self.news(&topic, &value).map(Message::News);
        }
        match or_malformed(value.text("op"))?.as_str() {
            "pong" | "ping" => Ok(Message::News(Vec::new())),
            _ => {
                let tag = value.filled("reqId").or_else(|| value.filled("req_id"));
                Ok(Message::Reply(tag, value))
            }
        }
    }

    fn reply(&mut self, call: &Call, status: u16, value: &Value) -> Result<Vec<Fact>, Malformed> {
        if let Some(is_good) = value.get("success").and_then(Value::as_bool) {
            // The private connection answers in another form.
            let code = value.integer("ret_code").unwrap_or_default();
            return Ok(vec![if is_good { Fact::StepDone } else { Fact::StepFailed(code) }]);
        }
        let Some(code) = value.integer("retCode") else {
            if matches!(status, 403 | 429) {
                return Ok(Bybit::failed(call, status, 0, value));
            }
            return Err(Malformed);
        };
        if code != 0 || !matches!(status, 0 | 200) {
            return Ok(Bybit::failed(call, status, code, value));
        }
        match call {
            Call::Step(..) => Ok(vec![Fact::StepDone]),
            Call::Place(order) => self.acked(order, value),
            Call::Cancel(..) | Call::Amend(..) | Call::Ping(_) => Ok(Vec::new()),
            Call::Time | Call::Status(..) | Call::TradesOf(..) | Call::Inquire(_) | Call::Guard => {
                self.rest(call, or_malformed(value.get("result"))?)
            }
        }
    }
}

/// Returns how an order ended; nothing if it is open.
fn state(terms: &Terms, id: ClientId, row: &Value) -> Result<Vec<Fact>, Malformed> {
    let filled = or_malformed(row.filled("cumExecQty").and_then(|text| terms.size(&text)))?;
    let is_cancel = row.text("cancelType").is_some_and(|kind| kind.starts_with("CancelBy"));
    let how = match or_malformed(row.text("orderStatus"))?.as_str() {
        "New" | "PartiallyFilled" | "Untriggered" | "Triggered" => return Ok(Vec::new()),
        "Filled" => Ended::Filled,
        "Cancelled" | "PartiallyFilledCanceled" | "Deactivated" if is_cancel => Ended::Cancelled,
        "Cancelled" | "PartiallyFilledCanceled" | "Deactivated" => Ended::Unfilled,
        "Rejected" => match row.text("rejectReason").as_deref() {
            Some("EC_NoImmediateQtyToFill") => Ended::Unfilled,
            reason => return Ok(vec![Fact::Rejected(id, reject_reason(reason), 0)]),
        },
        _ => return Err(Malformed),
    };
    let venue_order = row.filled("orderId").and_then(|text| VenueText::new(&text));
    Ok(vec![Fact::State(id, venue_order, Some((how, filled)))])
}

fn reject_reason(reason: Option<&str>) -> Reject {
    match reason {
        Some("EC_DuplicatedClOrdID") => Reject::Duplicate,
        Some("EC_InvalidSymbolStatus" | "EC_InCallAuctionStatus" | "EC_SecurityStatusFail") => {
            Reject::Halted
        }
        Some(
            "EC_LimitOrderInvalidPrice"
            | "EC_QtyCannotBeZero"
            | "EC_InvalidPriceScale"
            | "EC_EcInvalidQty"
            | "EC_InvalidAmount"
            | "EC_ReachRiskPriceLimit"
            | "EC_ReachMarketPriceLimit",
        ) => Reject::Filter,
        _ => Reject::Other,
    }
}

/// Decides what a code says of an order that was to be placed. Codes of 110000 and above are about
/// orders, so an unlisted one rejects; those below are about the service, so an unlisted one leaves
/// open what became of the order.
fn verdict(code: i64) -> Verdict {
    Verdict::Rejected(match code {
        10_003 | 10_004 | 10_005 | 10_007 | 10_008 | 10_009 | 10_010 | 10_002 | 10_024 | 10_027
        | 20_001 => Reject::Auth,
        10_006 | 10_403 | 10_429 | 20_003 | 170_005 | 170_222 => Reject::RateLimit,
        10_019 => Reject::Halted,
        20_006 | 110_072 | 170_141 => Reject::Duplicate,
        110_004
        | 110_006
        | 110_007
        | 110_012
        | 110_044
        | 110_045
        | 110_051..=110_053
        | 170_033
        | 170_131 => Reject::Balance,
        110_003
        | 110_017
        | 110_020
        | 110_094
        | 170_121
        | 170_124
        | 170_130
        | 170_132..=170_137
        | 170_140
        | 170_148
        | 170_192..=170_194 => Reject::Filter,
        110_063 | 110_066 | 110_074 | 170_031 | 170_151 | 170_157 => Reject::Halted,
        10_001 | 10_404 => Reject::Other,
        170_001 | 170_007 | 170_032 | 170_035 | 170_146 | 170_234 => return Verdict::Doubtful,
        110_000.. => Reject::Other,
        _ => return Verdict::Doubtful,
    })
}

fn side_of(text: &str) -> Option<Side> {
    match text {
        "Buy" => Some(Side::Buy),
        "Sell" => Some(Side::Sell),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terms::Markets;
    use spreadwire_market::instrument::VenueId;
    use spreadwire_trading::order::Owner;

    const DAY: Nanos = 86_400 * 1_000_000_000;

    #[test]
    fn lists_of_trades_cover_all_days_since_a_time() {
        let account = Account {
            venue: VenueId(0),
            owner: Owner::new("desk1").unwrap(),
            markets: Markets::default(),
            recv_window: 2_000,
        };
        let keys = Keys::hmac("key", "secret", "").unwrap();
        let bybit = Bybit::new(account, keys, Category::Spot).unwrap();
        for (since, now, starts) in [
            (1000, 1000, vec![1000]),
            (1000, 1006, vec![1000]),
            (1000, 1007, vec![1000, 1007]),
            (1000, 1020, vec![1000, 1007, 1014]),
            (0, 735, (0..105).map(|at| 5 + 7 * at).collect()),
        ] {
            let expected = starts.iter().map(|day| Inquiry::TradesSince(None, day * DAY));
            let expected: Vec<Inquiry> = expected.chain([Inquiry::Balances]).collect();
            assert_eq!(bybit.inquiries(since * DAY, VenueTime(now * DAY)), expected, "{since}");
        }
    }
}
