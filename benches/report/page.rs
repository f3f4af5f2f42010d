//! The page: Markdown, with its pictures by name.
//!
//! Its contents do not depend on when or where it is written.

use super::rows::{Results, Row};
use super::targets::{Bound, TARGETS, Target};
use benches::plot::{self, Axes, Line};
use serde_json::Value;
use std::fmt::Write;

/// The output.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) text: String,
    pub(crate) pictures: Vec<(String, String)>,
}

/// The section of one bench.
struct Section {
    bench: &'static str,
    title: &'static str,
    command: &'static str,
    about: &'static str,
}

/// Sections with a description. Other benches follow under their own names.
const SECTIONS: &[Section] = &[
    Section {
        bench: "wire_to_wire",
        title: "Wire to wire",
        command: "cargo run --profile dist -p benches --bin wire-to-wire",
        about: "From a frame's scheduled send on one loopback socket to the resulting spread on \
                another. The generator is open loop, so a stall is not forgiven. The relay \
                reads and writes the same number of bytes and does nothing else; both take \
                turns in one run. Ratios are medians over blocks. `missing` frames were not \
                answered within two seconds.",
    },
    Section {
        bench: "stages",
        title: "Inside the engine",
        command: "cargo run --profile dist -p benches --bin wire-to-wire",
        about: "The same runs as seen by the engine's own histograms: from the return of the \
                socket's `read` to the end of the stage.",
    },
    Section {
        bench: "peers",
        title: "Compared with common clients",
        command: "cargo run --profile dist -p benches --bin wire-to-wire -- --peer",
        about: "The same frames and the same harness, from the scheduled send to the parsed \
                quote on a socket. The engine does more: it answers with a spread. Ratios are a \
                client's latency divided by the engine's.",
    },
    Section {
        bench: "sustained",
        title: "Sustained on one core",
        command: "cargo bench -p benches --bench sustained",
        about: "Frames of all venues are read from memory, decoded, spread, decided and \
                journalled by threads that share one core. They are counted at every hop.",
    },
    Section {
        bench: "ring",
        title: "A hop between cores",
        command: "cargo bench -p benches --bench ring",
        about: "Half the time that a record takes to another core and back.",
    },
    Section {
        bench: "decode",
        title: "Decoding",
        command: "cargo bench -p benches --bench decode",
        about: "From a venue's frame to a quote.",
    },
    Section {
        bench: "spread",
        title: "Spreads",
        command: "cargo bench -p benches --bench spread",
        about: "Time to put a quote into the book and compute its spreads, with all venues \
                live.",
    },
    Section {
        bench: "decision",
        title: "Decisions",
        command: "cargo bench -p benches --bench decision",
        about: "From a spread to a decision.",
    },
    Section {
        bench: "segment",
        title: "Journal",
        command: "cargo bench -p benches --bench segment",
        about: "Time per record to append it to a segment's block, including its share of the \
                write. `base` only writes the same bytes.",
    },
];

/// Beginning of the page.
const HEAD: &str = "# Performance

This page is written by `benches/measure`, which runs every bench and then `report`. Do not edit it
or its pictures by hand. Compare only figures within one table, which were measured in one run.
[Measuring](measuring.md) says what each bench does and how to repeat it.

";

/// Columns of quantiles.
const QUANTILES: [&str; 5] = ["p50", "p90", "p99", "p99.9", "p99.99"];

/// Returns the page for these results.
pub(crate) fn of(results: &Results) -> Page {
    let mut page = Page { text: HEAD.to_owned(), pictures: Vec::new() };
    machine(&mut page.text, results);
    targets(&mut page.text, results);
    let known = SECTIONS.iter().map(|section| section.bench);
    let benches = results.benches();
    for section in SECTIONS {
        if benches.iter().any(|bench| bench == section.bench) {
            add(&mut page, results, section.title, section.command, section.about, section.bench);
        }
    }
    let known: Vec<&str> = known.collect();
    for bench in benches.iter().filter(|bench| !known.contains(&bench.as_str())) {
        let command = format!("cargo bench -p benches --bench {bench}");
        add(&mut page, results, &bench.replace('_', " "), &command, "", bench);
    }
    page.text.truncate(page.text.trim_end().len());
    page.text.push('\n');
    page
}

/// Appends the machine: the values that all headers share once, then a line per run.
fn machine(text: &mut String, results: &Results) {
    let Some(first) = results.headers.first() else { return };
    text.push_str("## Machine\n\n| | |\n| --- | --- |\n");
    let own = ["bench", "arguments", "load"];
    for (key, value) in first.as_object().into_iter().flatten() {
        if own.contains(&key.as_str()) {
            continue;
        }
        let mut values: Vec<String> = Vec::new();
        for header in &results.headers {
            let value = shown(header.get(key).unwrap_or(value));
            if !value.is_empty() && !values.contains(&value) {
                values.push(value);
            }
        }
        if !values.is_empty() {
            let _infallible = writeln!(text, "| {key} | {} |", cell(&values.join("; ")));
        }
    }
    text.push_str("\n| run | arguments | load before it |\n| --- | --- | --- |\n");
    for header in &results.headers {
        let of = |key: &str| cell(&header.get(key).map_or(String::new(), shown));
        let _infallible =
            writeln!(text, "| {} | {} | {} |", of("bench"), of("arguments"), of("load"));
    }
    text.push('\n');
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn targets(text: &mut String, results: &Results) {
    text.push_str(
        "## Targets\n\nThe worst case of each target counts. `A over B` is A's time divided by B's.\n\n| what | target | reached | |\n| --- | --- | --- | --- |\n",
    );
    for target in TARGETS {
        let (reached, verdict) = match target.reached(results) {
            None => ("-".to_owned(), "not measured".to_owned()),
            Some(reached) => {
                let verdict = if reached.good { "reached" } else { "**not reached**" };
                let case = format!("{verdict} ({})", cell(&reached.case));
                (with_unit(reached.value, target), case)
            }
        };
        let sign = match target.bound {
            Bound::AtMost => "at most",
            Bound::AtLeast => "at least",
        };
        let goal = with_unit(target.value, target);
        let _infallible =
            writeln!(text, "| {} | {sign} {goal} | {reached} | {verdict} |", target.what);
    }
    text.push('\n');
}

fn with_unit(value: f64, target: &Target) -> String {
    let value = if target.unit == "x" { format!("{value:.2}") } else { plot::number(value) };
    format!("{value} {}", target.unit)
}

/// Appends a bench's title, command, tables and pictures.
fn add(page: &mut Page, results: &Results, title: &str, command: &str, about: &str, bench: &str) {
    let rows: Vec<&Row> = results.of(bench).collect();
    let _infallible = write!(page.text, "## {title}\n\n```sh\n{command}\n```\n\n");
    if !about.is_empty() {
        let _infallible = write!(page.text, "{about}\n\n");
    }
    table(&mut page.text, &rows);
    for (case, lines) in curves(&rows) {
        let title = format!("{}, {case}", bench.replace('_', " "));
        let axes = Axes { title: &title, x: "quantile", y: "us", ticks: plot::quantile };
        picture(page, &format!("{bench}-{}", slug(&case)), &lines, axes);
    }
    let lines = over_rates(&rows);
    if !lines.is_empty() {
        let axes = Axes {
            title: "latency over rate, as long as every frame is answered",
            x: "frames a second",
            y: "us",
            ticks: plot::number,
        };
        picture(page, &format!("{bench}-rates"), &lines, axes);
    }
}

fn picture(page: &mut Page, name: &str, lines: &[Line], axes: Axes<'_>) {
    let svg = plot::svg(lines, axes);
    if !svg.is_empty() {
        let _infallible = write!(page.text, "![{}](performance/{name}.svg)\n\n", axes.title);
        page.pictures.push((format!("{name}.svg"), svg));
    }
}

/// Appends the rows, with the columns that any of them has.
fn table(text: &mut String, rows: &[&Row]) {
    let extra =
        ["max", "per_second", "missing", "lost", "lag_p99", "count", "ratio_p50", "ratio_p99"];
    let columns: Vec<&str> = QUANTILES
        .into_iter()
        .chain(extra)
        .filter(|column| rows.iter().any(|row| row.number(column).is_some()))
        .collect();
    let heads: Vec<String> = columns.iter().map(|column| column.replace('_', " ")).collect();
    let _infallible = writeln!(text, "| case | series | unit | {} |", heads.join(" | "));
    let _infallible = writeln!(text, "| --- | --- | --- |{}", " ---: |".repeat(columns.len()));
    for row in rows {
        let value = |column: &&str| row.number(column).map_or("-".to_owned(), |v| plain(v, column));
        let values: Vec<String> = columns.iter().map(value).collect();
        let (case, who) = (cell(&row.case), cell(&row.who.replace('_', " ")));
        let _infallible =
            writeln!(text, "| {case} | {who} | {} | {} |", row.unit, values.join(" | "));
    }
    text.push('\n');
}

/// Formats a number with digit groups; ratios and small numbers get decimals.
fn plain(value: f64, column: &str) -> String {
    if column.starts_with("ratio") {
        return format!("{value:.2}");
    }
    if value < 100.0 && value.fract() != 0.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if 0 < place && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns the distributions of each case that has any, us.
fn curves(rows: &[&Row]) -> Vec<(String, Vec<Line>)> {
    let mut cases: Vec<(String, Vec<Line>)> = Vec::new();
    for row in rows.iter().filter(|row| !row.curve.is_empty()) {
        let points = row.curve.iter().map(|(x, ns)| (*x, ns / 1e3)).collect();
        let line = Line { name: row.who.clone(), points };
        match cases.iter_mut().find(|(case, _)| *case == row.case) {
            Some((_, lines)) => lines.push(line),
            None => cases.push((row.case.clone(), vec![line])),
        }
    }
    cases
}

/// Returns p50 and p99 over the rates at which nothing was lost, for each contender, us.
fn over_rates(rows: &[&Row]) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let kept_up = rows.iter().filter(|row| row.number("missing") == Some(0.0));
    for row in kept_up.filter(|row| row.case.ends_with("/s")) {
        for quantile in ["p50", "p99"] {
            let (Some(rate), Some(ns)) = (row.number("rate"), row.number(quantile)) else {
                continue;
            };
            let (name, point) = (format!("{} {quantile}", row.who), (rate, ns / 1e3));
            match lines.iter_mut().find(|line| line.name == name) {
                Some(line) => line.points.push(point),
                None => lines.push(Line { name, points: vec![point] }),
            }
        }
    }
    lines.retain(|line| 1 < line.points.len());
    lines
}

fn slug(case: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    case.chars().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Synthetic numbers in the form that benches write.
    const FIXTURE: &str = include_str!("fixture.jsonl");

    #[test]
    fn a_page_has_machine_targets_tables_and_pictures() {
        let results = Results::parse(FIXTURE).expect("the fixture");
        let page = of(&results);
        let has = |part: &str| assert!(page.text.contains(part), "{part}:\n{}", page.text);
        has("| cpu | A CPU |");
        has("| wire-to-wire | --blocks 2 | 0.1 0.2 0.3 |");
        has("| 1000/s | engine | ns | 13,000 | 14,000 | 30,000 |");
        has(
            "| wire to wire over a bare relay, 10,000 frames a second, p50 | at most 1.10 x | 1.05 x | reached (10000/s) |",
        );
        has(
            "| cryptofeed over the engine, p50 | at least 6.00 x | 5.50 x | **not reached** (1000/s) |",
        );
        has("| ccxt pro over the engine, p50 | at least 6.00 x | - | not measured |");
        has("## something else\n\n```sh\ncargo bench -p benches --bench something_else");
        has("![wire to wire, 1000/s](performance/wire_to_wire-1000-s.svg)");
        has(
            "![latency over rate, as long as every frame is answered](performance/wire_to_wire-rates.svg)",
        );
        assert_eq!(page.pictures.len(), 3);
        assert!(page.pictures.iter().all(|(_, svg)| svg.starts_with("<svg")));
    }

    #[test]
    fn a_line_that_is_no_result_is_told_by_its_number() {
        let error = Results::parse("\n{\"bench\":\"ring\"}\n").expect_err("no case");
        assert!(error.to_string().starts_with("line 2"), "{error}");
    }

    #[test]
    fn a_row_that_comes_again_replaces_the_old_one() {
        let again = format!("{FIXTURE}{FIXTURE}");
        let (once, twice) = (Results::parse(FIXTURE), Results::parse(&again));
        assert_eq!(once.expect("once").rows, twice.expect("twice").rows);
    }
}
