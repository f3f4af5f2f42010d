//! Kraken: spot, channel `ticker` of the WebSocket v2 with `event_trigger` `bbo`; futures, feed `ticker`.
//!
//! Each message is a snapshot of the best bid and ask. On spot it comes when one of the best **prices**
//! changes; a change of a size alone is not promised, so a size may be older than it looks. On
//! futures it comes at most once a second: the feed `book` is quicker, but is the whole book without a
//! bound. Numbers are JSON numbers. An absent side has price 0. A future that is `suspended` has no sides. Only the linear contracts `PF_` are
//! listed, whose sizes are in base units; they settle in USD.
//!
//! There are no sequence numbers in these channels: messages count in the order in which they come. Losses
//! cannot be detected. Event time: `timestamp` on spot, text in us, absent before 2026; `time` on futures,
//! ms.
//!
//! On spot there is an answer for each symbol of a request, with its number; once something is
//! subscribed, the server sends a heartbeat every second. Answers of futures name the product and no number; a refusal names
//! neither. `BTC` is `XBT` on futures and in the lists of both.
//!
//! Sources:
//! - <https://docs.kraken.com>, copies of 2026-02: channels, about 150 attempts to connect in 10 min, an end
//!   after 60 s without traffic; 100 requests a second on futures.
//! - Surveys of the live servers of 2026-08-16 and 2026-09-25: heartbeats, answers, layouts.
//! - Instruments: `GET /0/public/AssetPairs`, an object with a row for each pair, and `GET
//!   /derivatives/api/v3/instruments`.
//! - Fees of the lowest tier: spot taker 0.40 %, futures taker 0.05 %, as other projects list them. Not
//!   checked against the venue's own page.
//!
//! Our figures within those limits: 200 symbols a connection, 50 a request, 10 messages a second. A ping
//! every 15 s; 40 s without a frame means that two answers are missing. On futures the ping is a frame.

use crate::instruments::{
    InstrumentList, ListError, Listed, Page, Rows, Text, halted, parse, step, step_of_decimals,
};
use crate::json::{Json, Value};
use crate::positional::Cursor;
use crate::venue::{
    About, Answer, Frames, Heartbeat, MILLI, MINUTE, Market, Message, Ping, Protocol, QuoteMessage,
    Rate, Reject, Rejected, Request, SECOND, SequenceRule, Side, Sizes, Symbols, VenueSpec,
    decimal, instant, millis, required, string,
};
use serde::Deserialize;

/// Spot.
pub(super) const SPOT: VenueSpec = VenueSpec {
    name: "kraken",
    title: "Kraken spot, ticker by bbo",
    market: Market::Spot,
    url: "wss://ws.kraken.com",
    path: "/v2",
    taker_fee_bps: 40.0,
    symbols_per_connection: 200,
    symbols_per_message: 50,
    message_interval: 100 * MILLI,
    requests: &[],
    connects: &[Rate { count: 150, per: 10 * MINUTE }],
    lifetime: None,
    heartbeat: Heartbeat {
        ping: Ping::Text(r#"{"method":"ping"}"#),
        interval: 15 * SECOND,
        dead_after: 40 * SECOND,
    },
    greets: false,
    headers: &[],
    frames: Frames::Text,
    sizes: Sizes::Base,
    sequence: SequenceRule::Increasing,
    repeats_within: None,
    quotes: None,
    symbol: |base, quote| format!("{base}/{quote}"),
    refuses_whole_requests: false,
    ends_on_unknown: false,
    instruments: InstrumentList {
        url: "https://api.kraken.com",
        path: "/0/public/AssetPairs",
        post: None,
        read: pairs,
    },
    protocol: || Box::new(Spot { json: Json::default() }),
    about: About {
        numbering: "none",
        event_time: "`timestamp`, us",
        source: "docs.kraken.com, \"Ticker (Level 1)\"",
        as_of: "2026-02",
        trades_if: "`status` is `online`",
        steps: "`tick_size`, `lot_decimals`: decimals",
        layouts: "`channel type data[{symbol bid bid_qty ask ask_qty last volume vwap low high change \
                  change_pct trades timestamp}]`",
    },
};

/// Linear futures without an end.
pub(super) const FUTURES: VenueSpec = VenueSpec {
    name: "kraken-futures",
    title: "Kraken futures, ticker",
    market: Market::LinearPerpetual,
    url: "wss://futures.kraken.com",
    path: "/ws/v1",
    taker_fee_bps: 5.0,
    symbols_per_message: 1,
    heartbeat: Heartbeat { ping: Ping::Frame, interval: 15 * SECOND, dead_after: 40 * SECOND },
    symbol: |base, quote| format!("PF_{}{quote}", if base == "BTC" { "XBT" } else { base }),
    instruments: InstrumentList {
        url: "https://futures.kraken.com",
        path: "/derivatives/api/v3/instruments",
        post: None,
        read: contracts,
    },
    protocol: || Box::new(Futures { json: Json::default() }),
    about: About {
        event_time: "`time`, ms",
        source: "docs.kraken.com, \"Futures WebSocket\"",
        trades_if: "`tradeable`; only `type` `flexible_futures` without `lastTradingTime`",
        steps: "`tickSize`, 10^-`contractValueTradePrecision`",
        layouts: "`time product_id .. feed bid ask bid_size ask_size ..` with the keys of 2026-09 and of \
                  2026-07",
        ..SPOT.about
    },
    ..SPOT
};

#[derive(Debug)]
struct Spot {
    json: Json,
}

impl Spot {
    fn request(method: &str, request: Request, symbols: &[&str], more: &str) -> String {
        let symbols = serde_json::Value::from(symbols);
        format!(
            r#"{{"method":"{method}","params":{{"channel":"ticker","symbol":{symbols},"event_trigger":"bbo"{more}}},"req_id":{}}}"#,
            request.number
        )
    }
}

impl Protocol for Spot {
    fn subscribe(&mut self, request: Request, symbols: &[&str]) -> String {
        Spot::request("subscribe", request, symbols, r#","snapshot":true"#)
    }

    fn unsubscribe(&mut self, request: Request, symbols: &[&str]) -> String {
        Spot::request("unsubscribe", request, symbols, "")
    }

    fn positional(&mut self, text: &[u8], symbols: &Symbols, out: &mut Vec<Message>) -> Option<()> {
        let mut at = Cursor::new(text)?;
        at.expect(br#"{"channel":"ticker","type":""#)?;
        if !at.skip(b"update") {
            at.expect(b"snapshot")?;
        }
        at.expect(br#"","data":[{"symbol":""#)?;
        let symbol = at.symbol(symbols)?;
        at.expect(br#","bid":"#)?;
        let bid = at.bare_side(symbols, symbol, br#","bid_qty":"#)?;
        at.expect(br#","ask":"#)?;
        let ask = at.bare_side(symbols, symbol, br#","ask_qty":"#)?;
        at.expect(br#","last":"#)?;
        at.any_decimal()?;
        at.expect(br#","volume":"#)?;
        at.any_decimal()?;
        at.expect(br#","vwap":"#)?;
        at.any_decimal()?;
        at.expect(br#","low":"#)?;
        at.any_decimal()?;
        at.expect(br#","high":"#)?;
        at.any_decimal()?;
        at.expect(br#","change":"#)?;
        at.any_decimal()?;
        at.expect(br#","change_pct":"#)?;
        at.any_decimal()?;
        at.expect(br#","trades":"#)?;
        at.any_number()?;
        at.expect(br#","timestamp":""#)?;
        let ts_event = at.instant()?;
        at.expect(b"}]}")?;
        at.end()?;
        let (sequence, snapshot, restarted) = (None, true, false);
        let quote = QuoteMessage { symbol, bid, ask, ts_event, sequence, snapshot, restarted };
        out.push(Message::Quote(quote));
        Some(())
    }

    fn general(
        &mut self,
        text: &[u8],
        symbols: &Symbols,
        out: &mut Vec<Message>,
    ) -> Result<(), Rejected> {
        let start = out.len();
        let read = self.json.read(text, |root| frame(root, symbols, out))?;
        read.inspect_err(|_| out.truncate(start))
    }
}

fn frame(root: Value<'_>, symbols: &Symbols, out: &mut Vec<Message>) -> Result<(), Rejected> {
    let message = match root.get("channel") {
        Some(channel) if string(Some(channel))? == "ticker" => {
            let mut all = required(root.get("data"))?.items().ok_or(Reject::UnknownMessage)?;
            if !matches!(string(root.get("type"))?, "snapshot" | "update") {
                return Err(Reject::UnknownMessage.into());
            }
            out.push(quote(all.next().ok_or(Reject::MissingField)?, symbols)?);
            for each in all {
                out.push(quote(each, symbols)?);
            }
            return Ok(());
        }
        Some(channel) if string(Some(channel))? == "heartbeat" => Message::Pong,
        Some(_) => Message::Other,
        None => control(root, symbols)?,
    };
    out.push(message);
    Ok(())
}

/// Reads an answer to a request.
fn control(root: Value<'_>, symbols: &Symbols) -> Result<Message, Reject> {
    let request = root.get("req_id").and_then(Value::integer);
    let named =
        |from: Option<Value<'_>>| symbols.find(from?.get("symbol")?.string()?.as_bytes()).ok();
    match (string(root.get("method"))?, root.get("success").and_then(Value::boolean)) {
        ("pong", _) => Ok(Message::Pong),
        ("subscribe", Some(true)) => {
            Ok(Message::Accepted(Answer { request, symbol: named(root.get("result")) }))
        }
        ("subscribe", Some(false)) => {
            Ok(Message::Refused(Answer { request, symbol: named(Some(root)) }))
        }
        ("unsubscribe", Some(_)) => Ok(Message::Other),
        _ => Err(Reject::UnknownMessage),
    }
}

fn quote(data: Value<'_>, symbols: &Symbols) -> Result<Message, Rejected> {
    let place = symbols.find(string(data.get("symbol"))?.as_bytes())?;
    let side =
        |price, size| symbols.side(place, decimal(data.get(price))?, decimal(data.get(size))?);
    let read = || {
        let time = data.get("timestamp");
        Ok(Message::Quote(QuoteMessage {
            symbol: place,
            bid: side("bid", "bid_qty")?,
            ask: side("ask", "ask_qty")?,
            ts_event: if time.is_some() { instant(time)? } else { None },
            sequence: None,
            snapshot: true,
            restarted: false,
        }))
    };
    read().map_err(Rejected::of(place))
}

#[derive(Debug)]
struct Futures {
    json: Json,
}

impl Futures {
    fn request(event: &str, symbols: &[&str]) -> String {
        let symbols = serde_json::Value::from(symbols);
        format!(r#"{{"event":"{event}","feed":"ticker","product_ids":{symbols}}}"#)
    }
}

impl Protocol for Futures {
    fn subscribe(&mut self, _request: Request, symbols: &[&str]) -> String {
        Futures::request("subscribe", symbols)
    }

    fn unsubscribe(&mut self, _request: Request, symbols: &[&str]) -> String {
        Futures::request("unsubscribe", symbols)
    }

    fn positional(&mut self, text: &[u8], symbols: &Symbols, out: &mut Vec<Message>) -> Option<()> {
        let mut at = Cursor::new(text)?;
        at.expect(br#"{"time":"#)?;
        let ts_event = Some(at.millis()?);
        at.expect(br#","product_id":""#)?;
        let symbol = at.symbol(symbols)?;
        at.expect(br#","funding_rate":"#)?;
        at.any_decimal()?;
        at.expect(br#","funding_rate_prediction":"#)?;
        at.any_decimal()?;
        at.expect(br#","relative_funding_rate":"#)?;
        at.any_decimal()?;
        at.expect(br#","relative_funding_rate_prediction":"#)?;
        at.any_decimal()?;
        at.expect(br#","next_funding_rate_time":"#)?;
        at.any_number()?;
        at.expect(br#","leverage":""#)?;
        at.string()?;
        at.expect(br#","premium":"#)?;
        at.any_decimal()?;
        at.expect(br#","feed":"ticker","bid":"#)?;
        let mut numbers = at;
        at.any_decimal()?;
        at.expect(br#","ask":"#)?;
        at.any_decimal()?;
        at.expect(br#","bid_size":"#)?;
        let bid_size = at.bare_size(symbols, symbol)?;
        at.expect(br#","ask_size":"#)?;
        let ask_size = at.bare_size(symbols, symbol)?;
        let scale = symbols.list()[symbol].price_scale;
        let bid = Side::of(numbers.bare_decimal(scale)?, bid_size);
        numbers.expect(br#","ask":"#)?;
        let ask = Side::of(numbers.bare_decimal(scale)?, ask_size);
        rest(&mut at)?;
        let (sequence, snapshot, restarted) = (None, true, false);
        let quote = QuoteMessage { symbol, bid, ask, ts_event, sequence, snapshot, restarted };
        out.push(Message::Quote(quote));
        Some(())
    }

    fn general(
        &mut self,
        text: &[u8],
        symbols: &Symbols,
        out: &mut Vec<Message>,
    ) -> Result<(), Rejected> {
        out.push(self.json.read(text, |root| ticker(root, symbols))??);
        Ok(())
    }
}

/// Moves past the keys behind the quote.
#[inline]
fn rest(at: &mut Cursor<'_>) -> Option<()> {
    at.expect(br#","volume":"#)?;
    at.any_decimal()?;
    at.expect(br#","dtm":"#)?;
    at.any_decimal()?;
    at.expect(br#","index":"#)?;
    at.any_decimal()?;
    at.expect(br#","last":"#)?;
    at.any_decimal()?;
    at.expect(br#","change":"#)?;
    at.any_decimal()?;
    at.expect(br#","suspended":false,"tag":""#)?;
    at.string()?;
    at.expect(br#","pair":""#)?;
    at.string()?;
    at.expect(br#","openInterest":"#)?;
    at.any_decimal()?;
    at.expect(br#","markPrice":"#)?;
    at.any_decimal()?;
    at.expect(br#","maturityTime":"#)?;
    at.any_number()?;
    at.expect(br#","post_only":false,"volumeQuote":"#)?;
    at.any_decimal()?;
    if at.skip(br#","open":"#) {
        at.any_decimal()?;
        at.expect(br#","high":"#)?;
        at.any_decimal()?;
        at.expect(br#","low":"#)?;
        at.any_decimal()?;
    }
    at.expect(b"}")?;
    at.end()
}

fn ticker(root: Value<'_>, symbols: &Symbols) -> Result<Message, Rejected> {
    if let Some(event) = root.get("event") {
        return Ok(event_of(string(Some(event))?, root, symbols)?);
    }
    if string(root.get("feed"))? != "ticker" {
        return Ok(Message::Other);
    }
    let place = symbols.find(string(root.get("product_id"))?.as_bytes())?;
    let side =
        |price, size| symbols.side(place, decimal(root.get(price))?, decimal(root.get(size))?);
    let is_suspended = root.get("suspended").and_then(Value::boolean) == Some(true);
    let read = || {
        let (bid, ask) = (side("bid", "bid_size")?, side("ask", "ask_size")?);
        Ok(Message::Quote(QuoteMessage {
            symbol: place,
            bid: if is_suspended { Side::Empty } else { bid },
            ask: if is_suspended { Side::Empty } else { ask },
            ts_event: Some(millis(root.get("time"))?),
            sequence: None,
            snapshot: true,
            restarted: false,
        }))
    };
    read().map_err(Rejected::of(place))
}

fn event_of(event: &str, root: Value<'_>, symbols: &Symbols) -> Result<Message, Reject> {
    let first = || root.get("product_ids")?.items()?.next()?.string();
    let symbol = first().and_then(|symbol| symbols.find(symbol.as_bytes()).ok());
    let answer = Answer { request: None, symbol };
    let is_ours = root.get("feed").and_then(Value::string) == Some("ticker");
    match event {
        "subscribed" if is_ours => Ok(Message::Accepted(answer)),
        "alert" | "error" => Ok(Message::Refused(answer)),
        "subscribed" | "unsubscribed" | "info" | "challenge" => Ok(Message::Other),
        _ => Err(Reject::UnknownMessage),
    }
}

#[derive(Deserialize)]
struct AssetPairs {
    error: Vec<String>,
    result: Option<Rows<Pair>>,
}

#[derive(Deserialize)]
struct Pair {
    wsname: String,
    status: String,
    lot_decimals: Option<Text>,
    tick_size: Option<Text>,
}

/// Returns an asset as the WebSocket spells it.
fn asset(name: &str) -> &str {
    match name {
        "XBT" => "BTC",
        "XDG" => "DOGE",
        other => other,
    }
}

fn pairs(body: &[u8]) -> Result<Page, ListError> {
    let AssetPairs { error, result } = parse(body)?;
    if let Some(first) = error.first() {
        let (code, message) = first.split_once(':').unwrap_or((first, ""));
        return Err(ListError::Refused { code: code.to_owned(), message: message.to_owned() });
    }
    let missing = || ListError::Unexpected("there is no `result`".to_owned());
    result.ok_or_else(missing)?.page(Pair::listed, None)
}

impl Pair {
    /// Returns `None` for a pair whose name is no pair.
    fn listed(self) -> Option<Listed> {
        let (base, quote) = self.wsname.split_once('/')?;
        let (base, quote) = (asset(base), asset(quote));
        Some(Listed {
            symbol: format!("{base}/{quote}"),
            tick: step(self.tick_size.as_ref()),
            lot: step_of_decimals(self.lot_decimals.as_ref()),
            contract: None,
            next_tick: None,
            base: base.to_owned(),
            quote: quote.to_owned(),
            halted: halted(self.status, "online"),
        })
    }
}

#[derive(Deserialize)]
struct Instruments {
    result: String,
    #[serde(default)]
    error: String,
    instruments: Option<Rows<Contract>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Contract {
    symbol: String,
    #[serde(rename = "type")]
    kind: String,
    tradeable: bool,
    base: Option<String>,
    quote: Option<String>,
    last_trading_time: Option<Text>,
    tick_size: Option<Text>,
    contract_value_trade_precision: Option<Text>,
}

fn contracts(body: &[u8]) -> Result<Page, ListError> {
    let Instruments { result, error, instruments } = parse(body)?;
    if result != "success" {
        return Err(ListError::Refused { code: result, message: error });
    }
    let missing = || ListError::Unexpected("there is no `instruments`".to_owned());
    instruments.ok_or_else(missing)?.page(Contract::listed, None)
}

impl Contract {
    /// Returns `None` for a contract that expires or is inverse.
    fn listed(self) -> Option<Listed> {
        if self.kind != "flexible_futures" || self.last_trading_time.is_some() {
            return None;
        }
        let (base, quote) = (self.base?, self.quote?);
        Some(Listed {
            tick: step(self.tick_size.as_ref()),
            lot: step_of_decimals(self.contract_value_trade_precision.as_ref()),
            contract: None,
            next_tick: None,
            symbol: self.symbol.to_uppercase(),
            base: asset(&base).to_owned(),
            quote,
            halted: (!self.tradeable).then(|| "not tradeable".to_owned()),
        })
    }
}
