//! KuCoin's public socket for the unified account, spot and USDT perpetuals: the `obu` channel at
//! depth 1.
//!
//! Each message is a snapshot of the best bid and ask, sent at each change, as JSON in a binary frame.
//! A level is `[price, size]`, with more elements in some settings. An absent side is not documented;
//! `[]` is read as one.
//!
//! The venue speaks first: it takes requests after its `welcome`, which also states the time between
//! the pings that it expects (18 s in 2026, 30 s in its documents). No token is needed here; the older
//! socket needs one from `bullet-public`. A request holds one symbol, and its answer the request's `id`
//! alone. A symbol that the venue does not know is accepted and stays silent.
//!
//! Sizes of perpetuals are numbers of lots. `multiplier` of the list is the base units of one lot.
//!
//! Sequence rule: `C`, the number of the last change in the book, increases per symbol, with holes,
//! because only changes of the best prices are sent. Losses cannot be detected. Event time: `M`, ns, from
//! the matching engine, which counts in ms. Times exceed 2^53.
//!
//! Sources:
//! - <https://www.kucoin.com/docs-new/3470354w0> and the specification within KuCoin's universal SDK, state of
//!   2026-07-15: `obu`, `welcome`, ping; 600 topics a connection, 300 messages in 10 s, 800 connections, 250
//!   new connections in 5 min from an address.
//! - A survey of the live servers of 2026-09-22: binary frames, one symbol a request, answers.
//! - Instruments: `GET /api/v2/symbols` and `GET /api/v1/contracts/active`; of contracts only type
//!   `FFWCSX`, which does not expire, and no inverse ones. Bitcoin is `XBT` in the names of contracts.
//! - Fees of the lowest tier: spot taker 0.10 % (twice and three times that on some), perpetual taker
//!   0.06 %, as the venue's list of contracts states them.
//!
//! Our figures within those limits: a ping every 18 s until the welcome says otherwise; 60 s without a
//! frame means that two pongs are missing at either interval. 300 symbols a connection are ours.

use crate::instruments::{
    InstrumentList, ListError, Listed, Page, Rows, Text, data_of, halted, product, step,
};
use crate::json::{Json, Value};
use crate::positional::Cursor;
use crate::venue::{
    About, Answer, EventTime, Frames, Heartbeat, MILLI, MINUTE, Market, Message, Ping, Protocol,
    QuoteMessage, Rate, Reject, Rejected, Request, SECOND, SequenceRule, Side, Sizes, Symbols,
    VenueSpec, integer, nanos, required, string,
};
use serde::Deserialize;

/// Spot.
pub(super) const SPOT: VenueSpec = VenueSpec {
    name: "kucoin",
    title: "KuCoin spot, obu at depth 1",
    market: Market::Spot,
    url: "wss://x-push-spot.kucoin.com",
    path: "/",
    taker_fee_bps: 10.0,
    symbols_per_connection: 300,
    symbols_per_message: 1,
    message_interval: 40 * MILLI,
    requests: &[Rate { count: 250, per: 10 * SECOND }],
    connects: &[Rate { count: 250, per: 5 * MINUTE }],
    lifetime: None,
    heartbeat: Heartbeat {
        ping: Ping::Text(r#"{"id":"0","type":"ping"}"#),
        interval: 18 * SECOND,
        dead_after: 60 * SECOND,
    },
    greets: true,
    headers: &[],
    frames: Frames::Either,
    sizes: Sizes::Base,
    sequence: SequenceRule::Increasing,
    repeats_within: None,
    quotes: None,
    symbol: |base, quote| format!("{base}-{quote}"),
    refuses_whole_requests: false,
    ends_on_unknown: false,
    instruments: InstrumentList {
        url: "https://api.kucoin.com",
        path: "/api/v2/symbols",
        post: None,
        read: pairs,
    },
    protocol: || Box::new(Kucoin { json: Json::default(), kind: "SPOT" }),
    about: About {
        numbering: "`C`, holes have no meaning",
        event_time: "`M`, ns",
        source: "kucoin.com/docs-new and the universal SDK",
        as_of: "2026-07-15",
        trades_if: "`enableTrading`",
        steps: "`priceIncrement`, `baseIncrement`",
        layouts: "`T dp t P d{C M O a b s}`, with or without a space behind the commas before `d`",
    },
};

/// Perpetuals that settle in USDT or USDC.
pub(super) const PERPETUAL: VenueSpec = VenueSpec {
    name: "kucoin-perp",
    title: "KuCoin perpetuals, obu at depth 1",
    market: Market::LinearPerpetual,
    url: "wss://x-push-futures.kucoin.com",
    taker_fee_bps: 6.0,
    sizes: Sizes::Contracts,
    symbol: |base, quote| format!("{}{quote}M", if base == "BTC" { "XBT" } else { base }),
    instruments: InstrumentList {
        url: "https://api-futures.kucoin.com",
        path: "/api/v1/contracts/active",
        post: None,
        read: contracts,
    },
    protocol: || Box::new(Kucoin { json: Json::default(), kind: "FUTURES" }),
    about: About {
        trades_if: "`status` is `Open`; only `type` `FFWCSX`, not inverse",
        steps: "`tickSize`, `lotSize` x `multiplier`",
        layouts: "`T dp t P d{a b s C M O}`, spaces as above",
        ..SPOT.about
    },
    ..SPOT
};

#[derive(Debug)]
struct Kucoin {
    json: Json,
    /// The venue's name of the market.
    kind: &'static str,
}

impl Kucoin {
    fn request(&self, action: &str, request: Request, symbols: &[&str]) -> String {
        // `symbols_per_message` is 1.
        let symbol = symbols.first().copied().map(serde_json::Value::from).unwrap_or_default();
        let (kind, number) = (self.kind, request.number);
        format!(
            r#"{{"id":"{number}","action":"{action}","channel":"obu","tradeType":"{kind}","symbol":{symbol},"depth":"1"}}"#
        )
    }
}

impl Protocol for Kucoin {
    fn subscribe(&mut self, request: Request, symbols: &[&str]) -> String {
        self.request("SUBSCRIBE", request, symbols)
    }

    fn unsubscribe(&mut self, request: Request, symbols: &[&str]) -> String {
        self.request("UNSUBSCRIBE", request, symbols)
    }

    fn positional(&mut self, text: &[u8], symbols: &Symbols, out: &mut Vec<Message>) -> Option<()> {
        let mut at = Cursor::new(text)?;
        at.expect(br#"{"T":"obu."#)?;
        let is_spot = self.kind == "SPOT";
        if is_spot {
            at.expect(b"SPOT\"")?;
        } else {
            at.expect(b"FUTURES\"")?;
        }
        comma(&mut at)?;
        at.expect(br#""dp":"1""#)?;
        comma(&mut at)?;
        at.expect(br#""t":"snapshot""#)?;
        comma(&mut at)?;
        at.expect(br#""P":"#)?;
        at.number()?;
        comma(&mut at)?;
        at.expect(br#""d":{"#)?;
        let quote = if is_spot { spot(&mut at, symbols)? } else { perpetual(&mut at, symbols)? };
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
        let kind = self.kind;
        out.push(self.json.read(text, |root| frame(root, kind, symbols))??);
        Ok(())
    }
}

#[inline]
fn comma(at: &mut Cursor<'_>) -> Option<()> {
    at.expect(b",")?;
    at.skip(b" ");
    Some(())
}

/// Reads `C`, `M`, `O`, the sides and the symbol.
#[inline]
fn spot(at: &mut Cursor<'_>, symbols: &Symbols) -> Option<QuoteMessage> {
    at.expect(br#""C":"#)?;
    let sequence = at.number()?;
    at.expect(br#","M":"#)?;
    let time = at.number()?;
    at.expect(br#","O":"#)?;
    at.number()?;
    at.expect(b",")?;
    let sides = sides(at, symbols)?;
    quote_of(sides, time, sequence)
}

/// Reads the sides, the symbol, `C`, `M` and `O`.
#[inline]
fn perpetual(at: &mut Cursor<'_>, symbols: &Symbols) -> Option<QuoteMessage> {
    let sides = sides(at, symbols)?;
    at.expect(br#","C":"#)?;
    let sequence = at.number()?;
    at.expect(br#","M":"#)?;
    let time = at.number()?;
    at.expect(br#","O":"#)?;
    at.number()?;
    quote_of(sides, time, sequence)
}

fn quote_of(
    (symbol, bid, ask): (usize, Side, Side),
    time: u64,
    sequence: u64,
) -> Option<QuoteMessage> {
    let (ts_event, sequence) = (Some(EventTime::new(time).ok()?), Some(sequence));
    let (snapshot, restarted) = (true, false);
    Some(QuoteMessage { symbol, bid, ask, ts_event, sequence, snapshot, restarted })
}

/// Reads both sides and the symbol behind them, which says how their numbers are read.
#[inline]
fn sides(at: &mut Cursor<'_>, symbols: &Symbols) -> Option<(usize, Side, Side)> {
    let mut numbers = *at;
    at.expect(br#""a":"#)?;
    at.any_levels()?;
    at.expect(br#","b":"#)?;
    at.any_levels()?;
    at.expect(br#","s":""#)?;
    let symbol = at.symbol(symbols)?;
    numbers.expect(br#""a":"#)?;
    let ask = numbers.levels(symbols, symbol, Side::Empty, i64::lt)?;
    numbers.expect(br#","b":"#)?;
    let bid = numbers.levels(symbols, symbol, Side::Empty, i64::gt)?;
    Some((symbol, bid, ask))
}

fn frame(root: Value<'_>, kind: &str, symbols: &Symbols) -> Result<Message, Rejected> {
    let Some(topic) = root.get("T") else { return Ok(control(root)?) };
    let topic = topic.string().ok_or(Reject::UnknownMessage)?;
    // The documents write it in lower case too.
    let Some((channel, market)) = topic.split_once('.') else { return Ok(Message::Other) };
    let is_top = root.get("dp").and_then(Value::string) == Some("1");
    if !channel.eq_ignore_ascii_case("obu") || !is_top {
        return Ok(Message::Other);
    }
    let data = required(root.get("d"))?;
    if !market.eq_ignore_ascii_case(kind) {
        return Err(Reject::UnknownSymbol.into());
    }
    let place = symbols.find(string(data.get("s"))?.as_bytes())?;
    quote(root, data, place, symbols).map_err(Rejected::of(place))
}

/// Reads an answer to a request or a ping of ours, or the welcome.
fn control(root: Value<'_>) -> Result<Message, Reject> {
    let text = |key| root.get(key).and_then(Value::string);
    if text("type") == Some("pong") {
        return Ok(Message::Pong);
    }
    if text("message") == Some("welcome") {
        let interval = root.get("pingInterval").and_then(Value::integer);
        return Ok(Message::Welcome(interval.map(|millis| millis.saturating_mul(MILLI))));
    }
    let result = root.get("result").and_then(Value::boolean).ok_or(Reject::UnknownMessage)?;
    let answer = Answer { request: root.get("id").and_then(Value::integer), symbol: None };
    Ok(if result { Message::Accepted(answer) } else { Message::Refused(answer) })
}

fn quote(
    root: Value<'_>,
    data: Value<'_>,
    place: usize,
    symbols: &Symbols,
) -> Result<Message, Reject> {
    if string(root.get("t"))? != "snapshot" {
        return Err(Reject::UnknownMessage);
    }
    let side = |key, better| symbols.best(place, data.get(key), Side::Empty, better);
    Ok(Message::Quote(QuoteMessage {
        symbol: place,
        bid: side("b", i64::gt)?,
        ask: side("a", i64::lt)?,
        ts_event: Some(nanos(data.get("M"))?),
        sequence: Some(integer(data.get("C"))?),
        snapshot: true,
        restarted: false,
    }))
}

fn rows<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<Rows<T>, ListError> {
    data_of(body, "200000")
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pair {
    symbol: String,
    base_currency: String,
    quote_currency: String,
    enable_trading: bool,
    price_increment: Option<Text>,
    base_increment: Option<Text>,
}

fn pairs(body: &[u8]) -> Result<Page, ListError> {
    let listed = |pair: Pair| Listed {
        tick: step(pair.price_increment.as_ref()),
        lot: step(pair.base_increment.as_ref()),
        contract: None,
        next_tick: None,
        symbol: pair.symbol,
        base: pair.base_currency,
        quote: pair.quote_currency,
        halted: (!pair.enable_trading).then(|| "not enabled".to_owned()),
    };
    rows(body)?.page(|pair| Some(listed(pair)), None)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Contract {
    symbol: String,
    base_currency: String,
    quote_currency: String,
    #[serde(rename = "type")]
    kind: String,
    status: String,
    is_inverse: bool,
    tick_size: Option<Text>,
    lot_size: Option<Text>,
    multiplier: Option<Text>,
}

fn contracts(body: &[u8]) -> Result<Page, ListError> {
    rows(body)?.page(Contract::listed, None)
}

impl Contract {
    /// Returns `None` for a contract that expires or is inverse.
    fn listed(self) -> Option<Listed> {
        if self.is_inverse || self.kind != "FFWCSX" {
            return None;
        }
        let contract = step(self.multiplier.as_ref());
        let base = if self.base_currency == "XBT" { "BTC".to_owned() } else { self.base_currency };
        Some(Listed {
            tick: step(self.tick_size.as_ref()),
            lot: product(&step(self.lot_size.as_ref()), &contract),
            contract: Some(contract),
            next_tick: None,
            symbol: self.symbol,
            base,
            quote: self.quote_currency,
            halted: halted(self.status, "Open"),
        })
    }
}
