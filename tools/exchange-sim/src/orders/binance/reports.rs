//! Writes orders and trades as Binance does: in answers, and as events of the user data stream.

use serde_json::{Value, json};

use crate::orders::account::Balance;
use crate::orders::amount::Amount;
use crate::orders::order::{Cause, Event, Forced, Lasting, Order, Side, Status, Trade};

/// Number of digits after the point to which prices and sizes are padded.
const PLACES: usize = 8;

fn shown(amount: Amount) -> String {
    amount.padded(PLACES)
}

fn ms(ns: u64) -> u64 {
    ns / 1_000_000
}

fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => "BUY",
        Side::Sell => "SELL",
    }
}

fn kind(order: &Order) -> &'static str {
    match (order.price, order.lasting) {
        (None, _) => "MARKET",
        (Some(_), Lasting::PostOnly) => "LIMIT_MAKER",
        (Some(_), _) => "LIMIT",
    }
}

fn in_force(order: &Order) -> &'static str {
    match (order.price, order.lasting) {
        (Some(_), Lasting::Immediate) => "IOC",
        (Some(_), Lasting::Whole) => "FOK",
        _ => "GTC",
    }
}

fn status(order: &Order) -> &'static str {
    match order.status {
        Status::New => "NEW",
        Status::PartlyFilled => "PARTIALLY_FILLED",
        Status::Filled => "FILLED",
        Status::Cancelled => "CANCELED",
        Status::Expired => "EXPIRED",
    }
}

/// Returns why an order has expired, if it has.
fn expiry(order: &Order) -> Option<&'static str> {
    if order.status != Status::Expired {
        return None;
    }
    order.cause.map(|cause| match cause {
        Cause::Immediate => "UNFILLED_IOC_QUANTITY_EXPIRED",
        Cause::Whole => "UNFILLED_FOK_ORDER_EXPIRED",
        Cause::NoLiquidity => "INSUFFICIENT_LIQUIDITY",
        Cause::User | Cause::Disconnect | Cause::PostOnly => "EXCHANGE_CANCELED",
    })
}

/// Returns the members that most reports of an order have.
fn order(order: &Order) -> Value {
    let mut report = json!({
        "symbol": order.symbol, "orderId": order.id, "orderListId": -1,
        "clientOrderId": order.client_id, "price": shown(order.price.unwrap_or_default()),
        "origQty": shown(order.size), "executedQty": shown(order.filled),
        "origQuoteOrderQty": shown(order.quote_size.unwrap_or_default()),
        "cummulativeQuoteQty": shown(order.cost), "status": status(order),
        "timeInForce": in_force(order), "type": kind(order), "side": side(order.side),
        "selfTradePreventionMode": "NONE",
    });
    if let Some(reason) = expiry(order) {
        report["expiryReason"] = reason.into();
    }
    report
}

/// Returns the answer to a new order. `form` is `ACK`, `RESULT` or `FULL`.
pub(super) fn placed(taken: &Order, trades: &[Trade], form: &str) -> Value {
    let at_ms = ms(taken.created_ns);
    if form == "ACK" {
        return json!({
            "symbol": taken.symbol, "orderId": taken.id, "orderListId": -1,
            "clientOrderId": taken.client_id, "transactTime": at_ms,
        });
    }
    let mut report = order(taken);
    report["transactTime"] = at_ms.into();
    report["workingTime"] = at_ms.into();
    if form == "FULL" {
        let fill = |it: &Trade| {
            json!({
                "price": shown(it.price), "qty": shown(it.size), "commission": shown(it.fee),
                "commissionAsset": it.fee_asset, "tradeId": it.id,
            })
        };
        report["fills"] = trades.iter().map(fill).collect();
    }
    report
}

/// Returns the report of a cancelled order.
pub(super) fn cancelled(taken: &Order) -> Value {
    let mut report = order(taken);
    report["origClientOrderId"] = taken.former_client_id.clone().into();
    report["transactTime"] = ms(taken.updated_ns).into();
    report
}

/// Returns the answer to a reduction.
pub(super) fn amended(taken: &Order) -> Value {
    json!({
        "transactTime": ms(taken.updated_ns), "executionId": taken.updated_ns % 1_000_000_000,
        "amendedOrder": {
            "symbol": taken.symbol, "orderId": taken.id, "orderListId": -1,
            "origClientOrderId": taken.former_client_id, "clientOrderId": taken.client_id,
            "price": shown(taken.price.unwrap_or_default()), "qty": shown(taken.size),
            "executedQty": shown(taken.filled), "preventedQty": shown(Amount::ZERO),
            "quoteOrderQty": shown(Amount::ZERO), "cumulativeQuoteQty": shown(taken.cost),
            "status": status(taken), "timeInForce": in_force(taken), "type": kind(taken),
            "side": side(taken.side), "workingTime": ms(taken.created_ns),
            "selfTradePreventionMode": "NONE",
        },
    })
}

/// Returns the state of an order, for a client that asks.
pub(super) fn state(taken: &Order) -> Value {
    let mut report = order(taken);
    report["stopPrice"] = shown(Amount::ZERO).into();
    report["icebergQty"] = shown(Amount::ZERO).into();
    report["time"] = ms(taken.created_ns).into();
    report["updateTime"] = ms(taken.updated_ns).into();
    report["workingTime"] = ms(taken.created_ns).into();
    report["isWorking"] = true.into();
    report
}

/// Returns a trade, for a client that asks.
pub(super) fn trade(it: &Trade) -> Value {
    json!({
        "symbol": it.symbol, "id": it.id, "orderId": it.order_id, "orderListId": -1,
        "price": shown(it.price), "qty": shown(it.size), "quoteQty": shown(it.cost),
        "commission": shown(it.fee), "commissionAsset": it.fee_asset, "time": ms(it.at_ns),
        "isBuyer": it.side == Side::Buy, "isMaker": it.is_maker, "isBestMatch": true,
    })
}

/// Returns an event of the user data stream.
pub(super) fn event(event: &Event, now_ms: u64) -> Value {
    match event {
        Event::New(order) => execution(order, "NEW", None, now_ms),
        Event::Cancelled(order) => execution(order, "CANCELED", None, now_ms),
        Event::Expired(order) => execution(order, "EXPIRED", None, now_ms),
        Event::Amended(order) => execution(order, "REPLACED", None, now_ms),
        // This venue has no message for a cancel that came too late. It repeats the last trade.
        Event::Traded(order, trade) | Event::CancelFailed(order, trade) => {
            execution(order, "TRADE", Some(trade), now_ms)
        }
        Event::Balances(balances) => {
            let balance = |(asset, it): &(String, Balance)| json!({ "a": asset, "f": shown(it.free), "l": shown(it.locked) });
            let balances: Vec<Value> = balances.iter().map(balance).collect();
            json!({ "e": "outboundAccountPosition", "E": now_ms, "u": now_ms, "B": balances })
        }
    }
}

fn execution(order: &Order, execution: &str, trade: Option<&Trade>, now_ms: u64) -> Value {
    let last = |value: fn(&Trade) -> Amount| shown(trade.map(value).unwrap_or_default());
    let mut report = json!({
        "e": "executionReport", "E": now_ms, "s": order.symbol, "c": client_id(order),
        "S": side(order.side), "o": kind(order), "f": in_force(order), "q": shown(order.size),
        "p": shown(order.price.unwrap_or_default()), "P": shown(Amount::ZERO),
        "F": shown(Amount::ZERO), "g": -1, "C": order.former_client_id, "x": execution,
        "X": status(order), "r": "NONE", "i": order.id, "l": last(|it| it.size),
        "z": shown(order.filled), "L": last(|it| it.price), "n": "0", "N": Value::Null,
        "T": ms(order.updated_ns), "t": -1, "I": order.updated_ns % 1_000_000_000,
        "w": order.status.is_open(), "m": trade.is_some_and(|it| it.is_maker), "M": false,
        "O": ms(order.created_ns), "Z": shown(order.cost), "Y": last(|it| it.cost),
        "Q": shown(order.quote_size.unwrap_or_default()), "W": ms(order.created_ns), "V": "NONE",
    });
    if let Some(trade) = trade {
        report["n"] = shown(trade.fee).into();
        report["N"] = trade.fee_asset.clone().into();
        report["t"] = trade.id.into();
    }
    if let Some(reason) = expiry(order) {
        report["eR"] = reason.into();
    }
    report
}

/// Returns the client's id of an order, or the one that the venue gives to its own orders.
fn client_id(order: &Order) -> String {
    match order.forced {
        Some(Forced::Liquidation) => format!("autoclose-{}", order.id),
        Some(Forced::Deleveraging) => "adl_autoclose".to_owned(),
        None => order.client_id.clone(),
    }
}
