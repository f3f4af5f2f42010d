//! Gate v4, spot and USDT perpetuals: the `spot.book_ticker` and `futures.book_ticker` channels.
//!
//! Each message is a snapshot of the best bid and ask: every 10 ms while they change on spot, at each
//! change on perpetuals. Nothing is sent on subscription. An absent side is the price `""` with size 0.
//! Without any book, `u` and `t` are 0 as well; such a message has neither a number nor a time.
//!
//! Sizes of perpetuals are numbers of contracts. Since 2025-12-09 those of some contracts have
//! fractions; they are sent whole only to a client whose request has the header
//! `X-Gate-Size-Decimal: 1`, as strings. Without it they are integers, which are cut off: a size below one
//! contract reads as 0. Both forms are read.
//!
//! Sequence rule: `u`, "order book id", increases per symbol, with holes, because only changes of the best
//! prices are sent. Losses cannot be detected. Event time: `result.t`, ms. The same best prices may
//! come again with a new number.
//!
//! A request is taken or refused as a whole. A refusal names the bad symbol at the end of its message.
//! A contract that settles in another currency than the address serves is accepted and stays silent.
//!
//! Sources:
//! - <https://www.gate.com/docs/developers/apiv4/ws/en/>, copy of 2026-05-27, and the perpetuals' page
//!   beside it: `book_ticker`, `time` in requests, `ping`, notices of `futures.system`.
//! - A survey of the live servers of 2026-09-15: a socket to which nothing was sent for 30 s is closed; 200
//!   contracts in one request are taken; 300 connections from an address.
//! - Instruments: `GET /spot/currency_pairs` and `GET /futures/usdt/contracts` of the same documents:
//!   `precision` and `amount_precision` are numbers of decimals; `quanto_multiplier` is the base units of
//!   one contract. The second list names no base; it is what stands before the last `_` of the name.
//! - Fees of the lowest tier: announcement 50390 of 2026-03-25: spot taker 0.10 %, perpetual taker 0.05 %.
//!
//! Our figures within those limits: a ping every 15 s; 35 s without a frame means that two pongs are
//! missing. No rate of messages or of attempts is documented; ten messages a second and 60 attempts a
//! minute are ours. 200 symbols a connection and 100 a message are ours.

use crate::instruments::{
    InstrumentList, ListError, Listed, Page, Rows, Step, StepFault, Text, halted, parse, product,
    step, step_of_decimals,
};
use crate::json::{Json, Value};
use crate::positional::Cursor;
use crate::venue::{
    About, Answer, EventTime, Frames, Heartbeat, MILLI, MINUTE, Market, Message, Nanos, Ping,
    Protocol, QuoteMessage, Rate, Reject, Rejected, Request, SECOND, SequenceRule, Side, Sizes,
    Symbols, VenueSpec, decimal, integer, required, string,
};
use serde::Deserialize;

/// Spot.
pub(super) const SPOT: VenueSpec = VenueSpec {
    name: "gate",
    title: "Gate spot, spot.book_ticker",
    market: Market::Spot,
    url: "wss://api.gateio.ws",
    path: "/ws/v4/",
    taker_fee_bps: 10.0,
    symbols_per_connection: 200,
    symbols_per_message: 100,
    message_interval: 100 * MILLI,
    requests: &[],
    connects: &[Rate { count: 60, per: MINUTE }],
    lifetime: None,
    heartbeat: Heartbeat {
        ping: Ping::Made(|now| ping("spot.ping", now)),
        interval: 15 * SECOND,
        dead_after: 35 * SECOND,
    },
    greets: false,
    headers: &[],
    frames: Frames::Text,
    sizes: Sizes::Base,
    sequence: SequenceRule::Increasing,
    repeats_within: None,
    quotes: None,
    symbol: |base, quote| format!("{base}_{quote}"),
    refuses_whole_requests: true,
    ends_on_unknown: false,
    instruments: InstrumentList {
        url: "https://api.gateio.ws",
        path: "/api/v4/spot/currency_pairs",
        post: None,
        read: pairs,
    },
    protocol: || Box::new(Gate { json: Json::default(), channel: "spot.book_ticker" }),
    about: About {
        numbering: "`u`, holes have no meaning",
        event_time: "`t`, ms",
        source: "gate.com/docs/developers/apiv4/ws",
        as_of: "2026-05-27",
        trades_if: "`trade_status` is `tradable`",
        steps: "`precision`, `amount_precision`: decimals",
        layouts: "`time time_ms channel event result{t u s b B a A}`; without `time_ms`, with null \
                  `id` and `error`",
    },
};

/// Perpetuals that settle in USDT.
pub(super) const PERPETUAL: VenueSpec = VenueSpec {
    name: "gate-perp",
    title: "Gate USDT perpetuals, futures.book_ticker",
    market: Market::LinearPerpetual,
    url: "wss://fx-ws.gateio.ws",
    path: "/v4/ws/usdt",
    taker_fee_bps: 5.0,
    heartbeat: Heartbeat { ping: Ping::Made(|now| ping("futures.ping", now)), ..SPOT.heartbeat },
    headers: &[("x-gate-size-decimal", "1")],
    sizes: Sizes::Contracts,
    instruments: InstrumentList {
        url: "https://api.gateio.ws",
        path: "/api/v4/futures/usdt/contracts",
        post: None,
        read: contracts,
    },
    protocol: || Box::new(Gate { json: Json::default(), channel: "futures.book_ticker" }),
    about: About {
        trades_if: "`status` is `trading` or not stated, and it is not `in_delisting`",
        steps: "`order_price_round`, `quanto_multiplier` x `order_size_min` (at most 1)",
        layouts: "as `gate`; sizes as strings or as numbers",
        ..SPOT.about
    },
    ..SPOT
};

fn ping(channel: &str, now: Nanos) -> String {
    format!(r#"{{"time":{},"channel":"{channel}"}}"#, now / SECOND)
}

#[derive(Debug)]
struct Gate {
    json: Json,
    channel: &'static str,
}

impl Gate {
    fn request(&self, event: &str, request: Request, symbols: &[&str]) -> String {
        let Request { number, now } = request;
        let (time, channel) = (now / SECOND, self.channel);
        let payload: serde_json::Value = symbols.iter().copied().collect();
        format!(
            r#"{{"time":{time},"id":{number},"channel":"{channel}","event":"{event}","payload":{payload}}}"#
        )
    }
}

impl Protocol for Gate {
    fn subscribe(&mut self, request: Request, symbols: &[&str]) -> String {
        self.request("subscribe", request, symbols)
    }

    fn unsubscribe(&mut self, request: Request, symbols: &[&str]) -> String {
        self.request("unsubscribe", request, symbols)
    }

    fn positional(&mut self, text: &[u8], symbols: &Symbols, out: &mut Vec<Message>) -> Option<()> {
        let mut at = Cursor::new(text)?;
        at.expect(b"{")?;
        at.skip(br#""id":null,"#);
        at.expect(br#""time":"#)?;
        at.any_number()?;
        if at.skip(br#","time_ms":"#) {
            at.any_number()?;
        }
        at.expect(br#","channel":""#)?;
        if self.channel == "spot.book_ticker" {
            at.expect(b"spot")?;
        } else {
            at.expect(b"futures")?;
        }
        at.expect(br#".book_ticker","event":"update""#)?;
        at.skip(br#","error":null"#);
        at.expect(br#","result":{"t":"#)?;
        out.push(Message::Quote(ticker(&mut at, symbols)?));
        Some(())
    }

    fn general(
        &mut self,
        text: &[u8],
        symbols: &Symbols,
        out: &mut Vec<Message>,
    ) -> Result<(), Rejected> {
        let channel = self.channel;
        out.push(self.json.read(text, |root| frame(root, channel, symbols))??);
        Ok(())
    }
}

/// Reads a result from its first value on. One without a book is left to the general decoder.
#[inline]
fn ticker(at: &mut Cursor<'_>, symbols: &Symbols) -> Option<QuoteMessage> {
    let ts_event = at.millis().filter(|time| 0 < time.ns())?;
    at.expect(br#","u":"#)?;
    let sequence = at.number().filter(|number| 0 < *number)?;
    at.expect(br#","s":""#)?;
    let symbol = at.symbol(symbols)?;
    at.expect(br#","b":""#)?;
    let bid = side(at, symbols, symbol, br#","B":"#)?;
    at.expect(br#","a":""#)?;
    let ask = side(at, symbols, symbol, br#","A":"#)?;
    at.expect(b"}}")?;
    at.end()?;
    let (ts_event, sequence) = (Some(ts_event), Some(sequence));
    let (snapshot, restarted) = (true, false);
    Some(QuoteMessage { symbol, bid, ask, ts_event, sequence, snapshot, restarted })
}

/// Reads the rest of a price, and a size that is a string or a number.
#[inline]
fn side<const N: usize>(
    at: &mut Cursor<'_>,
    symbols: &Symbols,
    place: usize,
    between: &[u8; N],
) -> Option<Side> {
    let symbol = &symbols.list()[place];
    let px = at.decimal(symbol.price_scale)?;
    at.expect(between)?;
    let scale = symbol.sent_scale().ok()?;
    let sent = if at.skip(b"\"") { at.decimal(scale)? } else { at.bare_decimal(scale)? };
    Some(Side::of(px, symbol.in_base(sent).ok()?))
}

fn frame(root: Value<'_>, channel: &str, symbols: &Symbols) -> Result<Message, Rejected> {
    let event = root.get("event").and_then(Value::string).unwrap_or_default();
    let own = root.get("channel").and_then(Value::string);
    let Some(own) = own else { return Ok(answer(root, symbols)?) };
    match event {
        "update" if own == channel => {
            let result = required(root.get("result"))?;
            let place = symbols.find(string(result.get("s"))?.as_bytes())?;
            quote(result, place, symbols).map_err(Rejected::of(place))
        }
        "update" if own.ends_with(".system") => {
            let kind = root.get("result").and_then(|result| result.get("type")?.string());
            Ok(if kind == Some("upgrade") { Message::Closing } else { Message::Other })
        }
        "subscribe" => Ok(answer(root, symbols)?),
        "update" | "all" | "unsubscribe" => Ok(Message::Other),
        "" if own.ends_with(".pong") => Ok(Message::Pong),
        _ => Err(Reject::UnknownMessage.into()),
    }
}

/// Reads the answer to a subscription. A refusal of a request that cannot be read names no channel.
fn answer(root: Value<'_>, symbols: &Symbols) -> Result<Message, Reject> {
    let request = root.get("id").and_then(Value::integer);
    let error = root.get("error").filter(|error| !error.is_null());
    if let Some(error) = error {
        let symbol = refused(error, symbols);
        return Ok(Message::Refused(Answer { request, symbol }));
    }
    let status = root.get("result").and_then(|result| result.get("status")?.string());
    match status {
        Some("success") => Ok(Message::Accepted(Answer { request, symbol: None })),
        Some("fail") => Ok(Message::Refused(Answer { request, symbol: None })),
        Some(_) | None => Err(Reject::UnknownMessage),
    }
}

/// Returns the symbol named in an error: `unknown currency pair: ABC_USDT`.
fn refused(error: Value<'_>, symbols: &Symbols) -> Option<usize> {
    let (_, symbol) = error.get("message")?.string()?.rsplit_once(' ')?;
    symbols.find(symbol.as_bytes()).ok()
}

fn quote(result: Value<'_>, place: usize, symbols: &Symbols) -> Result<Message, Reject> {
    let side = |price, size| {
        let price = match decimal(result.get(price))? {
            b"" => b"0",
            price => price,
        };
        symbols.side(place, price, decimal(result.get(size))?)
    };
    let known = |key| Ok::<_, Reject>(Some(integer(result.get(key))?).filter(|it| 0 < *it));
    let ts_event = known("t")?.map(EventTime::of_millis).transpose()?;
    Ok(Message::Quote(QuoteMessage {
        symbol: place,
        bid: side("b", "B")?,
        ask: side("a", "A")?,
        ts_event,
        sequence: known("u")?,
        snapshot: true,
        restarted: false,
    }))
}

/// A refusal of the REST API.
#[derive(Deserialize)]
struct Refusal {
    label: Text,
    #[serde(default)]
    message: String,
}

/// Reads a list, or the object that the venue sends in place of one.
fn rows<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<Rows<T>, ListError> {
    if !body.trim_ascii_start().starts_with(b"{") {
        return parse(body);
    }
    let Refusal { label: Text(code), message } = parse(body)?;
    Err(ListError::Refused { code, message })
}

#[derive(Deserialize)]
struct Pair {
    id: String,
    base: String,
    quote: String,
    trade_status: String,
    precision: Option<Text>,
    amount_precision: Option<Text>,
}

fn pairs(body: &[u8]) -> Result<Page, ListError> {
    let listed = |pair: Pair| Listed {
        tick: step_of_decimals(pair.precision.as_ref()),
        lot: step_of_decimals(pair.amount_precision.as_ref()),
        contract: None,
        next_tick: None,
        symbol: pair.id,
        base: pair.base,
        quote: pair.quote,
        halted: halted(pair.trade_status, "tradable"),
    };
    rows(body)?.page(|pair| Some(listed(pair)), None)
}

#[derive(Deserialize)]
struct Contract {
    name: String,
    in_delisting: bool,
    status: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    quanto_multiplier: Option<Text>,
    order_price_round: Option<Text>,
    order_size_min: Option<Text>,
}

fn contracts(body: &[u8]) -> Result<Page, ListError> {
    rows(body)?.page(Contract::listed, None)
}

impl Contract {
    /// Returns `None` for an inverse contract.
    fn listed(self) -> Option<Listed> {
        let (base, quote) = self.name.rsplit_once('_').filter(|_| self.kind == "direct")?;
        let contract = step(self.quanto_multiplier.as_ref());
        let halted = match self.status {
            _ if self.in_delisting => Some("in_delisting".to_owned()),
            Some(status) => halted(status, "trading"),
            None => None,
        };
        Some(Listed {
            tick: step(self.order_price_round.as_ref()),
            lot: whole(step(self.order_size_min.as_ref()))
                .and_then(|it| product(&Ok(it), &contract)),
            contract: Some(contract),
            next_tick: None,
            base: base.to_owned(),
            quote: quote.to_owned(),
            halted,
            symbol: self.name,
        })
    }
}

/// Returns the step of sizes in contracts: the least size if that is a fraction, else one contract.
fn whole(least: Result<Step, StepFault>) -> Result<Step, StepFault> {
    let least = least?;
    if 0 < least.decimals { Ok(least) } else { Step::parse(Some("1")) }
}
