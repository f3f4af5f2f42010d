//! Bybit's order entry, private stream and REST requests, against frames written from its documentation.

use serde_json::{Value, json};

use crate::rig::{INSTRUMENTS, NS_PER_MS, Rig, START_MS, hex};

/// The venue's ids of the first order and of the first trade.
const ORDER: &str = "ed2d3b03-2330-4000-8000-0002ed2d3af9";

fn quoted(topics: &[&str]) -> Rig {
    let mut rig = Rig::of_bybit(&[], topics);
    rig.quote("BTC/USDT", ["52000", "0.5", "52000.1", "0.3"]);
    rig
}

fn limit(side: &str, in_force: &str, qty: &str, price: &str, link: &str) -> Value {
    json!({
        "symbol": "BTCUSDT", "side": side, "orderType": "Limit", "qty": qty, "price": price,
        "timeInForce": in_force, "orderLinkId": link,
    })
}

#[test]
fn the_answer_only_acknowledges_and_the_fill_comes_on_the_private_stream() {
    let mut rig = quoted(&["order", "execution", "execution.fast", "wallet"]);
    let said = rig.bybit("order.create", limit("Buy", "IOC", "0.4", "52001", "a-1"));
    let id = said[0]["data"]["orderId"].clone();
    let ack = &said[0];
    assert_eq!(
        *ack,
        json!({
            "reqId": "r1", "retCode": 0, "retMsg": "OK", "op": "order.create",
            "data": { "orderId": id, "orderLinkId": "a-1" }, "retExtInfo": {},
            "header": {
                "X-Bapi-Limit": "50", "X-Bapi-Limit-Status": "49",
                "X-Bapi-Limit-Reset-Timestamp": START_MS.to_string(),
                "Traceid": ack["header"]["Traceid"], "Timenow": START_MS.to_string(),
            },
            "connId": "c1",
        })
    );
    assert_eq!(id.as_str().map(str::len), Some(36));
    let topics: Vec<&str> =
        said[1..].iter().map(|it| it["topic"].as_str().expect("a topic")).collect();
    assert_eq!(topics, ["order", "order", "execution", "execution.fast", "order", "wallet"]);
}

#[test]
fn the_private_stream_tells_executions_orders_and_balances() {
    let mut rig = quoted(&["order", "execution", "execution.fast", "wallet"]);
    let said = rig.bybit("order.create", limit("Buy", "IOC", "0.4", "52001", "a-1"));
    let id = said[0]["data"]["orderId"].clone();
    let execution = &said[3]["data"][0];
    for (name, value) in [
        ("category", json!("spot")),
        ("symbol", json!("BTCUSDT")),
        ("orderId", id.clone()),
        ("orderLinkId", json!("a-1")),
        ("side", json!("Buy")),
        ("orderPrice", json!("52001")),
        ("orderQty", json!("0.4")),
        ("leavesQty", json!("0.1")),
        ("execPrice", json!("52000.1")),
        ("execQty", json!("0.3")),
        ("execValue", json!("15600.03")),
        ("execFee", json!("0.0003")),
        ("feeRate", json!("0.001")),
        ("feeCurrency", json!("BTC")),
        ("execType", json!("Trade")),
        ("execTime", json!(START_MS.to_string())),
        ("isMaker", json!(false)),
    ] {
        assert_eq!(execution[name], value, "{name}");
    }
    assert_eq!(
        said[4],
        json!({
            "topic": "execution.fast", "creationTime": START_MS,
            "data": [{
                "category": "spot", "symbol": "BTCUSDT", "execId": execution["execId"],
                "execPrice": "52000.1", "execQty": "0.3", "orderId": id, "isMaker": false,
                "orderLinkId": "a-1", "side": "Buy", "execTime": START_MS.to_string(),
                "seq": execution["seq"],
            }],
        })
    );
    let ended = &said[5]["data"][0];
    for (name, value) in [
        ("orderStatus", "PartiallyFilledCanceled"),
        ("rejectReason", "EC_NoImmediateQtyToFill"),
        ("cumExecQty", "0.3"),
        ("cumExecValue", "15600.03"),
        ("avgPrice", "52000.1"),
        ("leavesQty", "0"),
        ("qty", "0.4"),
        ("timeInForce", "IOC"),
    ] {
        assert_eq!(ended[name], value, "{name}");
    }
    assert_eq!(ended["cumFeeDetail"], json!({ "BTC": "0.0003" }));
    let coins: Vec<(&Value, &Value)> = said[6]["data"][0]["coin"]
        .as_array()
        .expect("coins")
        .iter()
        .map(|it| (&it["coin"], &it["walletBalance"]))
        .collect();
    assert_eq!(
        coins,
        [(&json!("BTC"), &json!("1000000.2997")), (&json!("USDT"), &json!("984399.97"))]
    );
}

#[test]
fn without_topics_a_private_stream_is_silent() {
    let mut rig = quoted(&["execution.spot"]);
    let said = rig.bybit("order.create", limit("Buy", "GTC", "0.4", "51000", ""));
    assert_eq!(said.len(), 1);
    assert_eq!(said[0]["data"]["orderLinkId"], "");
}

#[test]
fn wrong_requests_get_the_documented_codes() {
    let mut rig = quoted(&["wallet"]);
    rig.bybit("order.create", limit("Buy", "GTC", "0.1", "50000", "taken"));
    let with = |name: &str, value: &str| {
        let mut order = limit("Buy", "GTC", "0.1", "50000", "new");
        order[name] = value.into();
        order
    };
    for (op, arg, code) in [
        ("order.create", with("symbol", "NOPE"), 170_121),
        ("order.create", with("side", "buy"), 170_117),
        ("order.create", with("orderType", "Stop"), 170_116),
        ("order.create", with("timeInForce", "GTX"), 170_115),
        ("order.create", with("price", ""), 170_105),
        ("order.create", with("price", "1e3"), 170_130),
        ("order.create", with("price", "50000.001"), 170_134),
        ("order.create", with("qty", "0.000001"), 170_136),
        ("order.create", with("qty", "0.1000001"), 170_137),
        ("order.create", with("qty", "0.00009"), 170_140),
        ("order.create", with("qty", "21"), 170_131),
        ("order.create", with("orderLinkId", "taken"), 170_141),
        ("order.create", with("orderLinkId", "a b"), 170_130),
        ("order.cancel", json!({ "symbol": "BTCUSDT", "orderLinkId": "never" }), 110_001),
        ("order.cancel", json!({ "symbol": "BTCUSDT" }), 10_001),
        ("order.amend", json!({ "symbol": "BTCUSDT", "orderLinkId": "taken" }), 10_001),
        ("order.reverse", json!({ "symbol": "BTCUSDT" }), 10_404),
    ] {
        let said = rig.bybit(op, arg.clone());
        assert_eq!((said.len(), &said[0]["retCode"]), (1, &json!(code)), "{arg} {said:?}");
    }
    let at = |late: i64| (i64::try_from(START_MS).expect("small") - late).to_string();
    let request = |id: &str, at: String, category: &str| {
        json!({
            "reqId": id, "op": "order.cancel", "header": { "X-BAPI-TIMESTAMP": at },
            "args": [{ "category": category, "symbol": "BTCUSDT", "orderLinkId": "never" }],
        })
        .to_string()
    };
    for (request, code) in [
        (request("once", at(0), "spot"), 110_001),
        (request("once", at(0), "spot"), 20_006),
        (request(&"x".repeat(37), at(0), "spot"), 10_001),
        (request("late", at(5_001), "spot"), 10_002),
        (request("early", at(-1_000), "spot"), 10_002),
        (request("none", String::new(), "spot"), 10_001),
        (request("perpetual", at(0), "linear"), 10_404),
    ] {
        assert_eq!(rig.say(1, &request)[0]["retCode"], code, "{request}");
    }
}

#[test]
fn a_closed_order_keeps_its_client_id_and_cannot_be_cancelled_or_changed() {
    let mut rig = quoted(&["order"]);
    rig.bybit("order.create", limit("Sell", "GTC", "0.5", "53000", "s-1"));
    let amend =
        json!({ "symbol": "BTCUSDT", "orderLinkId": "s-1", "qty": "0.7", "price": "53500" });
    let said = rig.bybit("order.amend", amend);
    let (id, order) = (&said[0]["data"]["orderId"], &said[1]["data"][0]);
    assert_eq!((&order["qty"], &order["price"]), (&json!("0.7"), &json!("53500")));
    assert_eq!(rig.balance("BTC"), ("999999.3".into(), "0.7".into()));
    let said = rig.bybit("order.cancel", json!({ "symbol": "BTCUSDT", "orderId": id }));
    let ended = &said[1]["data"][0];
    assert_eq!(
        (&ended["orderStatus"], &ended["cancelType"]),
        (&json!("Cancelled"), &json!("CancelByUser"))
    );
    assert_eq!(rig.balance("BTC"), ("1000000".into(), "0".into()));
    let named = json!({ "symbol": "BTCUSDT", "orderLinkId": "s-1", "qty": "1" });
    assert_eq!(rig.bybit("order.cancel", named.clone())[0]["retCode"], 170_142);
    assert_eq!(rig.bybit("order.amend", named)[0]["retCode"], 170_142);
    let again = limit("Sell", "GTC", "0.5", "53000", "s-1");
    assert_eq!(rig.bybit("order.create", again)[0]["retCode"], 170_141);
    let post = limit("Sell", "PostOnly", "0.5", "51000", "p-1");
    let said = rig.bybit("order.create", post);
    let ended = &said[2]["data"][0];
    assert_eq!(said[0]["retCode"], 0);
    assert_eq!(
        (&ended["orderStatus"], &ended["rejectReason"]),
        (&json!("Cancelled"), &json!("EC_PostOnlyWillTakeLiquidity"))
    );
}

#[test]
fn orders_without_a_client_id_do_not_stand_in_each_others_way() {
    let mut rig = quoted(&["order"]);
    let said = rig.bybit("order.create", limit("Sell", "GTC", "0.5", "53000", ""));
    let amend = json!({ "symbol": "BTCUSDT", "orderId": said[0]["data"]["orderId"], "qty": "0.4" });
    assert_eq!(rig.bybit("order.amend", amend)[0]["retCode"], 0);
    let again = limit("Sell", "GTC", "0.5", "53000", "");
    assert_eq!(rig.bybit("order.create", again)[0]["retCode"], 0);
    assert_eq!(rig.desk.open_orders(), 2);
}

#[test]
fn a_market_order_to_buy_gives_its_size_in_the_quote_coin() {
    let mut rig = quoted(&["execution"]);
    let mut order =
        json!({ "symbol": "BTCUSDT", "side": "Buy", "orderType": "Market", "qty": "100" });
    let said = rig.bybit("order.create", order.clone());
    assert_eq!(said[1]["data"][0]["execQty"], "0.00192");
    order["marketUnit"] = "baseCoin".into();
    order["qty"] = "0.01".into();
    assert_eq!(rig.bybit("order.create", order)[1]["data"][0]["execQty"], "0.01");
}

#[test]
fn authentication_is_checked_on_both_paths() {
    let mut rig = Rig::new("bybit", &[]);
    rig.connect(1, "/v5/trade");
    rig.connect(2, "/v5/private");
    let auth = |key: &str, expires: u64, signature: &str| {
        json!({ "op": "auth", "args": [key, expires, signature] }).to_string()
    };
    let sign = |expires: u64| hex("sim-bybit-secret", &format!("GET/realtime{expires}"));
    let soon = START_MS + 1;
    for (request, code) in [
        (auth("other", soon, &sign(soon)), 10_003),
        (auth("sim-bybit-key", soon, &sign(soon + 1)), 10_004),
        (auth("sim-bybit-key", START_MS, &sign(START_MS)), 10_001),
        (r#"{"op":"auth","args":["sim-bybit-key"]}"#.to_owned(), 10_001),
    ] {
        assert_eq!(rig.say(1, &request)[0]["retCode"], code, "{request}");
        assert_eq!(rig.say(2, &request)[0]["success"], false, "{request}");
    }
    let order = limit("Buy", "GTC", "1", "1", "a");
    assert_eq!(rig.bybit("order.create", order)[0]["retCode"], 10_003);
    let refused = rig.say(2, r#"{"op":"subscribe","args":["order"]}"#);
    assert_eq!(refused[0]["ret_msg"], "Request not authorized");
    let good = auth("sim-bybit-key", soon, &sign(soon));
    let authed = json!({ "retCode": 0, "retMsg": "OK", "op": "auth", "connId": "c1" });
    assert_eq!(rig.say(1, &good), [authed]);
    assert_eq!(rig.say(1, &good)[0]["retCode"], 20_001);
    let authed = json!({ "success": true, "ret_msg": "", "op": "auth", "conn_id": "c2" });
    assert_eq!(rig.say(2, &good), [authed]);
    let pong = json!({
        "retCode": 0, "retMsg": "OK", "op": "pong", "data": [START_MS.to_string()], "connId": "c1",
    });
    assert_eq!(rig.say(1, r#"{"op":"ping"}"#), [pong]);
    let pong = json!({
        "req_id": "test", "op": "pong", "args": [START_MS.to_string()], "conn_id": "c2",
    });
    assert_eq!(rig.say(2, r#"{"req_id":"test","op":"ping"}"#), [pong]);
    assert_eq!(rig.say(2, r#"{"op":"subscribe","args":["nope"]}"#)[0]["success"], false);
}

#[test]
fn questions_are_answered_over_rest_and_checked() {
    let mut rig = quoted(&["order"]);
    rig.bybit("order.create", limit("Buy", "IOC", "0.1", "52001", "filled"));
    rig.bybit("order.create", limit("Buy", "GTC", "0.1", "51000", "open"));
    let names = |answer: &Value| -> Vec<String> {
        let list = answer["result"]["list"].as_array().expect("a list");
        list.iter().map(|it| it["orderLinkId"].as_str().expect("a text").to_owned()).collect()
    };
    for (query, found) in [
        ("category=spot", &["open"][..]),
        ("category=spot&openOnly=1", &["filled"]),
        ("category=spot&symbol=BTCUSDT&orderLinkId=filled", &["filled"]),
        ("category=spot&symbol=ETHUSDT", &[]),
        ("category=spot&orderLinkId=never", &[]),
    ] {
        let answer = rig.bybit_ask("GET", "/v5/order/realtime", query);
        assert_eq!(answer["retCode"], 0, "{query}");
        assert_eq!(names(&answer), found, "{query}");
    }
    let answer = rig.bybit_ask("GET", "/v5/order/history", "category=spot");
    assert_eq!(names(&answer), ["filled"]);
    let answer = rig.bybit_ask("GET", "/v5/execution/list", "category=spot&symbol=BTCUSDT");
    assert_eq!(answer["result"]["list"][0]["execFee"], "0.0001");
    assert_eq!(answer["time"], START_MS);
    let query = "accountType=UNIFIED&coin=USDT";
    let answer = rig.bybit_ask("GET", "/v5/account/wallet-balance", query);
    let coin = &answer["result"]["list"][0]["coin"][0];
    assert_eq!((&coin["walletBalance"], &coin["locked"]), (&json!("994799.99"), &json!("5100")));
    let unsigned = [("X-BAPI-API-KEY", "sim-bybit-key"), ("X-BAPI-TIMESTAMP", "1")];
    let target = "/v5/order/realtime?category=spot";
    let late = rig.desk.ask("GET", target, &unsigned, "", rig.now_ns).expect("a path").1;
    assert!(late.contains(r#""retCode":10002"#), "{late}");
    let at = START_MS.to_string();
    let unsigned = [("X-BAPI-API-KEY", "sim-bybit-key"), ("X-BAPI-TIMESTAMP", at.as_str())];
    let wrong = rig.desk.ask("GET", target, &unsigned, "", rig.now_ns).expect("a path").1;
    assert!(wrong.contains(r#""retCode":10004"#), "{wrong}");
    let time = rig.desk.ask("GET", "/v5/market/time", &[], "", rig.now_ns).expect("a path").1;
    assert!(time.contains(r#""timeNano":"1711001595207000000""#), "{time}");
    assert_eq!(rig.desk.ask("GET", "/v5/nothing", &[], "", rig.now_ns), None);
}

#[test]
fn orders_are_cancelled_when_the_guarding_connection_is_gone_for_too_long() {
    let mut rig = Rig::of_bybit(&[], &["order", "dcp.spot"]);
    let path = "/v5/order/disconnected-cancel-all";
    assert_eq!(rig.bybit_ask("POST", path, r#"{"timeWindow":2}"#)["retCode"], 10_001);
    assert_eq!(rig.bybit_ask("POST", path, r#"{"timeWindow":3}"#)["retCode"], 0);
    rig.bybit("order.create", limit("Buy", "GTC", "0.1", "51000", "guarded"));
    // Order entry does not guard.
    rig.desk.disconnect(1, rig.now_ns);
    rig.pass(10_000);
    assert_eq!(rig.desk.open_orders(), 1);
    // Nor is anything cancelled while another connection guards.
    rig.connect(3, "/v5/private");
    let expires = rig.now_ms() + 1;
    let signature = hex("sim-bybit-secret", &format!("GET/realtime{expires}"));
    rig.say(3, &json!({ "op": "auth", "args": ["sim-bybit-key", expires, signature] }).to_string());
    let subscribed = rig.say(3, r#"{"op":"subscribe","args":["dcp.spot"]}"#);
    assert_eq!(subscribed[0]["success"], true);
    rig.desk.disconnect(3, rig.now_ns);
    assert_eq!(rig.desk.next_ns(), None);
    rig.connect(4, "/v5/private");
    rig.desk.disconnect(2, rig.now_ns);
    rig.pass(2_999);
    assert_eq!(rig.desk.open_orders(), 1);
    assert_eq!(rig.desk.next_ns(), Some((START_MS + 13_000) * NS_PER_MS));
    rig.pass(1);
    assert_eq!(rig.desk.open_orders(), 0);
    let answer = rig.bybit_ask("GET", "/v5/order/realtime", "category=spot&orderLinkId=guarded");
    assert_eq!(answer["result"]["list"][0]["cancelType"], "CancelByDCP");
}

#[test]
fn without_a_guard_orders_outlive_their_connections() {
    let mut rig = Rig::of_bybit(&[], &["order"]);
    rig.bybit("order.create", limit("Buy", "GTC", "0.1", "51000", "a"));
    rig.desk.disconnect(1, rig.now_ns);
    rig.desk.disconnect(2, rig.now_ns);
    assert_eq!(rig.desk.next_ns(), None);
    rig.pass(60_000);
    assert_eq!(rig.desk.open_orders(), 1);
}

#[test]
fn the_first_ids_are_as_they_are_told() {
    let mut rig = quoted(&["order"]);
    assert_eq!(INSTRUMENTS[0].0, "BTC/USDT");
    let said = rig.bybit("order.create", limit("Buy", "GTC", "0.1", "51000", "x"));
    assert_eq!(said[0]["data"]["orderId"], ORDER);
}
