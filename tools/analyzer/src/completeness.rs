//! What the lake's own ledger says about the days that are analysed: losses, outages, and hours
//! that nothing recorded. Only the ledger is read; to prove the files, run `lake verify`.

use crate::recorded::has_runs;
use crate::report::Completeness;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use spreadwire_lake::completeness;
use spreadwire_lake::ledger::{Entry, Ledger};
use spreadwire_market::clock::{MILLI, Nanos, SECOND};
use std::collections::BTreeMap;

const DAY: Nanos = 86_400 * SECOND;
/// A pause between two runs that is no longer than this does not count as missing.
const PAUSE_MAX: Nanos = 60 * SECOND;

/// Verdict if nothing is missing.
pub const COMPLETE: &str = "complete";
/// Verdict if the user said that the lake was recorded by something else.
pub const NOT_VOUCHED_FOR: &str = "not vouched for";

/// What is known of a lake's ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// It is to be read.
    Ledger,
    /// The user said that the lake was recorded by something else.
    Acknowledged,
}

/// Returns what the ledger says about the days of a period. `now` is needed because a day that is not
/// over is not complete.
#[must_use]
pub fn of_days(ledger: &Ledger, trust: Trust, days: &[Date], now: Nanos) -> Completeness {
    let Ledger { facts: entries, errors, .. } = ledger;
    if trust == Trust::Acknowledged {
        let told =
            "no ledger was read, as --no-ledger says: whether these days are complete is not known";
        return Completeness { verdict: NOT_VOUCHED_FOR.to_owned(), findings: vec![told.into()] };
    }
    if !has_runs(entries) && errors.is_empty() {
        let told = "the lake has no ledger, so it is unknown whether its days are complete; if \
                    something else recorded it, say so by --no-ledger";
        return Completeness { verdict: "unknown".to_owned(), findings: vec![told.into()] };
    }
    let mut findings: Vec<String> =
        errors.iter().map(|error| format!("a ledger file cannot be read: {error}")).collect();
    let runs = completeness::spans(entries);
    for day in days {
        findings.extend(of_day(*day, entries, &runs, now));
    }
    let verdict = if findings.is_empty() { COMPLETE } else { "incomplete" };
    Completeness { verdict: verdict.to_owned(), findings }
}

fn of_day(day: Date, entries: &[Entry], runs: &[(Nanos, Nanos)], now: Nanos) -> Vec<String> {
    let midnight = day.to_zoned(TimeZone::UTC).map_or(0, |at| at.timestamp().as_second());
    let begin = u64::try_from(midnight).unwrap_or(0).saturating_mul(SECOND);
    let end = begin.saturating_add(DAY);
    let mut findings = Vec::new();
    if now < end {
        findings.push(format!("{day}: the day is not over"));
    }
    let silent = silent_for(begin, end.min(now.max(begin)), runs);
    if 0 < silent {
        findings.push(format!("{day}: nothing was recorded for {}", duration(silent)));
    }
    let mut causes: BTreeMap<&str, (u64, u64, Nanos)> = BTreeMap::new();
    for entry in entries {
        let until = entry.until.unwrap_or(entry.time);
        let Some(cause) = entry.gap_cause() else { continue };
        if end <= entry.time || until < begin {
            continue;
        }
        let sum = causes.entry(cause.name()).or_default();
        let lasted = until.min(end).saturating_sub(entry.time.max(begin));
        *sum = (sum.0 + 1, sum.1 + entry.rows.unwrap_or(0), sum.2 + lasted);
    }
    for (cause, (gaps, rows, lasted)) in causes {
        let rows = if rows == 0 { String::new() } else { format!(", {rows} rows lost") };
        let lasted = duration(lasted);
        let s = if gaps == 1 { "" } else { "s" };
        findings.push(format!("{day}: {gaps} gap{s} ({cause}), {lasted} in total{rows}"));
    }
    findings.extend(clock_of_day(day, (begin, end), entries));
    findings
}

/// Returns what the ledger says about the clock of a day from `begin` to `end`.
fn clock_of_day(day: Date, (begin, end): (Nanos, Nanos), entries: &[Entry]) -> Option<String> {
    let (mut worst, mut lasted) = (0, 0);
    for entry in entries {
        let until = entry.until.unwrap_or(entry.time);
        let Some(error) = entry.clock_error() else { continue };
        if entry.time < end && begin <= until {
            worst = worst.max(error.unsigned_abs());
            lasted += until.min(end).saturating_sub(entry.time.max(begin));
        }
    }
    let lasted = duration(lasted);
    (0 < worst).then(|| {
        format!(
            "{day}: receive times were off by up to {} ms, for {lasted} in total",
            worst / MILLI
        )
    })
}

/// Returns how long nothing was recorded, leaving out the pauses of restarts.
fn silent_for(begin: Nanos, end: Nanos, runs: &[(Nanos, Nanos)]) -> Nanos {
    let (mut at, mut silent) = (begin, 0);
    let mut add = |pause: Nanos| silent += if PAUSE_MAX < pause { pause } else { 0 };
    for (from, until) in runs.iter().filter(|(from, until)| *from < end && begin < *until) {
        add(from.saturating_sub(at));
        at = at.max(*until);
    }
    add(end.saturating_sub(at));
    silent
}

fn duration(time: Nanos) -> String {
    let seconds = time / SECOND;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spreadwire_lake::layout::HOUR;
    use spreadwire_lake::ledger::EntryKind;

    #[test]
    fn a_day_is_complete_only_if_the_ledger_says_so() {
        let day: Date = "2024-08-08".parse().unwrap();
        let midnight = 1_723_075_200 * SECOND;
        let entry = |kind, time| Entry::new(kind, time).of_run("run-1");
        let whole = vec![
            entry(EntryKind::Started, midnight - HOUR),
            entry(EntryKind::Ended, midnight + 25 * HOUR),
        ];
        let late = midnight + 48 * HOUR;
        let of = |entries: &[Entry], now| of_day(day, entries, &completeness::spans(entries), now);
        assert!(of(&whole, late).is_empty());
        let short = vec![whole[0].clone(), entry(EntryKind::Ended, midnight + 20 * HOUR)];
        assert_eq!(of(&short, late), ["2024-08-08: nothing was recorded for 4 h 0 min"]);
        let early = [whole[0].clone(), entry(EntryKind::Count, midnight + HOUR)];
        assert_eq!(of(&early, midnight + HOUR), ["2024-08-08: the day is not over"]);
        // Without an end, nothing is known after the last entry.
        assert_eq!(of(&early, late), ["2024-08-08: nothing was recorded for 23 h 0 min"]);
        assert_eq!(of(&whole[..1], late), ["2024-08-08: nothing was recorded for 24 h 0 min"]);
        let mut gap = entry(EntryKind::Gap, midnight + HOUR).because("ring");
        (gap.until, gap.rows) = (Some(midnight + HOUR + 90 * SECOND), Some(7));
        let lost = [&whole[..], &[gap]].concat();
        assert_eq!(of(&lost, late), ["2024-08-08: 1 gap (ring), 1 min 30 s in total, 7 rows lost"]);
        let home = tempfile::tempdir().unwrap();
        let verdict = |lake: &std::path::Path| {
            of_days(&Ledger::read(lake), Trust::Ledger, &[day], late).verdict
        };
        assert_eq!(verdict(home.path()), "unknown");
        spreadwire_lake::ledger::write(home.path(), "a", midnight, &whole).unwrap();
        assert_eq!(verdict(home.path()), "complete");
        spreadwire_lake::ledger::write(home.path(), "a", midnight, &lost).unwrap();
        assert_eq!(verdict(home.path()), "incomplete");
    }

    #[test]
    fn what_the_user_acknowledges_is_not_called_complete() {
        let home = tempfile::tempdir().unwrap();
        let found = of_days(&Ledger::read(home.path()), Trust::Acknowledged, &[], 0);
        assert_eq!(found.verdict, NOT_VOUCHED_FOR);
        assert_eq!(found.findings.len(), 1);
    }
}
