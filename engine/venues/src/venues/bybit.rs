//! Bybit v5, spot and linear perpetuals: the `orderbook.1.<SYMBOL>` topic.
//!
//! Since 2025-03-20 the documentation says that level 1 sends snapshots only: every 10 ms while it
//! changes, and the last one again, with the same `u`, after 3 s without a change. Before that it
//! sent deltas; they are still read in case they return. In a delta, `[]` means that the side is
//! unchanged, and size `"0"` deletes a price. The order that replaces a deleted one comes in the
//! same message, so the best price with a size counts, and a side with deletions only is empty. In
//! a snapshot, `[]` means that the side is empty.
//!
//! Sequence rule: `u`, per topic; 1 means that the service restarted its numbering. The document
//! does not promise that level 1 counts by one. The rule requires it for deltas all the same: it
//! rests on two pairs of a snapshot and its delta from 2023, and a wrong guess costs quotes until
//! the next snapshot, not a wrong price. Event time: `cts`, from the matching engine, else `ts`,
//! the time the message was made; both are in ms. The symbol is taken from the topic, because on a
//! regional host `data.s` has been an internal name (`BTC2USDT` in `orderbook.1.BTCUSDT`).
//!
//! Sources:
//! - <https://github.com/bybit-exchange/docs>, state of 2026-07-24, `docs/v5/websocket/wss-authentication.mdx`:
//!   10 topics a request on spot, 21,000 characters of topics a connection, a `ping` every 20 s; answers
//!   keep `"op":"ping"` and say `pong` in `ret_msg`; without any the connection ends after 10 min.
//!   The same and `docs/v5/rate-limit/rate-limit.mdx`: 500 new connections in 5 min from an address to
//!   a domain.
//! - The same, `docs/v5/websocket/public/orderbook.mdx` and `docs/changelog/v5.mdx` (2025-03-20):
//!   snapshots, repeats, `u`, `cts`. How deltas of level 1 looked is known from recordings of 2023.
//! - <https://github.com/ccxt/ccxt/issues/30284> (2026-09): a topic that is already subscribed
//!   refuses its whole request.
//! - The same, `docs/v5/market/instrument.mdx`: `instruments-info`. Spot comes in one answer today;
//!   the cursor of further pages is sent back as it came. `status` is `Trading` while a symbol trades.
//!   Of linear contracts only those of type `LinearPerpetual`; sizes are in base units.
//! - Fees of the lowest tier without discounts, as the library ccxt 4.5.90 lists them: spot taker
//!   0.10 %, linear taker 0.055 %. Regional entities differ. Not checked against the venue's own page.
//!
//! Our figures within those limits: 500 topics of at most 42 characters stay below 21,000. 45 s
//! without a frame means that two pongs are missing. No rate of messages is documented; ten a
//! second is ours. 10 s without a quote means that three repeats are missing.
//! No end of a connection by its age is documented.

use crate::instruments::{
    InstrumentList, ListError, Listed, Page, Rows, Text, halted, parse, step,
};
use crate::json::{Json, Value};
use crate::positional::Cursor;
use crate::venue::{
    About, Answer, Frames, Heartbeat, MILLI, MINUTE, Market, Message, Ping, Protocol, QuoteMessage,
    Rate, Reject, Rejected, Request, SECOND, SequenceRule, Side, Sizes, Symbols, VenueSpec,
    integer, millis, required, string,
};
use serde::Deserialize;

/// Spot.
pub(super) const SPOT: VenueSpec = VenueSpec {
    name: "bybit",
    title: "Bybit spot, orderbook.1.<SYMBOL>",
    market: Market::Spot,
    url: "wss://stream.bybit.com",
    path: "/v5/public/spot",
    taker_fee_bps: 10.0,
    symbols_per_connection: 500,
    symbols_per_message: 10,
    message_interval: 100 * MILLI,
    requests: &[],
    connects: &[Rate { count: 500, per: 5 * MINUTE }],
    lifetime: None,
    heartbeat: Heartbeat {
        ping: Ping::Text(r#"{"op":"ping"}"#),
        interval: 20 * SECOND,
        dead_after: 45 * SECOND,
    },
    greets: false,
    headers: &[],
    frames: Frames::Text,
    sizes: Sizes::Base,
    sequence: SequenceRule::SnapshotsAndChanges,
    repeats_within: Some(10 * SECOND),
    quotes: None,
    symbol: |base, quote| format!("{base}{quote}"),
    refuses_whole_requests: true,
    ends_on_unknown: false,
    instruments: InstrumentList {
        url: "https://api.bybit.com",
        path: "/v5/market/instruments-info?category=spot",
        post: None,
        read: instruments,
    },
    protocol: || Box::new(Bybit::default()),
    about: About {
        numbering: "`u`, 1 restarts",
        event_time: "`cts`, else `ts`, ms",
        source: "github.com/bybit-exchange/docs, `wss-authentication.mdx`, `orderbook.mdx`",
        as_of: "2026-07-24",
        trades_if: "`status` is `Trading`",
        steps: "`priceFilter.tickSize`, `lotSizeFilter.basePrecision`",
        layouts: "`topic ts type data{s b a u seq} cts`; `type` also before `ts`, with or without \
                  `cts`; snapshots and deltas of any number of levels",
    },
};

/// Perpetuals that settle in USDT or USDC.
pub(super) const LINEAR: VenueSpec = VenueSpec {
    name: "bybit-linear",
    title: "Bybit linear perpetuals, orderbook.1.<SYMBOL>",
    market: Market::LinearPerpetual,
    path: "/v5/public/linear",
    taker_fee_bps: 5.5,
    symbol: |base, quote| match quote {
        "USDC" => format!("{base}PERP"),
        _ => format!("{base}{quote}"),
    },
    instruments: InstrumentList {
        path: "/v5/market/instruments-info?category=linear&limit=1000",
        read: contracts,
        ..SPOT.instruments
    },
    about: About {
        trades_if: "`status` is `Trading`; only `contractType` `LinearPerpetual`",
        steps: "`priceFilter.tickSize`, `lotSizeFilter.qtyStep`",
        layouts: "as `bybit`",
        ..SPOT.about
    },
    ..SPOT
};

/// Prefix of a quote topic.
const TOPIC: &str = "orderbook.1.";

#[derive(Debug, Default)]
struct Bybit {
    json: Json,
}

impl Bybit {
    fn request(op: &str, request: u64, symbols: &[&str]) -> String {
        let topics: serde_json::Value =
            symbols.iter().map(|symbol| format!("{TOPIC}{symbol}")).collect();
        format!(r#"{{"req_id":"{request}","op":"{op}","args":{topics}}}"#)
    }
}

impl Protocol for Bybit {
    fn subscribe(&mut self, request: Request, symbols: &[&str]) -> String {
        Bybit::request("subscribe", request.number, symbols)
    }

    fn unsubscribe(&mut self, request: Request, symbols: &[&str]) -> String {
        Bybit::request("unsubscribe", request.number, symbols)
    }

    fn positional(&mut self, text: &[u8], symbols: &Symbols, out: &mut Vec<Message>) -> Option<()> {
        out.push(Message::Quote(book(&mut Cursor::new(text)?, symbols)?));
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

/// Reads a frame of the topic in the order of keys seen since 2023: `type` after or before `ts`,
/// and `cts` at the end since 2023-12.
#[inline]
fn book(at: &mut Cursor<'_>, symbols: &Symbols) -> Option<QuoteMessage> {
    at.expect(br#"{"topic":"orderbook.1."#)?;
    let symbol = at.symbol(symbols)?;
    let mut ts_event = None;
    if at.skip(br#","ts":"#) {
        ts_event = Some(at.millis()?);
    }
    at.expect(br#","type":""#)?;
    let snapshot = at.skip(br#"snapshot""#);
    if !snapshot {
        at.expect(br#"delta""#)?;
    }
    if ts_event.is_none() {
        at.expect(br#","ts":"#)?;
        ts_event = Some(at.millis()?);
    }
    at.expect(br#","data":{"s":""#)?;
    at.string()?;
    let unsaid = if snapshot { Side::Empty } else { Side::Unchanged };
    at.expect(br#","b":"#)?;
    let bid = at.levels(symbols, symbol, unsaid, i64::gt)?;
    at.expect(br#","a":"#)?;
    let ask = at.levels(symbols, symbol, unsaid, i64::lt)?;
    at.expect(br#","u":"#)?;
    let sequence = at.number()?;
    at.expect(br#","seq":"#)?;
    at.any_number()?;
    at.expect(b"}")?;
    if at.skip(br#","cts":"#) {
        ts_event = Some(at.millis()?);
    }
    at.expect(b"}")?;
    at.end()?;
    let (restarted, sequence) = (sequence == 1, Some(sequence));
    Some(QuoteMessage { symbol, bid, ask, ts_event, sequence, snapshot, restarted })
}

fn frame(root: Value<'_>, symbols: &Symbols) -> Result<Message, Rejected> {
    let Some(topic) = root.get("topic") else { return Ok(control(root, symbols)?) };
    let topic = topic.string().ok_or(Reject::UnknownMessage)?;
    match topic.strip_prefix(TOPIC) {
        Some(symbol) => {
            let place = symbols.find(symbol.as_bytes())?;
            quote(root, place, symbols).map_err(Rejected::of(place))
        }
        None => Ok(Message::Other),
    }
}

/// Reads an answer to a request or a ping of ours.
fn control(root: Value<'_>, symbols: &Symbols) -> Result<Message, Reject> {
    let text = |key| root.get(key).and_then(Value::string);
    let (op, answer) = (text("op"), text("ret_msg"));
    // Private and option sockets answer in the first form, public ones in the second.
    if op == Some("pong") || (root.get("success").is_some() && answer == Some("pong")) {
        return Ok(Message::Pong);
    }
    let success = root.get("success").and_then(Value::boolean).ok_or(Reject::UnknownMessage)?;
    match op {
        Some("unsubscribe") => Ok(Message::Other),
        _ if !success => {
            let symbol = refused(answer, symbols);
            Ok(Message::Refused(Answer { request: number_of(root), symbol }))
        }
        Some("subscribe") => {
            Ok(Message::Accepted(Answer { request: number_of(root), symbol: None }))
        }
        None if text("type") == Some("COMMAND_RESP") => Ok(command_response(root, symbols)),
        Some(_) | None => Err(Reject::UnknownMessage),
    }
}

/// Reads the answer of option sockets, which may accept some topics and refuse others.
fn command_response(root: Value<'_>, symbols: &Symbols) -> Message {
    let failed = root.get("data").and_then(|data| data.get("failTopics")?.items()?.next());
    let request = number_of(root);
    match failed {
        None => Message::Accepted(Answer { request, symbol: None }),
        Some(topic) => {
            Message::Refused(Answer { request, symbol: refused(topic.string(), symbols) })
        }
    }
}

/// Returns the number of the request that is answered.
fn number_of(root: Value<'_>) -> Option<u64> {
    root.get("req_id").and_then(Value::integer)
}

/// Returns the symbol named in an error: `error:handler not found,topic:orderbook.1.BTCUSDT`. A
/// topic that is "already subscribed" causes the others in its request to be refused but is itself
/// fine.
fn refused(answer: Option<&str>, symbols: &Symbols) -> Option<usize> {
    let answer = answer.filter(|text| !text.contains("already subscribed"))?;
    let (_, rest) = answer.split_once(TOPIC)?;
    let symbol = rest.split([',', ' ']).next()?;
    symbols.find(symbol.as_bytes()).ok()
}

fn quote(root: Value<'_>, place: usize, symbols: &Symbols) -> Result<Message, Reject> {
    let snapshot = match string(root.get("type"))? {
        "snapshot" => true,
        "delta" => false,
        _ => return Err(Reject::UnknownMessage),
    };
    let data = required(root.get("data"))?;
    if !data.is_object() {
        return Err(Reject::UnknownMessage);
    }
    let unsaid = if snapshot { Side::Empty } else { Side::Unchanged };
    let side = |key, better| symbols.best(place, data.get(key), unsaid, better);
    let sequence = integer(data.get("u"))?;
    Ok(Message::Quote(QuoteMessage {
        symbol: place,
        bid: side("b", i64::gt)?,
        ask: side("a", i64::lt)?,
        ts_event: Some(millis(root.get("cts").or_else(|| root.get("ts")))?),
        sequence: Some(sequence),
        snapshot,
        restarted: sequence == 1,
    }))
}

/// An answer of `instruments-info`, or a refusal.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InstrumentsInfo {
    ret_code: Text,
    #[serde(default)]
    ret_msg: String,
    #[serde(default)]
    result: InstrumentsPage,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct InstrumentsPage {
    list: Option<Rows<SymbolInfo>>,
    next_page_cursor: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SymbolInfo {
    symbol: String,
    base_coin: String,
    quote_coin: String,
    status: String,
    #[serde(default)]
    price_filter: PriceFilter,
    #[serde(default)]
    lot_size_filter: LotSizeFilter,
    /// Linear contracts alone.
    contract_type: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PriceFilter {
    tick_size: Option<Text>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LotSizeFilter {
    /// Spot.
    base_precision: Option<Text>,
    /// Linear contracts.
    qty_step: Option<Text>,
}

fn instruments(body: &[u8]) -> Result<Page, ListError> {
    page(body, |row| Some(row.listed()))
}

fn contracts(body: &[u8]) -> Result<Page, ListError> {
    page(body, |row| {
        let is_perpetual = row.contract_type.as_deref() == Some("LinearPerpetual");
        is_perpetual.then(|| row.listed())
    })
}

fn page(body: &[u8], listed: fn(SymbolInfo) -> Option<Listed>) -> Result<Page, ListError> {
    let info: InstrumentsInfo = parse(body)?;
    if info.ret_code.0 != "0" {
        return Err(ListError::Refused { code: info.ret_code.0, message: info.ret_msg });
    }
    let missing = || ListError::Unexpected("there is no `result.list`".to_owned());
    let cursor = info.result.next_page_cursor.filter(|cursor| !cursor.is_empty());
    let next = cursor.map(|cursor| format!("&cursor={}", in_query(&cursor)));
    info.result.list.ok_or_else(missing)?.page(listed, next)
}

impl SymbolInfo {
    fn listed(self) -> Listed {
        let LotSizeFilter { base_precision, qty_step } = self.lot_size_filter;
        let lot = base_precision.or(qty_step);
        Listed {
            tick: step(self.price_filter.tick_size.as_ref()),
            lot: step(lot.as_ref()),
            contract: None,
            next_tick: None,
            symbol: self.symbol,
            base: self.base_coin,
            quote: self.quote_coin,
            halted: halted(self.status, "Trading"),
        }
    }
}

/// Returns a cursor as it may stand in a query. The venue has encoded it already, so `%` is kept.
fn in_query(cursor: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte);
    let written =
        |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    cursor.bytes().map(written).collect()
}
