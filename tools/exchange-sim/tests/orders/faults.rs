//! Each scripted fault of order entry, on a venue where it shows.

use serde_json::{Value, json};

use crate::rig::{NS_PER_MS, Rig, START_MS};

const QUOTE: [&str; 4] = ["52000", "0.5", "52000.1", "0.3"];

fn binance(faults: &[&str]) -> Rig {
    let mut rig = Rig::of_binance(faults);
    rig.quote("BTC/USDT", QUOTE);
    rig
}

fn bybit(faults: &[&str]) -> Rig {
    let mut rig = Rig::of_bybit(faults, &["order", "execution"]);
    rig.quote("BTC/USDT", QUOTE);
    rig
}

fn okx(faults: &[&str]) -> Rig {
    let mut rig = Rig::of_okx(faults, &[json!({ "channel": "orders", "instType": "SPOT" })]);
    rig.quote("BTC/USDT", QUOTE);
    rig
}

fn binance_buy(in_force: &str, price: &str, id: &str) -> Value {
    json!({
        "symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": in_force,
        "quantity": "0.1", "price": price, "newClientOrderId": id, "newOrderRespType": "RESULT",
    })
}

fn bybit_buy(price: &str, link: &str) -> Value {
    json!({
        "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "0.1", "price": price,
        "orderLinkId": link,
    })
}

fn okx_buy(px: &str, id: &str) -> Value {
    json!({
        "tdMode": "cash", "side": "buy", "ordType": "limit", "sz": "0.1", "px": px, "clOrdId": id,
    })
}

/// Names the messages of Bybit and OKX: answers by their operation, others by topic and state.
fn names(messages: &[Value]) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let name = |it: &Value| {
        let row = &it["data"][0];
        match (&it["op"], &it["topic"], &it["arg"]["channel"]) {
            (Value::String(op), ..) => op.clone(),
            (_, Value::String(topic), _) if topic == "order" => text(&row["orderStatus"]),
            (_, Value::String(topic), _) => topic.clone(),
            (_, _, Value::String(_)) => text(&row["state"]),
            _ if it.get("event").is_some() => {
                format!("{}{}", text(&it["event"]["x"]), text(&it["event"]["B"][0]["a"]))
            }
            _ => "answer".to_owned(),
        }
    };
    messages.iter().map(name).collect()
}

#[test]
fn late_answers_and_late_fills_come_when_they_are_due() {
    let mut rig = bybit(&["bybit:order=2:late=250ms", "bybit:order=3:late-fills=2s"]);
    assert_eq!(names(&rig.bybit("order.create", bybit_buy("51000", "a")))[0], "order.create");
    assert_eq!(rig.bybit("order.create", bybit_buy("51000", "b")), [Value::Null; 0]);
    assert_eq!(rig.desk.open_orders(), 2);
    assert_eq!(rig.desk.next_ns(), Some((START_MS + 250) * NS_PER_MS));
    rig.pass(249);
    assert_eq!(rig.outgoing(), []);
    rig.pass(1);
    let late: Vec<Value> = rig.outgoing().into_iter().map(|(_, it)| it).collect();
    assert_eq!(names(&late), ["order.create", "New"]);
    assert_eq!(late[0]["header"]["Timenow"], (START_MS + 250).to_string());
    let said = rig.bybit("order.create", bybit_buy("52001", "c"));
    assert_eq!(names(&said), ["order.create", "New"]);
    rig.pass(2_000);
    let late: Vec<Value> = rig.outgoing().into_iter().map(|(_, it)| it).collect();
    assert_eq!(names(&late), ["Filled", "execution"]);
}

#[test]
fn answers_and_fills_come_twice() {
    let mut rig =
        okx(&["okx:order=1:double-ack", "okx:order=1:double-fills", "okx:cancel=1:double-ack"]);
    let said = rig.okx("order", okx_buy("52001", "a"));
    assert_eq!(names(&said), ["order", "order", "live", "filled", "filled"]);
    assert_eq!((&said[0], &said[3]), (&said[1], &said[4]));
    assert_eq!(rig.balance("BTC").0, "1000000.0999");
    // The fills of a resting order come twice as well, whenever they come.
    let mut rig = bybit(&["bybit:order=1:double-fills"]);
    rig.bybit("order.create", bybit_buy("51999", "a"));
    rig.quote("BTC/USDT", ["51990", "1", "51999", "0.04"]);
    let told: Vec<Value> = rig.outgoing().into_iter().map(|(_, it)| it).collect();
    let expected = ["PartiallyFilled", "execution", "PartiallyFilled", "execution"];
    assert_eq!(names(&told), expected);
    assert_eq!(told[1]["data"][0]["execId"], told[3]["data"][0]["execId"]);
}

#[test]
fn fills_come_before_the_answer() {
    let mut rig = binance(&["binance:order=1:fills-first"]);
    let said = rig.binance("order.place", binance_buy("IOC", "52001", "a"));
    assert_eq!(names(&said), ["NEW", "TRADE", "BTC", "answer"]);
    assert_eq!(said[3]["result"]["status"], "FILLED");
}

#[test]
fn an_order_fills_after_its_cancel_was_acknowledged() {
    let mut rig = binance(&["binance:order=1:fill-after-cancel"]);
    rig.binance("order.place", binance_buy("GTC", "51000", "a"));
    let cancel = json!({ "symbol": "BTCUSDT", "origClientOrderId": "a" });
    let said = rig.binance("order.cancel", cancel.clone());
    assert_eq!(
        (&said[0]["result"]["status"], &said[0]["result"]["origClientOrderId"]),
        (&json!("CANCELED"), &json!("a"))
    );
    assert_eq!(said[1]["event"]["X"], "FILLED");
    // The fill is the truth.
    let asked = json!({ "symbol": "BTCUSDT", "origClientOrderId": "a" });
    assert_eq!(rig.binance("order.status", asked)[0]["result"]["status"], "FILLED");
    assert_eq!(rig.balance("BTC").0, "1000000.0999");
    assert_eq!(rig.balance("USDT"), ("994900".into(), "0".into()));
    assert_eq!(rig.binance("order.cancel", cancel)[0]["error"]["code"], -2011);
}

#[test]
fn filled_is_told_twice_for_one_fill() {
    let mut rig = bybit(&["bybit:order=1:filled-twice"]);
    let said = rig.bybit("order.create", bybit_buy("52001", "a"));
    assert_eq!(names(&said), ["order.create", "New", "Filled", "execution", "Filled"]);
    let [first, second] = [&said[2]["data"][0], &said[4]["data"][0]];
    assert_eq!(
        (&first["cancelType"], &first["rejectReason"]),
        (&json!("UNKNOWN"), &json!("EC_NoError"))
    );
    assert_eq!(
        (&second["cancelType"], &second["rejectReason"]),
        (&json!("CancelByUser"), &json!("EC_OrigClOrdIDDoesNotExist"))
    );
    assert_eq!(rig.balance("BTC").0, "1000000.0999");
    let mut rig = okx(&["okx:order=1:filled-twice"]);
    assert_eq!(
        names(&rig.okx("order", okx_buy("52001", "a"))),
        ["order", "live", "filled", "filled"]
    );
}

#[test]
fn an_order_without_an_answer_was_taken_or_was_not() {
    let mut rig = okx(&["okx:order=1:silent", "okx:order=2:lost"]);
    assert_eq!(rig.okx("order", okx_buy("52001", "taken")), [Value::Null; 0]);
    assert_eq!(rig.okx("order", okx_buy("52001", "lost")), [Value::Null; 0]);
    let ask = |rig: &mut Rig, id: &str| {
        let target = format!("/api/v5/trade/order?instId=BTC-USDT&clOrdId={id}");
        rig.okx_ask("GET", &target, "").1
    };
    assert_eq!(ask(&mut rig, "taken")["data"][0]["state"], "filled");
    assert_eq!(ask(&mut rig, "lost")["code"], "51603");
    assert_eq!(rig.balance("BTC").0, "1000000.0999");
    assert_eq!(rig.okx("order", okx_buy("51000", "third"))[0]["code"], "0");
}

#[test]
fn requests_are_refused_with_any_code_and_by_limits() {
    let mut rig = binance(&[
        "binance:order=1:reject=-1008:Server is currently overloaded",
        "binance:order=2:rate-limit=5s",
        "binance:cancel=1:reject=-2011",
        "binance:amend=1:reject=-1000",
    ]);
    let said = rig.binance("order.place", binance_buy("GTC", "51000", "a"));
    let error = json!({ "code": -1008, "msg": "Server is currently overloaded" });
    assert_eq!(said[0]["error"], error);
    let said = rig.binance("order.place", binance_buy("GTC", "51000", "a"));
    assert_eq!((&said[0]["status"], &said[0]["error"]["code"]), (&json!(429), &json!(-1015)));
    assert_eq!(said[0]["error"]["data"]["retryAfter"], START_MS + 5_000);
    assert_eq!(rig.desk.open_orders(), 0);
    assert_eq!(rig.binance("order.place", binance_buy("GTC", "51000", "a"))[0]["status"], 200);
    let named = json!({ "symbol": "BTCUSDT", "origClientOrderId": "a", "newQty": "0.05" });
    assert_eq!(rig.binance("order.cancel", named.clone())[0]["error"]["code"], -2011);
    assert_eq!(rig.binance("order.amend.keepPriority", named)[0]["error"]["code"], -1000);
    assert_eq!(rig.desk.open_orders(), 1);
    let mut rig = bybit(&["bybit:every-order=1:rate-limit=5s"]);
    let said = rig.bybit("order.create", bybit_buy("51000", "a"));
    let reset = &said[0]["header"]["X-Bapi-Limit-Reset-Timestamp"];
    assert_eq!(
        (&said[0]["retCode"], reset),
        (&json!(10_429), &json!((START_MS + 5_000).to_string()))
    );
    let mut rig = okx(&["okx:order=1:rate-limit"]);
    assert_eq!(rig.okx("order", okx_buy("51000", "a"))[0]["data"][0]["sCode"], "50011");
}

#[test]
fn the_connection_ends_right_after_the_order_was_taken() {
    let mut rig = bybit(&["bybit:order=1:disconnect"]);
    let said = rig.bybit("order.create", bybit_buy("52001", "a"));
    // The private stream is another connection, which stays.
    assert_eq!(said[0], "reset");
    assert_eq!(names(&said[1..]), ["New", "Filled", "execution"]);
    assert_eq!(rig.bybit("order.create", bybit_buy("51000", "b")), [Value::Null; 0]);
    let mut rig = binance(&["binance:order=1:disconnect"]);
    let said = rig.binance("order.place", binance_buy("GTC", "51000", "a"));
    assert_eq!(said, ["reset"]);
    assert_eq!(rig.desk.open_orders(), 1);
}

#[test]
fn a_balance_differs_without_a_word() {
    let mut rig = binance(&["binance:order=1:balance=BTC:-0.5", "binance:at=1s:balance=USDT:+7"]);
    let said = rig.binance("order.place", binance_buy("GTC", "51000", "a"));
    assert_eq!(names(&said), ["answer", "NEW", "USDT"]);
    assert_eq!(rig.balance("BTC").0, "999999.5");
    rig.pass(5_000);
    assert_eq!(rig.balance("USDT").0, "994900");
    // Times count from when the source begins to play.
    rig.desk.begin(rig.now_ns);
    rig.pass(1_000);
    assert_eq!(rig.balance("USDT").0, "994907");
    rig.pass(1_000);
    assert_eq!((rig.balance("USDT").0.as_str(), rig.outgoing().len()), ("994907", 0));
    let mut rig = binance(&["binance:order=1:balance=BTC:-2000000"]);
    rig.binance("order.place", binance_buy("GTC", "51000", "a"));
    assert_eq!(rig.balance("BTC").0, "0");
}

#[test]
fn a_fill_comes_that_nobody_asked_for() {
    let mut rig =
        bybit(&["bybit:order=1:adl=BTCUSDT:sell:0.7", "bybit:order=2:liquidation=BTCUSDT:buy:1"]);
    let said = rig.bybit("order.create", bybit_buy("51000", "a"));
    assert_eq!(names(&said), ["order.create", "New", "Filled", "execution"]);
    let execution = &said[3]["data"][0];
    for (name, value) in [
        ("execType", "AdlTrade"),
        ("orderLinkId", ""),
        ("side", "Sell"),
        ("execPrice", "52000"),
        ("execQty", "0.7"),
        ("execFee", "36.4"),
    ] {
        assert_eq!(execution[name], value, "{name}");
    }
    assert_eq!(rig.balance("BTC").0, "999999.3");
    let said = rig.bybit("order.create", bybit_buy("51000", "b"));
    assert_eq!(said[3]["data"][0]["execType"], "BustTrade");
    let mut rig = okx(&["okx:at=1s:adl=BTC-USDT:sell:0.7"]);
    rig.desk.begin(rig.now_ns);
    rig.pass(1_000);
    let told = rig.outgoing();
    let row = &told[0].1["data"][0];
    assert_eq!(
        (&row["category"], &row["tradeId"], &row["clOrdId"], &row["fillSz"]),
        (&json!("adl"), &json!("-1650422001"), &json!(""), &json!("0.7"))
    );
    let mut rig = binance(&["binance:order=1:adl=BTCUSDT:sell:0.7"]);
    let said = rig.binance("order.place", binance_buy("GTC", "51000", "a"));
    assert_eq!(
        (&said[3]["event"]["c"], &said[3]["event"]["x"]),
        (&json!("adl_autoclose"), &json!("TRADE"))
    );
}

#[test]
fn a_fault_at_a_time_happens_to_the_next_order() {
    let mut rig = okx(&["okx:at=1s:lost"]);
    rig.desk.begin(rig.now_ns);
    assert_eq!(rig.okx("order", okx_buy("51000", "a")).len(), 2);
    rig.pass(1_000);
    assert_eq!(rig.okx("cancel-order", json!({ "clOrdId": "a" })).len(), 2);
    assert_eq!(rig.okx("order", okx_buy("51000", "b")).len(), 0);
    assert_eq!(rig.okx("order", okx_buy("51000", "c")).len(), 2);
    let counts = rig.desk.take_counts();
    assert_eq!((counts.orders, counts.faults), (4, 1));
}
