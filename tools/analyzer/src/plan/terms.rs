//! Fees and latencies of the venues, from the known venues, an engine configuration and the command
//! line.

use super::problems::Problems;
use crate::kernel::VenueTerms;
use crate::options::Arguments;
use spreadwire_config::config;
use spreadwire_market::spread::BPS;
use spreadwire_venues::venues::VENUES;
use std::collections::BTreeMap;

/// Nanoseconds per millisecond.
const MILLI: f64 = 1e6;

/// Returns the terms by venue, and those of all other venues.
pub(super) fn terms(
    arguments: &Arguments,
    problems: &mut Problems,
) -> (BTreeMap<String, VenueTerms>, VenueTerms) {
    let mut others = VenueTerms { taker_fee: 10.0 / BPS, latency_ns: ns(20.0) };
    let mut venues = known_fees(arguments, others, problems);
    for (name, bps) in by_venue("--fees", &arguments.fees, -100.0..=1_000.0, problems) {
        match name {
            Some(name) => venues.entry(name).or_insert(others).taker_fee = bps / BPS,
            None => {
                others.taker_fee = bps / BPS;
                venues.values_mut().for_each(|venue| venue.taker_fee = bps / BPS);
            }
        }
    }
    for (name, millis) in by_venue("--latency", &arguments.latency, 0.0..=60_000.0, problems) {
        match name {
            Some(name) => venues.entry(name).or_insert(others).latency_ns = ns(millis),
            None => {
                others.latency_ns = ns(millis);
                venues.values_mut().for_each(|venue| venue.latency_ns = ns(millis));
            }
        }
    }
    (venues, others)
}

#[expect(clippy::cast_possible_truncation, reason = "ranges are checked")]
pub(super) fn ns(millis: f64) -> i64 {
    (millis * MILLI).round() as i64
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

/// Returns the venue of `okx=8` as it is named in the lake's folders; `None` for a number alone.
#[must_use]
pub fn venue_named(given: &str) -> Option<String> {
    given.split_once('=').map(|(name, _)| name.trim().replace('-', "_"))
}

/// Parses `10` or `okx=8`: a number, and a venue if one is named. Numbers for all venues come
/// first.
fn by_venue(
    option: &'static str,
    given: &[String],
    range: std::ops::RangeInclusive<f64>,
    problems: &mut Problems,
) -> Vec<(Option<String>, f64)> {
    let mut found = Vec::new();
    for text in given {
        let number = text.split_once('=').map_or(text.as_str(), |(_, number)| number);
        let name = venue_named(text);
        match number.trim().parse::<f64>() {
            Ok(number) if range.contains(&number) => found.push((name, number)),
            Ok(_) | Err(_) => {
                let remedy = format!(
                    "give a number from {} to {}, or VENUE=NUMBER",
                    range.start(),
                    range.end()
                );
                problems.add(option, format!("{text:?} is not a number in range"), &remedy);
            }
        }
    }
    found.sort_by_key(|(name, _)| name.is_some());
    found
}
