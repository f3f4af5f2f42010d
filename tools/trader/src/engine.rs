//! What an engine that trades on paper writes of itself, where no trader answers: `status.json` beside its
//! journal of decisions.

use serde_json::Value;
use spreadwire_lake::layout;
use spreadwire_market::escape::escape;
use spreadwire_market::moment::time_to_text;
use std::path::Path;

/// Reads the status beside a control socket; `None` if there is none.
#[must_use]
pub fn status(socket: &Path) -> Option<Value> {
    let path = socket.parent()?.join(layout::TRADING_STATUS);
    serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok()
}

/// Returns the status as text for people.
#[must_use]
pub fn told(status: &Value) -> String {
    let text = |value: &Value| escape(value.as_str().unwrap_or("?")).to_string();
    let mode = text(&status["mode"]);
    let at = time_to_text(status["ts_ns"].as_u64().unwrap_or_default());
    let killed = if status["killed"] == true { "on" } else { "off" };
    let deals = &status["deals"];
    let mut lines = vec![
        format!("{mode} an engine, as of {at}; kill switch {killed}"),
        format!(
            "{mode} profit {} {} after fees of {}; {} deals, {} done, {} hedged, {} kept",
            text(&status["profit"]),
            text(&status["currency"]),
            text(&status["fees"]),
            deals["decided"],
            deals["done"],
            deals["hedged"],
            deals["kept"]
        ),
        format!(
            "{mode} {} spreads above their thresholds, {} acted on; the others were not because of",
            status["above_threshold"], status["acted_on"]
        ),
    ];
    let mut reasons: Vec<(String, u64)> = status["why_not"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(why, count)| (escape(why).to_string(), count.as_u64().unwrap_or_default()))
        .collect();
    reasons.sort_by_key(|(why, count)| (std::cmp::Reverse(*count), why.clone()));
    lines.extend(reasons.iter().map(|(why, count)| format!("{count:>12}  {why}")));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reasons_come_by_their_counts() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("trader.sock");
        assert_eq!(status(&socket), None);
        let written = json!({
            "mode": "PAPER", "ts_ns": 1_700_000_000_000_000_000_u64, "killed": true, "profit": "1.5",
            "currency": "USDT", "fees": "0.2", "above_threshold": 9, "acted_on": 2,
            "deals": {"decided": 2, "done": 1, "hedged": 1, "kept": 0},
            "why_not": {"cooldown": 3, "acted_on": 4},
        });
        std::fs::write(folder.path().join("status.json"), written.to_string()).unwrap();
        let told = told(&status(&socket).unwrap());
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines[0], "PAPER an engine, as of 2023-11-14T22:13:20Z; kill switch on");
        assert_eq!(lines[3..], ["           4  acted_on", "           3  cooldown"], "{told}");
        assert!(lines[2].contains("9 spreads above") && lines[2].contains("2 acted on"), "{told}");
    }
}
