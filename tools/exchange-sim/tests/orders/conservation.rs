//! Random orders on all venues: balances follow from the trades that a client is told, to the last digit.

use std::collections::{BTreeMap, HashSet};

use exchange_sim::{Amount, OrdersOptions};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::rig::Rig;

/// A trade as a venue tells it: id, whether it buys, price, size, fee, asset of the fee.
type Told = (String, bool, Amount, Amount, Amount, String);

fn amount(value: &Value) -> Amount {
    Amount::parse(value.as_str().expect("a text")).expect("a number")
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Reads the trade of a message, if it tells one.
fn told(venue: &str, message: &Value) -> Option<Told> {
    let row = &message["data"][0];
    match venue {
        "binance" if message["event"]["x"] == "TRADE" => {
            let it = &message["event"];
            let [size, price, fee] = [&it["l"], &it["L"], &it["n"]].map(amount);
            Some((text(&it["t"]), it["S"] == "BUY", price, size, fee, text(&it["N"])))
        }
        "bybit" if message["topic"] == "execution" => {
            let [price, size, fee] =
                [&row["execPrice"], &row["execQty"], &row["execFee"]].map(amount);
            let asset = text(&row["feeCurrency"]);
            Some((text(&row["execId"]), row["side"] == "Buy", price, size, fee, asset))
        }
        "okx" if message["arg"]["channel"] == "orders" && row["tradeId"] != "" => {
            let [price, size, fee] = [&row["fillPx"], &row["fillSz"], &row["fillFee"]].map(amount);
            let asset = text(&row["fillFeeCcy"]);
            Some((text(&row["tradeId"]), row["side"] == "buy", price, size, -fee, asset))
        }
        _ => None,
    }
}

struct Trader {
    venue: &'static str,
    rig: Rig,
    random: ChaCha8Rng,
    orders: u64,
    /// Sum of the trades by asset.
    sums: BTreeMap<String, Amount>,
    seen: HashSet<String>,
}

impl Trader {
    fn new(venue: &'static str, seed: u64) -> Trader {
        let mut rig = match venue {
            "binance" => Rig::of_binance(&[]),
            "bybit" => Rig::of_bybit(&[], &["execution"]),
            _ => Rig::of_okx(&[], &[json!({ "channel": "orders", "instType": "ANY" })]),
        };
        rig.outgoing();
        let random = ChaCha8Rng::seed_from_u64(seed);
        Trader { venue, rig, random, orders: 0, sums: BTreeMap::new(), seen: HashSet::new() }
    }

    fn step(&mut self) {
        self.rig.pass(250);
        let messages = match self.random.random_range(0..10) {
            0..4 => self.quote(),
            4..8 => self.order(),
            8 => self.cancel(),
            _ => self.amend(),
        };
        for message in &messages {
            self.note(message);
        }
        self.check();
    }

    fn price(&mut self) -> u64 {
        self.random.random_range(5_199_000..5_201_000)
    }

    fn quote(&mut self) -> Vec<Value> {
        let (bid, ask) = (self.price(), self.random.random_range(1..500));
        let mut size = || format!("0.{:05}", self.random.random_range(0..30_000));
        let (bid_size, ask_size) = (size(), size());
        let shown = |cents: u64| format!("{}.{:02}", cents / 100, cents % 100);
        self.rig.quote("BTC/USDT", [&shown(bid), &bid_size, &shown(bid + ask), &ask_size]);
        self.rig.outgoing().into_iter().map(|(_, message)| message).collect()
    }

    fn order(&mut self) -> Vec<Value> {
        self.orders += 1;
        let cents = self.price();
        let price = format!("{}.{:02}", cents / 100, cents % 100);
        let size = format!("0.{:05}", self.random.random_range(1..90_000));
        let id = format!("o{}", self.orders);
        let buys = self.random.random_bool(0.5);
        let kind = self.random.random_range(0..4);
        match self.venue {
            "binance" => {
                let mut order = json!({
                    "symbol": "BTCUSDT", "side": if buys { "BUY" } else { "SELL" },
                    "quantity": size, "newClientOrderId": id, "type": "LIMIT", "price": price,
                });
                match kind {
                    0 => order["timeInForce"] = "IOC".into(),
                    1 => order["timeInForce"] = "FOK".into(),
                    2 => order["timeInForce"] = "GTC".into(),
                    _ => {
                        order = json!({
                            "symbol": "BTCUSDT", "side": order["side"], "quantity": size,
                            "newClientOrderId": id, "type": "MARKET",
                        });
                    }
                }
                self.rig.binance("order.place", order)
            }
            "bybit" => self.rig.bybit(
                "order.create",
                json!({
                    "symbol": "BTCUSDT", "side": if buys { "Buy" } else { "Sell" }, "qty": size,
                    "orderLinkId": id, "orderType": if kind == 3 { "Market" } else { "Limit" },
                    "price": price, "marketUnit": "baseCoin",
                    "timeInForce": (["IOC", "FOK", "GTC", "IOC"][kind]),
                }),
            ),
            _ => self.rig.okx(
                "order",
                json!({
                    "side": if buys { "buy" } else { "sell" }, "tdMode": "cash", "sz": size,
                    "clOrdId": id, "px": price, "tgtCcy": "base_ccy",
                    "ordType": (["ioc", "fok", "limit", "market"][kind]),
                }),
            ),
        }
    }

    fn cancel(&mut self) -> Vec<Value> {
        let id = format!("o{}", self.random.random_range(0..=self.orders));
        match self.venue {
            "binance" => {
                let order = json!({ "symbol": "BTCUSDT", "origClientOrderId": id });
                self.rig.binance("order.cancel", order)
            }
            "bybit" => {
                let order = json!({ "symbol": "BTCUSDT", "orderLinkId": id });
                self.rig.bybit("order.cancel", order)
            }
            _ => self.rig.okx("cancel-order", json!({ "clOrdId": id })),
        }
    }

    fn amend(&mut self) -> Vec<Value> {
        let id = format!("o{}", self.random.random_range(0..=self.orders));
        let size = format!("0.{:05}", self.random.random_range(1..90_000));
        match self.venue {
            "binance" => {
                let order = json!({
                    "symbol": "BTCUSDT", "origClientOrderId": id, "newQty": size,
                    "newClientOrderId": id,
                });
                self.rig.binance("order.amend.keepPriority", order)
            }
            "bybit" => {
                let order = json!({ "symbol": "BTCUSDT", "orderLinkId": id, "qty": size });
                self.rig.bybit("order.amend", order)
            }
            _ => self.rig.okx("amend-order", json!({ "clOrdId": id, "newSz": size })),
        }
    }

    fn note(&mut self, message: &Value) {
        let Some((id, buys, price, size, fee, asset)) = told(self.venue, message) else { return };
        assert!(self.seen.insert(id), "a trade is told once");
        let cost = price.times(size).expect("exact");
        let received = if buys { "BTC" } else { "USDT" };
        assert_eq!(asset, received, "the fee is taken from what is received");
        let (base, quote) = if buys { (size, -cost) } else { (-size, cost) };
        for (asset, change) in [("BTC", base), ("USDT", quote), (received, -fee)] {
            *self.sums.entry(asset.to_owned()).or_default() += change;
        }
    }

    fn check(&self) {
        let start = OrdersOptions::default().default_balance;
        for asset in ["BTC", "USDT"] {
            let balance = self.rig.desk.balance(asset);
            let change = self.sums.get(asset).copied().unwrap_or_default();
            assert_eq!(balance.total(), start + change, "{} {asset}", self.venue);
            assert!(Amount::ZERO <= balance.free && Amount::ZERO <= balance.locked);
        }
    }
}

#[test]
fn balances_follow_from_the_trades_that_are_told() {
    for (venue, seed) in ["binance", "bybit", "okx"]
        .into_iter()
        .flat_map(|venue| [1, 2, 3].map(|seed| (venue, seed)))
    {
        let mut trader = Trader::new(venue, seed);
        for _ in 0..1_500 {
            trader.step();
        }
        assert!(100 < trader.seen.len(), "{venue}, seed {seed}: {} trades", trader.seen.len());
        // When no order is open, nothing is locked.
        for number in 1..=trader.orders {
            let id = format!("o{number}");
            let told = match venue {
                "binance" => trader.rig.binance(
                    "order.cancel",
                    json!({ "symbol": "BTCUSDT", "origClientOrderId": id }),
                ),
                "bybit" => trader
                    .rig
                    .bybit("order.cancel", json!({ "symbol": "BTCUSDT", "orderLinkId": id })),
                _ => trader.rig.okx("cancel-order", json!({ "clOrdId": id })),
            };
            assert!(told.iter().all(|it| self::told(venue, it).is_none()));
            trader.rig.pass(1_000);
        }
        assert_eq!(trader.rig.desk.open_orders(), 0, "{venue}, seed {seed}");
        for asset in ["BTC", "USDT"] {
            assert_eq!(trader.rig.desk.balance(asset).locked, Amount::ZERO);
        }
    }
}

#[test]
fn a_small_account_never_spends_what_it_does_not_have() {
    let balances = ["BTC=0.5", "USDT=7", "binance:USDT=1000", "okx:USDT=9"];
    let balances = balances.iter().map(|text| text.parse().expect("a balance")).collect();
    let options = OrdersOptions { balances, ..OrdersOptions::default() };
    let mut rig = Rig::with("binance", &options);
    rig.connect(1, "/ws-api/v3");
    rig.quote("BTC/USDT", ["52000", "9", "52000.01", "9"]);
    let place = |rig: &mut Rig, side: &str, kind: Value, quantity: &str| {
        let mut order = json!({ "symbol": "BTCUSDT", "side": side, "quantity": quantity });
        for (name, value) in kind.as_object().expect("an object") {
            order[name] = value.clone();
        }
        rig.binance("order.place", order)[0]["status"].clone()
    };
    let limit = || json!({ "type": "LIMIT", "timeInForce": "GTC", "price": "53000" });
    assert_eq!(place(&mut rig, "SELL", limit(), "0.4"), 200);
    assert_eq!(place(&mut rig, "SELL", limit(), "0.10001"), 400);
    assert_eq!(place(&mut rig, "SELL", json!({ "type": "MARKET" }), "0.10001"), 400);
    assert_eq!(place(&mut rig, "BUY", json!({ "type": "MARKET" }), "0.01924"), 400);
    assert_eq!(place(&mut rig, "BUY", json!({ "type": "MARKET" }), "0.01923"), 200);
    assert_eq!(rig.balance("USDT").0, "0.0398077");
    assert_eq!(rig.balance("BTC"), ("0.11921077".into(), "0.4".into()));
}
