//! The outcome of `spreadwire check --online` as text and as JSON.

use super::ask::{Answer, escaped};
use super::compare::{Findings, Row};
use comfy_table::{Table, presets};
use serde_json::{Value, json};
use spreadwire_catalogue::Venue;
use spreadwire_engine::plan::{self, Plan};
use spreadwire_market::problem::Problem;
use spreadwire_market::spread::BPS;
use spreadwire_output::{err, out};
use std::path::{Path, PathBuf};

/// Version of the JSON.
const FORMAT: u32 = 1;

/// Everything that there is to tell.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) findings: Findings,
    /// Venues that could not be asked, with the key of their address.
    pub(crate) unreachable: Vec<Problem>,
    /// The file that was written, with the number of its instruments.
    pub(crate) written: Option<(PathBuf, usize)>,
    /// What is told of currencies that were asked for and added nothing.
    pub(crate) added_nothing: Vec<String>,
    /// What the engine would need, if the configuration has no problem by itself.
    pub(crate) needs: Option<Needs>,
    /// Why a file that was asked for was not written.
    pub(crate) not_written: Option<String>,
}

/// The most memory and file descriptors that each part of the engine can need.
#[derive(Debug)]
pub(crate) struct Needs {
    memory_bytes: Value,
    descriptors: Value,
}

impl Needs {
    /// Returns what a plan needs.
    pub(crate) fn of(plan: &Plan) -> Needs {
        let object = |parts: Vec<(&str, usize)>| {
            let all = plan::total(&parts);
            let parts = parts.into_iter().chain([("all", all)]);
            parts.map(|(part, need)| (part.to_owned(), json!(need))).collect()
        };
        Needs {
            memory_bytes: Value::Object(object(plan.memory())),
            descriptors: Value::Object(object(plan.descriptors())),
        }
    }
}

impl Report {
    /// Returns why something is not known, if that is so.
    pub(crate) fn is_incomplete(&self) -> Option<&'static str> {
        let unread = !self.findings.unread.is_empty();
        let unread = unread.then_some("what a venue says of an instrument could not be read");
        (!self.unreachable.is_empty()).then_some("a venue could not be asked").or(unread)
    }

    /// Returns the exit code: 2 for problems of the configuration, 3 if the only problem is that
    /// something is not known.
    pub(crate) fn exit_code(&self) -> u8 {
        if !self.findings.problems.is_empty() {
            2
        } else if self.is_incomplete().is_some() {
            3
        } else {
            0
        }
    }

    /// Prints the table and the notes to standard output, and the problems to standard error.
    pub(crate) fn print(&self, venues: &[Venue], answers: &[Answer]) {
        for (venue, answer) in venues.iter().zip(answers) {
            if let Ok(listed) = &answer.listed {
                out!("{:<13} {} instruments, {}", venue.info.name, listed.listed.len(), answer.url);
            }
        }
        if !self.findings.rows.is_empty() {
            out!("{}", table(&self.findings.rows));
        }
        for note in &self.findings.notes {
            out!("note: {note}");
        }
        if !venues.is_empty() {
            out!("{}", fees(venues));
        }
        self.added_nothing.iter().for_each(|told| out!("note: {told}"));
        if let Some((path, count)) = &self.written {
            let s = if *count == 1 { "" } else { "s" };
            out!("{count} instrument{s} written to {}", path.display());
        }
        for problem in
            self.findings.problems.iter().chain(&self.findings.unread).chain(&self.unreachable)
        {
            err!("{problem}");
        }
        if let Some(why) = &self.not_written {
            err!("{why}");
        }
        let (problems, unreachable) = (self.findings.problems.len(), self.unreachable.len());
        let unread = self.findings.unread.len();
        if 0 < problems + unreachable + unread {
            let s = if problems == 1 { "" } else { "s" };
            let venue_s = if unreachable == 1 { "" } else { "s" };
            let rows = match unread {
                0 => String::new(),
                1 => "; 1 row could not be read".to_owned(),
                rows => format!("; {rows} rows could not be read"),
            };
            err!(
                "{problems} problem{s} of the configuration; {unreachable} venue{venue_s} could not be asked{rows}"
            );
        }
    }

    /// Prints the same as one JSON object to standard output.
    pub(crate) fn print_json(&self, file: &Path, venues: &[Venue], answers: &[Answer]) {
        let venue = |(venue, answer): (&Venue, &Answer)| {
            json!({
                "name": venue.info.name,
                "url": answer.url,
                "instruments": answer.listed.as_ref().ok().map(|all| all.listed.len()),
                "error": answer.listed.as_ref().err().map(ToString::to_string),
                "taker_fee_bps": venue.info.taker_fee * BPS,
                "fee_source": fee_source(venue),
            })
        };
        let object = json!({
            "format": FORMAT,
            "file": file,
            "venues": venues.iter().zip(answers).map(venue).collect::<Vec<Value>>(),
            "instruments": self.findings.rows,
            "problems": list(&self.findings.problems),
            "unreachable": list(&self.unreachable),
            "unreadable": list(&self.findings.unread),
            "memory_bytes": self.needs.as_ref().map(|needs| &needs.memory_bytes),
            "descriptors": self.needs.as_ref().map(|needs| &needs.descriptors),
            "notes": list(&self.findings.notes),
            "added_nothing": self.added_nothing,
            "written": self.written.as_ref().map(|(path, _)| path),
            "exit_code": self.exit_code(),
        });
        out!("{object}");
    }
}

fn list(problems: &[Problem]) -> Vec<Value> {
    let object = |it: &Problem| json!({ "file": it.file, "key": it.key, "reason": it.reason, "remedy": it.remedy });
    problems.iter().map(object).collect()
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "instrument",
        "venue",
        "symbol",
        "state",
        "tick",
        "price_decimals",
        "lot",
        "size_decimals",
    ]);
    for row in rows {
        let detail = row.detail.as_deref().map(|detail| format!(" ({})", escaped(detail)));
        let step = |step: &Option<String>| step.clone().unwrap_or_else(|| "?".to_owned());
        table.add_row([
            row.instrument.clone(),
            row.venue.clone(),
            row.symbol.clone(),
            format!("{}{}", row.state, detail.unwrap_or_default()),
            step(&row.tick),
            row.price_decimals.to_string(),
            step(&row.lot),
            row.size_decimals.to_string(),
        ]);
    }
    table
}

/// Where a venue's fee comes from: none of the supported venues tells fees without a login.
fn fee_source(venue: &Venue) -> &'static str {
    let is_own = (venue.info.taker_fee * BPS - venue.spec.taker_fee_bps).abs() < 1e-9;
    if is_own { "the venue's lowest tier, not asked" } else { "the configuration" }
}

fn fees(venues: &[Venue]) -> String {
    let fee = |venue: &Venue| {
        // A tenth of a hundredth of a basis point is finer than any fee.
        let bps = (venue.info.taker_fee * BPS * 1e3).round() / 1e3;
        format!("{} {bps} bp ({})", venue.info.name, fee_source(venue))
    };
    let fees: Vec<String> = venues.iter().map(fee).collect();
    format!(
        "Fees were not compared, because these venues tell them only after a login. Taker fees in use: {}.",
        fees.join(", ")
    )
}
