//! Which days, venues and instruments the arguments choose.

use super::problems::{Problems, nearest};
use crate::input::{Listed, Selection, chooses};
use crate::options::Arguments;
use globset::Glob;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan, tz::TimeZone};

/// Number of names that a remedy lists.
const LISTED: usize = 12;

/// Returns what the arguments choose, without the market and the names.
pub(super) fn selection(
    arguments: &Arguments,
    listed: &Listed,
    now_ns: i64,
    problems: &mut Problems,
) -> Selection {
    let (from, to) = days(arguments, now_ns, problems);
    let names: Vec<&str> = listed.venues.keys().map(String::as_str).collect();
    let venues = globs("--venues", &arguments.venues, &names, problems);
    let names: Vec<&str> = listed.instruments.keys().map(String::as_str).collect();
    let mut instruments = globs("--instruments", &arguments.instruments, &names, problems);
    instruments.extend(of_other_names(&instruments, listed));
    let time_unit = arguments.time_unit.map(Into::into);
    Selection { from, to, venues, instruments, time_unit, ..Selection::default() }
}

fn days(
    arguments: &Arguments,
    now_ns: i64,
    problems: &mut Problems,
) -> (Option<Date>, Option<Date>) {
    let Arguments { date, from, to, yesterday, last_days, .. } = arguments;
    let now = Timestamp::from_nanosecond(i128::from(now_ns)).unwrap_or_default();
    let today = now.to_zoned(TimeZone::UTC).date();
    let before = |days: i64| today.checked_sub(days.days()).unwrap_or(today);
    let ways = [date.is_some(), *yesterday, last_days.is_some(), from.is_some() || to.is_some()];
    if 1 < ways.into_iter().filter(|way| *way).count() {
        let what = "the days are given in more than one way".to_owned();
        let remedy = "give one of --date, --yesterday, --last-days, or --from and --to";
        problems.add("--date", what, remedy);
    }
    for (option, day) in [("--date", date), ("--from", from), ("--to", to)] {
        if let Some(day) = day.filter(|day| today < *day) {
            let remedy = format!("give a day up to today, which is {today} UTC");
            problems.add(option, format!("{day} is in the future"), &remedy);
        }
    }
    if let (Some(from), Some(to)) = (from, to)
        && to < from
    {
        let what = format!("{to} is before {from}");
        problems.add("--to", what, "give a day that is not before --from");
    }
    if *last_days == Some(0) {
        problems.add("--last-days", "0 is out of range".to_owned(), "give 1 or more");
    }
    match (date, yesterday, last_days) {
        (Some(date), ..) => (Some(*date), Some(*date)),
        (_, true, _) => (Some(before(1)), Some(before(1))),
        (_, _, Some(days)) => (Some(before(i64::from(*days))), Some(before(1))),
        (None, false, None) => (*from, *to),
    }
}

/// Returns patterns for the instruments that are chosen by a name that only some venues have for them.
fn of_other_names(chosen: &[Glob], listed: &Listed) -> Vec<Glob> {
    let others = listed.instruments.iter().filter(|(name, instrument)| name != instrument);
    let chosen: Vec<_> = chosen.iter().map(chooses).collect();
    let others = others.filter(|(name, _)| chosen.iter().any(|chooses| chooses(name)));
    others.filter_map(|(_, instrument)| Glob::new(&globset::escape(instrument)).ok()).collect()
}

/// Returns patterns, and adds a problem for each that is not one, or that nothing in the lake
/// matches.
fn globs(
    option: &'static str,
    patterns: &[String],
    known: &[&str],
    problems: &mut Problems,
) -> Vec<Glob> {
    let mut found = Vec::new();
    for pattern in patterns {
        let glob = match Glob::new(pattern) {
            Ok(glob) => glob,
            Err(error) => {
                problems.add(option, error.to_string(), "write it as BTC/* or *USDT");
                continue;
            }
        };
        // If the lake has no names at all, that is told once it is read.
        let chooses = chooses(&glob);
        if !known.is_empty() && !known.iter().any(|name| chooses(name)) {
            let what = format!("nothing in the lake matches {pattern:?}");
            problems.add(option, what, &remedy(pattern, known));
        }
        found.push(glob);
    }
    found
}

fn remedy(pattern: &str, known: &[&str]) -> String {
    let names = || known.iter().copied();
    if let Some(near) = nearest(pattern, names()) {
        return format!("did you mean {near}?");
    }
    let rest = known.len().saturating_sub(LISTED);
    let and = if rest == 0 { String::new() } else { format!(" and {rest} more") };
    format!("it has {}{and}", names().take(LISTED).collect::<Vec<_>>().join(", "))
}
