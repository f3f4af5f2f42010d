//! OKX v5: orders, their states and balances on `/ws/v5/private`, questions by REST.
//!
//! Read on 2026-11-30: <https://www.okx.com/docs-v5/en/> (order book trading, trading account, error
//! codes) and its changelog.
//!
//! - Orders name the market by `instIdCode`, from the list of instruments; `instId` is ignored.
//! - `expTime` is the time after which the venue discards an order that it has not begun with.
//! - `inTime` and `outTime` are when a request reached the venue's gateway and when the answer left it.
//! - Sizes of swaps are numbers of contracts.
//! - A fee is negative where the account pays.
//! - The orders channel does not tell the trade id of a liquidation or ADL. The list of trades does.
//! - `cancel-all-after` can be limited to orders with a tag. Own orders have the owner's tag, so orders
//!   of others are left alone.

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

/// Rows of a page.
const PAGE: usize = 100;
/// Time after which the venue cancels own orders if it has not heard of us, s.
const GUARD_SECONDS: u64 = 30;
/// How far back the quick list of trades goes: 3 days, less one hour.
const RECENT: Nanos = 71 * 3600 * 1_000_000_000;

/// How an account pays for its orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TradeMode {
    /// With what it has.
    Cash,
    /// On margin, across all positions. Swaps need it.
    Cross,
}

/// Which products an account trades.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// Spot.
    Spot(TradeMode),
    /// Perpetual contracts that settle in the quote asset, on margin across all positions.
    Swap,
}

impl Product {
    fn inst_type(self) -> &'static str {
        match self {
            Product::Spot(_) => "SPOT",
            Product::Swap => "SWAP",
        }
    }

    fn td_mode(self) -> &'static str {
        match self {
            Product::Spot(TradeMode::Cash) => "cash",
            Product::Spot(TradeMode::Cross) | Product::Swap => "cross",
        }
    }
}

/// The protocol.
#[derive(Debug)]
pub struct Okx {
    account: Account,
    keys: Keys,
    product: Product,
}

impl Okx {
    /// Returns the protocol of an account.
    ///
    /// # Errors
    /// If the keys sign by Ed25519.
    pub fn new(account: Account, keys: Keys, product: Product) -> Result<Okx, KeyError> {
        if keys.signer().is_ed25519() {
            return Err(KeyError::HmacOnly);
        }
        Ok(Okx { account, keys, product })
    }

    /// Returns the tag of own orders: `sw` and the owner's name.
    fn own_tag(&self) -> String {
        format!("sw{}", self.account.owner.name())
    }

    fn step(&self, step: usize, tag: &str, at: VenueTime) -> Option<Composed> {
        let args = match step {
            0 => {
                let timestamp = (at.0 / 1_000_000_000).to_string();
                let signed = format!("{timestamp}GET/users/self/verify");
                let args = json!({
                    "apiKey": self.keys.api_key(),
                    "passphrase": self.keys.passphrase(),
                    "timestamp": timestamp,
                    "sign": self.keys.signer().sign_base64(&signed),
                });
                let text = json!({ "op": "login", "args": [args] });
                return Some(Composed::Text(Line::Orders, text.to_string()));
            }
            1 => json!({ "channel": "orders", "instType": self.product.inst_type() }),
            2 => json!({ "channel": "account", "extraParams": "{\"updateInterval\":\"0\"}" }),
            _ => return None,
        };
        let text = json!({ "id": tag, "op": "subscribe", "args": [args] });
        Some(Composed::Text(Line::Orders, text.to_string()))
    }

    fn operation(&self, op: &str, tag: &str, args: &Value, at: Option<VenueTime>) -> Composed {
        let mut text = json!({ "id": tag, "op": op, "args": [args] });
        if let Some(at) = at {
            text["expTime"] = Value::from((at.millis() + self.account.recv_window).to_string());
        }
        Composed::Text(Line::Orders, text.to_string())
    }

    fn place(&self, order: &Order, tag: &str, at: VenueTime) -> Option<Composed> {
        let terms = self.account.terms(order.instrument)?;
        let side = match order.side {
            Side::Buy => "buy",
            Side::Sell => "sell",
        };
        let mut args = json!({
            "instIdCode": terms.code,
            "tdMode": self.product.td_mode(),
            "side": side,
            "ordType": "ioc",
            "sz": terms.size_text(order.sz)?,
            "px": terms.price_text(order.px),
            "clOrdId": self.account.text(order.id),
            "tag": self.own_tag(),
        });
        if matches!(self.product, Product::Spot(_)) {
            args["tradeQuoteCcy"] = Value::from(terms.quote.as_str());
        }
        Some(self.operation("order", tag, &args, Some(at)))
    }

    fn cancel(&self, terms: &Terms, id: ClientId, tag: &str) -> Composed {
        let args = json!({ "instIdCode": terms.code, "clOrdId": self.account.text(id) });
        self.operation("cancel-order", tag, &args, None)
    }

    fn amend(&self, order: &Order, sz: i64, tag: &str, at: VenueTime) -> Option<Composed> {
        let terms = self.account.terms(order.instrument)?;
        let args = json!({
            "instIdCode": terms.code,
            "clOrdId": self.account.text(order.id),
            "newSz": terms.size_text(sz)?,
        });
        Some(self.operation("amend-order", tag, &args, Some(at)))
    }

    fn request(
        &self,
        method: &'static str,
        path: String,
        body: String,
        at: VenueTime,
    ) -> Option<Composed> {
        let timestamp = iso(at)?;
        let sign = self.keys.signer().sign_base64(&format!("{timestamp}{method}{path}{body}"));
        let mut headers = vec![
            ("OK-ACCESS-KEY", self.keys.api_key().to_owned()),
            ("OK-ACCESS-SIGN", sign),
            ("OK-ACCESS-TIMESTAMP", timestamp),
            ("OK-ACCESS-PASSPHRASE", self.keys.passphrase().to_owned()),
        ];
        if method == "POST" {
            headers.push(("Content-Type", "application/json".to_owned()));
        }
        Some(Composed::Http(Request { method, path, headers, body }))
    }

    /// Asks for a list; `page` is the id behind which it goes on.
    fn list(&self, path: &str, page: Option<&str>, at: VenueTime) -> Option<Composed> {
        let after = page.map(|id| format!("&after={id}")).unwrap_or_default();
        self.request("GET", format!("{path}{after}"), String::new(), at)
    }

    fn status(&self, order: &Order, at: VenueTime) -> Option<Composed> {
        let symbol = &self.account.terms(order.instrument)?.symbol;
        let text = self.account.text(order.id);
        self.list(&format!("/api/v5/trade/order?instId={symbol}&clOrdId={text}"), None, at)
    }

    /// Trades of the last 3 days are in one list, those of 3 months in another.
    fn trades_path(since: Nanos, at: VenueTime) -> &'static str {
        if at.0.saturating_sub(since) < RECENT {
            "/api/v5/trade/fills"
        } else {
            "/api/v5/trade/fills-history"
        }
    }

    fn trades_of(
        &self,
        order: &Order,
        venue_order: VenueText,
        page: Option<&str>,
        at: VenueTime,
    ) -> Option<Composed> {
        let symbol = &self.account.terms(order.instrument)?.symbol;
        let (path, kind) = (Okx::trades_path(order.ts, at), self.product.inst_type());
        let query = format!("instType={kind}&instId={symbol}&ordId={venue_order}&limit={PAGE}");
        self.list(&format!("{path}?{query}"), page, at)
    }

    fn inquire(&self, inquiry: Inquiry, page: Option<&str>, at: VenueTime) -> Option<Composed> {
        let kind = self.product.inst_type();
        match inquiry {
            Inquiry::OpenOrders => {
                let path = format!("/api/v5/trade/orders-pending?instType={kind}&limit={PAGE}");
                self.list(&path, page, at)
            }
            Inquiry::TradesSince(_, since) => {
                let (path, begin) = (Okx::trades_path(since, at), since / 1_000_000);
                self.list(&format!("{path}?instType={kind}&begin={begin}&limit={PAGE}"), page, at)
            }
            Inquiry::Balances => self.list("/api/v5/account/balance", None, at),
            Inquiry::OrdersSince(..) => None,
        }
    }

    fn guard(&self, at: VenueTime) -> Option<Composed> {
        let body = json!({ "timeOut": GUARD_SECONDS.to_string(), "tag": self.own_tag() });
        let path = "/api/v5/trade/cancel-all-after".to_owned();
        self.request("POST", path, body.to_string(), at)
    }

    fn failed(call: &Call, status: u16, code: i64) -> Vec<Fact> {
        let mut facts = Vec::new();
        if matches!(code, 50_011 | 50_013 | 50_040 | 50_061 | 60_014) || status == 429 {
            facts.push(Fact::RateLimited(None));
        }
        if matches!(code, 50_102 | 50_112 | 60_004 | 60_006) {
            facts.push(Fact::ClockOff);
        }
        facts.push(failure(call, code, verdict(code), code == 51_603));
        facts
    }

    fn acked(&self, order: &Order, value: &Value, row: &Value) -> Result<Vec<Fact>, Malformed> {
        let named = row.filled("clOrdId");
        if named.is_some_and(|text| text != self.account.text(order.id)) {
            return Err(Malformed);
        }
        let venue_order = row.filled("ordId").and_then(|text| VenueText::new(&text));
        let time = |name| value.integer(name);
        let micros = time("outTime").zip(time("inTime")).and_then(|(out, i)| out.checked_sub(i));
        let latency = micros.and_then(|it| u64::try_from(it).ok()).unwrap_or_default();
        Ok(vec![Fact::Acked(order.id, venue_order, latency.saturating_mul(1000))])
    }

    fn open_orders(&self, rows: &[Value]) -> Vec<Fact> {
        let open = |row: &Value| {
            let id = self.account.owner.client_id(&row.text("clOrdId")?)?;
            let terms = self.account.markets.named(&row.text("instId")?)?;
            Some(Fact::Open(terms.instrument, id))
        };
        let facts = rows.iter().map(|row| open(row).unwrap_or(Fact::Foreign));
        facts.chain(more(rows, "ordId")).collect()
    }

    fn trades(&self, rows: &[Value]) -> Result<Vec<Fact>, Malformed> {
        let mut facts = Vec::new();
        for row in rows {
            let symbol = or_malformed(row.text("instId"))?;
            let Some(terms) = self.account.markets.named(&symbol) else {
                facts.push(Fact::Foreign);
                continue;
            };
            let fill = self.fill(terms, row, "fee", "feeCcy");
            facts.push(Fact::Trade(or_malformed(fill)?));
        }
        facts.extend(more(rows, "billId"));
        Ok(facts)
    }

    fn fill(&self, terms: &Terms, row: &Value, fee: &str, fee_asset: &str) -> Option<Fill> {
        let id = row.text("clOrdId").and_then(|text| self.account.owner.client_id(&text));
        Some(Fill {
            order: id,
            trade: VenueText::new(&row.filled("tradeId")?)?,
            instrument: terms.instrument,
            venue: self.account.venue,
            side: side_of(&row.text("side")?)?,
            px: terms.price(&row.text("fillPx")?)?,
            sz: terms.size(&row.text("fillSz")?).filter(|sz| 0 < *sz)?,
            fee: -Amount::parse(&row.filled(fee)?).ok()?,
            fee_asset: AssetName::new(&row.filled(fee_asset)?)?,
            ts: millis(row, "fillTime").or_else(|| millis(row, "ts"))?,
        })
    }

    fn balances(&self, row: &Value) -> Result<Vec<Fact>, Malformed> {
        let balance = |detail: &Value| {
            let total = detail.filled("cashBal").and_then(|text| Amount::parse(&text).ok());
            self.account.balance(&or_malformed(detail.text("ccy"))?, total)
        };
        or_malformed(row.rows("details"))?.iter().map(balance).collect()
    }

    fn order_news(&self, row: &Value) -> Result<Vec<Fact>, Malformed> {
        let id = row.text("clOrdId").and_then(|text| self.account.owner.client_id(&text));
        let symbol = or_malformed(row.text("instId"))?;
        let Some(terms) = self.account.markets.named(&symbol) else {
            return Ok(vec![Fact::Foreign]);
        };
        match (self.order_facts(terms, id, row), id) {
            (Err(Malformed), Some(id)) => Ok(vec![Fact::Doubtful(id)]),
            (facts, _) => facts,
        }
    }

    fn order_facts(
        &self,
        terms: &Terms,
        id: Option<ClientId>,
        row: &Value,
    ) -> Result<Vec<Fact>, Malformed> {
        let mut facts = Vec::new();
        // Where nothing was filled, the size is 0 or empty.
        let fill_size = row.filled("fillSz").map(|text| terms.size(&text));
        if fill_size.is_some_and(|sz| sz != Some(0)) {
            let is_listed = row.filled("tradeId").is_some_and(|text| text != "0");
            facts.push(if is_listed {
                Fact::Trade(or_malformed(self.fill(terms, row, "fillFee", "fillFeeCcy"))?)
            } else {
                Fact::Unlisted(or_malformed(millis(row, "fillTime"))?)
            });
        }
        match id {
            Some(id) => facts.extend(state(terms, id, row)?),
            None if facts.is_empty() => facts.push(Fact::Foreign),
            None => {}
        }
        Ok(facts)
    }

    fn news(&self, channel: &str, value: &Value) -> Result<Vec<Fact>, Malformed> {
        let mut facts = Vec::new();
        for row in or_malformed(value.rows("data"))? {
            match channel {
                "orders" => facts.extend(self.order_news(row)?),
                "account" => facts.extend(self.balances(row)?),
                _ => facts.push(Fact::Foreign),
            }
        }
        Ok(facts)
    }

    fn event(event: &str, value: Value) -> Message {
        match event {
            "login" | "subscribe" | "error" => Message::Reply(value.filled("id"), value),
            // The connection is about to be closed, or there are too many.
            "notice" | "channel-conn-count-error" => Message::News(vec![Fact::Terminated]),
            _ => Message::News(Vec::new()),
        }
    }

    fn rest(&self, call: &Call, value: &Value) -> Result<Vec<Fact>, Malformed> {
        let rows = or_malformed(value.rows("data"))?;
        match call {
            Call::Status(order, _) => self.account.found(order, rows, ["clOrdId", "ordId"], state),
            Call::Time => {
                let row = or_malformed(rows.first())?;
                Ok(vec![Fact::Time(or_malformed(millis(row, "ts"))?)])
            }
            Call::TradesOf(..) | Call::Inquire(Inquiry::TradesSince(..)) => self.trades(rows),
            Call::Inquire(Inquiry::OpenOrders) => Ok(self.open_orders(rows)),
            Call::Inquire(Inquiry::Balances) => {
                let mut facts = Vec::new();
                for row in rows {
                    facts.extend(self.balances(row)?);
                }
                Ok(facts)
            }
            Call::Inquire(Inquiry::OrdersSince(..))
            | Call::Step(..)
            | Call::Ping(_)
            | Call::Place(_)
            | Call::Cancel(..)
            | Call::Amend(..)
            | Call::Guard => Ok(Vec::new()),
        }
    }
}

impl Protocol for Okx {
    fn account(&self) -> &Account {
        &self.account
    }

    fn endpoints(&self) -> Endpoints {
        Endpoints {
            lines: &[(Line::Orders, "wss://ws.okx.com:8443/ws/v5/private")],
            rest: Some("https://www.okx.com"),
        }
    }

    fn steps(&self, _line: Line) -> usize {
        3
    }

    fn inquiries(&self, since: Nanos, _at: VenueTime) -> Vec<Inquiry> {
        vec![Inquiry::TradesSince(None, since), Inquiry::Balances]
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
            Call::Time => Some(Composed::Http(Request {
                method: "GET",
                path: "/api/v5/public/time".to_owned(),
                headers: Vec::new(),
                body: String::new(),
            })),
            Call::Ping(line) => Some(Composed::Text(*line, "ping".to_owned())),
            Call::Place(order) => self.place(order, tag, at),
            Call::Cancel(instrument, id) => {
                Some(self.cancel(self.account.terms(*instrument)?, *id, tag))
            }
            Call::Amend(order, sz) => self.amend(order, *sz, tag, at),
            Call::Status(order, _) => self.status(order, at),
            Call::TradesOf(order, venue_order) => self.trades_of(order, *venue_order, page, at),
            Call::Inquire(inquiry) => self.inquire(*inquiry, page, at),
            Call::Guard => self.guard(at),
        }
    }

    fn read(&mut self, _line: Line, text: &str) -> Result<Message, Malformed> {
        if text == "pong" {
            return Ok(Message::News(Vec::new()));
        }
        let value: Value = serde_json::from_str(text).map_err(|_| Malformed)?;
        if let Some(event) = value.text("event") {
            return Ok(Okx::event(&event, value));
        }
        if value.get("op").is_some() {
            let tag = or_malformed(value.filled("id"))?;
            return Ok(Message::Reply(Some(tag), value));
        }
        let channel = or_malformed(value.get("arg").and_then(|arg| arg.text("channel")))?;
        self.news(&channel, &value).map(Message::News)
    }

    fn reply(&mut self, call: &Call, status: u16, value: &Value) -> Result<Vec<Fact>, Malformed> {
        let code = value.integer("code");
        if value.text("event").is_some_and(|event| event == "subscribe") {
            return Ok(vec![Fact::StepDone]);
        }
        let code = or_malformed(code)?;
        let row = value.rows("data").and_then(|rows| rows.first());
        // A detail may follow the code: `51008_1000`.
        let row_code = row.and_then(|row| row.text("sCode"));
        let row_code = row_code.and_then(|text| text.split('_').next()?.parse().ok());
        // Code 1 says that the reason stands in the row.
        match row_code.filter(|_| matches!(code, 0..=2)).unwrap_or(code) {
            0 if matches!(status, 0 | 200) => {}
            code => return Ok(Okx::failed(call, status, code)),
        }
        match (call, row) {
            (Call::Step(..), _) => Ok(vec![Fact::StepDone]),
            (Call::Place(order), Some(row)) => self.acked(order, value, row),
            (Call::Place(_), None) => Err(Malformed),
            (Call::Cancel(..) | Call::Amend(..) | Call::Ping(_), _) => Ok(Vec::new()),
            _ => self.rest(call, value),
        }
    }
}

/// Returns how an order ended; nothing if it is open.
fn state(terms: &Terms, id: ClientId, row: &Value) -> Result<Vec<Fact>, Malformed> {
    let filled = or_malformed(row.filled("accFillSz").and_then(|text| terms.size(&text)))?;
    let how = match or_malformed(row.text("state"))?.as_str() {
        "live" | "partially_filled" => return Ok(Vec::new()),
        "filled" => Ended::Filled,
        // 13 and 14: the rest of an FOK or IOC order found nothing.
        "canceled" if matches!(row.text("cancelSource").as_deref(), Some("13" | "14")) => {
            Ended::Unfilled
        }
        "canceled" | "mmp_canceled" => Ended::Cancelled,
        _ => return Err(Malformed),
    };
    let venue_order = row.filled("ordId").and_then(|text| VenueText::new(&text));
    Ok(vec![Fact::State(id, venue_order, Some((how, filled)))])
}

/// Decides what a code says of an order that was to be placed. Codes of 51000 and above are about
/// orders, so an unlisted one rejects; those below are about the service, so an unlisted one leaves
/// open what became of the order.
fn verdict(code: i64) -> Verdict {
    Verdict::Rejected(match code {
        50_011 | 50_013 | 50_040 | 50_061 | 60_014 => Reject::RateLimit,
        50_036 | 50_037 => Reject::Expired,
        50_030 | 50_035 | 50_100..=50_121 | 60_009 | 60_011 => Reject::Auth,
        51_008 | 51_119 | 51_127 | 51_131 => Reject::Balance,
        51_011 | 51_016 | 50_042 => Reject::Duplicate,
        50_122
        | 51_000
        | 51_001
        | 51_005..=51_007
        | 51_020
        | 51_101
        | 51_116
        | 51_120..=51_122
        | 51_135..=51_138
        | 51_150
        | 51_185 => Reject::Filter,
        51_021 | 51_022 | 51_027..=51_030 | 51_087 | 51_110 | 51_124 => Reject::Halted,
        51_054 | 51_149 | 63_999 | 64_007 => return Verdict::Doubtful,
        50_000 | 50_002 | 50_006 | 50_014..=50_029 if code != 50_026 => Reject::Other,
        51_000.. => Reject::Other,
        _ => return Verdict::Doubtful,
    })
}

fn side_of(text: &str) -> Option<Side> {
    match text {
        "buy" => Some(Side::Buy),
        "sell" => Some(Side::Sell),
        _ => None,
    }
}

/// Asks for the rows behind the last one, if the page was full.
fn more(rows: &[Value], id: &str) -> Option<Fact> {
    let last = rows.last().filter(|_| PAGE <= rows.len());
    last.and_then(|row| row.filled(id)).map(Fact::More)
}

/// Writes a time as `2020-12-08T09:08:57.715Z`; `None` beyond the calendar's end.
fn iso(at: VenueTime) -> Option<String> {
    let millis = i64::try_from(at.millis()).ok()?;
    let time = jiff::Timestamp::from_millisecond(millis).ok()?;
    Some(time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terms::Markets;
    use spreadwire_market::instrument::{InstrumentId, VenueId};
    use spreadwire_trading::order::Owner;

    #[test]
    fn a_full_page_is_followed_by_the_next_one() {
        let terms = Terms {
            instrument: InstrumentId(1),
            symbol: "BTC-USDT".to_owned(),
            code: 7,
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
        let keys = Keys::hmac("key", "secret", "pass").unwrap();
        let mut okx = Okx::new(account, keys, Product::Spot(TradeMode::Cash)).unwrap();
        let call = Call::Inquire(Inquiry::TradesSince(None, 0));
        for (rows, next) in [(PAGE - 1, None), (PAGE, Some("940"))] {
            let row = |at: usize| {
                json!({"instId": "BTC-USDT", "clOrdId": "", "side": "buy", "fillSz": "1",
                    "fillPx": "2", "fee": "-1", "feeCcy": "BTC", "tradeId": at.to_string(),
                    "billId": (1039 - at).to_string(), "fillTime": "5"})
            };
            let data: Vec<Value> = (0..rows).map(row).collect();
            let facts = okx.reply(&call, 200, &json!({"code": "0", "data": data})).unwrap();
            assert_eq!(facts.iter().find_map(Fact::page).as_deref(), next);
        }
        let composed = okx.compose(&call, "tag", Some("940"), VenueTime(5)).unwrap();
        let Composed::Http(request) = composed else { panic!() };
        let expected = "/api/v5/trade/fills?instType=SPOT&begin=0&limit=100&after=940";
        assert_eq!(request.path, expected);
    }
}
