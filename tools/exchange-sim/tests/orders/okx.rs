//! OKX's private WebSocket and REST requests, against frames written from its documentation.

use serde_json::{Value, json};

use crate::rig::{Rig, START_MS};

fn channels() -> Vec<Value> {
    vec![
        json!({ "channel": "orders", "instType": "SPOT" }),
        json!({ "channel": "fills" }),
        json!({ "channel": "account", "ccy": "BTC" }),
    ]
}

fn quoted() -> Rig {
    let mut rig = Rig::of_okx(&[], &channels());
    rig.quote("BTC/USDT", ["52000", "0.5", "52000.1", "0.3"]);
    rig
}

fn order(side: &str, kind: &str, sz: &str, px: &str, client_id: &str) -> Value {
    json!({
        "tdMode": "cash", "side": side, "ordType": kind, "sz": sz, "px": px, "clOrdId": client_id,
    })
}

#[test]
fn an_order_is_acknowledged_and_told_on_its_channels() {
    let mut rig = quoted();
    let said = rig.okx("order", order("buy", "ioc", "0.4", "52001", "a1"));
    assert_eq!(
        said[0],
        json!({
            "id": "r1", "op": "order", "code": "0", "msg": "",
            "data": [{
                "ordId": "12569099001", "clOrdId": "a1", "tag": "", "ts": START_MS.to_string(),
                "sCode": "0", "sMsg": "",
            }],
            "inTime": format!("{START_MS}000"), "outTime": format!("{START_MS}000"),
        })
    );
    let states: Vec<(&Value, &Value)> = said[1..]
        .iter()
        .filter(|it| it["arg"]["channel"] == "orders")
        .map(|it| (&it["data"][0]["state"], &it["data"][0]["accFillSz"]))
        .collect();
    let [live, partly, canceled] = ["live", "partially_filled", "canceled"].map(Value::from);
    let [none, some] = ["0", "0.3"].map(Value::from);
    assert_eq!(states, [(&live, &none), (&partly, &some), (&canceled, &some)]);
    let traded = &said[2]["data"][0];
    for (name, value) in [
        ("instId", "BTC-USDT"),
        ("instType", "SPOT"),
        ("ordId", "12569099001"),
        ("clOrdId", "a1"),
        ("side", "buy"),
        ("ordType", "ioc"),
        ("px", "52001"),
        ("sz", "0.4"),
        ("fillPx", "52000.1"),
        ("fillSz", "0.3"),
        ("fillFee", "-0.0003"),
        ("fillFeeCcy", "BTC"),
        ("fee", "-0.0003"),
        ("feeCcy", "BTC"),
        ("avgPx", "52000.1"),
        ("tradeId", "1650422001"),
        ("execType", "T"),
        ("category", "normal"),
    ] {
        assert_eq!(traded[name], value, "{name}");
    }
    assert_eq!(said[4]["data"][0]["cancelSource"], "14");
    assert_eq!(
        said[3],
        json!({
            "arg": { "channel": "fills", "uid": "614488474791936" },
            "data": [{
                "instId": "BTC-USDT", "fillSz": "0.3", "fillPx": "52000.1", "side": "buy",
                "ts": START_MS.to_string(), "ordId": "12569099001", "clOrdId": "a1",
                "tradeId": "1650422001", "execType": "T", "count": "1",
            }],
        })
    );
    let account = &said[5];
    assert_eq!(account["arg"]["ccy"], "BTC");
    let details = account["data"][0]["details"].as_array().expect("details");
    assert_eq!((details.len(), &details[0]["cashBal"]), (1, &json!("1000000.2997")));
}

#[test]
fn a_subscription_of_one_symbol_hears_of_no_other() {
    let orders =
        |symbol: &str| json!({ "channel": "orders", "instType": "SPOT", "instId": symbol });
    let mut rig = Rig::of_okx(&[], &[orders("BTC-USDT"), orders("ETH-USDT")]);
    let said = rig.okx("order", order("buy", "limit", "0.1", "50000", "a"));
    assert_eq!((said.len(), &said[1]["arg"]["instId"]), (2, &json!("BTC-USDT")));
}

#[test]
fn wrong_orders_get_the_documented_codes() {
    let mut rig = quoted();
    rig.okx("order", order("buy", "limit", "0.1", "50000", "taken"));
    let with = |name: &str, value: Value| {
        let mut order = order("buy", "limit", "0.1", "50000", "new");
        order[name] = value;
        order
    };
    for (op, arg, code) in [
        ("order", with("tdMode", "cross".into()), "51000"),
        ("order", with("tdMode", Value::Null), "50014"),
        ("order", with("side", "Buy".into()), "51000"),
        ("order", with("ordType", "stop".into()), "51000"),
        ("order", with("px", "".into()), "50014"),
        ("order", with("px", "50000.001".into()), "51000"),
        ("order", with("sz", "x".into()), "51000"),
        ("order", with("sz", "0.000001".into()), "51020"),
        ("order", with("sz", "0.1000001".into()), "51121"),
        ("order", with("sz", "21".into()), "51008"),
        ("order", with("clOrdId", "taken".into()), "51016"),
        ("order", with("clOrdId", "a-b".into()), "51000"),
        ("order", with("clOrdId", "x".repeat(33).into()), "51000"),
        ("cancel-order", json!({ "clOrdId": "never" }), "51400"),
        ("cancel-order", json!({}), "51003"),
        ("amend-order", json!({ "clOrdId": "never", "newSz": "1" }), "51503"),
        ("amend-order", json!({ "clOrdId": "taken" }), "51500"),
    ] {
        let said = rig.okx(op, arg.clone());
        assert_eq!((said.len(), &said[0]["code"]), (1, &json!("1")), "{arg}");
        assert_eq!(said[0]["data"][0]["sCode"], code, "{arg}");
    }
    let message = "Order failed. Insufficient USDT balance in account.";
    assert_eq!(rig.okx("order", with("sz", "21".into()))[0]["data"][0]["sMsg"], message);
    // There is no least value: the least size counts.
    assert_eq!(rig.okx("order", with("sz", "0.00001".into()))[0]["code"], "0");
}

#[test]
fn an_instrument_is_named_by_its_number_and_a_deadline_is_kept() {
    let mut rig = quoted();
    let request = |member: Value, deadline_ms: Option<u64>| {
        let mut arg = order("buy", "limit", "0.1", "50000", "");
        for (name, value) in member.as_object().expect("an object") {
            arg[name] = value.clone();
        }
        let mut request = json!({ "id": "1512", "op": "order", "args": [arg] });
        if let Some(deadline_ms) = deadline_ms {
            request["expTime"] = deadline_ms.to_string().into();
        }
        request.to_string()
    };
    let by_name = json!({ "instId": "BTC-USDT" });
    for (member, deadline_ms, code, told) in [
        (by_name.clone(), None, "50014", "Parameter instIdCode can not be empty."),
        (json!({ "instIdCode": 7 }), None, "51001", "doesn't exist"),
        (json!({ "instIdCode": 211_001, "instId": "NO-PE" }), None, "0", ""),
        (json!({ "instIdCode": 211_001 }), Some(START_MS), "0", ""),
        (json!({ "instIdCode": 211_001 }), Some(START_MS - 1), "50004", "timeout"),
    ] {
        let said = rig.say(1, &request(member, deadline_ms));
        let row = &said[0]["data"][0];
        assert_eq!(row["sCode"], code, "{said:?}");
        assert!(row["sMsg"].as_str().is_some_and(|it| it.contains(told)), "{row}");
    }
    assert_eq!(rig.desk.open_orders(), 2);
    for misformed in [r#"{"id":"1","op":"order","args":[]}"#, r#"{"op":"order","args":[{}]}"#] {
        assert_eq!(rig.say(1, misformed)[0]["code"], "60013", "{misformed}");
    }
}

#[test]
fn logins_are_checked_and_needed() {
    let mut rig = Rig::new("okx", &[]);
    rig.connect(1, "/ws/v5/private");
    let mut forged = rig.okx_login("sim-okx-key", "sim-okx-passphrase", 0);
    forged["args"][0]["sign"] = "7L+zFQ+CEgGu5rzCj4+BdV2/uUHGqddA9pI6ztsRRPs=".into();
    for (login, code) in [
        (rig.okx_login("other", "sim-okx-passphrase", 0), "60005"),
        (rig.okx_login("sim-okx-key", "other", 0), "60024"),
        (rig.okx_login("sim-okx-key", "sim-okx-passphrase", 31), "60006"),
        (forged, "60007"),
        (json!({ "op": "login", "args": [{ "timestamp": "now" }] }), "60004"),
        (json!({ "op": "subscribe", "args": [{ "channel": "fills" }] }), "60011"),
        (json!({ "op": "order", "args": [{}] }), "60011"),
        (json!({ "op": "dance" }), "60019"),
        (json!({ "args": [] }), "60012"),
    ] {
        let said = rig.say(1, &login.to_string());
        assert_eq!(
            (&said[0]["event"], &said[0]["code"]),
            (&json!("error"), &json!(code)),
            "{login}"
        );
    }
    let login = rig.okx_login("sim-okx-key", "sim-okx-passphrase", 30);
    let good = json!({ "event": "login", "code": "0", "msg": "", "connId": "c1" });
    assert_eq!(rig.say(1, &login.to_string()), [good]);
    assert_eq!(rig.say(1, "ping"), ["pong"]);
    let subscribed = rig.say(1, r#"{"id":"9","op":"subscribe","args":[{"channel":"account"}]}"#);
    let reply = json!({
        "id": "9", "event": "subscribe", "arg": { "channel": "account" }, "connId": "c1",
    });
    assert_eq!(subscribed, [reply]);
    let both = r#"{"op":"subscribe","args":[{"channel":"fills"},{"channel":"nope"}]}"#;
    let said = rig.say(1, both);
    assert_eq!((&said[0]["event"], &said[1]["code"]), (&json!("subscribe"), &json!("60018")));
    for wrong in [
        r#"{"channel":"orders"}"#,
        r#"{"channel":"positions"}"#,
        r#"{"channel":"fills","instId":"NO-PE"}"#,
    ] {
        let request = format!(r#"{{"op":"subscribe","args":[{wrong}]}}"#);
        assert_eq!(rig.say(1, &request)[0]["code"], "60018", "{wrong}");
    }
}

#[test]
fn orders_are_changed_cancelled_and_asked_for() {
    let mut rig = quoted();
    rig.okx("order", order("sell", "limit", "0.5", "53000", "s1"));
    let said =
        rig.okx("amend-order", json!({ "clOrdId": "s1", "newSz": "0.2", "reqId": "b12344" }));
    assert_eq!(
        said[0]["data"][0],
        json!({
            "clOrdId": "s1", "ordId": "12569099001", "ts": START_MS.to_string(),
            "reqId": "b12344", "sCode": "0", "sMsg": "",
        })
    );
    assert_eq!(
        (&said[1]["data"][0]["sz"], &said[1]["data"][0]["amendResult"]),
        (&json!("0.2"), &json!("0"))
    );
    let (status, answer) = rig.okx_ask("GET", "/api/v5/trade/orders-pending?instType=SPOT", "");
    assert_eq!(
        (status, &answer["code"], &answer["data"][0]["clOrdId"]),
        (200, &json!("0"), &json!("s1"))
    );
    let said = rig.okx("cancel-order", json!({ "ordId": "12569099001" }));
    assert_eq!(said[0]["data"][0]["sCode"], "0");
    assert_eq!(said[1]["data"][0]["cancelSource"], "1");
    rig.okx("order", order("sell", "fok", "0.1", "51000", "s2"));
    let row = |rig: &mut Rig, target: &str| rig.okx_ask("GET", target, "").1["data"][0].clone();
    let ended = row(&mut rig, "/api/v5/trade/order?instId=BTC-USDT&clOrdId=s1");
    assert_eq!((&ended["state"], &ended["sz"]), (&json!("canceled"), &json!("0.2")));
    let (_, missing) = rig.okx_ask("GET", "/api/v5/trade/order?instId=BTC-USDT&clOrdId=no", "");
    assert_eq!(
        (&missing["code"], &missing["msg"]),
        (&json!("51603"), &json!("Order does not exist."))
    );
    let fill = row(&mut rig, "/api/v5/trade/fills?instType=SPOT");
    for (name, value) in [
        ("fillPx", "52000"),
        ("fillSz", "0.1"),
        ("fee", "-5.2"),
        ("feeCcy", "USDT"),
        ("feeRate", "-0.001"),
        ("subType", "2"),
        ("execType", "T"),
        ("tradeId", "1650422001"),
        ("clOrdId", "s2"),
    ] {
        assert_eq!(fill[name], value, "{name}");
    }
    let before = row(&mut rig, "/api/v5/trade/fills?before=1650422001");
    assert_eq!(before, Value::Null);
    let usdt = row(&mut rig, "/api/v5/account/balance?ccy=USDT");
    assert_eq!(usdt["details"][0]["availBal"], "1005194.8");
    let headers = [
        ("OK-ACCESS-KEY", "sim-okx-key"),
        ("OK-ACCESS-PASSPHRASE", "sim-okx-passphrase"),
        ("OK-ACCESS-TIMESTAMP", "2024-03-21T06:13:15.207Z"),
        ("OK-ACCESS-SIGN", "7L+zFQ+CEgGu5rzCj4+BdV2/uUHGqddA9pI6ztsRRPs="),
    ];
    let forged = rig.desk.ask("GET", "/api/v5/account/balance", &headers, "", rig.now_ns);
    let (status, body) = forged.expect("a path");
    assert!(status == 401 && body.contains("50113"), "{status} {body}");
    let headers = [("OK-ACCESS-KEY", "sim-okx-key")];
    let refused = rig.desk.ask("GET", "/api/v5/account/balance", &headers, "", rig.now_ns);
    let (status, body) = refused.expect("a path");
    assert!(status == 401 && body.contains("50112"), "{status} {body}");
}

#[test]
fn a_market_order_is_sized_as_its_unit_says() {
    let mut rig = quoted();
    let mut arg = json!({ "tdMode": "cash", "side": "buy", "ordType": "market", "sz": "100" });
    let said = rig.okx("order", arg.clone());
    let row = &said[2]["data"][0];
    assert_eq!(
        (&row["fillSz"], &row["sz"], &row["tgtCcy"]),
        (&json!("0.00192"), &json!("100"), &json!("quote_ccy"))
    );
    arg["tgtCcy"] = "base_ccy".into();
    arg["sz"] = "0.01".into();
    assert_eq!(rig.okx("order", arg)[2]["data"][0]["fillSz"], "0.01");
    let post = order("buy", "post_only", "0.1", "52001", "p1");
    let said = rig.okx("order", post);
    assert_eq!(
        (&said[0]["code"], &said[2]["data"][0]["cancelSource"]),
        (&json!("0"), &json!("31"))
    );
}

#[test]
fn the_countdown_cancels_all_orders_unless_it_is_renewed() {
    let mut rig = quoted();
    rig.okx("order", order("buy", "limit", "0.1", "50000", "a"));
    let path = "/api/v5/trade/cancel-all-after";
    assert_eq!(rig.okx_ask("POST", path, r#"{"timeOut":"9"}"#).1["code"], "51000");
    let (_, set) = rig.okx_ask("POST", path, r#"{"timeOut":"10"}"#);
    let at_s = START_MS / 1_000;
    let row = json!({ "triggerTime": (at_s + 10).to_string(), "tag": "", "ts": at_s.to_string() });
    assert_eq!(set["data"][0], row);
    rig.pass(9_999);
    rig.okx_ask("POST", path, r#"{"timeOut":"10"}"#);
    rig.pass(9_999);
    assert_eq!(rig.desk.open_orders(), 1);
    rig.pass(1);
    assert_eq!(rig.desk.open_orders(), 0);
    let told = rig.outgoing();
    assert_eq!(told[0].1["data"][0]["cancelSource"], "20");
    rig.okx("order", order("buy", "limit", "0.1", "50000", "a"));
    rig.okx_ask("POST", path, r#"{"timeOut":"10"}"#);
    let (_, ended) = rig.okx_ask("POST", path, r#"{"timeOut":"0"}"#);
    assert_eq!(ended["data"][0]["triggerTime"], "0");
    rig.pass(60_000);
    assert_eq!(rig.desk.open_orders(), 1);
}
