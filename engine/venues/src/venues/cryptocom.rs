//! Crypto.com Exchange, spot and perpetuals: the channel `ticker.<instrument>`.
//!
//! Each message is a snapshot with the best bid and ask and their sizes, sent when the ticker has changed
//! (some two a second were seen). Prices and sizes are strings; those of an absent side are `null`. Sizes
//! are in base units. The book's changes of 10 ms are quicker, but need a kept book.
//!
//! There are no sequence numbers: messages count in the order in which they come. Losses cannot be
//! detected. Event time: `t`, ms.
//!
//! The first message of a ticker carries the number of the request and is its acceptance; others have -1. A
//! refusal carries the number and the channel. The server sends `public/heartbeat` every 30 s, which is
//! answered with its id, and closes the connection at the third that is not.
//!
//! Sources:
//! - <https://exchange-docs.crypto.com>, copy of 2026-02: 100 requests a second and 400 subscriptions a connection. The
//!   limit of the first second is a part of it, for which a pause of a second is asked.
//! - A survey of the live server of 2026-09-22: answers, heartbeats, the pace of tickers.
//! - Instruments: `GET /exchange/v1/public/get-instruments`.
//! - Fees of the lowest tier: spot taker 0.50 %, perpetuals taker 0.04 %, from a survey of 2026-09. Not checked
//!   against the venue's own page.
//!
//! Our figures within those limits: 100 symbols a connection, 5 messages a second, so that the limit of the
//! first second is kept whenever it begins. 75 s without a frame means that two heartbeats are missing. No
//! rate of attempts is documented; 60 a minute is ours.

use crate::instruments::{InstrumentList, ListError, Listed, Page, Rows, Text, parse, step};
use crate::json::{Json, Value};
use crate::positional::Cursor;
use crate::venue::{
    About, Answer, Frames, Heartbeat, MILLI, MINUTE, Market, Message, Ping, Protocol, QuoteMessage,
    Rate, Reject, Rejected, Request, SECOND, SequenceRule, Side, Sizes, Symbols, VenueSpec,
    decimal, integer, millis, required, string,
};
use serde::Deserialize;

/// Spot.
pub(super) const SPOT: VenueSpec = VenueSpec {
    name: "cryptocom",
    title: "Crypto.com spot, ticker",
    market: Market::Spot,
    url: "wss://stream.crypto.com",
    path: "/exchange/v1/market",
    taker_fee_bps: 50.0,
    symbols_per_connection: 100,
    symbols_per_message: 1,
    message_interval: 200 * MILLI,
    requests: &[Rate { count: 5, per: SECOND }],
    connects: &[Rate { count: 60, per: MINUTE }],
    lifetime: None,
    heartbeat: Heartbeat { ping: Ping::None, interval: 30 * SECOND, dead_after: 75 * SECOND },
    greets: false,
    headers: &[],
    frames: Frames::Text,
    sizes: Sizes::Base,
    sequence: SequenceRule::Increasing,
    repeats_within: None,
    quotes: None,
    symbol: |base, quote| format!("{base}_{quote}"),
    refuses_whole_requests: false,
    ends_on_unknown: false,
    instruments: InstrumentList {
        url: "https://api.crypto.com",
        path: "/exchange/v1/public/get-instruments",
        post: None,
        read: pairs,
    },
    protocol: || Box::new(Cryptocom { json: Json::default(), asked: 0 }),
    about: About {
        numbering: "none",
        event_time: "`t`, ms",
        source: "exchange-docs.crypto.com, \"ticker.{instrument_name}\"",
        as_of: "2026-02",
        trades_if: "`tradable`; only `inst_type` `CCY_PAIR`",
        steps: "`price_tick_size`, `qty_tick_size`",
        layouts: "`id method code result{instrument_name subscription channel data[{h l a c b bs k ks i v \
                  vv oi t}]}`",
    },
};

/// Perpetuals.
pub(super) const PERPETUAL: VenueSpec = VenueSpec {
    name: "cryptocom-perp",
    title: "Crypto.com perpetuals, ticker",
    market: Market::LinearPerpetual,
    taker_fee_bps: 4.0,
    symbol: |base, quote| format!("{base}{quote}-PERP"),
    instruments: InstrumentList { read: perpetuals, ..SPOT.instruments },
    about: About {
        trades_if: "`tradable`; only `inst_type` `PERPETUAL_SWAP`",
        layouts: "as `cryptocom`",
        ..SPOT.about
    },
    ..SPOT
};

#[derive(Debug)]
struct Cryptocom {
    json: Json,
    /// Id of the venue's last heartbeat.
    asked: u64,
}

impl Cryptocom {
    fn request(method: &str, Request { number, now }: Request, symbols: &[&str]) -> String {
        // `symbols_per_message` is 1.
        let channel = format!("ticker.{}", symbols.first().copied().unwrap_or_default());
        let channel = serde_json::Value::from(channel);
        format!(
            r#"{{"id":{number},"method":"{method}","params":{{"channels":[{channel}]}},"nonce":{}}}"#,
            now / MILLI
        )
    }
}

impl Protocol for Cryptocom {
    fn subscribe(&mut self, request: Request, symbols: &[&str]) -> String {
        Cryptocom::request("subscribe", request, symbols)
    }

    fn unsubscribe(&mut self, request: Request, symbols: &[&str]) -> String {
        Cryptocom::request("unsubscribe", request, symbols)
    }

    fn pong(&mut self) -> String {
        format!(r#"{{"id":{},"method":"public/respond-heartbeat"}}"#, self.asked)
    }

    fn positional(&mut self, text: &[u8], symbols: &Symbols, out: &mut Vec<Message>) -> Option<()> {
        let mut at = Cursor::new(text)?;
        at.expect(br#"{"id":-1,"method":"subscribe","code":0,"result":{"instrument_name":""#)?;
        let symbol = at.symbol(symbols)?;
        at.expect(br#","subscription":""#)?;
        at.string()?;
        at.expect(br#","channel":"ticker","data":[{"h":"#)?;
        any(&mut at)?;
        at.expect(br#","l":"#)?;
        any(&mut at)?;
        at.expect(br#","a":"#)?;
        any(&mut at)?;
        at.expect(br#","c":"#)?;
        any(&mut at)?;
        at.expect(br#","b":""#)?;
        let bid = at.side(symbols, symbol, br#","bs":""#)?;
        at.expect(br#","k":""#)?;
        let ask = at.side(symbols, symbol, br#","ks":""#)?;
        at.expect(br#","i":""#)?;
        at.string()?;
        at.expect(br#","v":"#)?;
        any(&mut at)?;
        at.expect(br#","vv":"#)?;
        any(&mut at)?;
        at.expect(br#","oi":"#)?;
        any(&mut at)?;
        at.expect(br#","t":"#)?;
        let ts_event = Some(at.millis()?);
        at.expect(b"}]}}")?;
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
        let (start, Cryptocom { json, asked }) = (out.len(), self);
        let read = json.read(text, |root| frame(root, symbols, asked, out))?;
        read.inspect_err(|_| out.truncate(start))
    }
}

/// Skips a text or `null`.
#[inline]
fn any(at: &mut Cursor<'_>) -> Option<()> {
    if at.skip(b"null") {
        return Some(());
    }
    at.expect(b"\"")?;
    at.string()
}

fn frame(
    root: Value<'_>,
    symbols: &Symbols,
    asked: &mut u64,
    out: &mut Vec<Message>,
) -> Result<(), Rejected> {
    let method = string(root.get("method"))?;
    if method == "public/heartbeat" {
        *asked = integer(root.get("id"))?;
        out.push(Message::Ping);
        return Ok(());
    }
    // The messages of a channel have the number -1 but for the first one.
    let request = match decimal(root.get("id"))? {
        b"-1" => None,
        _ => Some(integer(root.get("id"))?),
    };
    let code = integer(root.get("code"))?;
    if code != 0 {
        let channel = root.get("channel").and_then(Value::string);
        let symbol = channel.and_then(|channel| channel.strip_prefix("ticker."));
        let symbol = symbol.and_then(|symbol| symbols.find(symbol.as_bytes()).ok());
        out.push(Message::Refused(Answer { request, symbol }));
        return Ok(());
    }
    if method != "subscribe" {
        out.push(Message::Other);
        return Ok(());
    }
    let Some(result) = root.get("result") else {
        out.push(Message::Accepted(Answer { request, symbol: None }));
        return Ok(());
    };
    if string(result.get("channel"))? != "ticker" {
        out.push(Message::Other);
        return Ok(());
    }
    let place = symbols.find(string(result.get("instrument_name"))?.as_bytes())?;
    if request.is_some() {
        out.push(Message::Accepted(Answer { request, symbol: Some(place) }));
    }
    let all = required(result.get("data")).map_err(Rejected::of(place))?;
    let mut all = all.items().ok_or(Rejected::of(place)(Reject::UnknownMessage))?.peekable();
    if all.peek().is_none() {
        return Err(Rejected::of(place)(Reject::MissingField));
    }
    for data in all {
        out.push(quote(data, place, symbols).map_err(Rejected::of(place))?);
    }
    Ok(())
}

fn quote(data: Value<'_>, place: usize, symbols: &Symbols) -> Result<Message, Reject> {
    let text = |key| {
        let field = required(data.get(key))?;
        let text = if field.is_null() { Some(&b"0"[..]) } else { field.decimal() };
        text.ok_or(Reject::BadNumber)
    };
    let side =
        |price, size| -> Result<Side, Reject> { symbols.side(place, text(price)?, text(size)?) };
    Ok(Message::Quote(QuoteMessage {
        symbol: place,
        bid: side("b", "bs")?,
        ask: side("k", "ks")?,
        ts_event: Some(millis(data.get("t"))?),
        sequence: None,
        snapshot: true,
        restarted: false,
    }))
}

#[derive(Deserialize)]
struct List {
    code: Text,
    message: Option<String>,
    result: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    data: Rows<Row>,
}

#[derive(Deserialize)]
struct Row {
    symbol: String,
    inst_type: String,
    base_ccy: String,
    quote_ccy: String,
    tradable: bool,
    price_tick_size: Option<Text>,
    qty_tick_size: Option<Text>,
}

fn pairs(body: &[u8]) -> Result<Page, ListError> {
    rows(body, "CCY_PAIR")
}

fn perpetuals(body: &[u8]) -> Result<Page, ListError> {
    rows(body, "PERPETUAL_SWAP")
}

fn rows(body: &[u8], kind: &str) -> Result<Page, ListError> {
    let List { code: Text(code), message, result } = parse(body)?;
    if code != "0" {
        return Err(ListError::Refused { code, message: message.unwrap_or_default() });
    }
    let missing = || ListError::Unexpected("there is no `result`".to_owned());
    let listed = |row: Row| (row.inst_type == kind).then(|| row.listed());
    result.ok_or_else(missing)?.data.page(listed, None)
}

impl Row {
    fn listed(self) -> Listed {
        Listed {
            tick: step(self.price_tick_size.as_ref()),
            lot: step(self.qty_tick_size.as_ref()),
            contract: None,
            next_tick: None,
            symbol: self.symbol,
            base: self.base_ccy,
            quote: self.quote_ccy,
            halted: (!self.tradable).then(|| "not tradable".to_owned()),
        }
    }
}
