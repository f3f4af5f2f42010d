//! The venue at the far end of a line, in its own words: quotes, and answers to requests.

use serde_json::{Value, json};
use spreadwire_engine::feed::Said;
use std::collections::{BTreeMap, BTreeSet};

/// One venue.
#[derive(Debug)]
pub(crate) struct FarVenue {
    pub name: &'static str,
    /// Whether it answers nothing.
    pub is_deaf: bool,
    /// Symbols that it refuses.
    pub refused: BTreeSet<String>,
    /// Last number of each symbol.
    pub numbers: BTreeMap<String, u64>,
}

/// A quote that a script asks for.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub symbol: String,
    /// Number, or the one after the last.
    pub number: Option<u64>,
    /// Bid and ask; `-` is none.
    pub prices: (String, String),
    /// Event time, ms since 1970.
    pub event_ms: u64,
}

impl FarVenue {
    pub(crate) fn new(name: &'static str) -> FarVenue {
        let (refused, numbers) = (BTreeSet::new(), BTreeMap::new());
        FarVenue { name, is_deaf: false, refused, numbers }
    }

    /// Returns a quote in the venue's own form.
    pub(crate) fn quote(&mut self, wanted: &Wanted) -> String {
        let Wanted { symbol, number, prices: (bid, ask), event_ms: ms } = wanted;
        let last = self.numbers.entry(symbol.clone()).or_insert(1_000);
        let u = number.unwrap_or(*last + 1);
        *last = u;
        match self.name {
            "binance" => format!(r#"{{"u":{u},"s":"{symbol}",{}}}"#, flat(bid, ask)),
            "binance-usdm" => format!(
                r#"{{"e":"bookTicker","u":{u},"E":{ms},"T":{ms},"s":"{symbol}",{}}}"#,
                flat(bid, ask)
            ),
            "bybit" => format!(
                r#"{{"topic":"orderbook.1.{symbol}","ts":{ms},"type":"snapshot","data":{{"s":"{symbol}","b":{},"a":{},"u":{u},"seq":{u}}},"cts":{ms}}}"#,
                levels(bid, ""),
                levels(ask, "")
            ),
            "okx" => format!(
                r#"{{"arg":{{"channel":"bbo-tbt","instId":"{symbol}"}},"data":[{{"asks":{},"bids":{},"ts":"{ms}","seqId":{u}}}]}}"#,
                levels(ask, r#","0","1""#),
                levels(bid, r#","0","1""#)
            ),
            other => panic!("no quotes of {other} are known"),
        }
    }

    /// Returns the answers to what was sent on a line.
    pub(crate) fn answers(&self, said: &Said) -> Vec<Said> {
        if self.is_deaf {
            return Vec::new();
        }
        match said {
            Said::Beat => vec![Said::Beat],
            Said::Text(text) => self.answer(text).into_iter().map(Said::Text).collect(),
            Said::Close | Said::Binary(_) => Vec::new(),
        }
    }

    fn answer(&self, text: &str) -> Vec<String> {
        if text == "ping" {
            return vec!["pong".to_owned()];
        }
        let request = Request::read(text);
        match self.name {
            "okx" => self.okx(&request),
            "bybit" => vec![self.bybit(&request)],
            _ => {
                vec![json!({"result": null, "id": request.id.parse::<u64>().unwrap()}).to_string()]
            }
        }
    }

    /// One answer for each argument; an error names its channel in the text alone.
    fn okx(&self, Request { id, op, symbols }: &Request) -> Vec<String> {
        let answer = |symbol: &String| {
            let arg = json!({"channel": "bbo-tbt", "instId": symbol});
            if op == "subscribe" && self.refused.contains(symbol) {
                let msg = format!(
                    "Wrong URL or channel:bbo-tbt,instId:{symbol} doesn't exist. Please use the correct URL"
                );
                return json!({"event": "error", "code": "60018", "msg": msg, "id": id, "connId": "1"});
            }
            json!({"id": id, "event": op, "arg": arg, "connId": "1"})
        };
        symbols.iter().map(answer).map(|answer| answer.to_string()).collect()
    }

    /// One answer for the request, which one bad topic refuses as a whole.
    fn bybit(&self, Request { id, op, symbols }: &Request) -> String {
        if op == "ping" {
            return json!({"success": true, "ret_msg": "pong", "conn_id": "1", "op": "ping"})
                .to_string();
        }
        let bad = symbols.iter().find(|symbol| self.refused.contains(*symbol));
        let bad = bad.filter(|_| op == "subscribe");
        let (success, text) = match bad {
            Some(symbol) => (false, format!("error:handler not found,topic:orderbook.1.{symbol}")),
            None => (true, String::new()),
        };
        json!({"success": success, "ret_msg": text, "conn_id": "1", "req_id": id, "op": op})
            .to_string()
    }
}

/// A request of ours.
struct Request {
    id: String,
    op: String,
    symbols: Vec<String>,
}

impl Request {
    fn read(text: &str) -> Request {
        let root: Value = serde_json::from_str(text).unwrap();
        let op = root["op"].as_str().or(root["method"].as_str()).unwrap().to_lowercase();
        let id = root.get("id").or(root.get("req_id"));
        let id = id.map_or(String::new(), |id| id.as_str().map_or(id.to_string(), str::to_owned));
        let list = root["args"].as_array().or(root["params"].as_array());
        let symbols = list.into_iter().flatten().map(symbol_of).collect();
        Request { id, op, symbols }
    }
}

fn symbol_of(argument: &Value) -> String {
    match argument["instId"].as_str() {
        Some(symbol) => symbol.to_owned(),
        None => {
            let topic = argument.as_str().unwrap();
            let topic = topic.strip_prefix("orderbook.1.").unwrap_or(topic);
            topic.strip_suffix("@bookTicker").unwrap_or(topic).to_uppercase()
        }
    }
}

/// Returns what was sent in words: `subscribe BTC-USDT ETH-USDT`; `None` for a heartbeat.
pub(crate) fn in_words(said: &Said) -> Option<String> {
    match said {
        Said::Beat => None,
        Said::Close => Some("close".to_owned()),
        Said::Binary(bytes) => Some(format!("{bytes:?}")),
        Said::Text(text) if text == "ping" => None,
        Said::Text(text) => {
            let Request { op, symbols, .. } = Request::read(text);
            (op != "ping").then(|| format!("{op} {}", symbols.join(" ")))
        }
    }
}

/// The four fields of a best bid and ask; an absent side is of zeros.
fn flat(bid: &str, ask: &str) -> String {
    let side = |px: &str, [price, size]: [&str; 2]| {
        let (px, sz) = if px == "-" { ("0.00", "0.0") } else { (px, "1.5") };
        format!(r#""{price}":"{px}","{size}":"{sz}""#)
    };
    format!("{},{}", side(bid, ["b", "B"]), side(ask, ["a", "A"]))
}

/// A list of one level, or of none.
fn levels(price: &str, more: &str) -> String {
    if price == "-" { "[]".to_owned() } else { format!(r#"[["{price}","1.5"{more}]]"#) }
}
