//! The summary of a run, from its counters and reports: a table for people and JSON for scripts.

use crate::runtime::agent::Report;
use crate::runtime::latency::Latency;
use crate::runtime::thread_watch::{NAMES, WARM_UP};
use crate::telemetry::QUANTILES;
use comfy_table::presets;
use comfy_table::{CellAlignment, Table};
use serde_json::{Map, Value, json};
use spreadwire_market::clock::{MILLI, Nanos, SECOND};
use spreadwire_market::counters::{Counters, UnknownCounter};
use spreadwire_venues::health::LINES_MAX;

/// Latency stages for the table, in the order of the data flow.
const STAGES: [&str; 8] = [
    "event_to_read",
    "kernel_to_read",
    "read_to_quote",
    "read_to_spread",
    "read_to_decision",
    "read_to_broadcast",
    "read_to_journal",
    "read_to_client",
];

/// Results of a finished run.
#[derive(Debug)]
pub struct Summary {
    /// Duration of the run, ns.
    pub elapsed: Nanos,
    /// Final counters.
    pub counters: Counters,
    /// Reports of the agents.
    pub report: Report,
    /// Named totals in display order.
    totals: Vec<(&'static str, u64)>,
    /// Numbers of decoded quotes, and of quotes that are rows of the lake.
    decoded_and_sealed: (u64, u64),
}

impl Summary {
    /// Sums up a finished run.
    ///
    /// # Errors
    /// [`UnknownCounter`] if an agent has not registered a counter that the summary shows.
    pub fn new(
        elapsed: Nanos,
        counters: Counters,
        report: Report,
    ) -> Result<Summary, UnknownCounter> {
        let totals = totals(&counters)?;
        let decoded_and_sealed = (counters.sum("feed.", ".quotes"), counters.get("seal.rows")?);
        Ok(Summary { elapsed, counters, report, totals, decoded_and_sealed })
    }

    /// Returns the records dropped at full edges, by edge.
    #[must_use]
    pub fn drops(&self) -> Vec<(String, u64)> {
        let of_edge = |(name, count): (&String, &u64)| {
            let edge = name.strip_prefix("edge.")?.strip_suffix(".dropped")?;
            Some((edge.to_owned(), *count))
        };
        self.counters.snapshot().iter().filter_map(of_edge).collect()
    }

    /// Returns whether no quote was decoded in the whole run. Every run has venues and instruments, so this
    /// is a failure.
    #[must_use]
    pub fn saw_nothing(&self) -> bool {
        self.decoded_and_sealed.0 == 0
    }

    /// Returns whether every decoded quote became a row, and nothing was dropped or failed.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let (decoded, sealed) = self.decoded_and_sealed;
        decoded == sealed
            && self.drops().iter().all(|(_, count)| *count == 0)
            && self.report.failures.is_empty()
    }

    /// Returns the JSON for scripts: totals, drops by edge, latencies by stage and by stage and
    /// venue in ns, and every counter.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let latency: Map<String, Value> = self
            .report
            .latencies
            .iter()
            .map(|(stage, latency)| (stage.clone(), latency_json(latency)))
            .collect();
        let mut by_venue = Map::new();
        for (stage, venue, latency) in &self.report.latencies_by_venue {
            let of_stage = by_venue.entry(stage.clone()).or_insert_with(|| json!({}));
            of_stage[venue] = latency_json(latency);
        }
        let map = |pairs: Vec<(String, u64)>| -> Map<String, Value> {
            pairs.into_iter().map(|(name, count)| (name, json!(count))).collect()
        };
        let totals = self.totals.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        json!({
            "elapsed_ns": self.elapsed,
            "totals": map(totals),
            "drops": map(self.drops()),
            "latency_ns": latency,
            "latency_ns_by_venue": by_venue,
            "failures": self.report.failures,
            "complete": self.is_complete(),
            "saw_nothing": self.saw_nothing(),
            "counters": self.counters.snapshot(),
        })
    }

    /// Returns the text for people.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut lines = vec![format!("\nafter {:.1} s", seconds(self.elapsed))];
        let numbered = |name: &str, count: u64| format!("  {name:<34} {count:>12}");
        lines.extend(self.totals.iter().map(|(name, count)| numbered(name, *count)));
        for (edge, count) in self.drops() {
            lines.push(numbered(&format!("dropped at {edge}"), count));
        }
        lines.push(format!("  {}\n\n{}", self.verdict(), self.latency_table()));
        lines.extend(self.scoreboard().map(|table| format!("\n{table}")));
        lines.extend(self.slow_table().map(|table| format!("\n{table}")));
        lines.extend(self.threads_table().map(|table| format!("\n{table}")));
        lines.extend(self.report.failures.iter().map(|failure| format!("failed: {failure}")));
        lines.join("\n")
    }

    fn verdict(&self) -> &'static str {
        if !self.is_complete() {
            "NOT complete"
        } else if self.saw_nothing() {
            "NO quote was decoded in the whole run: no venue is recorded; the log says why"
        } else {
            "every decoded quote is a row in the lake"
        }
    }

    /// Returns a table of the lines that carried the same symbols: how many updates each brought first,
    /// how many copies of the last quote it brought later, and by how much on average. `None` if no
    /// connection had two lines at any time.
    fn scoreboard(&self) -> Option<Table> {
        let counts = self.counters.snapshot();
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(["lines", "first", "share, %", "copies", "behind, us"]);
        let connection = |name: &String| Some(name.strip_suffix(".line.0.won")?.to_owned());
        for connection in counts.keys().filter_map(connection) {
            let of_line = |line: usize| {
                ["won", "copies", "behind_ns"].map(|what| {
                    counts.get(&format!("{connection}.line.{line}.{what}")).copied().unwrap_or(0)
                })
            };
            let lines: Vec<[u64; 3]> = (0..LINES_MAX).map(of_line).collect();
            let won: u64 = lines.iter().map(|[won, ..]| won).sum();
            if lines.iter().all(|[_, copies, _]| *copies == 0) {
                continue;
            }
            for (line, [first, copies, behind]) in lines.into_iter().enumerate() {
                let name = format!("{} line {line}", connection.trim_start_matches("feed."));
                let behind = behind.checked_div(copies).map_or(String::new(), micros);
                let share = percent(first, won);
                table.add_row([name, first.to_string(), share, copies.to_string(), behind]);
            }
        }
        table.column_iter_mut().skip(1).for_each(|c| c.set_cell_alignment(CellAlignment::Right));
        (!table.is_empty()).then_some(table)
    }

    /// Returns a table of page faults and waits by thread; `None` if the run ended before they were
    /// counted.
    fn threads_table(&self) -> Option<Table> {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        let since = format!("thread, from {} s on", WARM_UP / SECOND);
        table.set_header([&since, "page faults", "from a disk", "waited", "lost its core"]);
        let counts = self.counters.snapshot();
        let thread = |name: &String| {
            let thread = name.strip_prefix("thread.")?.strip_suffix(NAMES[0])?;
            Some(thread.trim_end_matches('.').to_owned())
        };
        for thread in counts.keys().filter_map(thread) {
            let count = |what| counts.get(&format!("thread.{thread}.{what}")).copied().unwrap_or(0);
            let counts = NAMES.map(|what| count(what).to_string());
            table.add_row([thread.clone()].into_iter().chain(counts));
        }
        table.column_iter_mut().skip(1).for_each(|c| c.set_cell_alignment(CellAlignment::Right));
        (!table.is_empty()).then_some(table)
    }

    /// Returns a table of the agents that had turns longer than the bound, or stalled; `None` if there
    /// were none.
    fn slow_table(&self) -> Option<Table> {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(["agent", "slow turns", "longest, ms", "stalls"]);
        let counts = self.counters.snapshot();
        let agent =
            |name: &String| Some(name.strip_prefix("agent.")?.strip_suffix(".stalls")?.to_owned());
        for agent in counts.keys().filter_map(agent) {
            let count = |what| counts.get(&format!("agent.{agent}.{what}")).copied().unwrap_or(0);
            let (slow, stalls) = (count("turns_slow"), count("stalls"));
            if 0 < slow + stalls {
                let longest = (count("turn_max_ns") / MILLI).to_string();
                table.add_row([agent.clone(), slow.to_string(), longest, stalls.to_string()]);
            }
        }
        table.column_iter_mut().skip(1).for_each(|c| c.set_cell_alignment(CellAlignment::Right));
        (!table.is_empty()).then_some(table)
    }

    fn latency_table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        let quantiles = QUANTILES.iter().map(|(name, _)| (*name).to_owned());
        let head = ["latency, us", "samples"].map(str::to_owned).into_iter();
        table.set_header(head.chain(quantiles).chain(["max".to_owned()]));
        let place = |stage: &str| STAGES.iter().position(|s| *s == stage).unwrap_or(STAGES.len());
        let mut latencies: Vec<_> = self.report.latencies.iter().collect();
        latencies.sort_by_key(|(stage, _)| place(stage));
        for (stage, latency) in latencies.into_iter().filter(|(_, l)| l.count() > 0) {
            table.add_row(row(stage.replace('_', " "), latency));
            let of_stage = self.report.latencies_by_venue.iter().filter(|(s, _, _)| s == stage);
            for (_, venue, latency) in of_stage.filter(|(_, _, l)| l.count() > 0) {
                table.add_row(row(format!("  {venue}"), latency));
            }
        }
        table.column_iter_mut().skip(1).for_each(|c| c.set_cell_alignment(CellAlignment::Right));
        table
    }
}

fn totals(counters: &Counters) -> Result<Vec<(&'static str, u64)>, UnknownCounter> {
    let sum = |suffix| counters.sum("feed.", suffix);
    let snapshot = counters.snapshot();
    let of = |part: &str| -> u64 {
        let in_feed = |name: &str| name.starts_with("feed.") && name.contains(part);
        snapshot.iter().filter(|(name, _)| in_feed(name)).map(|(_, count)| count).sum()
    };
    let mut totals = vec![
        ("frames", sum(".frames")),
        ("quotes", sum(".quotes")),
        ("rejected", of(".rejected.")),
        ("discarded", of(".discarded.")),
        ("spreads", counters.get("calculator.spreads")?),
        ("statuses", counters.get("calculator.statuses")?),
        ("opened", counters.get("decision.opened")?),
        ("closed", counters.get("decision.closed")?),
        ("broadcast_messages", counters.get("broadcast.messages")?),
        ("conflated", counters.get("broadcast.conflated")?),
        ("journalled", counters.get("journal.quotes")?),
        ("rows", counters.get("seal.rows")?),
        ("journal_lost", counters.get("journal.lost")?),
    ];
    // Only a run that captures frames has these.
    if let (Some(frames), Some(dropped)) =
        (snapshot.get("capture.frames"), snapshot.get("capture.dropped"))
    {
        totals.extend([("captured", *frames), ("not_captured", *dropped)]);
    }
    // Only a process writes to standard output and standard error.
    if let Some(unwritten) = snapshot.get("output.unwritten") {
        totals.push(("output_unwritten", *unwritten));
    }
    Ok(totals)
}

/// Returns a table row: the name, the number of samples, and the quantiles in us.
fn row(name: String, latency: &Latency) -> Vec<String> {
    let quantiles = QUANTILES.iter().map(|(_, q)| micros(latency.quantile(*q)));
    let head = [name, latency.count().to_string()].into_iter();
    head.chain(quantiles).chain([micros(latency.max())]).collect()
}

fn latency_json(latency: &Latency) -> Value {
    let mut json = json!({ "count": latency.count(), "max": latency.max() });
    for (name, quantile) in QUANTILES {
        json[name] = json!(latency.quantile(quantile));
    }
    json
}

#[expect(clippy::cast_precision_loss, reason = "for display")]
fn percent(part: u64, whole: u64) -> String {
    format!("{:.1}", 100.0 * part as f64 / whole.max(1) as f64)
}

#[expect(clippy::cast_precision_loss, reason = "for display")]
fn seconds(nanos: Nanos) -> f64 {
    nanos as f64 / 1e9
}

#[expect(clippy::cast_precision_loss, reason = "for display")]
fn micros(nanos: Nanos) -> String {
    format!("{:.1}", nanos as f64 / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counters that every run has, each with another value.
    const NAMES: [&str; 9] = [
        "calculator.spreads",
        "calculator.statuses",
        "decision.opened",
        "decision.closed",
        "broadcast.messages",
        "broadcast.conflated",
        "journal.quotes",
        "seal.rows",
        "journal.lost",
    ];

    fn counters(without: Option<&str>) -> Counters {
        let counters = Counters::default();
        for (name, place) in NAMES.into_iter().zip(1..) {
            if Some(name) != without {
                counters.register(name).add(place);
            }
        }
        counters
    }

    #[test]
    fn a_total_whose_counter_is_missing_is_an_error_that_names_it() {
        assert!(Summary::new(1, counters(None), Report::default()).is_ok());
        for name in NAMES {
            let counters = counters(Some(name));
            let error = Summary::new(1, counters.clone(), Report::default()).unwrap_err();
            assert_eq!(error.name, name);
            assert!(counters.get(name).is_err(), "reading has not made it");
        }
    }

    #[test]
    fn lines_that_carry_the_same_are_scored() {
        let counters = counters(None);
        let alone = counters.register("feed.okx.0.line.0.won");
        alone.add(5);
        let summary = Summary::new(1, counters.clone(), Report::default()).unwrap();
        assert!(summary.scoreboard().is_none(), "there was one line");
        for (name, count) in [
            ("binance.1.line.0.won", 30),
            ("binance.1.line.0.copies", 10),
            ("binance.1.line.0.behind_ns", 25_000),
            ("binance.1.line.1.won", 10),
        ] {
            counters.register(&format!("feed.{name}")).add(count);
        }
        let summary = Summary::new(1, counters, Report::default()).unwrap();
        let text = summary.scoreboard().unwrap().to_string();
        let rows: Vec<Vec<&str>> =
            text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[1], ["binance.1", "line", "0", "30", "75.0", "10", "2.5"]);
        assert_eq!(rows[2], ["binance.1", "line", "1", "10", "25.0", "0"]);
        assert!(!text.contains("okx"), "{text}");
    }

    #[test]
    fn agents_that_were_slow_or_stalled_are_told() {
        let counters = counters(None);
        for agent in ["feed.okx", "journal", "decision"] {
            for (what, count) in [("turns_slow", 3), ("turn_max_ns", 52 * MILLI), ("stalls", 1)] {
                let count = if agent == "decision" { 0 } else { count };
                counters.register(&format!("agent.{agent}.{what}")).add(count);
            }
        }
        let summary = Summary::new(1, counters, Report::default()).unwrap();
        let text = summary.slow_table().unwrap().to_string();
        let rows: Vec<Vec<&str>> =
            text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[1..], [["feed.okx", "3", "52", "1"], ["journal", "3", "52", "1"]]);
    }

    #[test]
    fn a_run_that_saw_no_quote_says_so() {
        for (quotes, nothing) in [(0, true), (8, false)] {
            let counters = Counters::default();
            NAMES.into_iter().for_each(|name| counters.register(name).set(quotes));
            counters.register("feed.okx.0.quotes").set(quotes);
            let summary = Summary::new(1, counters, Report::default()).unwrap();
            assert_eq!(summary.saw_nothing(), nothing);
            assert_eq!(summary.to_text().contains("NO quote was decoded"), nothing);
            assert_eq!(summary.to_text().contains("every decoded quote is a row"), !nothing);
            assert_eq!(summary.to_json()["saw_nothing"], nothing);
        }
    }

    #[test]
    fn a_run_is_complete_when_every_quote_is_a_row() {
        for (quotes, complete) in [(8, true), (9, false)] {
            let counters = counters(None);
            counters.register("feed.okx.0.quotes").add(quotes);
            let summary = Summary::new(1, counters, Report::default()).unwrap();
            assert_eq!(summary.is_complete(), complete);
            let json = summary.to_json();
            assert_eq!(json["totals"]["quotes"], quotes);
            assert_eq!(json["totals"]["rows"], 8);
            assert_eq!(json["totals"]["journal_lost"], 9);
        }
    }
}
