//! Hyperliquid, perpetuals of the main exchange: the `bbo` subscription.
//!
//! Each message is a snapshot of the best bid and ask: one on subscription, then at most one a block, when
//! they have changed. An absent side is `null`. Sizes are in base units; `kPEPE` is a thousand.
//!
//! There are no sequence numbers: messages count in the order in which they come. Losses cannot be
//! detected. Event time: `time` of the block, ms.
//!
//! A request holds one coin, and its answer repeats the request. **A coin that the venue does not know
//! ends the whole connection**: the first one that was not answered then counts as refused, and the others
//! are asked for without it. Run `spreadwire check --online` before one is added all the same. A coin that is already subscribed is answered by an error that says so; it is well. Prices are in USDC.
//!
//! Sources:
//! - <https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket>, copy of 2026-03:
//!   `bbo`, `ping`, an end after 60 s in which the server sent nothing; per address 10 connections, 30 new
//!   ones a minute, 1000 subscriptions, 2000 messages a minute.
//! - A survey of the live server of 2026-09-24: answers, the end after an unknown coin, the pace of
//!   `bbo` (median 68 ms); `l2Book` is sent every 0.5 s or 5 s only.
//! - Instruments: `POST /info` with `{"type":"meta"}`. There is no tick: a price has at most five significant
//!   digits and 6 - `szDecimals` decimals; the finest of those is listed as the tick.
//! - Fees of the lowest tier: taker 0.045 %, as the library ccxt 4.5.90 lists them.
//!
//! Our figures within those limits: a ping every 20 s; 45 s without a frame means that two pongs are
//! missing. 100 symbols a connection and 20 messages a second are ours.

use crate::instruments::{
    InstrumentList, ListError, Listed, Page, Rows, StepFault, Text, parse, step_of_decimals,
};
use crate::json::{Json, Value};
use crate::positional::Cursor;
use crate::venue::{
    About, Answer, Frames, Heartbeat, MILLI, MINUTE, Market, Message, Ping, Protocol, QuoteMessage,
    Rate, Reject, Rejected, Request, SECOND, SequenceRule, Side, Sizes, Symbols, VenueSpec,
    decimal, millis, required, string,
};
use serde::Deserialize;

/// Perpetuals.
pub(super) const PERPETUAL: VenueSpec = VenueSpec {
    name: "hyperliquid",
    title: "Hyperliquid perpetuals, bbo",
    market: Market::LinearPerpetual,
    url: "wss://api.hyperliquid.xyz",
    path: "/ws",
    taker_fee_bps: 4.5,
    symbols_per_connection: 100,
    symbols_per_message: 1,
    message_interval: 50 * MILLI,
    requests: &[],
    connects: &[Rate { count: 30, per: MINUTE }],
    lifetime: None,
    heartbeat: Heartbeat {
        ping: Ping::Text(r#"{"method":"ping"}"#),
        interval: 20 * SECOND,
        dead_after: 45 * SECOND,
    },
    greets: false,
    headers: &[],
    frames: Frames::Text,
    sizes: Sizes::Base,
    sequence: SequenceRule::Increasing,
    repeats_within: None,
    quotes: Some(&["USDC"]),
    symbol: |base, _quote| base.to_owned(),
    refuses_whole_requests: false,
    ends_on_unknown: true,
    instruments: InstrumentList {
        url: "https://api.hyperliquid.xyz",
        path: "/info",
        post: Some(r#"{"type":"meta"}"#),
        read: universe,
    },
    protocol: || Box::new(Hyperliquid::default()),
    about: About {
        numbering: "none",
        event_time: "`time`, ms",
        source: "hyperliquid.gitbook.io, \"Websocket\"",
        as_of: "2026-03",
        trades_if: "not `isDelisted`",
        steps: "6 - `szDecimals` decimals, `szDecimals`",
        layouts: "`channel data{coin time bbo[{px sz n} {px sz n}]}`; a side may be `null`",
    },
};

#[derive(Debug, Default)]
struct Hyperliquid {
    json: Json,
}

impl Hyperliquid {
    fn request(method: &str, symbols: &[&str]) -> String {
        // `symbols_per_message` is 1.
        let coin = symbols.first().copied().map(serde_json::Value::from).unwrap_or_default();
        format!(r#"{{"method":"{method}","subscription":{{"type":"bbo","coin":{coin}}}}}"#)
    }
}

impl Protocol for Hyperliquid {
    fn subscribe(&mut self, _request: Request, symbols: &[&str]) -> String {
        Hyperliquid::request("subscribe", symbols)
    }

    fn unsubscribe(&mut self, _request: Request, symbols: &[&str]) -> String {
        Hyperliquid::request("unsubscribe", symbols)
    }

    fn positional(&mut self, text: &[u8], symbols: &Symbols, out: &mut Vec<Message>) -> Option<()> {
        let mut at = Cursor::new(text)?;
        at.expect(br#"{"channel":"bbo","data":{"coin":""#)?;
        let symbol = at.symbol(symbols)?;
        at.expect(br#","time":"#)?;
        let ts_event = Some(at.millis()?);
        at.expect(br#","bbo":["#)?;
        let bid = side(&mut at, symbols, symbol)?;
        at.expect(b",")?;
        let ask = side(&mut at, symbols, symbol)?;
        at.expect(b"]}}")?;
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
        out.push(self.json.read(text, |root| frame(root, symbols))??);
        Ok(())
    }
}

#[inline]
fn side(at: &mut Cursor<'_>, symbols: &Symbols, symbol: usize) -> Option<Side> {
    if at.skip(b"null") {
        return Some(Side::Empty);
    }
    at.expect(br#"{"px":""#)?;
    let side = at.side(symbols, symbol, br#","sz":""#)?;
    at.expect(br#","n":"#)?;
    at.any_number()?;
    at.expect(b"}")?;
    Some(side)
}

fn frame(root: Value<'_>, symbols: &Symbols) -> Result<Message, Rejected> {
    let data = root.get("data");
    match string(root.get("channel"))? {
        "bbo" => {
            let data = required(data)?;
            let place = symbols.find(string(data.get("coin"))?.as_bytes())?;
            quote(data, place, symbols).map_err(Rejected::of(place))
        }
        "pong" => Ok(Message::Pong),
        "subscriptionResponse" => Ok(response(required(data)?, symbols)?),
        "error" => Ok(error(string(data)?, symbols)),
        _ => Ok(Message::Other),
    }
}

fn response(data: Value<'_>, symbols: &Symbols) -> Result<Message, Reject> {
    let subscription = required(data.get("subscription"))?;
    let coin = subscription.get("coin").and_then(Value::string);
    let symbol = coin.and_then(|coin| symbols.find(coin.as_bytes()).ok());
    let is_ours = subscription.get("type").and_then(Value::string) == Some("bbo");
    match string(data.get("method"))? {
        "subscribe" if is_ours => Ok(Message::Accepted(Answer { request: None, symbol })),
        "subscribe" | "unsubscribe" => Ok(Message::Other),
        _ => Err(Reject::UnknownMessage),
    }
}

/// Reads an error, which repeats the request.
fn error(told: &str, symbols: &Symbols) -> Message {
    let coin = told.split_once(r#""coin":""#).and_then(|(_, rest)| rest.split('"').next());
    let symbol = coin.and_then(|coin| symbols.find(coin.as_bytes()).ok());
    let answer = Answer { request: None, symbol };
    if told.starts_with("Already subscribed") {
        Message::Accepted(answer)
    } else {
        Message::Refused(answer)
    }
}

fn quote(data: Value<'_>, place: usize, symbols: &Symbols) -> Result<Message, Reject> {
    let mut sides = required(data.get("bbo"))?.items().ok_or(Reject::UnknownMessage)?;
    let mut side = || {
        let side = required(sides.next())?;
        if side.is_null() {
            return Ok(Side::Empty);
        }
        symbols.side(place, decimal(side.get("px"))?, decimal(side.get("sz"))?)
    };
    let (bid, ask) = (side()?, side()?);
    Ok(Message::Quote(QuoteMessage {
        symbol: place,
        bid,
        ask,
        ts_event: Some(millis(data.get("time"))?),
        sequence: None,
        snapshot: true,
        restarted: false,
    }))
}

#[derive(Deserialize)]
struct Meta {
    universe: Option<Rows<Coin>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Coin {
    name: String,
    sz_decimals: u8,
    #[serde(default)]
    is_delisted: bool,
}

/// Decimals of a price and those of a size are this many together.
const DECIMALS: u8 = 6;

fn universe(body: &[u8]) -> Result<Page, ListError> {
    // An error is a JSON text.
    if body.trim_ascii_start().starts_with(b"\"") {
        return Err(ListError::Refused { code: "error".to_owned(), message: parse(body)? });
    }
    let meta: Meta = parse(body)?;
    let missing = || ListError::Unexpected("there is no `universe`".to_owned());
    meta.universe.ok_or_else(missing)?.page(|coin| Some(coin.listed()), None)
}

impl Coin {
    fn listed(self) -> Listed {
        let step = |decimals: u8| step_of_decimals(Some(&Text(decimals.to_string())));
        let beyond = || StepFault::OutOfRange(format!("10^-{}", self.sz_decimals));
        Listed {
            tick: DECIMALS.checked_sub(self.sz_decimals).ok_or_else(beyond).and_then(step),
            lot: step(self.sz_decimals),
            contract: None,
            next_tick: None,
            base: self.name.clone(),
            quote: "USDC".to_owned(),
            symbol: self.name,
            halted: self.is_delisted.then(|| "isDelisted".to_owned()),
        }
    }
}
