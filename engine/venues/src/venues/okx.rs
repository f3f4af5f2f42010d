//! OKX v5, spot and linear swaps: the `bbo-tbt` channel.
//!
//! Each message is a snapshot of the best bid and ask. One is sent on subscription, then every 10
//! ms while they change, and the last one again with the same `seqId` after about 60 s without a
//! change. An absent side is `[]`. A level is `[price, size, "0", orders]`. Sizes of swaps are numbers of
//! contracts, each of `ctVal` x `ctMult` base units.
//!
//! Sequence rule: `seqId` increases per instrument, not by one, and may restart lower after
//! maintenance. It shows order and repeats, but not loss. Frames from 2022 have none. Event time:
//! `ts`, ms in a string. According to the document of 2026-07 it is when the matching engine made
//! the book; according to that of 2026-02, when the push was triggered.
//!
//! Sources, both of <https://www.okx.com/docs-v5/en/>, from copies of 2026-02 and 2026-07-07:
//! - WebSocket, "Connect", "Subscribe", "Notification": 3 new connections a second from an address, 480
//!   requests an hour to (un)subscribe on a connection, 64 KB of channels; the server closes a connection
//!   on which it sent nothing for 30 s, so a text `ping` asks for a text `pong` before that; notice 64008
//!   about a minute before a service upgrade. No end of a connection by its age is documented. An error
//!   names the channel it refuses in `msg` alone.
//! - "Order book channel": `bbo-tbt`.
//! - REST, "Get instruments": one answer lists all of a type. `state` is `live` while an instrument
//!   trades. `upcChg` announces changes of the tick.
//!   Of swaps only those with `ctType` `linear`; they state their base as `ctValCcy` and what they settle in.
//! - Fees of a regular user, from secondary sources: spot taker 0.10 % on the main pairs, 0.15 % on some
//!   and in some regions (which is what the library ccxt 4.5.90 assumes); swap taker 0.05 %. Not checked against the
//!   venue's own page.
//!
//! Our figures within those limits: a ping every 15 s; 35 s without a frame means that two pongs are
//! missing. 500 channels of at most 70 characters are 35 KB. Three messages a second are ours.
//! 150 s without a quote means that two repeats are missing.

use crate::instruments::{
    InstrumentList, ListError, Listed, Page, Rows, Step, Text, data_of, halted, product, step,
};
use crate::json::{Json, Value};
use crate::positional::Cursor;
use crate::venue::{
    About, Answer, EventTime, Frames, HOUR, Heartbeat, MILLI, Market, Message, Ping, Protocol,
    QuoteMessage, Rate, Reject, Rejected, Request, SECOND, SequenceRule, Side, Sizes, Symbols,
    VenueSpec, each, integer, millis, required, string,
};
use serde::Deserialize;

/// Spot.
pub(super) const SPOT: VenueSpec = VenueSpec {
    name: "okx",
    title: "OKX spot, bbo-tbt",
    market: Market::Spot,
    url: "wss://ws.okx.com:8443",
    path: "/ws/v5/public",
    taker_fee_bps: 10.0,
    symbols_per_connection: 500,
    symbols_per_message: 50,
    message_interval: 350 * MILLI,
    requests: &[Rate { count: 480, per: HOUR }],
    connects: &[Rate { count: 3, per: SECOND }],
    lifetime: None,
    heartbeat: Heartbeat {
        ping: Ping::Text("ping"),
        interval: 15 * SECOND,
        dead_after: 35 * SECOND,
    },
    greets: false,
    headers: &[],
    frames: Frames::Text,
    sizes: Sizes::Base,
    sequence: SequenceRule::IncreasingWithRestarts,
    repeats_within: Some(150 * SECOND),
    quotes: None,
    symbol: |base, quote| format!("{base}-{quote}"),
    refuses_whole_requests: false,
    ends_on_unknown: false,
    instruments: InstrumentList {
        url: "https://www.okx.com",
        path: "/api/v5/public/instruments?instType=SPOT",
        post: None,
        read: instruments,
    },
    protocol: || Box::new(Okx::default()),
    about: About {
        numbering: "`seqId`",
        event_time: "`ts`, ms",
        source: "okx.com/docs-v5, \"WebSocket\", \"Order book channel\"",
        as_of: "2026-07-07",
        trades_if: "`state` is `live`",
        steps: "`tickSz`, `lotSz`; `upcChg` announces changes",
        layouts: "`arg{channel instId} data[{asks bids ts seqId}]`, one quote; with or without \
                  `prevSeqId`, `seqId`, `checksum`",
    },
};

/// Perpetual swaps that settle in USDT or USDC.
pub(super) const SWAP: VenueSpec = VenueSpec {
    name: "okx-swap",
    title: "OKX linear swaps, bbo-tbt",
    market: Market::LinearPerpetual,
    taker_fee_bps: 5.0,
    sizes: Sizes::Contracts,
    symbol: |base, quote| format!("{base}-{quote}-SWAP"),
    instruments: InstrumentList {
        path: "/api/v5/public/instruments?instType=SWAP",
        read: swaps,
        ..SPOT.instruments
    },
    about: About {
        trades_if: "`state` is `live`; only `ctType` `linear`",
        steps: "`tickSz`, `lotSz` x `ctVal` x `ctMult`; `upcChg` announces changes",
        layouts: "as `okx`",
        ..SPOT.about
    },
    ..SPOT
};

const CHANNEL: &str = "bbo-tbt";

/// "The connection will soon be closed for a service upgrade."
const CODE_CLOSING: &[u8] = b"64008";

#[derive(Debug, Default)]
struct Okx {
    json: Json,
}

impl Okx {
    fn request(op: &str, request: u64, symbols: &[&str]) -> String {
        let args: serde_json::Value = symbols
            .iter()
            .map(|symbol| serde_json::json!({"channel": CHANNEL, "instId": symbol}))
            .collect();
        format!(r#"{{"id":"{request}","op":"{op}","args":{args}}}"#)
    }
}

impl Protocol for Okx {
    fn subscribe(&mut self, request: Request, symbols: &[&str]) -> String {
        Okx::request("subscribe", request.number, symbols)
    }

    fn unsubscribe(&mut self, request: Request, symbols: &[&str]) -> String {
        Okx::request("unsubscribe", request.number, symbols)
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
        if text == b"pong" {
            out.push(Message::Pong);
            return Ok(());
        }
        let before = out.len();
        let result = self.json.read(text, |root| frame(root, symbols, out))?;
        if result.is_err() {
            out.truncate(before);
        }
        result
    }
}

/// Reads a frame with one quote in the order of keys seen since 2022: `ts` and, since 2023, `seqId`
/// after it, with `prevSeqId` before and `checksum` behind it, as in the channels of full books.
#[inline]
fn book(at: &mut Cursor<'_>, symbols: &Symbols) -> Option<QuoteMessage> {
    at.expect(br#"{"arg":{"channel":"bbo-tbt","instId":""#)?;
    let symbol = at.symbol(symbols)?;
    at.expect(br#"},"data":[{"asks":"#)?;
    let ask = at.levels(symbols, symbol, Side::Empty, i64::lt)?;
    at.expect(br#","bids":"#)?;
    let bid = at.levels(symbols, symbol, Side::Empty, i64::gt)?;
    at.expect(br#","ts":""#)?;
    let ts_event = Some(EventTime::of_millis(at.digits()?).ok()?);
    at.expect(b"\"")?;
    if at.skip(br#","prevSeqId":"#) {
        at.any_number()?;
    }
    let sequence = if at.skip(br#","seqId":"#) { Some(at.number()?) } else { None };
    if at.skip(br#","checksum":"#) {
        at.any_number()?;
    }
    at.expect(b"}]}")?;
    at.end()?;
    let (snapshot, restarted) = (true, false);
    Some(QuoteMessage { symbol, bid, ask, ts_event, sequence, snapshot, restarted })
}

fn frame(root: Value<'_>, symbols: &Symbols, out: &mut Vec<Message>) -> Result<(), Rejected> {
    if let Some(event) = root.get("event") {
        out.push(control(event, root, symbols)?);
        return Ok(());
    }
    let data = root.get("data").ok_or(Reject::UnknownMessage)?;
    let arg = required(root.get("arg"))?;
    if string(arg.get("channel"))? != CHANNEL {
        out.push(Message::Other);
        return Ok(());
    }
    let place = symbols.find(string(arg.get("instId"))?.as_bytes())?;
    each(data, |data| quote(data, place, symbols), out).map_err(Rejected::of(place))
}

fn control(event: Value<'_>, root: Value<'_>, symbols: &Symbols) -> Result<Message, Reject> {
    match event.string().ok_or(Reject::UnknownMessage)? {
        "subscribe" => {
            let symbol = root.get("arg").and_then(|arg| arg.get("instId")?.string());
            let symbol = symbol.and_then(|symbol| symbols.find(symbol.as_bytes()).ok());
            Ok(Message::Accepted(Answer { request: number_of(root), symbol }))
        }
        "error" => {
            let symbol = refused(root, symbols);
            Ok(Message::Refused(Answer { request: number_of(root), symbol }))
        }
        "notice" => {
            let code = root.get("code").and_then(Value::decimal);
            Ok(if code == Some(CODE_CLOSING) { Message::Closing } else { Message::Other })
        }
        "unsubscribe" | "login" | "channel-conn-count" | "channel-conn-count-error" => {
            Ok(Message::Other)
        }
        _ => Err(Reject::UnknownMessage),
    }
}

/// Returns the number of the request that is answered.
fn number_of(root: Value<'_>) -> Option<u64> {
    root.get("id").and_then(Value::integer)
}

/// Returns the symbol named in an error: `Wrong URL or channel:bbo-tbt,instId:BTC-USDT doesn't
/// exist.`
fn refused(root: Value<'_>, symbols: &Symbols) -> Option<usize> {
    let (_, rest) = root.get("msg")?.string()?.split_once("instId:")?;
    let symbol = rest.split([',', ' ']).next()?;
    symbols.find(symbol.as_bytes()).ok()
}

fn quote(each: Value<'_>, place: usize, symbols: &Symbols) -> Result<Message, Reject> {
    if !each.is_object() {
        return Err(Reject::UnknownMessage);
    }
    let side = |key, better| symbols.best(place, each.get(key), Side::Empty, better);
    Ok(Message::Quote(QuoteMessage {
        symbol: place,
        bid: side("bids", i64::gt)?,
        ask: side("asks", i64::lt)?,
        ts_event: Some(millis(each.get("ts"))?),
        sequence: each.get("seqId").map(|id| integer(Some(id))).transpose()?,
        snapshot: true,
        restarted: false,
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InstrumentInfo {
    inst_id: String,
    base_ccy: String,
    quote_ccy: String,
    state: String,
    tick_sz: Option<Text>,
    lot_sz: Option<Text>,
    /// Swaps alone; empty for spot.
    ct_type: Option<String>,
    ct_val: Option<Text>,
    ct_mult: Option<Text>,
    ct_val_ccy: Option<String>,
    settle_ccy: Option<String>,
    #[serde(default)]
    upc_chg: Vec<Change>,
}

/// An announced change of a parameter.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    param: String,
    new_value: Text,
}

fn instruments(body: &[u8]) -> Result<Page, ListError> {
    rows(body)?.page(|row| Some(row.listed()), None)
}

fn swaps(body: &[u8]) -> Result<Page, ListError> {
    rows(body)?.page(InstrumentInfo::swap, None)
}

fn rows(body: &[u8]) -> Result<Rows<InstrumentInfo>, ListError> {
    data_of(body, "0")
}

impl InstrumentInfo {
    /// Returns `None` for an inverse swap.
    fn swap(self) -> Option<Listed> {
        let is_linear = self.ct_type.as_deref() == Some("linear");
        let (base, quote) = self.ct_val_ccy.clone().zip(self.settle_ccy.clone())?;
        let contract = product(&step(self.ct_val.as_ref()), &step(self.ct_mult.as_ref()));
        let listed = is_linear.then(|| self.listed())?;
        let lot = product(&listed.lot, &contract);
        Some(Listed { base, quote, lot, contract: Some(contract), ..listed })
    }

    fn listed(self) -> Listed {
        let announced = self.upc_chg.iter().filter(|change| change.param == "tickSz");
        let announced = announced.filter_map(|change| Step::parse(Some(&change.new_value.0)).ok());
        Listed {
            tick: step(self.tick_sz.as_ref()),
            lot: step(self.lot_sz.as_ref()),
            contract: None,
            next_tick: announced.max_by_key(|tick| tick.decimals),
            symbol: self.inst_id,
            base: self.base_ccy,
            quote: self.quote_ccy,
            halted: halted(self.state, "live"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::venue::{Contract, Symbol};
    use spreadwire_market::instrument::InstrumentId;

    /// Frames carry one quote each, but the format is a list.
    #[test]
    fn an_error_in_a_later_quote_takes_back_the_earlier_ones() {
        let symbol = Symbol {
            text: "BTC-USDT".to_owned(),
            instrument: InstrumentId(0),
            price_scale: 1,
            size_scale: 1,
            contract: Contract::ONE,
        };
        let symbols = Symbols::new(vec![symbol]);
        let quote = r#"{"asks":[["2","1","0","1"]],"bids":[["1","1","0","1"]],"ts":"5"}"#;
        let frame = |quotes: &str| {
            format!(r#"{{"arg":{{"channel":"bbo-tbt","instId":"BTC-USDT"}},"data":[{quotes}]}}"#)
        };
        let mut okx = Okx::default();
        let mut out = vec![Message::Pong];
        let good = frame(&format!("{quote},{quote}"));
        assert_eq!(okx.general(good.as_bytes(), &symbols, &mut out), Ok(()));
        assert_eq!(out.len(), 3);
        let broken = frame(&format!("{quote},{}", quote.replace("\"2\"", "\"-2\"")));
        assert_eq!(
            okx.general(broken.as_bytes(), &symbols, &mut out),
            Err(Rejected::of(0)(Reject::Negative))
        );
        assert_eq!(out.len(), 3);
    }
}
