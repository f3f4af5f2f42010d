//! KuCoin's public socket for the unified account, channel `obu` at depth 1, spot and perpetuals.
//!
//! This follows KuCoin's documentation as of 2026-07. The server greets, and sends JSON in binary frames.
//! Every frame is a complete quote. A request has one symbol; its answer has the request's id and nothing
//! of the symbol. A symbol that is not known is accepted, and nothing is sent. Sizes of perpetuals are lots
//! of one lot of the source. The simulator spells a topic as the symbol.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::rest::RestInstrument;
use crate::venue::{Action, Form, Recorded, Route, Rules, Session, Venue, WireQuote};
use crate::{decimal, sequence};

/// One of KuCoin's markets.
#[derive(Debug)]
pub(super) struct Kucoin {
    name: &'static str,
    rest_path: &'static str,
    /// The venue's name of the market.
    trade_type: &'static str,
}

/// KuCoin spot.
pub(super) const SPOT: Kucoin =
    Kucoin { name: "kucoin", rest_path: "/api/v2/symbols", trade_type: "SPOT" };

/// KuCoin's perpetuals.
pub(super) const PERPETUAL: Kucoin =
    Kucoin { name: "kucoin-perp", rest_path: "/api/v1/contracts/active", trade_type: "FUTURES" };

impl Kucoin {
    fn is_spot(&self) -> bool {
        self.trade_type == "SPOT"
    }
}

/// Returns the answer to a request.
fn answer(request: &Value, refusal: Option<&str>) -> String {
    match refusal {
        None => json!({ "id": request["id"], "result": true }).to_string(),
        Some(reason) => {
            json!({ "id": request["id"], "result": false, "reason": reason }).to_string()
        }
    }
}

impl Venue for Kucoin {
    fn name(&self) -> &'static str {
        self.name
    }

    fn path(&self) -> &'static str {
        "/"
    }

    fn rules(&self) -> Rules {
        Rules {
            idle_close: Some(Duration::from_secs(60)),
            inbound_per_second: Some(30),
            snapshot: true,
            ..Rules::default()
        }
    }

    fn symbol(&self, instrument: &str) -> String {
        let (base, quote) = instrument.split_once('/').unwrap_or((instrument, ""));
        match (self.is_spot(), base) {
            (true, _) => format!("{base}-{quote}"),
            (false, "BTC") => format!("XBT{quote}M"),
            (false, _) => format!("{base}{quote}M"),
        }
    }

    fn rest_path(&self) -> &'static str {
        self.rest_path
    }

    fn instruments(&self, list: &[RestInstrument]) -> String {
        let pair = |it: &RestInstrument| {
            json!({
                "symbol": it.symbol, "name": it.symbol, "baseCurrency": it.base,
                "quoteCurrency": it.quote, "priceIncrement": it.tick, "baseIncrement": it.lot,
                "baseMinSize": it.lot, "minFunds": it.min_notional(),
                "enableTrading": !it.is_halted,
            })
        };
        let contract = |it: &RestInstrument| {
            json!({
                "symbol": it.symbol, "type": "FFWCSX", "isInverse": false,
                "baseCurrency": if it.base == "BTC" { "XBT" } else { &it.base },
                "quoteCurrency": it.quote, "settleCurrency": it.quote,
                "tickSize": it.tick, "lotSize": 1, "multiplier": it.lot,
                "status": if it.is_halted { "Paused" } else { "Open" },
            })
        };
        let rows: Vec<Value> = if self.is_spot() {
            list.iter().map(pair).collect()
        } else {
            list.iter().map(contract).collect()
        };
        json!({ "code": "200000", "data": rows }).to_string()
    }

    fn topic(&self, symbol: &str) -> String {
        symbol.to_owned()
    }

    fn route(&self, path: &str, _query: Option<&str>) -> Route {
        if path == "/" {
            Route::Open { combined: false, topics: Vec::new(), without_quotes: false }
        } else {
            Route::NotFound
        }
    }

    fn greeting(&self, session: &Session) -> Option<String> {
        let greeting =
            json!({ "sessionId": session.id, "message": "welcome", "pingInterval": 18_000 });
        Some(greeting.to_string())
    }

    fn form(&self) -> Form {
        Form::Binary
    }

    fn on_text(&self, text: &str, _session: &Session, known: &dyn Fn(&str) -> bool) -> Vec<Action> {
        let Ok(request) = serde_json::from_str::<Value>(text) else {
            return vec![Action::Fail(answer(&Value::Null, Some("invalid request data")))];
        };
        let fail = |why: &str| vec![Action::Fail(answer(&request, Some(why)))];
        if request["type"] == "ping" {
            let pong =
                json!({ "type": "pong", "id": request["id"], "ts": 1_790_000_000_000_000_000_u64 });
            return vec![Action::Heartbeat(pong.to_string())];
        }
        if request["channel"] != "obu" || request["depth"] != "1" {
            return fail("invalid request data");
        }
        if request.get("symbols").is_some() {
            return fail("symbols are not supported for topic obu");
        }
        if request["tradeType"] != self.trade_type {
            return fail("topic Obu type not allowed in current environment");
        }
        let Some(symbol) = request["symbol"].as_str() else {
            return fail("missing `symbol` for topic: Obu");
        };
        let reply = Action::Reply(answer(&request, None));
        match request["action"].as_str() {
            Some("SUBSCRIBE") if known(symbol) => {
                vec![reply, Action::Subscribe(symbol.to_owned())]
            }
            Some("SUBSCRIBE") => vec![reply],
            Some("UNSUBSCRIBE") => vec![reply, Action::Unsubscribe(symbol.to_owned())],
            Some(_) | None => fail("invalid request data"),
        }
    }

    fn refusal(&self, text: &str, _session: &Session) -> String {
        let request = serde_json::from_str::<Value>(text).unwrap_or_default();
        answer(&request, Some("invalid request data"))
    }

    fn number(&self, text: &str, _places: usize, out: &mut String) {
        decimal::push_trimmed(text, out);
    }

    fn size(&self, text: &str, places: usize, out: &mut String) {
        if self.is_spot() {
            decimal::push_trimmed(text, out);
        } else {
            decimal::push_shifted(text, places, out);
        }
    }

    fn sequence(&self, last: Option<u64>, symbol: &str) -> u64 {
        last.map_or_else(
            || 1_727_360_000_000 + sequence::scattered(symbol, 900_000_000),
            sequence::with_gaps,
        )
    }

    fn frame(&self, wire: &WireQuote<'_>, out: &mut String) {
        let level = |px: &str, sz: &str| match px {
            "0" => "[]".to_owned(),
            _ => format!(r#"[["{px}","{sz}"]]"#),
        };
        let texts = wire.texts;
        let (ask, bid) = (level(&texts.ask, &texts.ask_qty), level(&texts.bid, &texts.bid_qty));
        let (number, symbol) = (wire.sequence, wire.symbol);
        let matched = format!(r#""M":{}"#, wire.event_ms * 1_000_000);
        let data = if self.is_spot() {
            format!(r#""C":{number},{matched},"O":{number},"a":{ask},"b":{bid},"s":"{symbol}""#)
        } else {
            format!(r#""a":{ask},"b":{bid},"s":"{symbol}","C":{number},{matched},"O":{number}"#)
        };
        let written = write!(
            out,
            r#"{{"T":"obu.{}","dp":"1","t":"snapshot","P":{},"d":{{{data}}}}}"#,
            self.trade_type,
            wire.push_ms * 1_000_000,
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
        let (_, rest) = frame.split_once(r#""s":""#)?;
        let (symbol, _) = rest.split_once('"')?;
        Some(Recorded { topic: symbol.into(), bare: 0..frame.len() })
    }
}
