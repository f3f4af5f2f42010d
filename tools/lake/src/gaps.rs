//! `lake gaps`: what of each venue's instrument was recorded when, as a table.

use anyhow::Context;
use arrow_array::{ArrayRef, RecordBatch, StringArray, TimestampNanosecondArray};
use clap::Args;
use parquet::arrow::ArrowWriter;
use serde_json::{Value, json};
use spreadwire_lake::completeness::{self, Interval, Known};
use spreadwire_lake::ledger::Ledger;
use spreadwire_lake::{files, layout};
use spreadwire_market::clock::Nanos;
use spreadwire_output::{Stream, write};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Arguments of `lake gaps`.
#[derive(Debug, Args)]
pub struct Gaps {
    /// Folder of the lake.
    lake: PathBuf,
    /// Only intervals that touch this day, UTC: 2024-08-08.
    #[arg(long, value_name = "DATE")]
    date: Option<jiff::civil::Date>,
    /// Only what is not recorded or imported.
    #[arg(long)]
    missing: bool,
    /// Print one JSON object for each interval.
    #[arg(long, conflicts_with_all = ["csv", "parquet"])]
    json: bool,
    /// Print CSV with a header.
    #[arg(long, conflicts_with = "parquet")]
    csv: bool,
    /// Write a Parquet file, for queries to join: times are timestamps, everything else is text.
    #[arg(long, value_name = "FILE")]
    parquet: Option<PathBuf>,
}

/// The columns of the table.
const COLUMNS: [&str; 7] = ["Venue", "Instrument", "From", "Until", "Known", "Cause", "Run"];

/// Prints the table, or a summary if no format is named.
///
/// # Errors
/// If the ledger is damaged or the file cannot be written.
pub fn run(arguments: &Gaps) -> anyhow::Result<ExitCode> {
    crate::ensure_lake(&arguments.lake)?;
    let ledger = Ledger::read(&arguments.lake);
    if let Some(error) = ledger.errors.into_iter().next() {
        return Err(error).context("the ledger is damaged, see lake verify");
    }
    let mut table = completeness::table(&ledger.facts);
    let day = arguments.date.map(|date| format!("date={date}"));
    let day = day.and_then(|date| layout::times_of(Path::new(&date)));
    table.retain(|interval| {
        let touches = day.is_none_or(|(first, end)| interval.from < end && first < interval.until);
        touches && !(arguments.missing && interval.known.is_whole())
    });
    if let Some(path) = &arguments.parquet {
        let written = write_parquet(&table, path);
        written.with_context(|| format!("cannot write {}", path.display()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let text = match (arguments.json, arguments.csv) {
        (true, _) => table.iter().map(|interval| format!("{}\n", json_of(interval))).collect(),
        (_, true) => csv_of(&table)?,
        (false, false) => summary_of(&table),
    };
    write(Stream::Out, &text);
    Ok(ExitCode::SUCCESS)
}

fn json_of(interval: &Interval) -> Value {
    let Interval { venue, instrument, from, until, known, cause, run } = interval;
    let cause = Some(cause).filter(|cause| !cause.is_empty());
    json!({"venue": venue, "instrument": instrument, "from_ns": from, "until_ns": until,
        "known": known.name(), "cause": cause, "run": run})
}

fn csv_of(table: &[Interval]) -> anyhow::Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS)?;
    for Interval { venue, instrument, from, until, known, cause, run } in table {
        let (from, until) = (from.to_string(), until.to_string());
        writer.write_record([venue, instrument, &from, &until, known.name(), cause, run])?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

/// Says for each listing how long which was the case.
fn summary_of(table: &[Interval]) -> String {
    let mut sums: BTreeMap<(&str, &str), [Nanos; Known::ALL.len()]> = BTreeMap::new();
    for interval in table {
        let sum = sums.entry((&interval.venue, &interval.instrument)).or_default();
        let place = Known::ALL.iter().position(|known| *known == interval.known).unwrap_or(0);
        sum[place] += interval.until - interval.from;
    }
    let mut lines = vec![format!("{:<16}{:<24}", "venue", "instrument")];
    Known::ALL.iter().for_each(|known| lines[0].push_str(&format!("{:>14}", known.name())));
    for ((venue, instrument), sum) in sums {
        let times: String = sum.iter().map(|time| format!("{:>14}", seconds(*time))).collect();
        lines.push(format!("{venue:<16}{instrument:<24}{times}"));
    }
    lines.push("times in seconds; --json, --csv and --parquet have each interval".to_owned());
    lines.join("\n") + "\n"
}

fn seconds(time: Nanos) -> String {
    format!("{}.{:03}", time / 1_000_000_000, time / 1_000_000 % 1_000)
}

fn write_parquet(table: &[Interval], path: &Path) -> anyhow::Result<()> {
    let text = |of: fn(&Interval) -> &str| -> ArrayRef {
        Arc::new(table.iter().map(|interval| Some(of(interval))).collect::<StringArray>())
    };
    let time = |of: fn(&Interval) -> Nanos| -> ArrayRef {
        let times = table.iter().map(|interval| Some(of(interval).cast_signed()));
        Arc::new(times.collect::<TimestampNanosecondArray>().with_timezone("UTC"))
    };
    let columns = [
        text(|i| &i.venue),
        text(|i| &i.instrument),
        time(|i| i.from),
        time(|i| i.until),
        text(|i| i.known.name()),
        text(|i| &i.cause),
        text(|i| &i.run),
    ];
    let batch = RecordBatch::try_from_iter(COLUMNS.into_iter().zip(columns))?;
    let mut writer = ArrowWriter::try_new(files::output(path)?, batch.schema(), None)?;
    writer.write(&batch)?;
    writer.close()?;
    Ok(())
}
