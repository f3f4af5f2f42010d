//! Bitget v3 (unified account), spot and USDT perpetuals: the `books1` topic.
//!
//! Each message is a snapshot of the best bid and ask, every ms while they change. An absent side is
//! `[]`. Sizes are in base units on both markets; `sizeMultiplier` of the list is the step of orders.
//!
//! Sequence rule: `seq` increases per instrument; it may jump without a loss, because updates are
//! left out under load. `pseq` is 0 in snapshots. Losses cannot be detected. Values exceed 2^53. Event
//! time: `ts` within `data`, ms in a string, from the matching engine; the outer `ts` is when the
//! message was sent. A `checksum` was sent until 2026-05-18 and is not read.
//!
//! Each symbol of a request is answered by itself. One whose `instType` is wrong may be accepted and
//! stay silent.
//!
//! Sources:
//! - <https://www.bitget.com/api-doc/uta/websocket/intro>, state of 2026-09: `books1`, text `ping` and
//!   `pong` at least every 30 s, 240 requests to subscribe an hour on a connection, less than 50
//!   channels a connection advised (1000 at most), 10 messages a second, frames of at most 4096 bytes,
//!   100 connections and 300 attempts in 5 min from an address.
//! - A survey of the live servers of 2026-09-15: a request of 25 symbols ends the connection, 20 are
//!   taken; a socket without pings is closed after about 2 min although quotes flow.
//! - Instruments: `GET /api/v2/spot/public/symbols` and `GET /api/v2/mix/market/contracts`:
//!   `pricePrecision` and `quantityPrecision` are numbers of decimals; the tick of a contract is
//!   `priceEndStep` x 10^-`pricePlace`.
//! - Fees of the lowest tier, from the same survey: spot taker 0.10 % (0.20 % on some pairs), perpetual
//!   taker 0.06 %. Not checked against the venue's own page.
//!
//! Our figures within those limits: a ping every 20 s; 45 s without a frame means that two pongs are
//! missing. 49 symbols a connection and 20 a message keep the advice above.

use crate::instruments::{
    InstrumentList, ListError, Listed, Page, Rows, Step, StepFault, Text, data_of, halted, product,
    step, step_of_decimals,
};
use crate::json::{Json, Value};
use crate::positional::Cursor;
use crate::venue::{
    About, Answer, EventTime, Frames, HOUR, Heartbeat, MILLI, MINUTE, Market, Message, Ping,
    Protocol, QuoteMessage, Rate, Reject, Rejected, Request, SECOND, SequenceRule, Side, Sizes,
    Symbols, VenueSpec, each, integer, millis, required, string,
};
use serde::Deserialize;

/// Spot.
pub(super) const SPOT: VenueSpec = VenueSpec {
    name: "bitget",
    title: "Bitget spot, books1",
    market: Market::Spot,
    url: "wss://ws.bitget.com",
    path: "/v3/ws/public",
    taker_fee_bps: 10.0,
    symbols_per_connection: 49,
    symbols_per_message: 20,
    message_interval: 125 * MILLI,
    requests: &[Rate { count: 240, per: HOUR }],
    connects: &[Rate { count: 300, per: 5 * MINUTE }],
    lifetime: None,
    heartbeat: Heartbeat {
        ping: Ping::Text("ping"),
        interval: 20 * SECOND,
        dead_after: 45 * SECOND,
    },
    greets: false,
    headers: &[],
    frames: Frames::Text,
    sizes: Sizes::Base,
    sequence: SequenceRule::Increasing,
    repeats_within: None,
    quotes: None,
    symbol: |base, quote| format!("{base}{quote}"),
    refuses_whole_requests: false,
    ends_on_unknown: false,
    instruments: InstrumentList {
        url: "https://api.bitget.com",
        path: "/api/v2/spot/public/symbols",
        post: None,
        read: pairs,
    },
    protocol: || Box::new(Bitget { json: Json::default(), kind: "spot" }),
    about: About {
        numbering: "`seq`, holes have no meaning",
        event_time: "`data[0].ts`, ms",
        source: "bitget.com/api-doc/uta/websocket",
        as_of: "2026-09-15",
        trades_if: "`status` is `online`",
        steps: "`pricePrecision`, `quantityPrecision`: decimals",
        layouts: "`action arg{instType topic symbol} data[{a b checksum seq pseq ts}] ts`; without \
                  `checksum`; `pseq` also before `seq`, with or without `maxDepth`",
    },
};

/// Perpetuals that settle in USDT.
pub(super) const PERPETUAL: VenueSpec = VenueSpec {
    name: "bitget-perp",
    title: "Bitget USDT perpetuals, books1",
    market: Market::LinearPerpetual,
    taker_fee_bps: 6.0,
    instruments: InstrumentList {
        url: "https://api.bitget.com",
        path: "/api/v2/mix/market/contracts?productType=USDT-FUTURES",
        post: None,
        read: contracts,
    },
    protocol: || Box::new(Bitget { json: Json::default(), kind: "usdt-futures" }),
    about: About {
        trades_if: "`symbolStatus` is `normal`; only `symbolType` `perpetual`",
        steps: "`priceEndStep` x 10^-`pricePlace`, `sizeMultiplier`",
        layouts: "as `bitget`",
        ..SPOT.about
    },
    ..SPOT
};

const TOPIC: &str = "books1";

#[derive(Debug)]
struct Bitget {
    json: Json,
    /// The venue's name of the market.
    kind: &'static str,
}

impl Bitget {
    fn request(&self, op: &str, symbols: &[&str]) -> String {
        let arg = |symbol: &&str| serde_json::json!({"instType": self.kind, "topic": TOPIC, "symbol": symbol});
        let args: serde_json::Value = symbols.iter().map(arg).collect();
        format!(r#"{{"op":"{op}","args":{args}}}"#)
    }
}

impl Protocol for Bitget {
    fn subscribe(&mut self, _request: Request, symbols: &[&str]) -> String {
        self.request("subscribe", symbols)
    }

    fn unsubscribe(&mut self, _request: Request, symbols: &[&str]) -> String {
        self.request("unsubscribe", symbols)
    }

    fn positional(&mut self, text: &[u8], symbols: &Symbols, out: &mut Vec<Message>) -> Option<()> {
        let mut at = Cursor::new(text)?;
        at.expect(br#"{"action":"snapshot","arg":{"instType":""#)?;
        if self.kind == "spot" {
            at.expect(br#"spot","topic":"books1","symbol":""#)?;
        } else {
            at.expect(br#"usdt-futures","topic":"books1","symbol":""#)?;
        }
        out.push(Message::Quote(book(&mut at, symbols)?));
        Some(())
    }

    fn general(
        &mut self,
        text: &[u8],
        symbols: &Symbols,
        out: &mut Vec<Message>,
    ) -> Result<(), Rejected> {
        if text == b"pong" {
            out.push(Message::Pong);
            return Ok(());
        }
        let (before, kind) = (out.len(), self.kind);
        let result = self.json.read(text, |root| frame(root, kind, symbols, out))?;
        if result.is_err() {
            out.truncate(before);
        }
        result
    }
}

/// Reads a frame with one quote from its symbol on.
#[inline]
fn book(at: &mut Cursor<'_>, symbols: &Symbols) -> Option<QuoteMessage> {
    let symbol = at.symbol(symbols)?;
    at.expect(br#"},"data":[{"a":"#)?;
    let ask = at.levels(symbols, symbol, Side::Empty, i64::lt)?;
    at.expect(br#","b":"#)?;
    let bid = at.levels(symbols, symbol, Side::Empty, i64::gt)?;
    if at.skip(br#","checksum":"#) {
        at.any_number()?;
    }
    let is_behind = at.skip(br#","pseq":"#);
    if is_behind {
        at.any_number()?;
    }
    at.expect(br#","seq":"#)?;
    let sequence = at.number()?;
    if !is_behind {
        at.expect(br#","pseq":"#)?;
        at.any_number()?;
    }
    if at.skip(br#","maxDepth":""#) {
        at.string()?;
    }
    at.expect(br#","ts":""#)?;
    let ts_event = Some(EventTime::of_millis(at.digits()?).ok()?);
    at.expect(br#""}],"ts":"#)?;
    at.any_number()?;
    at.expect(b"}")?;
    at.end()?;
    let (sequence, snapshot, restarted) = (Some(sequence), true, false);
    Some(QuoteMessage { symbol, bid, ask, ts_event, sequence, snapshot, restarted })
}

fn frame(
    root: Value<'_>,
    kind: &str,
    symbols: &Symbols,
    out: &mut Vec<Message>,
) -> Result<(), Rejected> {
    if let Some(event) = root.get("event") {
        out.push(control(event, root, symbols)?);
        return Ok(());
    }
    let data = root.get("data").ok_or(Reject::UnknownMessage)?;
    let arg = required(root.get("arg"))?;
    if string(arg.get("topic"))? != TOPIC {
        out.push(Message::Other);
        return Ok(());
    }
    if string(arg.get("instType"))? != kind {
        return Err(Reject::UnknownSymbol.into());
    }
    let place = symbols.find(string(arg.get("symbol"))?.as_bytes())?;
    if string(root.get("action"))? != "snapshot" {
        return Err(Rejected::of(place)(Reject::UnknownMessage));
    }
    each(data, |data| quote(data, place, symbols), out).map_err(Rejected::of(place))
}

fn control(event: Value<'_>, root: Value<'_>, symbols: &Symbols) -> Result<Message, Reject> {
    let symbol = root.get("arg").and_then(|arg| arg.get("symbol")?.string());
    let symbol = symbol.and_then(|symbol| symbols.find(symbol.as_bytes()).ok());
    let answer = Answer { request: None, symbol };
    match event.string().ok_or(Reject::UnknownMessage)? {
        "subscribe" => Ok(Message::Accepted(answer)),
        "error" => Ok(Message::Refused(answer)),
        "unsubscribe" | "login" => Ok(Message::Other),
        _ => Err(Reject::UnknownMessage),
    }
}

fn quote(each: Value<'_>, place: usize, symbols: &Symbols) -> Result<Message, Reject> {
    if !each.is_object() {
        return Err(Reject::UnknownMessage);
    }
    let side = |key, better| symbols.best(place, each.get(key), Side::Empty, better);
    Ok(Message::Quote(QuoteMessage {
        symbol: place,
        bid: side("b", i64::gt)?,
        ask: side("a", i64::lt)?,
        ts_event: Some(millis(each.get("ts"))?),
        sequence: Some(integer(each.get("seq"))?),
        snapshot: true,
        restarted: false,
    }))
}

fn rows<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<Rows<T>, ListError> {
    data_of(body, "00000")
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pair {
    symbol: String,
    base_coin: String,
    quote_coin: String,
    status: String,
    price_precision: Option<Text>,
    quantity_precision: Option<Text>,
}

fn pairs(body: &[u8]) -> Result<Page, ListError> {
    let listed = |pair: Pair| Listed {
        tick: step_of_decimals(pair.price_precision.as_ref()),
        lot: step_of_decimals(pair.quantity_precision.as_ref()),
        contract: None,
        next_tick: None,
        symbol: pair.symbol,
        base: pair.base_coin,
        quote: pair.quote_coin,
        halted: halted(pair.status, "online"),
    };
    rows(body)?.page(|pair| Some(listed(pair)), None)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Contract {
    symbol: String,
    base_coin: String,
    quote_coin: String,
    symbol_status: String,
    symbol_type: String,
    price_place: Option<Text>,
    price_end_step: Option<Text>,
    size_multiplier: Option<Text>,
}

fn contracts(body: &[u8]) -> Result<Page, ListError> {
    rows(body)?.page(Contract::listed, None)
}

impl Contract {
    /// Returns `None` for a contract that expires.
    fn listed(self) -> Option<Listed> {
        if self.symbol_type != "perpetual" {
            return None;
        }
        Some(Listed {
            tick: self.tick(),
            lot: step(self.size_multiplier.as_ref()),
            contract: None,
            next_tick: None,
            symbol: self.symbol,
            base: self.base_coin,
            quote: self.quote_coin,
            halted: halted(self.symbol_status, "normal"),
        })
    }

    fn tick(&self) -> Result<Step, StepFault> {
        let unit = step_of_decimals(self.price_place.as_ref());
        product(&step(self.price_end_step.as_ref()), &unit)
    }
}
