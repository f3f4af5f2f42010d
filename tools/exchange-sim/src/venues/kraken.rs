//! Kraken, spot `ticker` by `bbo` (WebSocket v2) and futures `ticker`.
//!
//! This follows Kraken's documentation as of 2026-02 and layouts of 2026-09. Every frame is a complete quote
//! without a number. Spot writes all digits of the grid and a time as text; every symbol of a request has an
//! answer, and a heartbeat comes every second. Futures write shortest doubles, with `.0` behind
//! a whole number, spell `BTC` as `XBT`, and their refusals name nothing.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::decimal;
use crate::rest::RestInstrument;
use crate::venue::{Action, Recorded, Route, Rules, Session, Venue, WireQuote};

/// Kraken spot.
#[derive(Debug)]
pub(super) struct Spot;

/// Kraken futures.
#[derive(Debug)]
pub(super) struct Futures;

const TIMES: [&str; 2] = ["2026-09-21T14:13:20.845996Z", "2026-09-21T14:13:20.846032Z"];

/// Returns a time in ms since 1970 as text in us. The days are counted in eras of 400 years that
/// begin in March.
fn text_of(ms: u64) -> String {
    let (days, in_day) = (ms / 86_400_000 + 719_468, ms % 86_400_000);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!(
        "{:04}-{month:02}-{of_month:02}T{:02}:{:02}:{:02}.{:03}000Z",
        era * 400 + year + later,
        in_day / 3_600_000,
        in_day / 60_000 % 60,
        in_day / 1_000 % 60,
        in_day % 1_000,
    )
}

fn spot_refusal(symbol: &str, id: &Value) -> String {
    json!({
        "error": format!("Currency pair not supported {symbol}"), "method": "subscribe",
        "success": false, "symbol": symbol, "req_id": id, "time_in": TIMES[0], "time_out": TIMES[1],
    })
    .to_string()
}

fn open(is_path: bool) -> Route {
    if is_path {
        Route::Open { combined: false, topics: Vec::new(), without_quotes: false }
    } else {
        Route::NotFound
    }
}

/// Returns a field of a frame that is a text.
fn field<'a>(frame: &'a str, before: &str) -> Option<Recorded<'a>> {
    let (_, rest) = frame.split_once(before)?;
    let (symbol, _) = rest.split_once('"')?;
    Some(Recorded { topic: symbol.into(), bare: 0..frame.len() })
}

impl Venue for Spot {
    fn name(&self) -> &'static str {
        "kraken"
    }

    fn path(&self) -> &'static str {
        "/v2"
    }

    fn rules(&self) -> Rules {
        Rules { idle_close: Some(Duration::from_secs(60)), snapshot: true, ..Rules::default() }
    }

    fn symbol(&self, instrument: &str) -> String {
        instrument.to_owned()
    }

    fn rest_path(&self) -> &'static str {
        "/0/public/AssetPairs"
    }

    fn instruments(&self, list: &[RestInstrument]) -> String {
        let old = |name: &str| match name {
            "BTC" => "XBT".to_owned(),
            "DOGE" => "XDG".to_owned(),
            name => name.to_owned(),
        };
        let mut rows = serde_json::Map::new();
        for it in list {
            let (base, quote) = (old(&it.base), old(&it.quote));
            let row = json!({
                "altname": format!("{base}{quote}"), "wsname": format!("{base}/{quote}"),
                "base": base, "quote": quote, "pair_decimals": decimal::places(&it.tick),
                "lot_decimals": decimal::places(&it.lot), "tick_size": it.tick, "ordermin": it.lot,
                "status": if it.is_halted { "cancel_only" } else { "online" },
            });
            rows.insert(format!("{base}{quote}"), row);
        }
        json!({ "error": [], "result": rows }).to_string()
    }

    fn topic(&self, symbol: &str) -> String {
        symbol.to_owned()
    }

    fn route(&self, path: &str, _query: Option<&str>) -> Route {
        open(path == "/v2")
    }

    fn on_text(&self, text: &str, _session: &Session, known: &dyn Fn(&str) -> bool) -> Vec<Action> {
        let request = serde_json::from_str::<Value>(text).unwrap_or_default();
        let (id, params) = (&request["req_id"], &request["params"]);
        let method = request["method"].as_str().unwrap_or_default();
        if method == "ping" {
            let pong = json!({ "method": "pong", "req_id": id, "time_in": TIMES[0], "time_out": TIMES[1] });
            return vec![Action::Heartbeat(pong.to_string())];
        }
        let is_ours = params["channel"] == "ticker" && params["event_trigger"] == "bbo";
        if !is_ours || !["subscribe", "unsubscribe"].contains(&method) {
            let told = json!({ "error": "Malformed request", "method": method, "success": false });
            return vec![Action::Fail(told.to_string())];
        }
        let mut actions = Vec::new();
        for symbol in params["symbol"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !known(symbol) {
                actions.push(Action::Fail(spot_refusal(symbol, id)));
                continue;
            }
            let result = json!({
                "channel": "ticker", "event_trigger": "bbo", "snapshot": true, "symbol": symbol,
            });
            let answer = json!({
                "method": method, "req_id": id, "result": result, "success": true,
                "time_in": TIMES[0], "time_out": TIMES[1],
            });
            actions.push(Action::Reply(answer.to_string()));
            actions.push(match method {
                "subscribe" => Action::Subscribe(symbol.to_owned()),
                _ => Action::Unsubscribe(symbol.to_owned()),
            });
        }
        actions
    }

    fn refusal(&self, text: &str, _session: &Session) -> String {
        let request = serde_json::from_str::<Value>(text).unwrap_or_default();
        let symbol = request["params"]["symbol"][0].as_str().unwrap_or_default();
        spot_refusal(symbol, &request["req_id"])
    }

    fn number(&self, text: &str, places: usize, out: &mut String) {
        decimal::push_padded(text, places, out);
    }

    /// The frames have no number.
    fn sequence(&self, last: Option<u64>, _symbol: &str) -> u64 {
        last.map_or(1, |last| last + 1)
    }

    fn frame(&self, wire: &WireQuote<'_>, out: &mut String) {
        let texts = wire.texts;
        let written = write!(
            out,
            concat!(
                r#"{{"channel":"ticker","type":"update","data":[{{"symbol":"{}","bid":{},"bid_qty":{},"#,
                r#""ask":{},"ask_qty":{},"last":{},"volume":3156.84782110,"vwap":84174.6,"low":0.5,"#,
                r#""high":85247.4,"change":-429.3,"change_pct":-0.51,"trades":135262,"timestamp":"{}"}}]}}"#
            ),
            wire.symbol,
            texts.bid,
            texts.bid_qty,
            texts.ask,
            texts.ask_qty,
            texts.ask,
            text_of(wire.event_ms),
        );
        debug_assert!(written.is_ok(), "writing to a String cannot fail");
    }

    fn combined(&self, _topic: &str, _bare: &str) -> Option<String> {
        None
    }

    fn shutdown(&self, _now_ms: u64) -> Option<String> {
        None
    }

    fn recorded<'a>(&self, frame: &'a str) -> Option<Recorded<'a>> {
        field(frame, r#""data":[{"symbol":""#)
    }
}

impl Venue for Futures {
    fn name(&self) -> &'static str {
        "kraken-futures"
    }

    fn path(&self) -> &'static str {
        "/ws/v1"
    }

    fn rules(&self) -> Rules {
        Rules { idle_close: Some(Duration::from_secs(60)), snapshot: true, ..Rules::default() }
    }

    fn symbol(&self, instrument: &str) -> String {
        let symbol = instrument.replace('/', "");
        match symbol.strip_prefix("BTC") {
            Some(quote) => format!("PF_XBT{quote}"),
            None => format!("PF_{symbol}"),
        }
    }

    fn rest_path(&self) -> &'static str {
        "/derivatives/api/v3/instruments"
    }

    fn instruments(&self, list: &[RestInstrument]) -> String {
        let row = |it: &RestInstrument| {
            json!({
                "symbol": it.symbol, "type": "flexible_futures", "base": it.base,
                "quote": it.quote, "pair": format!("{}:{}", it.base, it.quote),
                "tickSize": it.tick, "contractSize": 1,
                "contractValueTradePrecision": decimal::places(&it.lot),
                "tradeable": !it.is_halted,
            })
        };
        let rows: Vec<Value> = list.iter().map(row).collect();
        json!({ "result": "success", "instruments": rows, "serverTime": TIMES[0] }).to_string()
    }

    fn topic(&self, symbol: &str) -> String {
        symbol.to_owned()
    }

    fn route(&self, path: &str, _query: Option<&str>) -> Route {
        open(path == "/ws/v1")
    }

    fn on_text(&self, text: &str, _session: &Session, known: &dyn Fn(&str) -> bool) -> Vec<Action> {
        let request = serde_json::from_str::<Value>(text).unwrap_or_default();
        let event = request["event"].as_str().unwrap_or_default();
        let products = request["product_ids"].as_array().into_iter().flatten();
        let mut actions = Vec::new();
        for product in products.filter_map(Value::as_str) {
            let answer = |event: &str| {
                json!({ "event": event, "feed": "ticker", "product_ids": [product] }).to_string()
            };
            match event {
                "subscribe" if request["feed"] == "ticker" && known(product) => {
                    actions.push(Action::Reply(answer("subscribed")));
                    actions.push(Action::Subscribe(product.to_owned()));
                }
                "unsubscribe" => {
                    actions.push(Action::Reply(answer("unsubscribed")));
                    actions.push(Action::Unsubscribe(product.to_owned()));
                }
                _ => actions.push(Action::Fail(self.refusal(text, &Session::default()))),
            }
        }
        actions
    }

    fn refusal(&self, _text: &str, _session: &Session) -> String {
        json!({ "event": "alert", "message": "Bad request: invalid product id" }).to_string()
    }

    fn number(&self, text: &str, _places: usize, out: &mut String) {
        decimal::push_trimmed(text, out);
    }

    /// The frames have no number.
    fn sequence(&self, last: Option<u64>, _symbol: &str) -> u64 {
        last.map_or(1, |last| last + 1)
    }

    fn frame(&self, wire: &WireQuote<'_>, out: &mut String) {
        let texts = wire.texts;
        let double =
            |text: &str| if text.contains('.') { text.to_owned() } else { format!("{text}.0") };
        let [bid, bid_size, ask, ask_size] =
            [&texts.bid, &texts.bid_qty, &texts.ask, &texts.ask_qty].map(|text| double(text));
        let written = write!(
            out,
            concat!(
                r#"{{"time":{},"product_id":"{}","funding_rate":0.9124,"funding_rate_prediction":1.3232,"#,
                r#""relative_funding_rate":0.00001089,"relative_funding_rate_prediction":0.00001575,"#,
                r#""next_funding_rate_time":1790362800000,"leverage":"100x","premium":-0.1,"feed":"ticker","#,
                r#""bid":{},"ask":{},"bid_size":{},"ask_size":{},"volume":4237.2723,"dtm":0,"#,
                r#""index":83995.76,"last":{},"change":-0.22,"suspended":false,"tag":"perpetual","#,
                r#""pair":"XBT:USD","openInterest":2189.7813,"markPrice":84004.11,"maturityTime":0,"#,
                r#""post_only":false,"volumeQuote":356641614.007}}"#
            ),
            wire.event_ms, wire.symbol, bid, ask, bid_size, ask_size, ask
        );
        debug_assert!(written.is_ok(), "writing to a String cannot fail");
    }

    fn combined(&self, _topic: &str, _bare: &str) -> Option<String> {
        None
    }

    fn shutdown(&self, _now_ms: u64) -> Option<String> {
        None
    }

    fn recorded<'a>(&self, frame: &'a str) -> Option<Recorded<'a>> {
        field(frame, r#""product_id":""#)
    }
}

#[cfg(test)]
mod tests {
    use super::text_of;

    #[test]
    fn times_are_written_as_the_calendar_has_them() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000000Z"),
            (1_790_358_506_844, "2026-09-25T17:48:26.844000Z"),
            (4_102_444_800_000, "2100-01-01T00:00:00.000000Z"),
        ] {
            assert_eq!(text_of(ms), text);
        }
    }
}
