//! HTX, spot and USDT-margined swaps: the `market.<symbol>.bbo` topic.
//!
//! Each message is a snapshot of the best bid and ask, sent when either changes. Every frame of the
//! server is binary and holds one gzip member, its heartbeats too. Numbers are JSON numbers and may have
//! an exponent. On swaps, an absent side is an absent key.
//!
//! Sizes of swaps are numbers of contracts; `contract_size` of the list is the base units of one.
//!
//! Sequence rule: `seqId` on spot, which frames of 2026-09 lack, and `version` on swaps increase per
//! symbol, with holes. Losses cannot be detected. Event time: `quoteTime` on spot, `tick.ts` on swaps,
//! both in ms.
//!
//! The server sends `{"ping":n}` every 5 s and closes the connection after some that are not answered by
//! `{"pong":n}`. It does not answer pings of ours, so we send none. A suspended contract is
//! accepted and stays silent.
//!
//! Sources:
//! - <https://www.htx.com/en-us/opend/newApiPages/>, copies of 2026-02 and 2026-03: "Market Data" of the
//!   spot and of the USDT-M documents; 40 requests to subscribe a second on a connection to swaps.
//! - A survey of the live servers of 2026-09-23: one topic a request, 150 topics a connection work,
//!   answers, the rhythm of pings.
//! - Instruments: `GET /v1/common/symbols` and `GET /linear-swap-api/v1/swap_contract_info`.
//! - Fees of the lowest tier: spot taker 0.20 %, swap taker 0.06 %, from the venue's help pages and a
//!   third table of 2026-09. Not checked against the venue's own page.
//!
//! Our figures within those limits: 20 requests a second, 100 symbols a connection. 30 s without a frame
//! means that six pings of the venue are missing. No rate of attempts is documented; 60 a minute is ours.

use crate::instruments::{
    InstrumentList, ListError, Listed, Page, Rows, Text, halted, parse, step, step_of_decimals,
};
use crate::json::{Json, Value};
use crate::positional::Cursor;
use crate::venue::{
    About, Answer, Frames, Heartbeat, MILLI, MINUTE, Market, Message, Ping, Protocol, QuoteMessage,
    Rate, Reject, Rejected, Request, SECOND, SequenceRule, Side, Sizes, Symbols, VenueSpec,
    decimal, integer, level, millis, required,
};
use serde::Deserialize;

/// Spot.
pub(super) const SPOT: VenueSpec = VenueSpec {
    name: "htx",
    title: "HTX spot, market.<symbol>.bbo",
    market: Market::Spot,
    url: "wss://api.huobi.pro",
    path: "/ws",
    taker_fee_bps: 20.0,
    symbols_per_connection: 100,
    symbols_per_message: 1,
    message_interval: 50 * MILLI,
    requests: &[Rate { count: 20, per: SECOND }],
    connects: &[Rate { count: 60, per: MINUTE }],
    lifetime: None,
    heartbeat: Heartbeat { ping: Ping::None, interval: 15 * SECOND, dead_after: 30 * SECOND },
    greets: false,
    headers: &[],
    frames: Frames::Gzip,
    sizes: Sizes::Base,
    sequence: SequenceRule::Increasing,
    repeats_within: None,
    quotes: None,
    symbol: |base, quote| format!("{base}{quote}").to_lowercase(),
    refuses_whole_requests: false,
    ends_on_unknown: false,
    instruments: InstrumentList {
        url: "https://api.huobi.pro",
        path: "/v1/common/symbols",
        post: None,
        read: pairs,
    },
    protocol: || Box::new(Htx { json: Json::default(), is_spot: true, asked: 0 }),
    about: About {
        numbering: "`seqId` if sent, holes have no meaning",
        event_time: "`quoteTime`, ms",
        source: "htx.com/en-us/opend, \"Market Data\"",
        as_of: "2026-03",
        trades_if: "`state` is `online`",
        steps: "`price-precision`, `amount-precision`: decimals",
        layouts: "`ch ts tick{seqId ask askSize bid bidSize quoteTime symbol}`; without `seqId`, without \
                  `symbol`",
    },
};

/// Swaps that settle in USDT.
pub(super) const PERPETUAL: VenueSpec = VenueSpec {
    name: "htx-perp",
    title: "HTX USDT-M swaps, market.<symbol>.bbo",
    market: Market::LinearPerpetual,
    url: "wss://api.hbdm.com",
    path: "/linear-swap-ws",
    taker_fee_bps: 6.0,
    sizes: Sizes::Contracts,
    symbol: |base, quote| format!("{base}-{quote}"),
    instruments: InstrumentList {
        url: "https://api.hbdm.com",
        path: "/linear-swap-api/v1/swap_contract_info",
        post: None,
        read: contracts,
    },
    protocol: || Box::new(Htx { json: Json::default(), is_spot: false, asked: 0 }),
    about: About {
        numbering: "`version`, holes have no meaning",
        event_time: "`tick.ts`, ms",
        as_of: "2026-02",
        trades_if: "`contract_status` is 1; only `contract_type` `swap`",
        steps: "`price_tick`, `contract_size`",
        layouts: "`ch ts tick{mrid id bid ask ts version ch}` with both sides",
        ..SPOT.about
    },
    ..SPOT
};

#[derive(Debug)]
struct Htx {
    json: Json,
    is_spot: bool,
    /// Number of the venue's last heartbeat.
    asked: u64,
}

impl Htx {
    fn request(verb: &str, request: Request, symbols: &[&str]) -> String {
        // `symbols_per_message` is 1.
        let symbol = symbols.first().copied().unwrap_or_default();
        let topic = serde_json::Value::from(format!("market.{symbol}.bbo"));
        format!(r#"{{"{verb}":{topic},"id":"{}"}}"#, request.number)
    }
}

impl Protocol for Htx {
    fn subscribe(&mut self, request: Request, symbols: &[&str]) -> String {
        Htx::request("sub", request, symbols)
    }

    fn unsubscribe(&mut self, request: Request, symbols: &[&str]) -> String {
        Htx::request("unsub", request, symbols)
    }

    fn pong(&mut self) -> String {
        format!(r#"{{"pong":{}}}"#, self.asked)
    }

    fn positional(&mut self, text: &[u8], symbols: &Symbols, out: &mut Vec<Message>) -> Option<()> {
        let mut at = Cursor::new(text)?;
        at.expect(br#"{"ch":"market."#)?;
        let symbol = at.symbol_until(symbols, b'.')?;
        at.expect(br#"bbo","ts":"#)?;
        at.any_number()?;
        at.expect(br#","tick":{"#)?;
        let quote = if self.is_spot {
            spot(&mut at, symbols, symbol)?
        } else {
            swap(&mut at, symbols, symbol)?
        };
        at.expect(b"}}")?;
        at.end()?;
        out.push(Message::Quote(quote));
        Some(())
    }

    fn general(
        &mut self,
        text: &[u8],
        symbols: &Symbols,
        out: &mut Vec<Message>,
    ) -> Result<(), Rejected> {
        let Htx { json, is_spot, asked } = self;
        out.push(json.read(text, |root| frame(root, *is_spot, symbols, asked))??);
        Ok(())
    }
}

#[inline]
fn spot(at: &mut Cursor<'_>, symbols: &Symbols, symbol: usize) -> Option<QuoteMessage> {
    let mut sequence = None;
    if at.skip(br#""seqId":"#) {
        sequence = Some(at.number()?);
        at.expect(b",")?;
    }
    at.expect(br#""ask":"#)?;
    let ask = at.bare_side(symbols, symbol, br#","askSize":"#)?;
    at.expect(br#","bid":"#)?;
    let bid = at.bare_side(symbols, symbol, br#","bidSize":"#)?;
    at.expect(br#","quoteTime":"#)?;
    let ts_event = Some(at.millis()?);
    if at.skip(br#","symbol":""#) {
        at.string()?;
    }
    let (snapshot, restarted) = (true, false);
    Some(QuoteMessage { symbol, bid, ask, ts_event, sequence, snapshot, restarted })
}

#[inline]
fn swap(at: &mut Cursor<'_>, symbols: &Symbols, symbol: usize) -> Option<QuoteMessage> {
    at.expect(br#""mrid":"#)?;
    at.any_number()?;
    at.expect(br#","id":"#)?;
    at.any_number()?;
    at.expect(br#","bid":["#)?;
    let bid = at.bare_side(symbols, symbol, b",")?;
    at.expect(br#"],"ask":["#)?;
    let ask = at.bare_side(symbols, symbol, b",")?;
    at.expect(br#"],"ts":"#)?;
    let ts_event = Some(at.millis()?);
    at.expect(br#","version":"#)?;
    let sequence = Some(at.number()?);
    at.expect(br#","ch":""#)?;
    at.string()?;
    let (snapshot, restarted) = (true, false);
    Some(QuoteMessage { symbol, bid, ask, ts_event, sequence, snapshot, restarted })
}

fn frame(
    root: Value<'_>,
    is_spot: bool,
    symbols: &Symbols,
    asked: &mut u64,
) -> Result<Message, Rejected> {
    if let Some(ping) = root.get("ping") {
        *asked = integer(Some(ping))?;
        return Ok(Message::Ping);
    }
    let Some(topic) = root.get("ch") else { return Ok(control(root, symbols)?) };
    let topic = topic.string().ok_or(Reject::UnknownMessage)?;
    let Some(symbol) = symbol_of(topic) else { return Ok(Message::Other) };
    let place = symbols.find(symbol.as_bytes())?;
    let quote = |tick: Option<Value<'_>>| match is_spot {
        true => spot_quote(required(tick)?, place, symbols),
        false => swap_quote(required(tick)?, place, symbols),
    };
    quote(root.get("tick")).map_err(Rejected::of(place))
}

/// Returns the symbol of a topic of best prices.
fn symbol_of(topic: &str) -> Option<&str> {
    topic.strip_prefix("market.")?.strip_suffix(".bbo")
}

/// Reads an answer to a request.
fn control(root: Value<'_>, symbols: &Symbols) -> Result<Message, Reject> {
    let text = |key| root.get(key).and_then(Value::string);
    let request = root.get("id").and_then(Value::integer);
    let named = |topic: Option<&str>| symbols.find(symbol_of(topic?)?.as_bytes()).ok();
    match text("status") {
        Some("ok") if text("subbed").is_some() => {
            Ok(Message::Accepted(Answer { request, symbol: named(text("subbed")) }))
        }
        Some("ok") => Ok(Message::Other),
        Some("error") => {
            // `invalid topic market.abcusdt.bbo`
            let topic = text("err-msg").and_then(|told| told.rsplit(' ').next());
            Ok(Message::Refused(Answer { request, symbol: named(topic) }))
        }
        Some(_) | None => Err(Reject::UnknownMessage),
    }
}

fn spot_quote(tick: Value<'_>, place: usize, symbols: &Symbols) -> Result<Message, Reject> {
    if !tick.is_object() {
        return Err(Reject::UnknownMessage);
    }
    let side =
        |price, size| symbols.side(place, decimal(tick.get(price))?, decimal(tick.get(size))?);
    Ok(Message::Quote(QuoteMessage {
        symbol: place,
        bid: side("bid", "bidSize")?,
        ask: side("ask", "askSize")?,
        ts_event: Some(millis(tick.get("quoteTime"))?),
        sequence: tick.get("seqId").map(|id| integer(Some(id))).transpose()?,
        snapshot: true,
        restarted: false,
    }))
}

fn swap_quote(tick: Value<'_>, place: usize, symbols: &Symbols) -> Result<Message, Reject> {
    if !tick.is_object() {
        return Err(Reject::UnknownMessage);
    }
    let side = |key| match tick.get(key).filter(|side| !side.is_null()) {
        None => Ok(Side::Empty),
        Some(side) => {
            let (price, size) = level(side)?;
            symbols.side(place, price, size)
        }
    };
    Ok(Message::Quote(QuoteMessage {
        symbol: place,
        bid: side("bid")?,
        ask: side("ask")?,
        ts_event: Some(millis(tick.get("ts"))?),
        sequence: Some(integer(tick.get("version"))?),
        snapshot: true,
        restarted: false,
    }))
}

/// An answer with a list of instruments, or a refusal. The two APIs name the parts of a refusal in
/// different ways.
#[derive(Deserialize)]
#[serde(bound = "T: serde::de::DeserializeOwned", rename_all = "kebab-case")]
struct List<T> {
    status: String,
    #[serde(alias = "err_code")]
    err_code: Option<Text>,
    #[serde(alias = "err_msg")]
    err_msg: Option<String>,
    data: Option<Rows<T>>,
}

fn rows<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<Rows<T>, ListError> {
    let list: List<T> = parse(body)?;
    if list.status != "ok" {
        let Text(code) = list.err_code.unwrap_or_default();
        return Err(ListError::Refused { code, message: list.err_msg.unwrap_or_default() });
    }
    list.data.ok_or_else(|| ListError::Unexpected("there is no `data`".to_owned()))
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Pair {
    symbol: String,
    base_currency: String,
    quote_currency: String,
    state: String,
    price_precision: Option<Text>,
    amount_precision: Option<Text>,
}

fn pairs(body: &[u8]) -> Result<Page, ListError> {
    let listed = |pair: Pair| Listed {
        tick: step_of_decimals(pair.price_precision.as_ref()),
        lot: step_of_decimals(pair.amount_precision.as_ref()),
        contract: None,
        next_tick: None,
        symbol: pair.symbol,
        base: pair.base_currency.to_uppercase(),
        quote: pair.quote_currency.to_uppercase(),
        halted: halted(pair.state, "online"),
    };
    rows(body)?.page(|pair| Some(listed(pair)), None)
}

#[derive(Deserialize)]
struct Contract {
    contract_code: String,
    contract_type: Option<String>,
    contract_status: Text,
    contract_size: Option<Text>,
    price_tick: Option<Text>,
}

fn contracts(body: &[u8]) -> Result<Page, ListError> {
    rows(body)?.page(Contract::listed, None)
}

impl Contract {
    /// Returns `None` for a contract that expires.
    fn listed(self) -> Option<Listed> {
        if self.contract_type.is_some_and(|kind| kind != "swap") {
            return None;
        }
        let (base, quote) = self.contract_code.rsplit_once('-')?;
        let contract = step(self.contract_size.as_ref());
        let Text(status) = self.contract_status;
        Some(Listed {
            tick: step(self.price_tick.as_ref()),
            lot: contract.clone(),
            contract: Some(contract),
            next_tick: None,
            base: base.to_owned(),
            quote: quote.to_owned(),
            halted: halted(status, "1").map(|status| format!("contract_status {status}")),
            symbol: self.contract_code,
        })
    }
}
