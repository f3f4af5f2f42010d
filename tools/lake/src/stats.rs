//! `lake stats`: prints the contents of a lake by venue and instrument: rows, bytes, time span, and
//! gaps.
//!
//! It reads only footers and the ledger, not the rows, so it takes seconds where `verify` takes
//! minutes. It verifies nothing.

use crate::findings::time_text;
use crate::progress;
use clap::Args;
use serde_json::json;
use spreadwire_lake::layout;
use spreadwire_lake::ledger::{self, Cause, Entry, EntryKind};
use spreadwire_lake::table::{QUOTES, TABLES, Table};
use spreadwire_market::clock::Nanos;
use spreadwire_output::{Stream, err, out, write};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `lake stats`.
#[derive(Debug, Args)]
pub struct Stats {
    /// Folder of the lake.
    lake: PathBuf,
    /// Only this day, UTC: 2024-08-08.
    #[arg(long, value_name = "DATE")]
    date: Option<jiff::civil::Date>,
    /// Print the figures as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Contents of an instrument on a venue, or of a table that is not stored by venue.
#[derive(Clone, Debug, Default)]
struct Sum {
    rows: u64,
    files: u64,
    bytes: u64,
    first: Option<Nanos>,
    last: Option<Nanos>,
    /// Number and total duration of outages by cause, ns.
    gaps: BTreeMap<&'static str, (u64, Nanos)>,
}

/// Table, venue and instrument.
type Key = (&'static str, String, String);

/// Prints the sums. Returns 0, or 1 if something could not be read.
///
/// # Errors
/// If the folder does not exist.
pub fn run(arguments: &Stats) -> anyhow::Result<ExitCode> {
    let Stats { lake, date, json } = arguments;
    crate::ensure_lake(lake)?;
    let date = date.map(|date| format!("date={date}"));
    let files = files(lake, date.as_deref());
    let bar = progress::bar("files", files.len() as u64, *json);
    let (mut sums, mut failures): (BTreeMap<Key, Sum>, Vec<String>) = Default::default();
    for (table, path) in &files {
        bar.inc(1);
        match add_file(lake, table, path, &mut sums) {
            Ok(()) => {}
            Err(error) => failures.push(format!("{error:#}")),
        }
    }
    bar.finish_and_clear();
    let (entries, errors) = ledger::read(lake);
    failures.extend(errors.into_iter().map(|error| format!("{:#}", anyhow::Error::from(error))));
    add_gaps(&entries, date.as_deref(), &mut sums);
    if *json {
        out!("{}", to_json(&sums, &failures));
    } else {
        write(Stream::Out, &to_text(&sums));
        failures.iter().for_each(|failure| err!("lake: {failure}"));
    }
    Ok(ExitCode::from(u8::from(!failures.is_empty())))
}

/// Returns the Parquet files of all tables except the ledger.
fn files(lake: &Path, date: Option<&str>) -> Vec<(&'static Table, PathBuf)> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(lake.join(&folder)).into_iter().flatten().flatten();
        for entry in entries {
            let path = folder.join(entry.file_name());
            if entry.file_type().is_ok_and(|of| of.is_dir()) {
                folders.push(path);
            } else if let Some(table) = Table::of_folder(&folder)
                && table.folder != layout::LEDGER
                && path.extension().is_some_and(|end| end == "parquet")
                && date.is_none_or(|date| folder.iter().any(|part| part == date))
            {
                found.push((table, path));
            }
        }
    }
    found.sort_by(|a, b| a.1.cmp(&b.1));
    found
}

fn add_file(
    lake: &Path,
    table: &'static Table,
    relative: &Path,
    sums: &mut BTreeMap<Key, Sum>,
) -> anyhow::Result<()> {
    let path = lake.join(relative);
    let footer = spreadwire_lake::table::Footer::read(&path, table)?;
    let text = |key: &str| footer.metadata.get(key).cloned().unwrap_or_default();
    let sum = sums.entry((table.name, text("venue"), text("instrument"))).or_default();
    sum.rows += footer.rows;
    sum.files += 1;
    sum.bytes += std::fs::metadata(&path)?.len();
    sum.first = sum.first.into_iter().chain(footer.first).min();
    sum.last = sum.last.into_iter().chain(footer.last).max();
    Ok(())
}

/// Adds the outages in the ledger. Those of all venues are listed first, without a venue.
fn add_gaps(entries: &[Entry], date: Option<&str>, sums: &mut BTreeMap<Key, Sum>) {
    for gap in entries.iter().filter(|entry| entry.kind == EntryKind::Gap) {
        let on = layout::date_folder(gap.time / layout::HOUR);
        let Some(cause) = gap.gap_cause().filter(|_| date.is_none_or(|date| date == on)) else {
            continue;
        };
        let name = |name: &Option<String>| name.clone().unwrap_or_default();
        let key = (QUOTES.name, name(&gap.venue), name(&gap.instrument));
        let (count, time) = sums.entry(key).or_default().gaps.entry(cause.name()).or_default();
        *count += 1;
        *time += gap.until.map_or(0, |until| until.saturating_sub(gap.time));
    }
}

fn to_text(sums: &BTreeMap<Key, Sum>) -> String {
    let mut text = format!(
        "{:<14}{:<14}{:<18}{:>14}{:>8}{:>14}{:>8}  {:<49}gaps\n",
        "table", "venue", "instrument", "rows", "files", "bytes", "B/row", "span, UTC"
    );
    for ((table, venue, instrument), sum) in sums {
        let all = |name: &str| if name.is_empty() { "all".to_owned() } else { name.to_owned() };
        let span = sum.first.zip(sum.last);
        let span = span.map(|(a, b)| format!("{} {}", time_text(a), time_text(b)));
        // Writing into memory cannot fail.
        writeln!(
            text,
            "{table:<14}{:<14}{:<18}{:>14}{:>8}{:>14}{:>8}  {:<49}{}",
            all(venue),
            all(instrument),
            sum.rows,
            sum.files,
            sum.bytes,
            per_row(sum),
            span.unwrap_or_default(),
            gaps_text(sum)
        )
        .unwrap_or_default();
    }
    let known = TABLES.iter().filter(|table| table.folder != layout::LEDGER);
    for table in known {
        let of_table = sums.iter().filter(|((name, _, _), _)| *name == table.name);
        let total = of_table.fold(Sum::default(), |total, (_, sum)| Sum {
            rows: total.rows + sum.rows,
            files: total.files + sum.files,
            bytes: total.bytes + sum.bytes,
            ..total
        });
        let Sum { rows, files, bytes, .. } = total;
        let line = format!(
            "{:<14}{:<32}{rows:>14}{files:>8}{bytes:>14}{:>8}",
            table.name,
            "together",
            per_row(&total)
        );
        writeln!(text, "{line}").unwrap_or_default();
    }
    text
}

#[expect(clippy::cast_precision_loss, reason = "a figure with two decimals")]
fn per_row(sum: &Sum) -> String {
    if sum.rows == 0 {
        return "-".to_owned();
    }
    format!("{:.2}", sum.bytes as f64 / sum.rows as f64)
}

fn gaps_text(sum: &Sum) -> String {
    let one = |(cause, (count, time)): (&&str, &(u64, Nanos))| {
        format!("{cause} {count} ({} ms)", time / 1_000_000)
    };
    sum.gaps.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn to_json(sums: &BTreeMap<Key, Sum>, failures: &[String]) -> serde_json::Value {
    let one = |((table, venue, instrument), sum): (&Key, &Sum)| {
        let gaps = sum.gaps.iter().map(|(cause, (count, time))| {
            let known = Cause::ALL.into_iter().find(|known| known.name() == *cause);
            let loss = known.is_some_and(Cause::is_loss);
            json!({"cause": cause, "count": count, "ns": time, "lost_by_recorder": loss})
        });
        let name = |name: &str| (!name.is_empty()).then(|| name.to_owned());
        json!({
            "table": table, "venue": name(venue), "instrument": name(instrument),
            "rows": sum.rows, "files": sum.files, "bytes": sum.bytes,
            "first_ns": sum.first, "last_ns": sum.last, "gaps": gaps.collect::<Vec<_>>(),
        })
    };
    json!({"sums": sums.iter().map(one).collect::<Vec<_>>(), "failures": failures})
}
