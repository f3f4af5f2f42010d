//! Fees and latencies of the venues, from the known venues, an engine configuration and the command
//! line.

use super::problems::{Problems, nearest};
use crate::input::{Listed, venue};
use crate::kernel::VenueTerms;
use crate::options::Arguments;
use spreadwire_config::config;
use spreadwire_market::spread::{BPS, TAKER_FEES_BPS};
use spreadwire_venues::venues::VENUES;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

/// Nanoseconds per millisecond.
const MILLI: f64 = 1e6;
/// Latencies of orders, ms.
const LATENCIES_MS: RangeInclusive<f64> = 0.0..=10_000.0;
/// A fee above zero and below this, in bp, is a fraction or a percentage written by mistake: no
/// venue's taker fee is so small.
const FEE_LEAST_BPS: f64 = 0.05;
/// A latency above zero and below this, in ms, is one in seconds written by mistake.
const LATENCY_LEAST_MS: f64 = 0.05;

/// An option that gives a number for all venues, or by venue.
struct Kind {
    option: &'static str,
    range: RangeInclusive<f64>,
    unit: &'static str,
    /// Numbers above zero and below this are mistakes.
    least: f64,
    /// How many times too small such a number usually is, and as what it was written.
    mistake: (f64, &'static str),
}

const FEES: Kind = Kind {
    option: "--fees",
    range: TAKER_FEES_BPS,
    unit: "bp",
    least: FEE_LEAST_BPS,
    mistake: (BPS, "a fraction"),
};
const LATENCIES: Kind = Kind {
    option: "--latency",
    range: LATENCIES_MS,
    unit: "ms",
    least: LATENCY_LEAST_MS,
    mistake: (1e3, "seconds"),
};

/// Returns the terms by venue, and those of all other venues. `listed` is what the lake has.
pub(super) fn terms(
    arguments: &Arguments,
    listed: &Listed,
    problems: &mut Problems,
) -> (BTreeMap<String, VenueTerms>, VenueTerms) {
    let mut others = VenueTerms { taker_fee: 10.0 / BPS, latency_ns: ns(20.0) };
    let mut venues = known_fees(arguments, others, problems);
    let known: BTreeSet<String> =
        venues.keys().cloned().chain(listed.venues.values().cloned()).collect();
    for (name, bps) in by_venue(&FEES, &arguments.fees, (&known, listed), problems) {
        match name {
            Some(name) => venues.entry(name).or_insert(others).taker_fee = bps / BPS,
            None => {
                others.taker_fee = bps / BPS;
                venues.values_mut().for_each(|venue| venue.taker_fee = bps / BPS);
            }
        }
    }
    for (name, millis) in by_venue(&LATENCIES, &arguments.latency, (&known, listed), problems) {
        match name {
            Some(name) => venues.entry(name).or_insert(others).latency_ns = ns(millis),
            None => {
                others.latency_ns = ns(millis);
                venues.values_mut().for_each(|venue| venue.latency_ns = ns(millis));
            }
        }
    }
    // Another recorder may name its folders `binance-usdm`.
    for (spelled, name) in listed.venues.iter().filter(|(spelled, name)| spelled != name) {
        if let Some(terms) = venues.get(name).copied() {
            venues.insert(spelled.clone(), terms);
        }
    }
    (venues, others)
}

#[expect(clippy::cast_possible_truncation, reason = "ranges are checked")]
pub(super) fn ns(millis: f64) -> i64 {
    (millis * MILLI).round() as i64
}

/// Returns the venues whose transfers are open, in each way in which the lake spells them. `terms` has the
/// venues that are known.
pub(super) fn transfers(
    given: &[String],
    terms: &BTreeMap<String, VenueTerms>,
    listed: &Listed,
    problems: &mut Problems,
) -> BTreeSet<String> {
    let names: BTreeSet<String> = given.iter().map(|name| venue(name.trim())).collect();
    let known: BTreeSet<String> = terms.keys().chain(listed.venues.values()).cloned().collect();
    for name in &names {
        check_venue("--transfers", name, (&known, listed), problems);
    }
    let others = listed.venues.iter().filter(|(_, name)| names.contains(*name));
    let others: Vec<String> = others.map(|(spelled, _)| spelled.clone()).collect();
    names.into_iter().chain(others).collect()
}

/// Returns the fees of known venues, by their names in the lake: those of the lowest tiers,
/// overridden by an engine configuration.
fn known_fees(
    arguments: &Arguments,
    others: VenueTerms,
    problems: &mut Problems,
) -> BTreeMap<String, VenueTerms> {
    let mut venues = BTreeMap::new();
    let mut add = |name: &str, bps: f64| {
        if let Ok(folder) = spreadwire_lake::layout::venue_folder(name) {
            venues.insert(folder, VenueTerms { taker_fee: bps / BPS, ..others });
        }
    };
    VENUES.iter().for_each(|venue| add(venue.name, venue.taker_fee_bps));
    if let Some(path) = &arguments.config {
        let mut found = Vec::new();
        let config = config::read(path, &mut found).unwrap_or_default();
        for problem in found {
            problems.add("--config", problem.to_string(), "fix the configuration");
        }
        for venue in &config.venues {
            if let Some(bps) = venue.taker_fee_bps {
                add(&venue.name, bps);
            }
        }
    }
    venues
}

/// Returns the one name of the venue of `okx=8`; `None` for a number alone.
#[must_use]
pub fn venue_named(given: &str) -> Option<String> {
    given.split_once('=').map(|(name, _)| venue(name.trim()))
}

/// Parses `10` or `okx=8`: a number, and a venue if one is named. Numbers for all venues come
/// first.
fn by_venue(
    kind: &Kind,
    given: &[String],
    (known, listed): (&BTreeSet<String>, &Listed),
    problems: &mut Problems,
) -> Vec<(Option<String>, f64)> {
    let mut found: Vec<(Option<String>, f64)> = Vec::new();
    for text in given {
        let number = text.split_once('=').map_or(text.as_str(), |(_, number)| number);
        let name = venue_named(text);
        if let Some(name) = &name {
            check_venue(kind.option, name, (known, listed), problems);
        }
        if found.iter().any(|(before, _)| *before == name) {
            let of = name.as_deref().unwrap_or("all venues");
            let what = format!("{text:?} is the second number for {of}");
            problems.add(kind.option, what, "give one number for each");
        }
        match kind.number(number.trim()) {
            Ok(number) => found.push((name, number)),
            Err((what, remedy)) => {
                problems.add(kind.option, format!("{text:?} {what}"), &remedy);
            }
        }
    }
    found.sort_by_key(|(name, _)| name.is_some());
    found
}

impl Kind {
    /// Parses a number, or returns what is wrong with it and what to do.
    fn number(&self, text: &str) -> Result<f64, (String, String)> {
        let Kind { range, unit, .. } = self;
        let number = text.parse::<f64>().ok().filter(|number| range.contains(number));
        let Some(number) = number else {
            let (least, most) = (range.start(), range.end());
            let remedy = format!("give a number of {unit} from {least} to {most}, or VENUE=NUMBER");
            return Err(("is not a number in range".to_owned(), remedy));
        };
        if 0.0 < number.abs() && number.abs() < self.least {
            let (times, written) = self.mistake;
            let meant = (number * times * 1e6).round() / 1e6;
            let what = format!("looks like {written}: {number} {unit} is too little");
            return Err((what, format!("write {meant} for {meant} {unit}, or 0 for none")));
        }
        Ok(number)
    }
}

/// Adds a problem if neither the lake nor this project knows a venue.
fn check_venue(
    option: &'static str,
    name: &str,
    (known, listed): (&BTreeSet<String>, &Listed),
    problems: &mut Problems,
) {
    // If the lake has no names at all, that is told once it is read.
    if known.contains(name) || listed.venues.is_empty() {
        return;
    }
    let has = || listed.venues.keys().map(String::as_str);
    let remedy = match nearest(name, has().chain(known.iter().map(String::as_str))) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("the lake has {}", has().collect::<Vec<_>>().join(", ")),
    };
    problems.add(option, format!("no venue is called {name:?}"), &remedy);
}
