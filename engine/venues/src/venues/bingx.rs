//! BingX, spot: `<symbol>@bookTicker`; USDT perpetuals: `<symbol>@depth5@<interval>`.
//!
//! Each message is a snapshot. Every frame of the server is binary and holds one gzip member, its
//! heartbeats too. Sizes are in base units on both markets. An absent side is not documented; `[]`
//! is read as one. Upper-case letters of `bookTicker` are sizes, lower-case ones prices.
//!
//! On perpetuals, `bookTicker` was seen with a first message that was 22 min old and a median pace of
//! 0.55 s to 2.7 s, and `incrDepth`, the whole book, comes every 0.4 s to 0.8 s. The five best
//! levels come every 200 ms for BTC and ETH against USDT, and every 500 ms for others, which is the
//! most that the venue documents. Asks are listed from the worst to the best.
//!
//! There are no sequence numbers that are documented on both: messages count in the order in which
//! they come. Event time: `E` on spot, `ts` on perpetuals, in ms; both are when the message was made.
//!
//! A request holds one topic, and its answer the request's `id` alone. The server sends the text
//! `Ping` on perpetuals and `{"ping":"<id>","time":"<time>"}` on spot, every 5 s, and closes the
//! connection about 30 s later if `Pong`, or the same id and time as `pong`, does not come.
//!
//! Sources:
//! - <https://bingx-api.github.io/docs-v3/>, copy of 2026-02-28: topics, gzip, answers, 200 topics a
//!   connection, 60 connections from an address.
//! - A survey of the live servers of 2026-09-23: pace of the topics, errors 80015 and 80403, less than
//!   ten requests a second, the end without `Pong`.
//! - Instruments: `GET /openApi/spot/v1/common/symbols` and `GET /openApi/swap/v2/quote/contracts`.
//! - Fees of the lowest tier, from the same survey: spot taker 0.10 %, perpetual taker 0.05 %. Not
//!   checked against the venue's own page.
//!
//! Our figures within those limits: five requests a second. 20 s without a frame means that four pings of
//! the venue are missing. No rate of attempts is documented; 60 a minute is ours.

use crate::instruments::{
    InstrumentList, ListError, Listed, Page, Rows, Text, data_of, halted, step, step_of_decimals,
};
use crate::json::{Json, Value};
use crate::positional::Cursor;
use crate::venue::{
    About, Answer, Frames, Heartbeat, MILLI, MINUTE, Market, Message, Ping, Protocol, QuoteMessage,
    Rate, Reject, Rejected, Request, SECOND, SequenceRule, Side, Sizes, Symbols, VenueSpec,
    decimal, millis, required, string,
};
use serde::Deserialize;

/// Spot.
pub(super) const SPOT: VenueSpec = VenueSpec {
    name: "bingx",
    title: "BingX spot, <symbol>@bookTicker",
    market: Market::Spot,
    url: "wss://open-api-ws.bingx.com",
    path: "/market",
    taker_fee_bps: 10.0,
    symbols_per_connection: 200,
    symbols_per_message: 1,
    message_interval: 200 * MILLI,
    requests: &[Rate { count: 5, per: SECOND }],
    connects: &[Rate { count: 60, per: MINUTE }],
    lifetime: None,
    heartbeat: Heartbeat { ping: Ping::None, interval: 10 * SECOND, dead_after: 20 * SECOND },
    greets: false,
    headers: &[],
    frames: Frames::Gzip,
    sizes: Sizes::Base,
    sequence: SequenceRule::Increasing,
    repeats_within: None,
    quotes: None,
    symbol: |base, quote| format!("{base}-{quote}"),
    refuses_whole_requests: false,
    ends_on_unknown: false,
    instruments: InstrumentList {
        url: "https://open-api.bingx.com",
        path: "/openApi/spot/v1/common/symbols",
        post: None,
        read: pairs,
    },
    protocol: || Box::new(Bingx::new(true)),
    about: About {
        numbering: "none",
        event_time: "`E`, ms",
        source: "bingx-api.github.io/docs-v3",
        as_of: "2026-02-28",
        trades_if: "`status` is 1",
        steps: "`tickSize`, `stepSize`",
        layouts: "`code data{A B E a b e s} dataType success`",
    },
};

/// Perpetuals that settle in USDT or USDC.
pub(super) const PERPETUAL: VenueSpec = VenueSpec {
    name: "bingx-perp",
    title: "BingX perpetuals, <symbol>@depth5@<interval>",
    market: Market::LinearPerpetual,
    url: "wss://open-api-swap.bingx.com",
    path: "/swap-market",
    taker_fee_bps: 5.0,
    instruments: InstrumentList {
        url: "https://open-api.bingx.com",
        path: "/openApi/swap/v2/quote/contracts",
        post: None,
        read: contracts,
    },
    protocol: || Box::new(Bingx::new(false)),
    about: About {
        event_time: "`ts`, ms",
        steps: "`pricePrecision`, `quantityPrecision`: decimals",
        layouts: "`code dataType ts data{bids asks}`",
        ..SPOT.about
    },
    ..SPOT
};

/// Longest id and time of a heartbeat that are sent back, bytes.
const ECHO_MAX: usize = 64;

#[derive(Debug)]
struct Bingx {
    json: Json,
    is_spot: bool,
    /// The answer to the last heartbeat of the venue.
    pong: String,
}

impl Bingx {
    fn new(is_spot: bool) -> Bingx {
        // A heartbeat allocates nothing: there is room for the longest answer.
        Bingx { json: Json::default(), is_spot, pong: String::with_capacity(4 * ECHO_MAX) }
    }

    fn topic(&self, symbol: &str) -> String {
        if self.is_spot {
            return format!("{symbol}@bookTicker");
        }
        let is_quick = ["BTC-USDT", "ETH-USDT"].contains(&symbol);
        format!("{symbol}@depth5@{}", if is_quick { "200ms" } else { "500ms" })
    }

    fn request(&self, verb: &str, request: Request, symbols: &[&str]) -> String {
        // `symbols_per_message` is 1.
        let topic = self.topic(symbols.first().copied().unwrap_or_default());
        let topic = serde_json::Value::from(topic);
        format!(r#"{{"id":"{}","reqType":"{verb}","dataType":{topic}}}"#, request.number)
    }
}

impl Protocol for Bingx {
    fn subscribe(&mut self, request: Request, symbols: &[&str]) -> String {
        self.request("sub", request, symbols)
    }

    fn unsubscribe(&mut self, request: Request, symbols: &[&str]) -> String {
        self.request("unsub", request, symbols)
    }

    fn pong(&mut self) -> String {
        self.pong.clone()
    }

    fn positional(&mut self, text: &[u8], symbols: &Symbols, out: &mut Vec<Message>) -> Option<()> {
        let mut at = Cursor::new(text)?;
        at.expect(br#"{"code":0,"data"#)?;
        let quote =
            if self.is_spot { ticker(&mut at, symbols)? } else { levels(&mut at, symbols)? };
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
        let Bingx { json, is_spot, pong } = self;
        if text == b"Ping" {
            pong.clear();
            pong.push_str("Pong");
            out.push(Message::Ping);
            return Ok(());
        }
        out.push(json.read(text, |root| frame(root, *is_spot, symbols, pong))??);
        Ok(())
    }
}

/// Reads a best bid and ask of spot. The symbol stands behind the numbers, and says how they are read.
#[inline]
fn ticker(at: &mut Cursor<'_>, symbols: &Symbols) -> Option<QuoteMessage> {
    at.expect(br#"":{"A":""#)?;
    let mut numbers = *at;
    at.string()?;
    at.expect(br#","B":""#)?;
    at.string()?;
    at.expect(br#","E":"#)?;
    let ts_event = Some(at.millis()?);
    at.expect(br#","a":""#)?;
    let mut prices = *at;
    at.string()?;
    at.expect(br#","b":""#)?;
    at.string()?;
    at.expect(br#","e":"bookTicker","s":""#)?;
    let symbol = at.symbol(symbols)?;
    at.expect(br#"},"dataType":""#)?;
    // The name of the topic, which must be that of the symbol.
    if at.symbol_until(symbols, b'@')? != symbol {
        return None;
    }
    at.expect(br#"bookTicker""#)?;
    if at.skip(br#","success":"#) {
        at.expect(b"true")?;
    }
    at.expect(b"}")?;
    let ask_size = numbers.size(symbols, symbol)?;
    numbers.expect(br#","B":""#)?;
    let bid_size = numbers.size(symbols, symbol)?;
    let scale = symbols.list()[symbol].price_scale;
    let ask = Side::of(prices.decimal(scale)?, ask_size);
    prices.expect(br#","b":""#)?;
    let bid = Side::of(prices.decimal(scale)?, bid_size);
    let (sequence, snapshot, restarted) = (None, true, false);
    Some(QuoteMessage { symbol, bid, ask, ts_event, sequence, snapshot, restarted })
}

#[inline]
fn levels(at: &mut Cursor<'_>, symbols: &Symbols) -> Option<QuoteMessage> {
    at.expect(br#"Type":""#)?;
    let symbol = at.symbol_until(symbols, b'@')?;
    at.expect(b"depth5@")?;
    at.string()?;
    at.expect(br#","ts":"#)?;
    let ts_event = Some(at.millis()?);
    at.expect(br#","data":{"bids":"#)?;
    let bid = at.levels(symbols, symbol, Side::Empty, i64::gt)?;
    at.expect(br#","asks":"#)?;
    let ask = at.levels(symbols, symbol, Side::Empty, i64::lt)?;
    at.expect(b"}}")?;
    let (sequence, snapshot, restarted) = (None, true, false);
    Some(QuoteMessage { symbol, bid, ask, ts_event, sequence, snapshot, restarted })
}

fn frame(
    root: Value<'_>,
    is_spot: bool,
    symbols: &Symbols,
    pong: &mut String,
) -> Result<Message, Rejected> {
    if let Some(ping) = root.get("ping") {
        return Ok(heartbeat(ping, root.get("time"), pong)?);
    }
    let topic = root.get("dataType").and_then(Value::string).filter(|topic| !topic.is_empty());
    let Some(topic) = topic else { return Ok(control(root)?) };
    let Some(data) = root.get("data").filter(|data| !data.is_null()) else {
        return Ok(control(root)?);
    };
    let Some((symbol, channel)) = topic.split_once('@') else { return Ok(Message::Other) };
    let is_ours = if is_spot { channel == "bookTicker" } else { channel.starts_with("depth5@") };
    if !is_ours {
        return Ok(Message::Other);
    }
    let place = symbols.find(symbol.as_bytes())?;
    let quote = if is_spot {
        ticker_quote(data, place, symbols)
    } else {
        levels_quote(root, data, place, symbols)
    };
    quote.map_err(Rejected::of(place))
}

/// Notes what a heartbeat of the venue is to be answered with.
fn heartbeat(
    ping: Value<'_>,
    time: Option<Value<'_>>,
    pong: &mut String,
) -> Result<Message, Reject> {
    let (id, time) = (string(Some(ping))?, string(time)?);
    let is_plain = |text: &str| {
        text.len() <= ECHO_MAX && !text.bytes().any(|b| matches!(b, b'"' | b'\\' | 0..0x20))
    };
    if !is_plain(id) || !is_plain(time) {
        return Err(Reject::UnknownMessage);
    }
    pong.clear();
    for part in [r#"{"pong":""#, id, r#"","time":""#, time, r#""}"#] {
        pong.push_str(part);
    }
    Ok(Message::Ping)
}

/// Reads the answer to a request.
fn control(root: Value<'_>) -> Result<Message, Reject> {
    let code = required(root.get("code"))?.integer().ok_or(Reject::UnknownMessage)?;
    let answer = Answer { request: root.get("id").and_then(Value::integer), symbol: None };
    Ok(if code == 0 { Message::Accepted(answer) } else { Message::Refused(answer) })
}

fn ticker_quote(data: Value<'_>, place: usize, symbols: &Symbols) -> Result<Message, Reject> {
    // The symbol within must be that of the topic.
    if symbols.find(string(data.get("s"))?.as_bytes())? != place {
        return Err(Reject::UnknownMessage);
    }
    let side =
        |price, size| symbols.side(place, decimal(data.get(price))?, decimal(data.get(size))?);
    Ok(Message::Quote(QuoteMessage {
        symbol: place,
        bid: side("b", "B")?,
        ask: side("a", "A")?,
        ts_event: Some(millis(data.get("E"))?),
        sequence: None,
        snapshot: true,
        restarted: false,
    }))
}

fn levels_quote(
    root: Value<'_>,
    data: Value<'_>,
    place: usize,
    symbols: &Symbols,
) -> Result<Message, Reject> {
    if !data.is_object() {
        return Err(Reject::UnknownMessage);
    }
    let side = |key, better| symbols.best(place, data.get(key), Side::Empty, better);
    Ok(Message::Quote(QuoteMessage {
        symbol: place,
        bid: side("bids", i64::gt)?,
        ask: side("asks", i64::lt)?,
        ts_event: Some(millis(root.get("ts"))?),
        sequence: None,
        snapshot: true,
        restarted: false,
    }))
}

/// An answer of the REST API.
fn data<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, ListError> {
    data_of(body, "0")
}

#[derive(Deserialize)]
struct Pairs {
    symbols: Option<Rows<Pair>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pair {
    symbol: String,
    status: Text,
    tick_size: Option<Text>,
    step_size: Option<Text>,
}

fn pairs(body: &[u8]) -> Result<Page, ListError> {
    let missing = || ListError::Unexpected("there is no `data.symbols`".to_owned());
    data::<Pairs>(body)?.symbols.ok_or_else(missing)?.page(Pair::listed, None)
}

impl Pair {
    /// Returns `None` for a name without a quote currency.
    fn listed(self) -> Option<Listed> {
        let (base, quote) = self.symbol.rsplit_once('-')?;
        Some(Listed {
            tick: step(self.tick_size.as_ref()),
            lot: step(self.step_size.as_ref()),
            contract: None,
            next_tick: None,
            base: base.to_owned(),
            quote: quote.to_owned(),
            halted: status(self.status),
            symbol: self.symbol,
        })
    }
}

fn status(Text(status): Text) -> Option<String> {
    halted(status, "1").map(|status| format!("status {status}"))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Contract {
    symbol: String,
    asset: String,
    currency: String,
    status: Text,
    price_precision: Option<Text>,
    quantity_precision: Option<Text>,
}

fn contracts(body: &[u8]) -> Result<Page, ListError> {
    let listed = |contract: Contract| Listed {
        tick: step_of_decimals(contract.price_precision.as_ref()),
        lot: step_of_decimals(contract.quantity_precision.as_ref()),
        contract: None,
        next_tick: None,
        symbol: contract.symbol,
        base: contract.asset,
        quote: contract.currency,
        halted: status(contract.status),
    };
    data::<Rows<Contract>>(body)?.page(|contract| Some(listed(contract)), None)
}
