//! A desk on a virtual clock, and clients that sign as each venue documents it.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use exchange_sim::{Desk, OrdersOptions, Outgoing, TEST_ED25519_PRIVATE, Texts};
use ring::hmac;
use ring::signature::Ed25519KeyPair;
use serde_json::{Value, json};

/// 2024-03-21T06:13:15.207Z.
pub(crate) const START_MS: u64 = 1_711_001_595_207;

pub(crate) const NS_PER_MS: u64 = 1_000_000;

/// Digits of prices and sizes of the instruments: ticks of 0.01 and lots of 0.00001 and 0.0001.
pub(crate) const INSTRUMENTS: [(&str, usize, usize); 2] = [("BTC/USDT", 2, 5), ("ETH/USDT", 2, 4)];

pub(crate) struct Rig {
    pub(crate) desk: Desk,
    pub(crate) now_ns: u64,
    /// Number of requests so far, for their ids.
    requests: u64,
}

fn tag(secret: &str, message: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), message.as_bytes())
}

pub(crate) fn hex(secret: &str, message: &str) -> String {
    tag(secret, message).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn base64(secret: &str, message: &str) -> String {
    STANDARD.encode(tag(secret, message))
}

pub(crate) fn ed25519(message: &str) -> String {
    let digits = TEST_ED25519_PRIVATE.as_bytes().chunks(2);
    let byte = |pair: &[u8]| {
        u8::from_str_radix(std::str::from_utf8(pair).expect("text"), 16).expect("hex digits")
    };
    let seed: Vec<u8> = digits.map(byte).collect();
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed).expect("a seed");
    STANDARD.encode(pair.sign(message.as_bytes()))
}

/// Returns the text that Binance signs: the parameters sorted by name.
pub(crate) fn sorted(params: &Value) -> String {
    let params: BTreeMap<String, Value> =
        serde_json::from_value(params.clone()).expect("an object");
    let pair = |(name, value): (&String, &Value)| match value.as_str() {
        Some(text) => format!("{name}={text}"),
        None => format!("{name}={value}"),
    };
    params.iter().map(pair).collect::<Vec<_>>().join("&")
}

impl Rig {
    pub(crate) fn new(venue: &str, faults: &[&str]) -> Rig {
        let faults = faults.iter().map(|text| text.parse().expect(text)).collect();
        Rig::with(venue, &OrdersOptions { faults, ..OrdersOptions::default() })
    }

    pub(crate) fn with(venue: &str, options: &OrdersOptions) -> Rig {
        let desk = Desk::new(venue, options, &INSTRUMENTS).expect("a venue that takes orders");
        Rig { desk, now_ns: START_MS * NS_PER_MS, requests: 0 }
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.now_ns / NS_PER_MS
    }

    pub(crate) fn connect(&mut self, connection: usize, path: &str) {
        assert!(self.desk.has_path(path), "{path}");
        self.desk.connect(connection, &format!("c{connection}"), path, "", self.now_ns);
    }

    pub(crate) fn quote(&mut self, name: &str, [bid, bid_qty, ask, ask_qty]: [&str; 4]) {
        let [bid, bid_qty, ask, ask_qty] = [bid, bid_qty, ask, ask_qty].map(str::to_owned);
        let texts = Texts { bid, bid_qty, ask, ask_qty };
        self.desk.on_quote(name, &texts, self.now_ns);
    }

    /// Returns what comes out by now, as (connection, message). A message is JSON or a text.
    pub(crate) fn outgoing(&mut self) -> Vec<(usize, Value)> {
        let mut found = Vec::new();
        while let Some(outgoing) = self.desk.poll(self.now_ns) {
            found.push(match outgoing {
                Outgoing::Send { connection, text } => {
                    (connection, serde_json::from_str(&text).unwrap_or_else(|_| text.into()))
                }
                Outgoing::Reset { connection } => (connection, "reset".into()),
            });
        }
        found
    }

    pub(crate) fn pass(&mut self, ms: u64) {
        self.now_ns += ms * NS_PER_MS;
        self.desk.tick(self.now_ns);
    }

    /// Sends a text and returns what comes out, to any connection.
    pub(crate) fn say(&mut self, connection: usize, text: &str) -> Vec<Value> {
        self.desk.on_text(connection, text, self.now_ns);
        self.outgoing().into_iter().map(|(_, message)| message).collect()
    }

    fn next_id(&mut self) -> String {
        self.requests += 1;
        format!("r{}", self.requests)
    }

    /// Signs and sends a request of Binance's with the HMAC key.
    pub(crate) fn binance(&mut self, method: &str, params: Value) -> Vec<Value> {
        let request = self.binance_request(method, params);
        self.say(1, &request.to_string())
    }

    pub(crate) fn binance_request(&mut self, method: &str, mut params: Value) -> Value {
        params["apiKey"] = "sim-binance-key".into();
        params["timestamp"] = self.now_ms().into();
        params["signature"] = hex("sim-binance-secret", &sorted(&params)).into();
        json!({ "id": self.next_id(), "method": method, "params": params })
    }

    /// Returns a Binance that has a session with the user data stream on connection 1.
    pub(crate) fn of_binance(faults: &[&str]) -> Rig {
        let mut rig = Rig::new("binance", faults);
        rig.connect(1, "/ws-api/v3");
        let said = rig.binance("userDataStream.subscribe.signature", json!({}));
        assert_eq!(said[0]["result"], json!({ "subscriptionId": 0 }), "{said:?}");
        rig
    }

    /// Returns a Bybit with order entry on connection 1 and the private stream on connection 2.
    pub(crate) fn of_bybit(faults: &[&str], topics: &[&str]) -> Rig {
        let mut rig = Rig::new("bybit", faults);
        rig.connect(1, "/v5/trade");
        rig.connect(2, "/v5/private");
        let expires = rig.now_ms() + 1_000;
        let signature = hex("sim-bybit-secret", &format!("GET/realtime{expires}"));
        let auth = json!({ "op": "auth", "args": ["sim-bybit-key", expires, signature] });
        assert_eq!(rig.say(1, &auth.to_string())[0]["retCode"], 0);
        assert_eq!(rig.say(2, &auth.to_string())[0]["success"], true);
        let subscribe = json!({ "op": "subscribe", "args": topics });
        assert_eq!(rig.say(2, &subscribe.to_string())[0]["success"], true);
        rig
    }

    /// Sends a request of Bybit's order entry.
    pub(crate) fn bybit(&mut self, op: &str, mut arg: Value) -> Vec<Value> {
        arg["category"] = "spot".into();
        let request = json!({
            "reqId": self.next_id(), "op": op, "args": [arg],
            "header": { "X-BAPI-TIMESTAMP": self.now_ms().to_string() },
        });
        self.say(1, &request.to_string())
    }

    /// Signs and sends a REST request of Bybit's.
    pub(crate) fn bybit_ask(&mut self, method: &str, path: &str, query: &str) -> Value {
        let at = self.now_ms().to_string();
        let signature = hex("sim-bybit-secret", &format!("{at}sim-bybit-key5000{query}"));
        let headers = [
            ("X-BAPI-API-KEY", "sim-bybit-key"),
            ("X-BAPI-TIMESTAMP", &at),
            ("X-BAPI-RECV-WINDOW", "5000"),
            ("X-BAPI-SIGN", &signature),
        ];
        let (target, body) = if method == "GET" {
            (format!("{path}?{query}"), "")
        } else {
            (path.to_owned(), query)
        };
        let (_, body) =
            self.desk.ask(method, &target, &headers, body, self.now_ns).expect("a path");
        serde_json::from_str(&body).expect("JSON")
    }

    /// Returns an OKX that has logged in and subscribed on connection 1.
    pub(crate) fn of_okx(faults: &[&str], channels: &[Value]) -> Rig {
        let mut rig = Rig::new("okx", faults);
        rig.connect(1, "/ws/v5/private");
        let login = rig.okx_login("sim-okx-key", "sim-okx-passphrase", 0);
        assert_eq!(rig.say(1, &login.to_string())[0]["event"], "login");
        for channel in channels {
            let subscribe = json!({ "op": "subscribe", "args": [channel] });
            assert_eq!(rig.say(1, &subscribe.to_string())[0]["event"], "subscribe", "{channel}");
        }
        rig
    }

    pub(crate) fn okx_login(&self, key: &str, passphrase: &str, late_s: u64) -> Value {
        let at = (self.now_ms() / 1_000 - late_s).to_string();
        let sign = base64("sim-okx-secret", &format!("{at}GET/users/self/verify"));
        json!({
            "op": "login",
            "args": [{ "apiKey": key, "passphrase": passphrase, "timestamp": at, "sign": sign }],
        })
    }

    /// Sends a request about an order of OKX's. The instrument is BTC-USDT, by its number.
    pub(crate) fn okx(&mut self, op: &str, mut arg: Value) -> Vec<Value> {
        arg["instIdCode"] = 211_001.into();
        let request = json!({ "id": self.next_id(), "op": op, "args": [arg] });
        self.say(1, &request.to_string())
    }

    /// Signs and sends a REST request of OKX's. `at` is the time of the virtual clock's start.
    pub(crate) fn okx_ask(&mut self, method: &str, target: &str, body: &str) -> (u16, Value) {
        let at = "2024-03-21T06:13:15.207Z";
        let sign = base64("sim-okx-secret", &format!("{at}{method}{target}{body}"));
        let headers = [
            ("OK-ACCESS-KEY", "sim-okx-key"),
            ("OK-ACCESS-PASSPHRASE", "sim-okx-passphrase"),
            ("OK-ACCESS-TIMESTAMP", at),
            ("OK-ACCESS-SIGN", &sign),
        ];
        let found = self.desk.ask(method, target, &headers, body, self.now_ns).expect("a path");
        (found.0, serde_json::from_str(&found.1).expect("JSON"))
    }

    /// Returns the free and the locked balance of an asset.
    pub(crate) fn balance(&self, asset: &str) -> (String, String) {
        let balance = self.desk.balance(asset);
        (balance.free.to_string(), balance.locked.to_string())
    }
}
