//! Deribit, linear perpetuals: the channel `quote.<instrument>`.
//!
//! Each message is a snapshot of the best bid and ask, sent on change. Numbers are JSON numbers and may have
//! an exponent; the order of keys varies. An absent side has price 0 and amount 0. Only contracts that
//! settle in the currency they are quoted in are listed: their amounts are in base units, whatever
//! `contract_size` says, while those of inverse ones (`BTC-PERPETUAL`) are in USD.
//!
//! There are no sequence numbers: messages count in the order in which they come. Losses cannot be
//! detected. Event time: `timestamp`, ms.
//!
//! `result` of an answer lists the channels that were accepted; one that is not known is left out without an
//! error. A request of ours holds one channel, so that an empty list is a refusal. We send
//! `public/test` as a heartbeat. `test_request` of the server comes only to who asked for it and is answered
//! all the same.
//!
//! Sources:
//! - <https://docs.deribit.com>, copy of 2026-02: `public/subscribe` costs 3,000 of 30,000 credits, of which
//!   10,000 come back each second; 32 connections an address; 500 channels a request.
//! - A survey of the live server of 2026-09-22: answers, an end after 60 s without a subscription, fees.
//! - Instruments: `GET /api/v2/public/get_instruments?currency=any&kind=future`.
//! - Fees: taker 0.035 %, in the rows of all perpetuals of 2026-09.
//!
//! Our figures within those limits: 3 requests a second, 100 symbols a connection, a ping every 15 s; 40 s
//! without a frame means that two answers are missing. No rate of attempts is documented; 30 a minute is ours.

use crate::instruments::{InstrumentList, ListError, Listed, Page, Rows, Text, parse, step};
use crate::json::{Json, Value};
use crate::positional::Cursor;
use crate::venue::{
    About, Answer, Frames, Heartbeat, MILLI, MINUTE, Market, Message, Ping, Protocol, QuoteMessage,
    Rate, Reject, Rejected, Request, SECOND, SequenceRule, Side, Sizes, Symbols, VenueSpec,
    decimal, millis, required, string,
};
use serde::Deserialize;

/// The id of our heartbeats, which no request has: those count from 1.
const BEAT: u64 = 0;

/// Perpetuals that settle in the currency they are quoted in.
pub(super) const PERPETUAL: VenueSpec = VenueSpec {
    name: "deribit",
    title: "Deribit linear perpetuals, quote.<instrument>",
    market: Market::LinearPerpetual,
    url: "wss://www.deribit.com",
    path: "/ws/api/v2",
    taker_fee_bps: 3.5,
    symbols_per_connection: 100,
    symbols_per_message: 1,
    message_interval: 350 * MILLI,
    requests: &[Rate { count: 3, per: SECOND }],
    connects: &[Rate { count: 30, per: MINUTE }],
    lifetime: None,
    heartbeat: Heartbeat {
        ping: Ping::Text(r#"{"jsonrpc":"2.0","id":0,"method":"public/test","params":{}}"#),
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
    symbol: |base, quote| format!("{base}_{quote}-PERPETUAL"),
    refuses_whole_requests: false,
    ends_on_unknown: false,
    instruments: InstrumentList {
        url: "https://www.deribit.com",
        path: "/api/v2/public/get_instruments?currency=any&kind=future",
        post: None,
        read: instruments,
    },
    protocol: || Box::new(Deribit { json: Json::default() }),
    about: About {
        numbering: "none",
        event_time: "`timestamp`, ms",
        source: "docs.deribit.com, \"quote.(instrument_name)\"",
        as_of: "2026-02",
        trades_if: "`is_active`; only `settlement_period` `perpetual` and `instrument_type` `linear`",
        steps: "`tick_size`, `min_trade_amount`",
        layouts: "`jsonrpc method params{channel data{timestamp instrument_name best_bid_price \
                  best_bid_amount best_ask_price best_ask_amount}}`; also both prices before both amounts, \
                  the ask first",
    },
};

#[derive(Debug)]
struct Deribit {
    json: Json,
}

impl Deribit {
    fn request(method: &str, request: Request, symbols: &[&str]) -> String {
        // `symbols_per_message` is 1.
        let channel = format!("quote.{}", symbols.first().copied().unwrap_or_default());
        let channel = serde_json::Value::from(channel);
        format!(
            r#"{{"jsonrpc":"2.0","id":{},"method":"public/{method}","params":{{"channels":[{channel}]}}}}"#,
            request.number
        )
    }
}

impl Protocol for Deribit {
    fn subscribe(&mut self, request: Request, symbols: &[&str]) -> String {
        Deribit::request("subscribe", request, symbols)
    }

    fn unsubscribe(&mut self, request: Request, symbols: &[&str]) -> String {
        Deribit::request("unsubscribe", request, symbols)
    }

    fn pong(&mut self) -> String {
        r#"{"jsonrpc":"2.0","id":0,"method":"public/test","params":{}}"#.to_owned()
    }

    fn positional(&mut self, text: &[u8], symbols: &Symbols, out: &mut Vec<Message>) -> Option<()> {
        let mut at = Cursor::new(text)?;
        at.expect(br#"{"jsonrpc":"2.0","method":"subscription","params":{"channel":"quote."#)?;
        let symbol = at.symbol(symbols)?;
        at.expect(br#","data":{"timestamp":"#)?;
        let ts_event = Some(at.millis()?);
        at.expect(br#","instrument_name":""#)?;
        // The name must be that of the channel.
        if at.symbol(symbols)? != symbol {
            return None;
        }
        let (bid, ask) = if at.skip(br#","best_bid_price":"#) {
            let bid = at.bare_side(symbols, symbol, br#","best_bid_amount":"#)?;
            at.expect(br#","best_ask_price":"#)?;
            (bid, at.bare_side(symbols, symbol, br#","best_ask_amount":"#)?)
        } else {
            crosswise(&mut at, symbols, symbol)?
        };
        at.expect(b"}}}")?;
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

/// Reads both prices and then both amounts, the ask first.
#[inline]
fn crosswise(at: &mut Cursor<'_>, symbols: &Symbols, symbol: usize) -> Option<(Side, Side)> {
    let scale = symbols.list()[symbol].price_scale;
    at.expect(br#","best_ask_price":"#)?;
    let ask = at.bare_decimal(scale)?;
    at.expect(br#","best_bid_price":"#)?;
    let bid = at.bare_decimal(scale)?;
    at.expect(br#","best_ask_amount":"#)?;
    let ask = Side::of(ask, at.bare_size(symbols, symbol)?);
    at.expect(br#","best_bid_amount":"#)?;
    Some((Side::of(bid, at.bare_size(symbols, symbol)?), ask))
}

fn frame(root: Value<'_>, symbols: &Symbols) -> Result<Message, Rejected> {
    let Some(method) = root.get("method") else { return Ok(answer(root, symbols)?) };
    let params = required(root.get("params"))?;
    match string(Some(method))? {
        "subscription" => {
            let channel = string(params.get("channel"))?;
            let Some(symbol) = channel.strip_prefix("quote.") else { return Ok(Message::Other) };
            let place = symbols.find(symbol.as_bytes())?;
            let data = required(params.get("data")).map_err(Rejected::of(place))?;
            quote(data, place, symbols).map_err(Rejected::of(place))
        }
        "heartbeat" => match string(params.get("type"))? {
            "test_request" => Ok(Message::Ping),
            "heartbeat" => Ok(Message::Pong),
            _ => Err(Reject::UnknownMessage.into()),
        },
        _ => Err(Reject::UnknownMessage.into()),
    }
}

/// Reads an answer to a request.
fn answer(root: Value<'_>, symbols: &Symbols) -> Result<Message, Reject> {
    let id = root.get("id").and_then(Value::integer);
    if root.get("error").is_some_and(Value::is_object) {
        let request = id.filter(|id| *id != BEAT);
        return Ok(Message::Refused(Answer { request, symbol: None }));
    }
    let result = required(root.get("result"))?;
    let Some(mut accepted) = result.items() else {
        return if id == Some(BEAT) { Ok(Message::Pong) } else { Ok(Message::Other) };
    };
    let Some(first) = accepted.next() else {
        return Ok(Message::Refused(Answer { request: id, symbol: None }));
    };
    let symbol = string(Some(first))?.strip_prefix("quote.");
    let symbol = symbol.and_then(|symbol| symbols.find(symbol.as_bytes()).ok());
    Ok(Message::Accepted(Answer { request: id, symbol }))
}

fn quote(data: Value<'_>, place: usize, symbols: &Symbols) -> Result<Message, Reject> {
    // The name within must be that of the channel.
    if symbols.find(string(data.get("instrument_name"))?.as_bytes())? != place {
        return Err(Reject::UnknownMessage);
    }
    let side =
        |price, size| symbols.side(place, decimal(data.get(price))?, decimal(data.get(size))?);
    Ok(Message::Quote(QuoteMessage {
        symbol: place,
        bid: side("best_bid_price", "best_bid_amount")?,
        ask: side("best_ask_price", "best_ask_amount")?,
        ts_event: Some(millis(data.get("timestamp"))?),
        sequence: None,
        snapshot: true,
        restarted: false,
    }))
}

#[derive(Deserialize)]
struct List {
    result: Option<Rows<Row>>,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    code: Text,
    message: String,
}

#[derive(Deserialize)]
struct Row {
    instrument_name: String,
    instrument_type: Option<String>,
    settlement_period: Option<String>,
    base_currency: String,
    quote_currency: String,
    is_active: bool,
    state: Option<String>,
    tick_size: Option<Text>,
    min_trade_amount: Option<Text>,
}

fn instruments(body: &[u8]) -> Result<Page, ListError> {
    let List { result, error } = parse(body)?;
    if let Some(Refusal { code: Text(code), message }) = error {
        return Err(ListError::Refused { code, message });
    }
    let missing = || ListError::Unexpected("there is no `result`".to_owned());
    result.ok_or_else(missing)?.page(Row::listed, None)
}

impl Row {
    /// Returns `None` for what expires or is inverse.
    fn listed(self) -> Option<Listed> {
        let is = |field: &Option<String>, text: &str| field.as_deref() == Some(text);
        if !is(&self.settlement_period, "perpetual") || !is(&self.instrument_type, "linear") {
            return None;
        }
        let state =
            self.state.filter(|state| state != "open").map(|state| format!("state {state}"));
        Some(Listed {
            tick: step(self.tick_size.as_ref()),
            lot: step(self.min_trade_amount.as_ref()),
            contract: None,
            next_tick: None,
            symbol: self.instrument_name,
            base: self.base_currency,
            quote: self.quote_currency,
            halted: if self.is_active { state } else { Some("not is_active".to_owned()) },
        })
    }
}
