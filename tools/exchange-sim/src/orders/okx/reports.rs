//! Writes orders, fills and balances as OKX's private channels and its REST API do.

use serde_json::{Value, json};

use crate::orders::account::Balance;
use crate::orders::amount::Amount;
use crate::orders::gateway::{Topic, text_of};
use crate::orders::order::{Cause, Event, Forced, Lasting, Order, Side, Status, Trade};

/// The venue's id of the account.
const USER: &str = "614488474791936";

/// Members that the venue always sends and that say nothing about these orders.
const EMPTY: [&str; 25] = [
    "ccy",
    "tag",
    "rebateCcy",
    "lever",
    "fillPx",
    "fillSz",
    "fillTime",
    "tradeId",
    "source",
    "stpId",
    "quickMgnType",
    "pxType",
    "pxUsd",
    "pxVol",
    "algoId",
    "algoClOrdId",
    "attachAlgoClOrdId",
    "slOrdPx",
    "slTriggerPx",
    "slTriggerPxType",
    "tpOrdPx",
    "tpTriggerPx",
    "tpTriggerPxType",
    "tradeQuoteCcy",
    "cancelSourceReason",
];

fn ms(ns: u64) -> String {
    (ns / 1_000_000).to_string()
}

fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => "buy",
        Side::Sell => "sell",
    }
}

fn kind(order: &Order) -> &'static str {
    match (order.price, order.lasting) {
        (None, _) => "market",
        (Some(_), Lasting::Rest) => "limit",
        (Some(_), Lasting::Immediate) => "ioc",
        (Some(_), Lasting::Whole) => "fok",
        (Some(_), Lasting::PostOnly) => "post_only",
    }
}

fn state(order: &Order) -> &'static str {
    match order.status {
        Status::New => "live",
        Status::PartlyFilled => "partially_filled",
        Status::Filled => "filled",
        Status::Cancelled | Status::Expired => "canceled",
    }
}

fn cancel_source(order: &Order) -> &'static str {
    match order.cause {
        None => "",
        Some(Cause::User) => "1",
        Some(Cause::Disconnect) => "20",
        Some(Cause::Immediate) => "14",
        Some(Cause::Whole) => "13",
        Some(Cause::NoLiquidity) => "0",
        Some(Cause::PostOnly) => "31",
    }
}

fn category(forced: Option<Forced>) -> &'static str {
    match forced {
        None => "normal",
        Some(Forced::Liquidation) => "full_liquidation",
        Some(Forced::Deleveraging) => "adl",
    }
}

/// Returns the venue's id of a trade. Those that no client asked for are negative.
fn trade_id(trade: &Trade) -> String {
    let sign = if trade.forced.is_some() { "-" } else { "" };
    format!("{sign}{}", trade.id)
}

fn maker(trade: &Trade) -> &'static str {
    match (trade.forced, trade.is_maker) {
        (Some(_), _) => "",
        (None, true) => "M",
        (None, false) => "T",
    }
}

/// Returns an order as the list of orders has it.
pub(super) fn order(it: &Order) -> Value {
    let average = if it.filled.is_positive() { it.average().to_string() } else { String::new() };
    let in_quote = it.quote_size.is_some();
    let mut row = json!({
        "instType": "SPOT", "instId": it.symbol, "tdMode": "cash",
        "ordId": it.id.to_string(), "clOrdId": it.client_id, "side": side(it.side),
        "posSide": "net", "ordType": kind(it), "state": state(it), "category": category(it.forced),
        "px": it.price.map(|px| px.to_string()).unwrap_or_default(),
        "sz": it.quote_size.unwrap_or(it.size).to_string(),
        "tgtCcy": match it.price { Some(_) => "", None if in_quote => "quote_ccy", None => "base_ccy" },
        "accFillSz": it.filled.to_string(), "avgPx": average, "fee": (-it.fees).to_string(),
        "feeCcy": it.fee_asset, "rebate": "0", "pnl": "0", "attachAlgoOrds": [],
        "linkedAlgoOrd": { "algoId": "" },
        "stpMode": "cancel_maker", "reduceOnly": "false", "isTpLimit": "false",
        "cancelSource": cancel_source(it), "cTime": ms(it.created_ns), "uTime": ms(it.updated_ns),
    });
    for name in EMPTY {
        row[name] = "".into();
    }
    row
}

/// Returns an order as the channel `orders` has it, with the trade that it is about.
fn update(it: &Order, trade: Option<&Trade>) -> Value {
    let mut row = order(it);
    let text = |value: fn(&Trade) -> String| trade.map(value).unwrap_or_default();
    row["fillPx"] = text(|it| it.price.to_string()).into();
    row["fillSz"] = trade.map_or("0".to_owned(), |it| it.size.to_string()).into();
    row["fillTime"] = text(|it| ms(it.at_ns)).into();
    row["fillFee"] = trade.map_or("0".to_owned(), |it| (-it.fee).to_string()).into();
    row["fillFeeCcy"] = text(|it| it.fee_asset.clone()).into();
    row["tradeId"] = text(trade_id).into();
    row["execType"] = trade.map_or("", maker).into();
    for (name, value) in [
        ("amendResult", ""),
        ("amendSource", ""),
        ("code", "0"),
        ("msg", ""),
        ("reqId", ""),
        ("fillPnl", "0"),
        ("fillNotionalUsd", ""),
        ("notionalUsd", ""),
        ("lastPx", ""),
    ] {
        row[name] = value.into();
    }
    row
}

/// Returns a trade as the list of fills has it.
pub(super) fn fill(it: &Trade) -> Value {
    let rate = Amount::parse("0.000001").and_then(|unit| unit.repeated(it.fee_rate.into()));
    let kind = match (it.forced, it.side) {
        (None, Side::Buy) => "1",
        (None, Side::Sell) => "2",
        (Some(Forced::Liquidation), Side::Buy) => "106",
        (Some(Forced::Liquidation), Side::Sell) => "107",
        (Some(Forced::Deleveraging), Side::Buy) => "127",
        (Some(Forced::Deleveraging), Side::Sell) => "128",
    };
    json!({
        "instType": "SPOT", "instId": it.symbol, "ordId": it.order_id.to_string(),
        "clOrdId": it.client_id, "tradeId": trade_id(it), "billId": it.id.to_string(),
        "subType": kind, "tag": "", "side": side(it.side), "posSide": "net",
        "fillPx": it.price.to_string(), "fillSz": it.size.to_string(), "fillPnl": "0",
        "fee": (-it.fee).to_string(), "feeCcy": it.fee_asset,
        "feeRate": (-rate.unwrap_or_default()).to_string(), "execType": maker(it),
        "fillTime": ms(it.at_ns), "ts": ms(it.at_ns), "fillIdxPx": "", "fillPxVol": "",
        "fillPxUsd": "", "fillMarkVol": "", "fillFwdPx": "", "fillMarkPx": "", "tradeQuoteCcy": "",
    })
}

/// Returns the account with these balances. Values in USD are not kept here and are empty.
pub(super) fn account<'a>(
    balances: impl Iterator<Item = (&'a str, Balance)>,
    now_ns: u64,
) -> Value {
    let detail = |(asset, it): (&str, Balance)| {
        json!({
            "ccy": asset, "cashBal": it.total().to_string(), "eq": it.total().to_string(),
            "availBal": it.free.to_string(), "availEq": it.free.to_string(),
            "frozenBal": it.locked.to_string(), "ordFrozen": it.locked.to_string(),
            "uTime": ms(now_ns), "eqUsd": "", "disEq": "", "liab": "0", "upl": "0",
            "interest": "0", "fixedBal": "0", "borrowFroz": "", "isoEq": "0",
        })
    };
    json!({
        "uTime": ms(now_ns), "totalEq": "", "isoEq": "0", "adjEq": "", "ordFroz": "", "imr": "",
        "mmr": "", "mgnRatio": "", "notionalUsd": "", "upl": "",
        "details": balances.map(detail).collect::<Vec<Value>>(),
    })
}

/// Returns the message of a subscription about an event, if it is of that kind.
pub(super) fn message(event: &Event, topic: &Topic) -> Option<String> {
    let mut arg = topic.arg.clone();
    arg["uid"] = USER.into();
    let (row, symbol) = match (topic.channel.as_str(), event) {
        (
            "orders",
            Event::New(it) | Event::Cancelled(it) | Event::Expired(it) | Event::Amended(it),
        ) => {
            let mut row = update(it, None);
            if matches!(event, Event::Amended(_)) {
                row["amendSource"] = "1".into();
                row["amendResult"] = "0".into();
            }
            (row, &it.symbol)
        }
        // This venue has no message for a cancel that came too late. It repeats the last fill.
        ("orders", Event::Traded(it, trade) | Event::CancelFailed(it, trade)) => {
            (update(it, Some(trade)), &it.symbol)
        }
        ("fills", Event::Traded(it, trade)) if trade.forced.is_none() => {
            let row = json!({
                "instId": trade.symbol, "fillSz": trade.size.to_string(),
                "fillPx": trade.price.to_string(), "side": side(trade.side),
                "ts": ms(trade.at_ns), "ordId": trade.order_id.to_string(),
                "clOrdId": trade.client_id, "tradeId": trade_id(trade), "execType": maker(trade),
                "count": "1",
            });
            (row, &it.symbol)
        }
        ("account", Event::Balances(balances)) => return account_message(&arg, balances, topic),
        _ => return None,
    };
    let is_wanted = text_of(&topic.arg, "instId").is_none_or(|wanted| wanted == *symbol);
    is_wanted.then(|| json!({ "arg": arg, "data": [row] }).to_string())
}

fn account_message(arg: &Value, balances: &[(String, Balance)], topic: &Topic) -> Option<String> {
    let wanted = text_of(&topic.arg, "ccy");
    let balances = balances.iter().map(|(asset, balance)| (asset.as_str(), *balance));
    let balances: Vec<(&str, Balance)> =
        balances.filter(|(asset, _)| wanted.as_deref().is_none_or(|it| it == *asset)).collect();
    let data = account(balances.iter().copied(), 0);
    let message = json!({
        "arg": arg, "eventType": "event_update", "curPage": 1, "lastPage": true, "data": [data],
    });
    (!balances.is_empty()).then(|| message.to_string())
}
