//! Binance's WebSocket API, against frames written from its documentation.

use exchange_sim::{ApiKey, OrdersOptions, Secret};
use serde_json::{Value, json};

use crate::rig::{NS_PER_MS, Rig, START_MS, ed25519, sorted};

fn quoted(faults: &[&str]) -> Rig {
    let mut rig = Rig::of_binance(faults);
    rig.quote("BTC/USDT", ["52000.00", "0.5", "52000.10", "0.3"]);
    rig
}

fn limit(side: &str, in_force: &str, quantity: &str, price: &str, client_id: &str) -> Value {
    json!({
        "symbol": "BTCUSDT", "side": side, "type": "LIMIT", "timeInForce": in_force,
        "quantity": quantity, "price": price, "newClientOrderId": client_id,
    })
}

/// Returns the execution type, the status and the cumulative size of each execution report.
fn reports(messages: &[Value]) -> Vec<String> {
    let events = messages.iter().filter_map(|message| message.get("event"));
    let events = events.filter(|event| event["e"] == "executionReport");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    events.map(|it| format!("{} {} {}", text(&it["x"]), text(&it["X"]), text(&it["z"]))).collect()
}

#[test]
fn an_immediate_order_takes_what_is_displayed_and_the_rest_expires() {
    let mut rig = quoted(&[]);
    let said = rig.binance("order.place", limit("BUY", "IOC", "0.40000", "52001.00", "a-1"));
    assert_eq!(
        said[0],
        json!({
            "id": "r2",
            "status": 200,
            "result": {
                "symbol": "BTCUSDT", "orderId": 12569099001_u64, "orderListId": -1,
                "clientOrderId": "a-1", "transactTime": START_MS, "price": "52001.00000000",
                "origQty": "0.40000000", "executedQty": "0.30000000",
                "origQuoteOrderQty": "0.00000000", "cummulativeQuoteQty": "15600.03000000",
                "status": "EXPIRED", "expiryReason": "UNFILLED_IOC_QUANTITY_EXPIRED",
                "timeInForce": "IOC", "type": "LIMIT", "side": "BUY", "workingTime": START_MS,
                "selfTradePreventionMode": "NONE",
                "fills": [{
                    "price": "52000.10000000", "qty": "0.30000000", "commission": "0.00030000",
                    "commissionAsset": "BTC", "tradeId": 1650422001,
                }],
            },
            "rateLimits": [
                {
                    "rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10,
                    "limit": 100, "count": 1,
                },
                {
                    "rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1,
                    "limit": 200000, "count": 1,
                },
                {
                    "rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1,
                    "limit": 6000, "count": 2,
                },
            ],
        })
    );
    // The displayed size is consumed until there is a new quote.
    let said = rig.binance("order.place", limit("BUY", "FOK", "0.00100", "52001.00", "a-2"));
    assert_eq!(said[0]["result"]["status"], "EXPIRED");
    assert_eq!(said[0]["result"]["expiryReason"], "UNFILLED_FOK_ORDER_EXPIRED");
    assert_eq!(said[0]["result"]["fills"], json!([]));
}

#[test]
fn the_user_data_stream_tells_each_step_of_an_order() {
    let mut rig = quoted(&[]);
    let said = rig.binance("order.place", limit("BUY", "IOC", "0.40000", "52001.00", "a-1"));
    assert_eq!(
        said[2],
        json!({
            "subscriptionId": 0,
            "event": {
                "e": "executionReport", "E": START_MS, "s": "BTCUSDT", "c": "a-1", "S": "BUY",
                "o": "LIMIT", "f": "IOC", "q": "0.40000000", "p": "52001.00000000",
                "P": "0.00000000", "F": "0.00000000", "g": -1, "C": "", "x": "TRADE",
                "X": "PARTIALLY_FILLED", "r": "NONE", "i": 12569099001_u64, "l": "0.30000000",
                "z": "0.30000000", "L": "52000.10000000", "n": "0.00030000", "N": "BTC",
                "T": START_MS, "t": 1650422001, "I": 207000000, "w": true, "m": false, "M": false,
                "O": START_MS, "Z": "15600.03000000", "Y": "15600.03000000", "Q": "0.00000000",
                "W": START_MS, "V": "NONE",
            },
        })
    );
    let expected =
        ["NEW NEW 0.00000000", "TRADE PARTIALLY_FILLED 0.30000000", "EXPIRED EXPIRED 0.30000000"];
    assert_eq!(reports(&said), expected);
    assert_eq!(
        said[4],
        json!({
            "subscriptionId": 0,
            "event": {
                "e": "outboundAccountPosition", "E": START_MS, "u": START_MS,
                "B": [
                    { "a": "BTC", "f": "1000000.29970000", "l": "0.00000000" },
                    { "a": "USDT", "f": "984399.97000000", "l": "0.00000000" },
                ],
            },
        })
    );
}

#[test]
fn market_orders_take_the_other_side_in_either_unit() {
    let mut rig = quoted(&[]);
    let mut order = json!({ "symbol": "BTCUSDT", "side": "SELL", "type": "MARKET" });
    order["quantity"] = "0.2".into();
    let said = rig.binance("order.place", order);
    let result = &said[0]["result"];
    assert_eq!((&result["status"], &result["type"]), (&json!("FILLED"), &json!("MARKET")));
    assert_eq!(result["cummulativeQuoteQty"], "10400.00000000");
    assert_eq!(result["fills"][0]["commission"], "10.40000000");
    assert_eq!(result["fills"][0]["commissionAsset"], "USDT");
    let order = json!({
        "symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quoteOrderQty": "100",
        "newOrderRespType": "RESULT",
    });
    let result = rig.binance("order.place", order)[0]["result"].clone();
    // 100 / 52000.10 in lots of 0.00001.
    assert_eq!(result["executedQty"], "0.00192000");
    assert_eq!(result["origQuoteOrderQty"], "100.00000000");
    assert_eq!(result.get("fills"), None);
    // Nothing is quoted here.
    let order = json!({
        "symbol": "ETHUSDT", "side": "BUY", "type": "MARKET", "quantity": "1",
        "newOrderRespType": "ACK",
    });
    let said = rig.binance("order.place", order);
    let members: Vec<&String> = said[0]["result"].as_object().expect("an object").keys().collect();
    assert_eq!(members, ["clientOrderId", "orderId", "orderListId", "symbol", "transactTime"]);
    assert_eq!(said[2]["event"]["eR"], "INSUFFICIENT_LIQUIDITY");
}

#[test]
fn a_resting_order_locks_its_balance_and_fills_at_its_price_when_the_quote_reaches_it() {
    let mut rig = quoted(&[]);
    let said = rig.binance("order.place", limit("BUY", "GTC", "0.1", "51999.00", "rest"));
    assert_eq!(said[0]["result"]["status"], "NEW");
    assert_eq!(rig.balance("USDT"), ("994800.1".into(), "5199.9".into()));
    let said = rig.binance("openOrders.status", json!({}));
    assert_eq!(
        said[0]["result"],
        json!([{
            "symbol": "BTCUSDT", "orderId": 12569099001_u64, "orderListId": -1,
            "clientOrderId": "rest", "price": "51999.00000000", "origQty": "0.10000000",
            "executedQty": "0.00000000", "origQuoteOrderQty": "0.00000000",
            "cummulativeQuoteQty": "0.00000000", "status": "NEW", "timeInForce": "GTC",
            "type": "LIMIT", "side": "BUY", "stopPrice": "0.00000000",
            "icebergQty": "0.00000000", "time": START_MS, "updateTime": START_MS,
            "isWorking": true, "workingTime": START_MS, "selfTradePreventionMode": "NONE",
        }])
    );
    rig.quote("BTC/USDT", ["51990.00", "1", "51999.00", "0.04"]);
    let told: Vec<Value> = rig.outgoing().into_iter().map(|(_, message)| message).collect();
    assert_eq!(reports(&told), ["TRADE PARTIALLY_FILLED 0.04000000"]);
    assert_eq!(
        (&told[0]["event"]["m"], &told[0]["event"]["L"]),
        (&true.into(), &"51999.00000000".into())
    );
    rig.quote("BTC/USDT", ["51980.00", "1", "51985.00", "9"]);
    let told: Vec<Value> = rig.outgoing().into_iter().map(|(_, message)| message).collect();
    // It rests at its own price, although the quote is better by then.
    assert_eq!(told[0]["event"]["L"], "51999.00000000");
    assert_eq!(reports(&told), ["TRADE FILLED 0.10000000"]);
    assert_eq!(rig.balance("USDT"), ("994800.1".into(), "0".into()));
    assert_eq!(rig.balance("BTC"), ("1000000.0999".into(), "0".into()));
    let trades = rig.binance("myTrades", json!({ "symbol": "BTCUSDT" }))[0]["result"].clone();
    assert_eq!(
        trades[0],
        json!({
            "symbol": "BTCUSDT", "id": 1650422001, "orderId": 12569099001_u64, "orderListId": -1,
            "price": "51999.00000000", "qty": "0.04000000", "quoteQty": "2079.96000000",
            "commission": "0.00004000", "commissionAsset": "BTC", "time": START_MS,
            "isBuyer": true, "isMaker": true, "isBestMatch": true,
        })
    );
    let from = rig.binance("myTrades", json!({ "symbol": "BTCUSDT", "fromId": 1650422002 }));
    assert_eq!(from[0]["result"].as_array().map(Vec::len), Some(1));
}

#[test]
fn the_best_price_fills_first_and_then_the_oldest_order() {
    let mut rig = quoted(&[]);
    for (id, side, price) in [
        ("low", "BUY", "51000"),
        ("high", "BUY", "51500"),
        ("later", "BUY", "51500"),
        ("dear", "SELL", "53000"),
        ("cheap", "SELL", "52500"),
    ] {
        rig.binance("order.place", limit(side, "GTC", "0.1", price, id));
    }
    let mut filled = |quote| {
        rig.quote("BTC/USDT", quote);
        let told: Vec<Value> = rig.outgoing().into_iter().map(|(_, message)| message).collect();
        let trades = told.iter().map(|it| &it["event"]).filter(|it| it["x"] == "TRADE");
        trades.map(|it| format!("{} {}", it["c"], it["l"])).collect::<Vec<_>>()
    };
    let buys = filled(["50000", "0.5", "50900", "0.15"]);
    assert_eq!(buys, [r#""high" "0.10000000""#, r#""later" "0.05000000""#]);
    let sells = filled(["54000", "0.12", "54001", "0.5"]);
    assert_eq!(sells, [r#""cheap" "0.10000000""#, r#""dear" "0.02000000""#]);
}

#[test]
fn an_order_that_must_fill_as_a_whole_takes_no_part() {
    let mut rig = quoted(&[]);
    let said = rig.binance("order.place", limit("BUY", "FOK", "0.40000", "52001.00", "a"));
    assert_eq!(said[0]["result"]["executedQty"], "0.00000000");
    let said = rig.binance("order.place", limit("BUY", "FOK", "0.30000", "52001.00", "b"));
    assert_eq!(said[0]["result"]["status"], "FILLED");
}

#[test]
fn makers_and_takers_pay_their_own_fees() {
    let options = OrdersOptions { maker_fee: 200, taker_fee: 750, ..OrdersOptions::default() };
    let mut rig = Rig::with("binance", &options);
    rig.connect(1, "/ws-api/v3");
    rig.quote("BTC/USDT", ["52000.00", "0.5", "52000.10", "0.1"]);
    rig.binance("order.place", limit("BUY", "GTC", "0.2", "52000.10", "a"));
    rig.quote("BTC/USDT", ["51000.00", "0.5", "52000.00", "0.1"]);
    let trades = rig.binance("myTrades", json!({ "symbol": "BTCUSDT" }))[0]["result"].clone();
    let fees: Vec<&Value> =
        trades.as_array().expect("trades").iter().map(|it| &it["commission"]).collect();
    assert_eq!(fees, ["0.00007500", "0.00002000"]);
}

#[test]
fn a_reduction_leaves_what_is_filled_and_takes_no_id_of_another_order() {
    let mut rig = quoted(&[]);
    rig.binance("order.place", limit("BUY", "GTC", "0.4", "52000.10", "a"));
    rig.binance("order.place", limit("BUY", "GTC", "0.4", "51000", "b"));
    let amend = |quantity: &str, id: &str| {
        json!({
            "symbol": "BTCUSDT", "origClientOrderId": "a", "newQty": quantity,
            "newClientOrderId": id,
        })
    };
    let mut code =
        |order| rig.binance("order.amend.keepPriority", order)[0]["error"]["code"].clone();
    assert_eq!(code(amend("0.3", "a")), -2038);
    assert_eq!(code(amend("0.31", "b")), -2038);
    assert_eq!(code(amend("0.31", "a")), Value::Null);
    // 0.01 at 52000.10 and 0.4 at 51000 are left.
    assert_eq!(rig.balance("USDT").1, "20920.001");
}

#[test]
fn orders_are_cancelled_reduced_and_looked_up_by_either_id() {
    let mut rig = quoted(&[]);
    rig.binance("order.place", limit("SELL", "GTC", "0.5", "53000", "s-1"));
    rig.binance("order.place", limit("SELL", "GTC", "0.25", "54000", "s-2"));
    let amend = |quantity: &str| {
        json!({
            "symbol": "BTCUSDT", "origClientOrderId": "s-1", "newQty": quantity,
            "newClientOrderId": "s-1b",
        })
    };
    for (quantity, code, message) in [
        ("0.6", -2038, "Order amend (quantity increase) is not supported."),
        ("0.5", -2038, "The requested action would change no state; rejecting"),
        ("0.123456", -1013, "Filter failure: LOT_SIZE"),
    ] {
        let said = rig.binance("order.amend.keepPriority", amend(quantity));
        assert_eq!(said[0]["error"], json!({ "code": code, "msg": message }));
    }
    let said = rig.binance("order.amend.keepPriority", amend("0.2"));
    assert_eq!(
        said[0]["result"],
        json!({
            "transactTime": START_MS, "executionId": 207000000,
            "amendedOrder": {
                "symbol": "BTCUSDT", "orderId": 12569099001_u64, "orderListId": -1,
                "origClientOrderId": "s-1", "clientOrderId": "s-1b", "price": "53000.00000000",
                "qty": "0.20000000", "executedQty": "0.00000000", "preventedQty": "0.00000000",
                "quoteOrderQty": "0.00000000", "cumulativeQuoteQty": "0.00000000",
                "status": "NEW", "timeInForce": "GTC", "type": "LIMIT", "side": "SELL",
                "workingTime": START_MS, "selfTradePreventionMode": "NONE",
            },
        })
    );
    assert_eq!(reports(&said), ["REPLACED NEW 0.00000000"]);
    assert_eq!(rig.balance("BTC"), ("999999.55".into(), "0.45".into()));
    let cancel = json!({
        "symbol": "BTCUSDT", "origClientOrderId": "s-1b", "newClientOrderId": "gone",
    });
    let said = rig.binance("order.cancel", cancel.clone());
    assert_eq!(
        said[0]["result"],
        json!({
            "symbol": "BTCUSDT", "origClientOrderId": "s-1b", "orderId": 12569099001_u64,
            "orderListId": -1, "clientOrderId": "gone", "transactTime": START_MS,
            "price": "53000.00000000", "origQty": "0.20000000", "executedQty": "0.00000000",
            "origQuoteOrderQty": "0.00000000", "cummulativeQuoteQty": "0.00000000",
            "status": "CANCELED", "timeInForce": "GTC", "type": "LIMIT", "side": "SELL",
            "selfTradePreventionMode": "NONE",
        })
    );
    let event = &said[1]["event"];
    assert_eq!(
        (&event["x"], &event["c"], &event["C"]),
        (&"CANCELED".into(), &"gone".into(), &"s-1b".into())
    );
    assert_eq!(rig.binance("order.cancel", cancel)[0]["error"]["code"], -2011);
    for (which, status) in [("s-1b", "CANCELED"), ("gone", "CANCELED"), ("s-2", "NEW")] {
        let asked = json!({ "symbol": "BTCUSDT", "origClientOrderId": which });
        assert_eq!(rig.binance("order.status", asked)[0]["result"]["status"], status);
    }
    let asked = json!({ "symbol": "BTCUSDT", "orderId": 12569099002_u64 });
    assert_eq!(rig.binance("order.status", asked)[0]["result"]["clientOrderId"], "s-2");
    let asked = json!({ "symbol": "BTCUSDT", "origClientOrderId": "never" });
    let error = json!({ "code": -2013, "msg": "Order does not exist." });
    assert_eq!(rig.binance("order.status", asked)[0]["error"], error);
    let said = rig.binance("openOrders.cancelAll", json!({ "symbol": "BTCUSDT" }));
    assert_eq!(said[0]["result"].as_array().map(Vec::len), Some(1));
    assert_eq!(rig.balance("BTC"), ("1000000".into(), "0".into()));
    let said = rig.binance("openOrders.cancelAll", json!({ "symbol": "BTCUSDT" }));
    assert_eq!(said[0]["error"]["code"], -2011);
}

#[test]
fn wrong_orders_get_the_documented_errors() {
    let mut rig = quoted(&[]);
    rig.binance("order.place", limit("BUY", "GTC", "0.1", "50000", "taken"));
    let with = |name: &str, value: Value| {
        let mut order = limit("BUY", "GTC", "0.1", "50000", "new");
        if value.is_null() {
            order.as_object_mut().expect("an object").remove(name);
        } else {
            order[name] = value;
        }
        order
    };
    for (order, status, code, message) in [
        (with("symbol", "NOPE".into()), 400, -1121, "Invalid symbol."),
        (with("symbol", Value::Null), 400, -1102, "Mandatory parameter 'symbol'"),
        (with("side", "buy".into()), 400, -1117, "Invalid side."),
        (with("type", "STOP".into()), 400, -1116, "Invalid orderType."),
        (with("timeInForce", "GTX".into()), 400, -1115, "Invalid timeInForce."),
        (with("timeInForce", Value::Null), 400, -1102, "Mandatory parameter 'timeInForce'"),
        (with("price", Value::Null), 400, -1102, "Mandatory parameter 'price'"),
        (with("price", "50000.001".into()), 400, -1013, "Filter failure: PRICE_FILTER"),
        (with("price", "-1".into()), 400, -1013, "Filter failure: PRICE_FILTER"),
        (with("price", "1e3".into()), 400, -1100, "Illegal characters"),
        (with("quantity", "0.000001".into()), 400, -1013, "Filter failure: LOT_SIZE"),
        (with("quantity", "0.100001".into()), 400, -1013, "Filter failure: LOT_SIZE"),
        (with("quantity", "0.00009".into()), 400, -1013, "Filter failure: NOTIONAL"),
        (with("quantity", "21".into()), 400, -2010, "Account has insufficient balance"),
        (with("newClientOrderId", "taken".into()), 400, -2010, "Duplicate order sent."),
        (with("newClientOrderId", "a b".into()), 400, -1100, "newClientOrderId"),
        (with("newClientOrderId", "x".repeat(37).into()), 400, -1100, "{1,36}"),
        (with("newOrderRespType", "MORE".into()), 400, -1130, "newOrderRespType"),
    ] {
        let said = rig.binance("order.place", order.clone());
        assert_eq!((said.len(), &said[0]["status"]), (1, &json!(status)), "{order} {said:?}");
        assert_eq!(said[0]["error"]["code"], code, "{order}");
        assert!(
            said[0]["error"]["msg"].as_str().is_some_and(|it| it.contains(message)),
            "{said:?}"
        );
    }
    let order = json!({
        "symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT_MAKER", "quantity": "0.1",
        "price": "52000.10",
    });
    let message = "Order would immediately match and take.";
    assert_eq!(rig.binance("order.place", order)[0]["error"]["msg"], message);
    assert_eq!(rig.desk.open_orders(), 1);
}

#[test]
fn signatures_times_and_sessions_are_checked() {
    let mut rig = quoted(&[]);
    let order = || limit("BUY", "GTC", "0.1", "50000", "n");
    let good = rig.binance_request("order.place", order());
    let changed = |name: &str, value: Value| {
        let mut request = good.clone();
        request["params"][name] = value;
        request.to_string()
    };
    for (request, status, code) in [
        (changed("signature", "00".into()), 400, -1022),
        (changed("quantity", "0.2".into()), 400, -1022),
        (changed("signature", Value::Null), 400, -1102),
        (changed("apiKey", "other".into()), 401, -2015),
        (changed("apiKey", Value::Null), 400, -1102),
        (changed("timestamp", (START_MS - 5_001).into()), 400, -1021),
        (changed("timestamp", (START_MS + 1_000).into()), 400, -1021),
        ("{".to_owned(), 400, -1135),
    ] {
        let said = rig.say(1, &request);
        assert_eq!((&said[0]["status"], &said[0]["error"]["code"]), (&json!(status), &json!(code)));
    }
    // An HMAC may be written in either case.
    let upper = good["params"]["signature"].as_str().expect("a text").to_uppercase();
    assert_eq!(rig.say(1, &changed("signature", upper.into()))[0]["status"], 200);

    let said = rig.binance("session.logon", json!({}));
    assert_eq!(said[0]["error"]["code"], -4056);
    rig.connect(2, "/ws-api/v3");
    let said = rig.say(2, r#"{"id":1,"method":"userDataStream.subscribe"}"#);
    assert_eq!((&said[0]["status"], &said[0]["error"]["code"]), (&json!(401), &json!(-2015)));
    let mut params = json!({ "apiKey": "sim-binance-ed25519-key", "timestamp": START_MS });
    params["signature"] = ed25519(&sorted(&params)).into();
    let said =
        rig.say(2, &json!({ "id": 2, "method": "session.logon", "params": params }).to_string());
    assert_eq!(
        said[0]["result"],
        json!({
            "apiKey": "sim-binance-ed25519-key", "authorizedSince": START_MS,
            "connectedSince": START_MS, "returnRateLimits": true, "serverTime": START_MS,
            "userDataStream": false,
        })
    );
    let said = rig.say(2, r#"{"id":3,"method":"userDataStream.subscribe"}"#);
    assert_eq!(said[0]["result"], json!({ "subscriptionId": 0 }));
    let said = rig.say(2, r#"{"id":4,"method":"userDataStream.subscribe"}"#);
    assert_eq!(said[0]["error"]["code"], -2035);
    // A session needs no key and no signature. Both connections hear of the order.
    let mut order = limit("BUY", "GTC", "0.1", "50000", "by-session");
    order["timestamp"] = START_MS.into();
    order["returnRateLimits"] = false.into();
    let request = json!({ "id": 5, "method": "order.place", "params": order });
    rig.desk.on_text(2, &request.to_string(), rig.now_ns);
    let told = rig.outgoing();
    assert_eq!(
        (told[0].0, &told[0].1["status"], told[0].1.get("rateLimits")),
        (2, &json!(200), None)
    );
    let news: Vec<usize> =
        told.iter().filter(|(_, it)| it["event"]["x"] == "NEW").map(|(to, _)| *to).collect();
    assert_eq!(news, [1, 2]);
    let said = rig.say(2, r#"{"id":6,"method":"session.logout"}"#);
    assert_eq!(
        (&said[0]["result"]["apiKey"], &said[0]["result"]["userDataStream"]),
        (&Value::Null, &json!(false))
    );
}

#[test]
fn an_ed25519_order_of_any_symbol_is_checked_as_plain_utf8() {
    let mut rig = quoted(&[]);
    let mut params = json!({
        "symbol": "１２３４５６", "side": "BUY", "type": "MARKET", "quantity": "1",
        "apiKey": "sim-binance-ed25519-key", "timestamp": START_MS,
    });
    params["signature"] = ed25519(&sorted(&params)).into();
    let request = json!({ "id": null, "method": "v3/order.place", "params": params });
    let said = rig.say(1, &request.to_string());
    assert_eq!((&said[0]["id"], &said[0]["error"]["code"]), (&Value::Null, &json!(-1121)));
}

/// The documentation's examples of signed requests, with its key and its time.
#[test]
fn the_documented_requests_are_signed_well() {
    let key = ApiKey {
        venue: "binance".to_owned(),
        key: "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A".to_owned(),
        secret: Secret::Hmac(
            "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j".to_owned(),
        ),
        passphrase: String::new(),
    };
    let options = OrdersOptions { keys: vec![key.clone()], ..OrdersOptions::default() };
    let mut rig = Rig::with("binance", &options);
    rig.now_ns = 1_645_423_376_532 * NS_PER_MS;
    rig.connect(1, "/ws-api/v3");
    for (symbol, side, quantity, price, window, signature, code) in [
        (
            "BTCUSDT",
            "SELL",
            "0.01000000",
            "52000.00",
            100,
            "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24",
            Value::Null,
        ),
        (
            "１２３４５６",
            "BUY",
            "1.00000000",
            "0.10000000",
            5_000,
            "b33892ae8e687c939f4468c6268ddd4c40ac1af18ad19a064864c47bae0752cd",
            json!(-1121),
        ),
    ] {
        let request = json!({
            "id": "4885f793-e5ad-4c3b-8f6c-55d891472b71", "method": "order.place",
            "params": {
                "symbol": symbol, "side": side, "type": "LIMIT", "timeInForce": "GTC",
                "quantity": quantity, "price": price, "recvWindow": window,
                "timestamp": 1_645_423_376_532_u64, "apiKey": key.key, "signature": signature,
            },
        });
        assert_eq!(rig.say(1, &request.to_string())[0]["error"]["code"], code, "{symbol}");
    }
    assert_eq!(rig.desk.open_orders(), 1);
}

#[test]
fn limits_are_counted_and_end_with_their_window() {
    let mut rig = quoted(&[]);
    let order = || json!({ "symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "1" });
    for _ in 0..100 {
        assert_eq!(rig.binance("order.place", order())[0]["status"], 200);
    }
    let said = rig.binance("order.place", order());
    let retry_after = (START_MS / 10_000 + 1) * 10_000;
    assert_eq!((&said[0]["status"], &said[0]["error"]["code"]), (&json!(429), &json!(-1003)));
    assert_eq!(
        said[0]["error"]["data"],
        json!({ "serverTime": START_MS, "retryAfter": retry_after })
    );
    rig.now_ns = retry_after * 1_000_000;
    let said = rig.binance("order.place", order());
    assert_eq!((&said[0]["status"], &said[0]["rateLimits"][0]["count"]), (&json!(200), &json!(1)));
    let said = rig.say(1, r#"{"id":"t","method":"time"}"#);
    assert_eq!(said[0]["result"], json!({ "serverTime": retry_after }));
    let ping = json!({ "id": "p", "method": "ping", "params": { "returnRateLimits": false } });
    let pong = json!({ "id": "p", "status": 200, "result": {} });
    assert_eq!(rig.say(1, &ping.to_string()), [pong]);
    let account = rig.binance("account.status", json!({}))[0]["result"].clone();
    let btc = json!({ "asset": "BTC", "free": "1000000.29970000", "locked": "0.00000000" });
    assert_eq!((&account["balances"][0], &account["canTrade"]), (&btc, &json!(true)));
}
