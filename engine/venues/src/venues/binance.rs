//! Binance, spot and USDⓈ-M futures: the `<symbol>@bookTicker` stream.
//!
//! Each message is a snapshot of the best bid and ask, sent when either changes. Nothing is sent on
//! subscription: a quiet symbol is silent until its first change. The same decoder reads both
//! markets. Keys may come in any order, and unknown keys are ignored. Both the bare payload (of
//! `/ws`) and the one wrapped in `{"stream":..,"data":..}` (of `/stream`) are accepted.
//!
//! Sequence rule: `u`, "order book updateId", increases per symbol, with holes, because only
//! changes of the best prices are sent. Losses cannot be detected. A message whose number is not
//! above the last is old. Event time: `E`, ms; spot sends none. A subscription to an unknown symbol
//! is acknowledged like any other and then stays silent.
//!
//! Sources:
//! - Spot: <https://github.com/binance/binance-spot-api-docs>, `web-socket-streams.md`, state of
//!   2026-07-21: 5 incoming messages a second of which pings and pongs count, 1024 streams a
//!   connection, 300 attempts to connect in 5 min from an address, a ping from the server every 20 s
//!   to be answered within a minute, an end after 24 h, and `serverShutdown` some time before a
//!   planned one; error codes 0 to 3.
//! - USDⓈ-M: <https://developers.binance.com>, "Websocket Market Streams" and "Important WebSocket
//!   Change Notice" (2026-03-06: `/public` serves `bookTicker`; addresses without it were retired on
//!   2026-04-23), state of 2026-07-26: 10 incoming messages a second, 1024 streams, a ping every 3 min,
//!   an end after 24 h, sizes in base units. Keys `ps` and `st` exist since 2026-06-30. It names no
//!   limit of attempts; that of spot is used.
//! - Instruments: `rest-api/general-endpoints` of the spot documents and "Exchange Information" of
//!   USDⓈ-M, state of 2026-07: one answer lists all symbols. `status` is `TRADING` while a symbol
//!   trades. `showPermissionSets=false` leaves out most of the answer on spot. On USDⓈ-M, only the
//!   contract types that end in `PERPETUAL` are of this market.
//! - Fees of the lowest tier without discounts, as the library ccxt 4.5.90 lists them: spot taker
//!   0.10 %, USDⓈ-M taker 0.05 %. Not checked against the venue's own page.
//! - Not documented: an absent side. REST sends zeros for a halted symbol, so zero is read as
//!   absent.
//!
//! Our figures within those limits: a ping frame every 15 s, since on USDⓈ-M the server's own come too
//! rarely to show that a connection died; 40 s without a frame means that two answers are missing.
//! 4 messages a second on spot and 8 on USDⓈ-M leave room for pongs. The documents name no maximum of
//! streams in one message; 100 keep it below 4 KiB.

use crate::instruments::{
    InstrumentList, ListError, Listed, Page, Rows, StepFault, Text, halted, parse, step,
};
use crate::json::{Json, Value};
use crate::positional::Cursor;
use crate::venue::{
    About, Answer, Frames, HOUR, Heartbeat, MILLI, MINUTE, Market, Message, Ping, Protocol,
    QuoteMessage, Rate, Reject, Rejected, Request, SECOND, SequenceRule, Sizes, Symbols, VenueSpec,
    decimal, integer, millis, string,
};
use serde::Deserialize;

/// Spot.
pub(super) const SPOT: VenueSpec = VenueSpec {
    name: "binance",
    title: "Binance spot, <symbol>@bookTicker",
    market: Market::Spot,
    url: "wss://stream.binance.com:9443",
    path: "/ws",
    taker_fee_bps: 10.0,
    symbols_per_connection: 1024,
    symbols_per_message: 100,
    message_interval: 250 * MILLI,
    requests: &[Rate { count: 4, per: SECOND }],
    connects: &[Rate { count: 300, per: 5 * MINUTE }],
    lifetime: Some(24 * HOUR),
    heartbeat: HEARTBEAT,
    greets: false,
    headers: &[],
    frames: Frames::Text,
    sizes: Sizes::Base,
    sequence: SequenceRule::Increasing,
    repeats_within: None,
    quotes: None,
    symbol: |base, quote| format!("{base}{quote}"),
    refuses_whole_requests: true,
    ends_on_unknown: false,
    instruments: InstrumentList {
        url: "https://api.binance.com",
        path: "/api/v3/exchangeInfo?showPermissionSets=false",
        post: None,
        read: instruments,
    },
    protocol: || Box::new(Binance::default()),
    about: About {
        numbering: "`u`, holes have no meaning",
        event_time: "none",
        source: "binance-spot-api-docs, `web-socket-streams.md`",
        as_of: "2026-07-21",
        trades_if: "`status` is `TRADING`",
        steps: "`PRICE_FILTER.tickSize`, `LOT_SIZE.stepSize`",
        layouts: "bare or wrapped; `u s b B a A`",
    },
};

/// Linear perpetuals.
pub(super) const USDM: VenueSpec = VenueSpec {
    name: "binance-usdm",
    title: "Binance USDⓈ-M futures, <symbol>@bookTicker",
    market: Market::LinearPerpetual,
    url: "wss://fstream.binance.com",
    path: "/public/ws",
    taker_fee_bps: 5.0,
    message_interval: 125 * MILLI,
    requests: &[Rate { count: 8, per: SECOND }],
    instruments: InstrumentList {
        url: "https://fapi.binance.com",
        path: "/fapi/v1/exchangeInfo",
        post: None,
        read: instruments,
    },
    about: About {
        event_time: "`E`, ms",
        source: "developers.binance.com, \"Websocket Market Streams\"",
        as_of: "2026-07-26",
        trades_if: "`status` is `TRADING`; only contract types that end in `PERPETUAL`",
        layouts: "bare or wrapped; `e u s b B a A T E` with or without `e`, times, `ps` and `st`; \
                  times also before `s`",
        ..SPOT.about
    },
    ..SPOT
};

const HEARTBEAT: Heartbeat =
    Heartbeat { ping: Ping::Frame, interval: 15 * SECOND, dead_after: 40 * SECOND };

#[derive(Debug, Default)]
struct Binance {
    json: Json,
}

impl Binance {
    fn request(method: &str, request: u64, symbols: &[&str]) -> String {
        let streams: serde_json::Value = symbols
            .iter()
            // Stream names are in lower case. Names in other scripts have no case.
            .map(|symbol| format!("{}@bookTicker", symbol.to_ascii_lowercase()))
            .collect();
        format!(r#"{{"method":"{method}","params":{streams},"id":{request}}}"#)
    }
}

impl Protocol for Binance {
    fn subscribe(&mut self, request: Request, symbols: &[&str]) -> String {
        Binance::request("SUBSCRIBE", request.number, symbols)
    }

    fn unsubscribe(&mut self, request: Request, symbols: &[&str]) -> String {
        Binance::request("UNSUBSCRIBE", request.number, symbols)
    }

    fn positional(&mut self, text: &[u8], symbols: &Symbols, out: &mut Vec<Message>) -> Option<()> {
        let mut at = Cursor::new(text)?;
        let wrapped = at.skip(br#"{"stream":""#);
        if wrapped {
            at.string()?;
            at.expect(br#","data":"#)?;
        }
        let quote = ticker(&mut at, symbols)?;
        if wrapped {
            at.expect(b"}")?;
        }
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
        out.push(self.json.read(text, |root| frame(root, symbols))??);
        Ok(())
    }
}

/// Reads a `bookTicker` payload in the order of keys seen since 2022: `u`, `s` and the four numbers
/// on spot; also `e`, the times and, since 2026, `ps` and `st` on USDⓈ-M, where the times may also
/// come before `s`.
#[inline]
fn ticker(at: &mut Cursor<'_>, symbols: &Symbols) -> Option<QuoteMessage> {
    at.expect(b"{")?;
    at.skip(br#""e":"bookTicker","#);
    at.expect(br#""u":"#)?;
    let sequence = at.number()?;
    let mut ts_event = None;
    if at.skip(br#","E":"#) {
        ts_event = Some(at.millis()?);
        at.expect(br#","T":"#)?;
        at.any_number()?;
    }
    at.expect(br#","s":""#)?;
    let symbol = at.symbol(symbols)?;
    if at.skip(br#","ps":""#) {
        at.string()?;
    }
    at.expect(br#","b":""#)?;
    let bid = at.side(symbols, symbol, br#","B":""#)?;
    at.expect(br#","a":""#)?;
    let ask = at.side(symbols, symbol, br#","A":""#)?;
    if at.skip(br#","T":"#) {
        at.any_number()?;
        at.expect(br#","E":"#)?;
        ts_event = Some(at.millis()?);
    }
    loop {
        if at.skip(br#","ps":""#) {
            at.string()?;
        } else if at.skip(br#","st":"#) {
            at.any_number()?;
        } else {
            break;
        }
    }
    at.expect(b"}")?;
    let (sequence, snapshot, restarted) = (Some(sequence), true, false);
    Some(QuoteMessage { symbol, bid, ask, ts_event, sequence, snapshot, restarted })
}

/// Reads a frame, wrapped or bare.
fn frame(root: Value<'_>, symbols: &Symbols) -> Result<Message, Rejected> {
    let Some(stream) = root.get("stream") else { return payload(root, symbols) };
    stream.string().ok_or(Reject::UnknownMessage)?;
    payload(root.get("data").ok_or(Reject::MissingField)?, symbols)
}

/// Reads the payload of a stream or the answer to a request.
fn payload(body: Value<'_>, symbols: &Symbols) -> Result<Message, Rejected> {
    if let Some(mut events) = body.items() {
        // All-symbol streams send lists of events.
        let first = events.next().and_then(|event| event.get("e"));
        return first.map(|_| Message::Other).ok_or(Reject::UnknownMessage.into());
    }
    let mut fields = Fields::default();
    for (key, value) in body.fields() {
        fields.take(key, value);
    }
    if let Some(event) = fields.event {
        return match event.string().ok_or(Reject::UnknownMessage)? {
            "bookTicker" => fields.quote(symbols),
            "serverShutdown" => Ok(Message::Closing),
            _ => Ok(Message::Other),
        };
    }
    if fields.is_quote() { fields.quote(symbols) } else { Ok(control(body)?) }
}

/// Reads an answer to a request of ours, or a partial book, the only stream whose messages name no
/// event.
fn control(body: Value<'_>) -> Result<Message, Reject> {
    let answer = Answer { request: body.get("id").and_then(Value::integer), symbol: None };
    if let Some(result) = body.get("result") {
        // A list or a setting answers a query that we never send.
        return Ok(if result.is_null() { Message::Accepted(answer) } else { Message::Other });
    }
    if body.get("error").is_some() || (body.get("code").is_some() && body.get("msg").is_some()) {
        return Ok(Message::Refused(answer));
    }
    body.get("lastUpdateId").map(|_| Message::Other).ok_or(Reject::UnknownMessage)
}

/// An answer of `exchangeInfo`, or a refusal.
#[derive(Deserialize)]
struct ExchangeInfo {
    symbols: Option<Rows<SymbolInfo>>,
    code: Option<Text>,
    msg: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SymbolInfo {
    symbol: String,
    status: String,
    base_asset: String,
    quote_asset: String,
    /// USDⓈ-M alone; empty for a contract that does not trade yet.
    contract_type: Option<String>,
    #[serde(default)]
    filters: Vec<Filter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Filter {
    filter_type: String,
    tick_size: Option<Text>,
    step_size: Option<Text>,
}

fn instruments(body: &[u8]) -> Result<Page, ListError> {
    let info: ExchangeInfo = parse(body)?;
    let Some(symbols) = info.symbols else {
        let Some(Text(code)) = info.code else {
            return Err(ListError::Unexpected("there are no `symbols`".to_owned()));
        };
        return Err(ListError::Refused { code, message: info.msg.unwrap_or_default() });
    };
    symbols.page(SymbolInfo::listed, None)
}

impl SymbolInfo {
    /// Returns `None` for a contract that expires.
    fn listed(self) -> Option<Listed> {
        let contract = self.contract_type.as_deref().unwrap_or_default();
        if !contract.is_empty() && !contract.ends_with("PERPETUAL") {
            return None;
        }
        let filter = |kind: &str| {
            let found = self.filters.iter().find(|filter| filter.filter_type == kind);
            found.ok_or(StepFault::Missing)
        };
        Some(Listed {
            tick: filter("PRICE_FILTER").and_then(|it| step(it.tick_size.as_ref())),
            lot: filter("LOT_SIZE").and_then(|it| step(it.step_size.as_ref())),
            contract: None,
            next_tick: None,
            symbol: self.symbol,
            base: self.base_asset,
            quote: self.quote_asset,
            halted: halted(self.status, "TRADING"),
        })
    }
}

/// Fields of a `bookTicker` payload.
#[derive(Default)]
struct Fields<'a> {
    event: Option<Value<'a>>,
    symbol: Option<Value<'a>>,
    sequence: Option<Value<'a>>,
    bid: Option<Value<'a>>,
    bid_size: Option<Value<'a>>,
    ask: Option<Value<'a>>,
    ask_size: Option<Value<'a>>,
    time: Option<Value<'a>>,
}

impl<'a> Fields<'a> {
    fn take(&mut self, key: &str, value: Value<'a>) {
        let field = match key {
            "e" => &mut self.event,
            "s" => &mut self.symbol,
            "u" => &mut self.sequence,
            "b" => &mut self.bid,
            "B" => &mut self.bid_size,
            "a" => &mut self.ask,
            "A" => &mut self.ask_size,
            "E" => &mut self.time,
            _ => return,
        };
        *field = Some(value);
    }

    /// Spot quotes name no event, so anything with part of a quote counts as one, possibly broken.
    fn is_quote(&self) -> bool {
        [self.sequence, self.bid, self.bid_size, self.ask, self.ask_size]
            .iter()
            .any(Option::is_some)
    }

    fn quote(&self, symbols: &Symbols) -> Result<Message, Rejected> {
        let place = symbols.find(string(self.symbol)?.as_bytes())?;
        self.quote_of(place, symbols).map_err(Rejected::of(place))
    }

    fn quote_of(&self, place: usize, symbols: &Symbols) -> Result<Message, Reject> {
        Ok(Message::Quote(QuoteMessage {
            symbol: place,
            bid: symbols.side(place, decimal(self.bid)?, decimal(self.bid_size)?)?,
            ask: symbols.side(place, decimal(self.ask)?, decimal(self.ask_size)?)?,
            ts_event: self.time.map(|time| millis(Some(time))).transpose()?,
            sequence: Some(integer(self.sequence)?),
            snapshot: true,
            restarted: false,
        }))
    }
}
