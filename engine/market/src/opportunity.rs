//! Opportunities as JSON lines and as text, in the terms that the log, the lake and the trader
//! share.

use crate::decimal;
use crate::instrument::Catalogue;
use crate::record::{Closed, Opened, Record};
use crate::spread::BPS;
use crate::state::CloseReason;
use serde_json::{Value, json};

/// Returns the JSON of an opportunity record; `None` for records of other kinds.
#[must_use]
pub fn line_of(record: &Record, catalogue: &Catalogue) -> Option<Value> {
    let opened = record.get().map(|opened| line_of_opened(opened, catalogue));
    opened.or_else(|| record.get().map(|closed| line_of_closed(closed, catalogue)))
}

fn line_of_opened(record: &Opened, catalogue: &Catalogue) -> Value {
    let instrument = catalogue.instrument(record.instrument);
    let price = |px| decimal::to_text(px, instrument.price_scale);
    let size = |sz| decimal::to_text(sz, instrument.size_scale);
    json!({
        "event": "opened", "id": record.id, "ts_ns": record.ts_recv,
        "instrument": instrument.name,
        "buy": catalogue.venue(record.buy_venue).name,
        "sell": catalogue.venue(record.sell_venue).name,
        "buy_px": price(record.buy_px), "sell_px": price(record.sell_px),
        "buy_sz": size(record.buy_sz), "sell_sz": size(record.sell_sz),
        "net_bps": record.net * BPS,
    })
}

fn line_of_closed(record: &Closed, catalogue: &Catalogue) -> Value {
    json!({
        "event": "closed", "id": record.id, "ts_ns": record.ts_close,
        "instrument": catalogue.instrument(record.instrument).name,
        "buy": catalogue.venue(record.buy_venue).name,
        "sell": catalogue.venue(record.sell_venue).name,
        "reason": CloseReason::of_code(record.flags).map(CloseReason::name),
        "lifetime_ns": record.ts_close.saturating_sub(record.ts_open),
        "peak_net_bps": record.net_peak * BPS, "peak_ts_ns": record.ts_peak,
        "last_net_bps": record.net_last * BPS, "updates": record.updates,
    })
}

/// Returns one line of text for people, made from the output of [`line_of`].
#[must_use]
pub fn told(line: &Value) -> String {
    let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
    let number = |key: &str| line[key].as_f64().unwrap_or_default();
    let way = format!("{} buy {} sell {}", text("instrument"), text("buy"), text("sell"));
    if line["event"] == "opened" {
        let prices = format!("{} -> {}", text("buy_px"), text("sell_px"));
        return format!("opened #{} {way} {prices} net {:.2} bp", line["id"], number("net_bps"));
    }
    format!(
        "closed #{} {way} after {:.3} ms, peak {:.2} bp, {}",
        line["id"],
        number("lifetime_ns") / 1e6,
        number("peak_net_bps"),
        text("reason")
    )
}
