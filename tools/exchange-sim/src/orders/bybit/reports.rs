//! Writes orders, executions and balances as Bybit's private stream and its REST API do.

use serde_json::{Value, json};

use crate::orders::account::Balance;
use crate::orders::amount::Amount;
use crate::orders::order::{Cause, Event, Forced, Lasting, Order, Side, Status, Trade};

fn ms(ns: u64) -> String {
    (ns / 1_000_000).to_string()
}

/// Returns the venue's id of an order or a trade, in the form of a UUID.
pub(super) fn id(number: u64) -> String {
    format!("{:08x}-{:04x}-4000-8000-{number:012x}", number % 0xffff_fffb, number % 0xfff1)
}

/// Returns the number of an order from the venue's id of it.
pub(super) fn number(text: &str) -> Option<u64> {
    let (_, last) = text.rsplit_once('-')?;
    u64::from_str_radix(last, 16).ok().filter(|number| id(*number) == text)
}

fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => "Buy",
        Side::Sell => "Sell",
    }
}

fn kind(order: &Order) -> &'static str {
    if order.price.is_some() { "Limit" } else { "Market" }
}

fn in_force(order: &Order) -> &'static str {
    match order.lasting {
        Lasting::Rest => "GTC",
        Lasting::Immediate => "IOC",
        Lasting::Whole => "FOK",
        Lasting::PostOnly => "PostOnly",
    }
}

fn status(order: &Order) -> &'static str {
    match order.status {
        Status::New => "New",
        Status::PartlyFilled => "PartiallyFilled",
        Status::Filled => "Filled",
        Status::Cancelled | Status::Expired if order.filled.is_positive() => {
            "PartiallyFilledCanceled"
        }
        Status::Cancelled | Status::Expired => "Cancelled",
    }
}

fn reject_reason(order: &Order) -> &'static str {
    match order.cause {
        None => "EC_NoError",
        Some(Cause::User | Cause::Disconnect) => "EC_PerCancelRequest",
        Some(Cause::Immediate | Cause::NoLiquidity) => "EC_NoImmediateQtyToFill",
        Some(Cause::Whole) => "EC_CancelForNoFullFill",
        Some(Cause::PostOnly) => "EC_PostOnlyWillTakeLiquidity",
    }
}

fn cancel_type(order: &Order) -> &'static str {
    match order.cause {
        Some(Cause::User) => "CancelByUser",
        Some(Cause::Disconnect) => "CancelByDCP",
        Some(Cause::Immediate | Cause::Whole | Cause::NoLiquidity | Cause::PostOnly) | None => {
            "UNKNOWN"
        }
    }
}

/// Returns an order as the topic `order` and the list of orders have it.
pub(super) fn order(it: &Order) -> Value {
    let price = it.price.unwrap_or_default();
    // The value of the open part, which the filters keep exact.
    let open_value = price.times(it.left()).unwrap_or_default();
    let (left, open_value) =
        if it.status.is_open() { (it.left(), open_value) } else { Default::default() };
    let average = it.average();
    let mut fees = json!({});
    if it.fees.is_positive() {
        fees[&it.fee_asset] = it.fees.to_string().into();
    }
    let mut row = json!({
        "category": "spot", "symbol": it.symbol, "orderId": id(it.id), "orderLinkId": it.client_id,
        "isLeverage": "0", "side": side(it.side),
        "orderType": kind(it), "timeInForce": in_force(it), "price": price.to_string(),
        "qty": it.quote_size.unwrap_or(it.size).to_string(), "orderStatus": status(it),
        "cancelType": cancel_type(it), "rejectReason": reject_reason(it),
        "avgPrice": if it.filled.is_positive() { average.to_string() } else { String::new() },
        "leavesQty": left.to_string(), "leavesValue": open_value.to_string(),
        "cumExecQty": it.filled.to_string(), "cumExecValue": it.cost.to_string(),
        "cumExecFee": it.fees.to_string(), "cumFeeDetail": fees, "feeCurrency": it.fee_asset,
        "createdTime": ms(it.created_ns), "updatedTime": ms(it.updated_ns),
    });
    fill_up(
        &mut row,
        &[
            "stopOrderType",
            "orderIv",
            "marketUnit",
            "triggerPrice",
            "takeProfit",
            "stopLoss",
            "tpslMode",
            "tpLimitPrice",
            "slLimitPrice",
            "tpTriggerBy",
            "slTriggerBy",
            "triggerBy",
            "lastPriceOnCreated",
            "placeType",
            "smpOrderId",
            "blockTradeId",
        ],
        "",
    );
    fill_up(&mut row, &["reduceOnly", "closeOnTrigger"], false);
    fill_up(&mut row, &["triggerDirection", "smpGroup", "positionIdx"], 0);
    row["smpType"] = "None".into();
    row
}

/// Adds members that the venue always sends and that mean nothing for these orders.
fn fill_up(row: &mut Value, names: &[&str], value: impl Into<Value> + Copy) {
    for name in names {
        row[*name] = value.into();
    }
}

/// Returns a trade as the topic `execution` and the list of executions have it. `order` is the order
/// right after it.
pub(super) fn execution(it: &Trade, order: &Order) -> Value {
    let kind_of_trade = match it.forced {
        None => "Trade",
        Some(Forced::Liquidation) => "BustTrade",
        Some(Forced::Deleveraging) => "AdlTrade",
    };
    let rate = Amount::parse("0.000001").and_then(|unit| unit.repeated(it.fee_rate.into()));
    let mut row = json!({
        "category": "spot", "symbol": it.symbol, "orderId": id(it.order_id),
        "orderLinkId": it.client_id, "side": side(it.side), "isLeverage": "0",
        "orderPrice": order.price.unwrap_or_default().to_string(),
        "orderQty": order.size.to_string(), "leavesQty": order.left().to_string(),
        "orderType": kind(order), "stopOrderType": "", "execId": id(it.id),
        "execPrice": it.price.to_string(), "execQty": it.size.to_string(),
        "execValue": it.cost.to_string(), "execFee": it.fee.to_string(),
        "feeRate": rate.unwrap_or_default().to_string(), "feeCurrency": it.fee_asset,
        "execType": kind_of_trade, "execTime": ms(it.at_ns), "isMaker": it.is_maker,
        "execPnl": "0", "seq": it.id,
    });
    fill_up(
        &mut row,
        &[
            "closedSize",
            "blockTradeId",
            "tradeIv",
            "markIv",
            "markPrice",
            "indexPrice",
            "underlyingPrice",
            "marketUnit",
            "extraFees",
        ],
        "",
    );
    row
}

fn fast_execution(it: &Trade) -> Value {
    json!({
        "category": "spot", "symbol": it.symbol, "execId": id(it.id),
        "execPrice": it.price.to_string(), "execQty": it.size.to_string(),
        "orderId": id(it.order_id), "isMaker": it.is_maker, "side": side(it.side),
        "orderLinkId": if it.is_maker { "" } else { it.client_id.as_str() },
        "execTime": ms(it.at_ns), "seq": it.id,
    })
}

/// Returns the account with these balances, as the topic `wallet` and the wallet's query have it. Values
/// in USD are not kept here and are empty.
pub(super) fn wallet<'a>(balances: impl Iterator<Item = (&'a str, Balance)>) -> Value {
    let coin = |(asset, it): (&str, Balance)| {
        json!({
            "coin": asset, "equity": it.total().to_string(),
            "walletBalance": it.total().to_string(), "locked": it.locked.to_string(),
            "usdValue": "", "free": "", "availableToWithdraw": "", "availableToBorrow": "",
            "borrowAmount": "0", "spotBorrow": "0", "accruedInterest": "0", "totalOrderIM": "0",
            "totalPositionIM": "0", "totalPositionMM": "0", "unrealisedPnl": "0",
            "cumRealisedPnl": "0", "bonus": "0", "spotHedgingQty": "0", "collateralSwitch": true,
            "marginCollateral": true,
        })
    };
    json!({
        "accountType": "UNIFIED", "accountIMRate": "", "accountMMRate": "", "accountLTV": "",
        "totalEquity": "", "totalWalletBalance": "", "totalMarginBalance": "",
        "totalAvailableBalance": "", "totalPerpUPL": "", "totalInitialMargin": "",
        "totalMaintenanceMargin": "", "coin": balances.map(coin).collect::<Vec<Value>>(),
    })
}

/// Returns the messages of a topic about an event.
pub(super) fn messages(event: &Event, topic: &str, now_ms: u64) -> Vec<String> {
    let data = match (topic, event) {
        (
            "order" | "order.spot",
            Event::New(it)
            | Event::Traded(it, _)
            | Event::Cancelled(it)
            | Event::Expired(it)
            | Event::Amended(it),
        ) => order(it),
        // The cancel that came too late says `Filled` a second time.
        ("order" | "order.spot", Event::CancelFailed(it, _)) => {
            let mut again = order(it);
            again["cancelType"] = "CancelByUser".into();
            again["rejectReason"] = "EC_OrigClOrdIDDoesNotExist".into();
            again
        }
        ("execution" | "execution.spot", Event::Traded(order, it)) => execution(it, order),
        ("execution.fast" | "execution.fast.spot", Event::Traded(_, it)) if it.forced.is_none() => {
            fast_execution(it)
        }
        ("wallet", Event::Balances(balances)) => {
            wallet(balances.iter().map(|(asset, balance)| (asset.as_str(), *balance)))
        }
        _ => return Vec::new(),
    };
    let mut message = json!({ "topic": topic, "creationTime": now_ms, "data": [data] });
    if !topic.starts_with("execution.fast") {
        message["id"] = format!("{now_ms:x}-{topic}").into();
    }
    vec![message.to_string()]
}
