//! The ledger of deals and orders in the details of a pair: every figure of money is drawn from it, and funding
//! and interest are booked in it.

use crate::kit::Home;
use serde_json::Value;
use std::fs;

const METRICS: [&str; 2] = ["--metrics", "time-weighted"];
const HOUR_NS: i64 = 3_600_000_000_000;
/// 2024-08-08, the day of the lake of the kit.
const MIDNIGHT_NS: i64 = 1_723_075_200_000_000_000;

fn number(of: &Value) -> f64 {
    of.as_f64().unwrap()
}

fn sum(list: &Value, of: impl Fn(&Value) -> f64) -> f64 {
    list.as_array().unwrap().iter().map(of).sum()
}

fn near(found: f64, expected: f64, what: &str) {
    let within = 1e-7 * (1.0 + expected.abs());
    assert!((found - expected).abs() < within, "{what}: {found} is not {expected}");
}

/// Returns the details of all pairs that have a strategy.
fn details(report: &Value) -> Vec<Value> {
    let all = report["details"].as_array().unwrap().iter();
    let all: Vec<Value> =
        all.filter(|detail| detail["decision"]["strategy"].is_object()).cloned().collect();
    assert_eq!(all.len(), 3, "{report}");
    all
}

#[test]
fn profit_and_fees_are_those_of_the_orders() {
    let home = Home::paying();
    for detail in details(&home.report(0, &[&METRICS[..], &["--fees", "0.5"]].concat())) {
        let (strategy, deals, orders) =
            (&detail["decision"]["strategy"], &detail["deals"], &detail["orders"]);
        assert_eq!(strategy["deals"], deals.as_array().unwrap().len());
        assert!(2 * deals.as_array().unwrap().len() <= orders.as_array().unwrap().len());
        for name in ["profit", "fees", "volume"] {
            near(sum(deals, |deal| number(&deal[name])), number(&strategy[name]), name);
        }
        let amount = |order: &Value| number(&order["price"]) * number(&order["filled"]);
        near(sum(orders, amount), number(&strategy["volume"]), "volume");
        near(0.5e-4 * sum(orders, amount), number(&strategy["fees"]), "fees");
        let flow = |order: &Value| match order["side"].as_str().unwrap() {
            "buy" => -(1.0 + 0.5e-4) * amount(order),
            _ => (1.0 - 0.5e-4) * amount(order),
        };
        near(sum(orders, flow), number(&strategy["profit"]), "profit");
        let is_met = |order: &Value| {
            let (limit, price) = (number(&order["limit"]), number(&order["price"]));
            let is_buy = order["side"] == "buy";
            number(&order["filled"]) == 0.0 || if is_buy { price <= limit } else { limit <= price }
        };
        assert!(orders.as_array().unwrap().iter().all(is_met), "{orders}");
    }
}

#[test]
fn funding_and_interest_are_booked_on_what_is_held() {
    let home = Home::paying();
    let terms = [&METRICS[..], &["--fees", "0"]].concat();
    let before = home.report(0, &terms);
    let recommended = |report: &Value| {
        let pairs = report["pairs"].as_array().unwrap();
        pairs.iter().filter(|pair| pair["verdict"] == "recommended").count()
    };
    assert_eq!(recommended(&before), 3);
    for detail in details(&before) {
        near(sum(&detail["deals"], |deal| number(&deal["carry"])), 0.0, "without tables");
    }
    // A perpetual whose longs pay every ten minutes, and an expensive loan on the other venue of a pair.
    let btc = &before["pairs"].as_array().unwrap().iter().find(|of| of["instrument"] == "BTC/USDT");
    let venue = |key: &str| btc.unwrap()[key].as_str().unwrap().to_owned();
    let (one, two) = (venue("exchange1"), venue("exchange2"));
    let mut funding = "venue,instrument,time,rate\n".to_owned();
    for step in 1..42 {
        let (hour, minute) = (step / 6, step % 6 * 10);
        let time = format!("2024-08-08T{hour:02}:{minute:02}:00Z");
        funding += &format!("{one},BTC/USDT,{time},0.0001\n{two},DOGE/USDT,{time},0.0001\n");
    }
    fs::write(home.file("funding.csv"), funding).unwrap();
    let borrow = format!("venue,instrument,rate_per_day\n{two},BTC/USDT,0.1\n");
    fs::write(home.file("borrow.csv"), borrow).unwrap();
    let tables = ["--funding", "funding.csv", "--borrow", "borrow.csv"];
    let report = home.report(0, &[&terms[..], &tables].concat());
    let mut held = 0.0;
    for detail in details(&report) {
        let strategy = &detail["decision"]["strategy"];
        let is_btc = detail["instrument"] == "BTC/USDT";
        for deal in detail["deals"].as_array().unwrap() {
            let time = |key: &str| deal[key].as_i64().unwrap() - MIDNIGHT_NS;
            let (opened, closed) = (time("opened_ns"), time("closed_ns"));
            let times = (1..42).filter(|step| {
                let at = step * HOUR_NS / 6;
                opened < at && at <= closed
            });
            let funded = 0.0001 * times.count() as f64;
            let funded = if deal["buy"] == one.as_str() { funded } else { -funded };
            let days = (closed - opened) as f64 / 24.0 / HOUR_NS as f64;
            let borrows = strategy["model"] == "convergence" && deal["sell"] == two.as_str();
            let paid = funded + if borrows { 0.1 * days } else { 0.0 };
            let expected = if is_btc { -number(&deal["size"]) * paid } else { 0.0 };
            near(number(&deal["carry"]), expected, "carry");
            held += number(&deal["carry"]).abs();
        }
        near(
            sum(&detail["deals"], |deal| number(&deal["profit"])),
            number(&strategy["profit"]),
            "profit",
        );
    }
    assert!(0.0 < held, "nothing was held at any time of funding");
    let strange = "1 of 3 markets were not analysed, such as DOGE/USDT";
    let told = report["problems"].to_string();
    assert!(told.contains(strange), "{told}");
    // What is decided rests on it, for the one pair that has rates.
    let per_day = |report: &Value, instrument: &str| {
        let pairs = report["pairs"].as_array().unwrap();
        let pair = pairs.iter().find(|pair| pair["instrument"] == instrument).unwrap();
        number(&pair["per_day"])
    };
    for instrument in ["BTC/USDT", "ETH/USDT", "SOL/USDT"] {
        let change = per_day(&report, instrument) - per_day(&before, instrument);
        assert_eq!(change != 0.0, instrument == "BTC/USDT", "{instrument}: {change}");
    }
}

#[test]
fn tables_that_cannot_be_read_are_refused_with_all_that_is_wrong() {
    let home = Home::paying();
    fs::write(home.file("funding.csv"), "venue,instrument,time,rate\na,b,c,d\na,b\n").unwrap();
    fs::write(home.file("borrow.csv"), "venue,rate\na,0.1\n").unwrap();
    let outcome = home.run(&["--funding", "funding.csv", "--borrow", "borrow.csv", "--size", "0"]);
    assert_eq!(outcome.code, Some(2));
    let lines: Vec<&str> = outcome.errors.lines().collect();
    for told in ["--funding: line 2", "--funding: line 3", "--borrow: the first line", "--size"] {
        assert!(lines.iter().any(|line| line.contains(told)), "{told}: {lines:#?}");
    }
}
