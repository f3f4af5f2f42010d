//! What the trading on paper came to, as lines of text for people.

use serde_json::Value;
use std::path::Path;

/// Reads the status of the trading on paper; `None` if it cannot be read.
pub(crate) fn read(path: &Path) -> Option<Value> {
    serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok()
}

/// Returns one line on the trading, from its status file.
pub(crate) fn line(path: &Path) -> Option<String> {
    let status = read(path)?;
    let (profit, currency) = (status["profit"].as_str()?, status["currency"].as_str()?);
    Some(format!("PAPER profit {profit} {currency} in {} deals", status["deals"]["decided"]))
}

/// Returns the lines of a status (`spreadwire_trading::status`).
pub(crate) fn told(status: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let deals = &status["deals"];
    let orders = &status["orders"];
    let mut lines = vec![
        format!(
            "PAPER: profit {} {} after fees of {}, largest drawdown {}",
            text(&status["profit"]),
            text(&status["currency"]),
            text(&status["fees"]),
            text(&status["drawdown"]),
        ),
        format!(
            "PAPER: {} deals: {} done, {} missed, {} hedged, {} kept, {} open; {} orders, {} fills, {} \
             rejected, {} unknown",
            deals["decided"],
            deals["done"],
            deals["missed"],
            deals["hedged"],
            deals["kept"],
            status["open_deals"].as_array().map_or(0, Vec::len),
            orders["placed"],
            orders["fills"],
            orders["rejected"],
            orders["unknown"],
        ),
    ];
    lines.extend(captured(status));
    lines.extend(not_acted(status));
    lines
}

/// Returns how much of the displayed size could still be had, after each time.
fn captured(status: &Value) -> Option<String> {
    let rows = status["capturable"].as_array()?;
    let shares: Vec<String> = rows
        .iter()
        .filter_map(|row| {
            let share = row["share"].as_f64()? * 100.0;
            let after = row["after_ms"].as_u64();
            let after = after.map_or("the latency configured".to_owned(), |ms| format!("{ms} ms"));
            Some(format!("{share:.1} % after {after}"))
        })
        .collect();
    (!shares.is_empty())
        .then(|| format!("PAPER: of the displayed sizes could be had: {}", shares.join(", ")))
}

/// Returns the most frequent reasons not to act.
fn not_acted(status: &Value) -> Option<String> {
    let counts = status["why_not"].as_object()?;
    let mut counts: Vec<(&String, u64)> =
        counts.iter().map(|(why, count)| (why, count.as_u64().unwrap_or_default())).collect();
    counts.sort_by_key(|(why, count)| (std::cmp::Reverse(*count), (*why).clone()));
    let told: Vec<String> =
        counts.iter().take(5).map(|(why, count)| format!("{why} {count}")).collect();
    (!told.is_empty())
        .then(|| format!("PAPER: spreads above their entry not acted on: {}", told.join(", ")))
}
