//! MEXC, spot: `spot@public.aggre.bookTicker.v3.api.pb@10ms@<SYMBOL>`; perpetuals: `sub.depth.full` of
//! five levels.
//!
//! Each message is a snapshot. On spot it is the best bid and ask, at most one in 10 ms, as protobuf in a
//! binary frame; answers are JSON in text frames, which begin with `{` as no protobuf message does. An
//! idle symbol is sent frames without a quote, which say nothing. An absent side is an absent or empty
//! text. **Perpetuals have no channel of best prices.** Their five best levels come every 300 ms or so, in any order,
//! as JSON numbers that may have an exponent; the changes of the book come at once but without a first
//! snapshot, for which the REST API would have to be asked.
//!
//! Sizes of perpetuals are numbers of contracts; `contractSize` of the list is the base units of one.
//!
//! Sequence rule: `version` increases per symbol, with holes. Losses cannot be detected. On spot it was added
//! in 2026-06 and may be absent. Event time: on spot `sendTime`, when the venue sent it; on perpetuals
//! `cts`, of the engine, else `ts`; both in ms. `lastOrderCreateTime` of spot is older than the quote by
//! seconds and is not used.
//!
//! A request of ours holds one symbol. An answer of spot repeats the channel in `msg`; one with code 0 and
//! another `msg` is a refusal. Answers of perpetuals name neither the request nor, if it was accepted,
//! the symbol.
//!
//! Sources:
//! - <https://github.com/mexcdevelop/apidocs>, `spot_v3_en` of 2025-08 and `contract_v1_en`: channels, 30
//!   subscriptions a connection, 100 messages a second, 24 h, an end after 60 s without data.
//! - <https://github.com/mexcdevelop/websocket-proto> of 2026-06-17: the fields.
//! - A survey of the live servers of 2026-09-15: refusals, 150 perpetuals a connection, an end after 60 s
//!   without pings on perpetuals.
//! - Instruments: `GET /api/v3/exchangeInfo`, whose precisions are decimals, and `GET
//!   /api/v1/contract/detail`.
//! - Fees of the lowest tier: spot taker 0.05 %, as the library ccxt 4.5.90 lists it; orders for perpetuals by
//!   the API 0.08 % since 2026-06. Not checked against the venue's own page.
//!
//! Our figures within those limits: 20 messages a second, a ping every 15 s; 45 s without a frame means that
//! two answers are missing. No rate of attempts is documented; 60 a minute is ours.

use crate::instruments::{
    InstrumentList, ListError, Listed, Page, Rows, Text, halted, parse, product, step,
    step_of_decimals,
};
use crate::json::{Json, Value};
use crate::positional::Cursor;
use crate::protobuf::{Field, Fields};
use crate::venue::{
    About, Answer, EventTime, Frames, HOUR, Heartbeat, MILLI, MINUTE, Market, Message, Ping,
    Protocol, QuoteMessage, Rate, Reject, Rejected, Request, SECOND, SequenceRule, Side, Sizes,
    Symbols, VenueSpec, integer, millis, required, string,
};
use serde::Deserialize;

/// What the name of a channel of spot begins with, before the symbol.
const CHANNEL: &str = "spot@public.aggre.bookTicker.v3.api.pb@10ms@";
/// The only value of `futureType` that stands for a perpetual.
const PERPETUAL_TYPE: u64 = 1;

/// Spot.
pub(super) const SPOT: VenueSpec = VenueSpec {
    name: "mexc",
    title: "MEXC spot, aggre.bookTicker@10ms",
    market: Market::Spot,
    url: "wss://wbs-api.mexc.com",
    path: "/ws",
    taker_fee_bps: 5.0,
    symbols_per_connection: 30,
    symbols_per_message: 1,
    message_interval: 50 * MILLI,
    requests: &[Rate { count: 20, per: SECOND }],
    connects: &[Rate { count: 60, per: MINUTE }],
    lifetime: Some(24 * HOUR),
    heartbeat: Heartbeat {
        ping: Ping::Text(r#"{"method":"PING"}"#),
        interval: 15 * SECOND,
        dead_after: 45 * SECOND,
    },
    greets: false,
    headers: &[],
    frames: Frames::Either,
    sizes: Sizes::Base,
    sequence: SequenceRule::Increasing,
    repeats_within: None,
    quotes: None,
    symbol: |base, quote| format!("{base}{quote}"),
    refuses_whole_requests: false,
    ends_on_unknown: false,
    instruments: InstrumentList {
        url: "https://api.mexc.com",
        path: "/api/v3/exchangeInfo",
        post: None,
        read: pairs,
    },
    protocol: || Box::new(Spot { json: Json::default() }),
    about: About {
        numbering: "`version` if sent, holes have no meaning",
        event_time: "`sendTime`, ms",
        source: "github.com/mexcdevelop, `apidocs` and `websocket-proto`",
        as_of: "2026-06-17",
        trades_if: "`status` is 1 and `isSpotTradingAllowed`",
        steps: "`quotePrecision`, `baseAssetPrecision`: decimals",
        layouts: "protobuf, fields in any order",
    },
};

/// Perpetuals that settle in a stablecoin.
pub(super) const PERPETUAL: VenueSpec = VenueSpec {
    name: "mexc-perp",
    title: "MEXC perpetuals, sub.depth.full of 5 levels",
    market: Market::LinearPerpetual,
    url: "wss://contract.mexc.com",
    path: "/edge",
    taker_fee_bps: 8.0,
    symbols_per_connection: 100,
    lifetime: None,
    heartbeat: Heartbeat {
        ping: Ping::Text(r#"{"method":"ping"}"#),
        interval: 15 * SECOND,
        dead_after: 45 * SECOND,
    },
    frames: Frames::Text,
    sizes: Sizes::Contracts,
    symbol: |base, quote| format!("{base}_{quote}"),
    instruments: InstrumentList {
        url: "https://api.mexc.com",
        path: "/api/v1/contract/detail",
        post: None,
        read: contracts,
    },
    protocol: || Box::new(Perpetual { json: Json::default() }),
    about: About {
        numbering: "`version`, holes have no meaning",
        event_time: "`cts`, else `ts`, ms",
        source: "github.com/mexcdevelop/apidocs, `contract_v1_en`",
        as_of: "2026-09-15",
        trades_if: "`state` is 0; only `futureType` 1, not inverse",
        steps: "`priceUnit`, `volUnit` x `contractSize`",
        layouts: "`symbol data{cts asks bids version} channel ts`; also `channel data{asks bids \
                  version} symbol ts`",
    },
    ..SPOT
};

#[derive(Debug)]
struct Spot {
    json: Json,
}

impl Spot {
    fn request(method: &str, request: Request, symbols: &[&str]) -> String {
        // `symbols_per_message` is 1.
        let symbol = symbols.first().copied().unwrap_or_default();
        let channel = serde_json::Value::from(format!("{CHANNEL}{symbol}"));
        format!(r#"{{"method":"{method}","params":[{channel}],"id":{}}}"#, request.number)
    }
}

/// Returns whether a frame is JSON. A protobuf message cannot begin so: it would be with a group.
fn is_json(frame: &[u8]) -> bool {
    frame.first() == Some(&b'{')
}

impl Protocol for Spot {
    fn subscribe(&mut self, request: Request, symbols: &[&str]) -> String {
        Spot::request("SUBSCRIPTION", request, symbols)
    }

    fn unsubscribe(&mut self, request: Request, symbols: &[&str]) -> String {
        Spot::request("UNSUBSCRIPTION", request, symbols)
    }

    /// One reader takes all layouts of protobuf.
    fn positional(&mut self, text: &[u8], symbols: &Symbols, out: &mut Vec<Message>) -> Option<()> {
        let message = if is_json(text) { None } else { pushed(text, symbols).ok() };
        out.push(message.filter(|message| matches!(message, Message::Quote(_)))?);
        Some(())
    }

    fn general(
        &mut self,
        text: &[u8],
        symbols: &Symbols,
        out: &mut Vec<Message>,
    ) -> Result<(), Rejected> {
        out.push(if is_json(text) {
            self.json.read(text, |root| control(root, symbols))??
        } else {
            pushed(text, symbols)?
        });
        Ok(())
    }
}

/// Reads a `PushDataV3ApiWrapper`.
fn pushed(bytes: &[u8], symbols: &Symbols) -> Result<Message, Rejected> {
    let (mut channel, mut symbol, mut sent) = (&b""[..], &b""[..], 0);
    let mut is_ticker = false;
    for field in Fields::of(bytes) {
        match field? {
            (1, Field::Bytes(text)) => channel = text,
            (3, Field::Bytes(text)) => symbol = text,
            (6, Field::Number(number)) => sent = number,
            (315, Field::Bytes(_)) => is_ticker = true,
            (1 | 3 | 6 | 315, _) => return Err(Reject::UnknownMessage.into()),
            _ => {}
        }
    }
    if channel.is_empty() {
        return Err(Reject::UnknownMessage.into());
    }
    if !is_ticker {
        return Ok(Message::Other);
    }
    if symbol.is_empty() {
        return Err(Reject::MissingField.into());
    }
    let place = symbols.find(symbol)?;
    ticker(bytes, sent, place, symbols).map_err(Rejected::of(place))
}

/// Reads the `PublicAggreBookTickerV3Api` in a message that has one. Parts of it are joined.
fn ticker(bytes: &[u8], sent: u64, place: usize, symbols: &Symbols) -> Result<Message, Reject> {
    let mut texts = [&b""[..]; 5];
    for field in Fields::of(bytes) {
        let (315, Field::Bytes(body)) = field? else { continue };
        for field in Fields::of(body) {
            match field? {
                (number @ 1..=5, Field::Bytes(text)) => texts[number as usize - 1] = text,
                (1..=5, _) => return Err(Reject::BadNumber),
                _ => {}
            }
        }
    }
    let [bid, bid_size, ask, ask_size, version] = texts;
    let side = |price, size| symbols.side(place, or_zero(price), or_zero(size));
    Ok(Message::Quote(QuoteMessage {
        symbol: place,
        bid: side(bid, bid_size)?,
        ask: side(ask, ask_size)?,
        ts_event: if sent == 0 { None } else { Some(EventTime::of_millis(sent)?) },
        sequence: numbered(or_zero(version))?.filter(|number| *number != 0),
        snapshot: true,
        restarted: false,
    }))
}

/// Returns the text of a number. One of zero may be absent.
fn or_zero(text: &[u8]) -> &[u8] {
    if text.is_empty() { b"0" } else { text }
}

/// Reads a number of digits.
fn numbered(text: &[u8]) -> Result<Option<u64>, Reject> {
    let digits = Some(text).filter(|text| text.iter().all(u8::is_ascii_digit));
    let number = digits.and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
    number.map(Some).ok_or(Reject::BadNumber)
}

/// Reads an answer to a request on spot.
fn control(root: Value<'_>, symbols: &Symbols) -> Result<Message, Reject> {
    let told = string(root.get("msg"))?;
    if told == "PONG" {
        return Ok(Message::Pong);
    }
    let request = root.get("id").and_then(Value::integer).filter(|id| *id != 0);
    // A refusal names the channel within its words.
    let named = told.split_once(CHANNEL).map(|(_, rest)| rest);
    let named = named.and_then(|rest| rest.split([']', ',', ' ']).next());
    let symbol = named.and_then(|symbol| symbols.find(symbol.as_bytes()).ok());
    let answer = Answer { request, symbol };
    let is_accepted = told.starts_with(CHANNEL) && integer(root.get("code"))? == 0;
    Ok(if is_accepted { Message::Accepted(answer) } else { Message::Refused(answer) })
}

#[derive(Debug)]
struct Perpetual {
    json: Json,
}

impl Perpetual {
    fn request(method: &str, symbols: &[&str]) -> String {
        // `symbols_per_message` is 1.
        let symbol = serde_json::Value::from(symbols.first().copied().unwrap_or_default());
        format!(r#"{{"method":"{method}","param":{{"symbol":{symbol},"limit":5}}}}"#)
    }
}

impl Protocol for Perpetual {
    fn subscribe(&mut self, _request: Request, symbols: &[&str]) -> String {
        Perpetual::request("sub.depth.full", symbols)
    }

    fn unsubscribe(&mut self, _request: Request, symbols: &[&str]) -> String {
        Perpetual::request("unsub.depth.full", symbols)
    }

    fn positional(&mut self, text: &[u8], symbols: &Symbols, out: &mut Vec<Message>) -> Option<()> {
        let mut at = Cursor::new(text)?;
        let quote = if at.skip(br#"{"symbol":""#) {
            of_2026(&mut at, symbols)?
        } else {
            of_2022(&mut at, symbols)?
        };
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

/// Reads the layout of 2026-09, behind the first key.
#[inline]
fn of_2026(at: &mut Cursor<'_>, symbols: &Symbols) -> Option<QuoteMessage> {
    let symbol = at.symbol(symbols)?;
    at.expect(br#","data":{"cts":"#)?;
    let ts_event = Some(at.millis()?);
    at.expect(br#","asks":"#)?;
    let ask = at.bare_levels(symbols, symbol, i64::lt)?;
    at.expect(br#","bids":"#)?;
    let bid = at.bare_levels(symbols, symbol, i64::gt)?;
    at.expect(br#","version":"#)?;
    let sequence = Some(at.number()?);
    at.expect(br#"},"channel":"push.depth.full","ts":"#)?;
    at.any_number()?;
    at.expect(b"}")?;
    let (snapshot, restarted) = (true, false);
    Some(QuoteMessage { symbol, bid, ask, ts_event, sequence, snapshot, restarted })
}

/// Reads the layout of 2022. The symbol stands behind the numbers, and says how they are read.
#[inline]
fn of_2022(at: &mut Cursor<'_>, symbols: &Symbols) -> Option<QuoteMessage> {
    at.expect(br#"{"channel":"push.depth.full","data":{"asks":"#)?;
    let mut numbers = *at;
    at.any_bare_levels()?;
    at.expect(br#","bids":"#)?;
    at.any_bare_levels()?;
    at.expect(br#","version":"#)?;
    let sequence = Some(at.number()?);
    at.expect(br#"},"symbol":""#)?;
    let symbol = at.symbol(symbols)?;
    at.expect(br#","ts":"#)?;
    let ts_event = Some(at.millis()?);
    at.expect(b"}")?;
    let ask = numbers.bare_levels(symbols, symbol, i64::lt)?;
    numbers.expect(br#","bids":"#)?;
    let bid = numbers.bare_levels(symbols, symbol, i64::gt)?;
    numbers.expect(br#","version":"#)?;
    let (snapshot, restarted) = (true, false);
    Some(QuoteMessage { symbol, bid, ask, ts_event, sequence, snapshot, restarted })
}

fn frame(root: Value<'_>, symbols: &Symbols) -> Result<Message, Rejected> {
    match string(root.get("channel"))? {
        "push.depth.full" => {
            let place = symbols.find(string(root.get("symbol"))?.as_bytes())?;
            depth(root, place, symbols).map_err(Rejected::of(place))
        }
        "pong" => Ok(Message::Pong),
        "rs.sub.depth.full" => Ok(Message::Accepted(Answer::default())),
        "rs.error" => {
            // `Contract [BTC_USDT] not exists`
            let told = string(root.get("data"))?;
            let named = told.split_once('[').and_then(|(_, rest)| rest.split(']').next());
            let symbol = named.and_then(|symbol| symbols.find(symbol.as_bytes()).ok());
            Ok(Message::Refused(Answer { request: None, symbol }))
        }
        _ => Ok(Message::Other),
    }
}

fn depth(root: Value<'_>, place: usize, symbols: &Symbols) -> Result<Message, Reject> {
    let data = required(root.get("data"))?;
    if !data.is_object() {
        return Err(Reject::UnknownMessage);
    }
    let side = |key, better| symbols.best(place, data.get(key), Side::Empty, better);
    Ok(Message::Quote(QuoteMessage {
        symbol: place,
        bid: side("bids", i64::gt)?,
        ask: side("asks", i64::lt)?,
        ts_event: Some(millis(data.get("cts").or(root.get("ts")))?),
        sequence: Some(integer(data.get("version"))?),
        snapshot: true,
        restarted: false,
    }))
}

#[derive(Deserialize)]
struct Info {
    symbols: Option<Rows<Pair>>,
    code: Option<Text>,
    msg: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pair {
    symbol: String,
    base_asset: String,
    quote_asset: String,
    status: Text,
    is_spot_trading_allowed: Option<bool>,
    base_asset_precision: Option<Text>,
    quote_precision: Option<Text>,
}

fn pairs(body: &[u8]) -> Result<Page, ListError> {
    let info: Info = parse(body)?;
    match (info.symbols, info.code) {
        (Some(rows), _) => rows.page(|pair| Some(pair.listed()), None),
        (None, Some(Text(code))) => {
            Err(ListError::Refused { code, message: info.msg.unwrap_or_default() })
        }
        (None, None) => Err(ListError::Unexpected("there is no `symbols`".to_owned())),
    }
}

impl Pair {
    fn listed(self) -> Listed {
        let Text(status) = self.status;
        let is_barred = self.is_spot_trading_allowed == Some(false);
        let barred = is_barred.then(|| "not isSpotTradingAllowed".to_owned());
        Listed {
            tick: step_of_decimals(self.quote_precision.as_ref()),
            lot: step_of_decimals(self.base_asset_precision.as_ref()),
            contract: None,
            next_tick: None,
            symbol: self.symbol,
            base: self.base_asset,
            quote: self.quote_asset,
            halted: halted(status, "1").map(|status| format!("status {status}")).or(barred),
        }
    }
}

#[derive(Deserialize)]
struct Detail {
    code: Text,
    message: Option<String>,
    data: Option<Rows<Contract>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Contract {
    symbol: String,
    base_coin: String,
    quote_coin: String,
    settle_coin: String,
    state: Text,
    future_type: Option<u64>,
    contract_size: Option<Text>,
    price_unit: Option<Text>,
    vol_unit: Option<Text>,
}

fn contracts(body: &[u8]) -> Result<Page, ListError> {
    let Detail { code: Text(code), message, data } = parse(body)?;
    if code != "0" {
        return Err(ListError::Refused { code, message: message.unwrap_or_default() });
    }
    let missing = || ListError::Unexpected("there is no `data`".to_owned());
    data.ok_or_else(missing)?.page(Contract::listed, None)
}

impl Contract {
    /// Returns `None` for a contract that expires, and for one that settles in its base.
    fn listed(self) -> Option<Listed> {
        let is_perpetual = self.future_type.is_none_or(|kind| kind == PERPETUAL_TYPE);
        if !is_perpetual || self.settle_coin == self.base_coin {
            return None;
        }
        let contract = step(self.contract_size.as_ref());
        let Text(state) = self.state;
        Some(Listed {
            tick: step(self.price_unit.as_ref()),
            lot: product(&step(self.vol_unit.as_ref()), &contract),
            contract: Some(contract),
            next_tick: None,
            symbol: self.symbol,
            base: self.base_coin,
            quote: self.quote_coin,
            halted: halted(state, "0").map(|state| format!("state {state}")),
        })
    }
}
