//! What the stages of a run counted, by the ledger.
//!
//! A run of the ledger's version 2 has an entry for each stage. A run of version 1 has counters by
//! name alone, and its stages are read from those names; they are the names that the engine of that
//! time gave its counters, and stay as they are for ever.

use spreadwire_lake::stage::Stage;
use std::collections::{BTreeMap, BTreeSet};

/// Venue and instrument.
pub(super) type Listing = (String, String);

/// Counts by stage, those that go by listing with the listing.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Stages(BTreeMap<(Stage, Option<Listing>), u64>);

impl Stages {
    /// Takes a count from an entry.
    pub(super) fn insert(&mut self, stage: Stage, listing: Option<Listing>, count: u64) {
        self.0.insert((stage, listing), count);
    }

    /// Returns the stages of a run of version 1, by the names of its counters. A counter that the
    /// run does not have counted nothing.
    pub(super) fn of_names(counts: &BTreeMap<String, u64>) -> Stages {
        let mut stages = Stages::default();
        let of_run = [
            Stage::Fed,
            Stage::NumberedQuotes,
            Stage::NumberedStatuses,
            Stage::Missed,
            Stage::Lost,
            Stage::Damaged,
            Stage::Unsealed,
        ];
        of_run.into_iter().for_each(|stage| stages.insert(stage, None, 0));
        for (name, count) in counts {
            if let Some(key) = stage_of_name(name) {
                *stages.0.entry(key).or_default() += count;
            }
        }
        stages
    }

    /// Returns the count of a stage for the whole run.
    pub(super) fn of_run(&self, stage: Stage) -> Option<u64> {
        self.0.get(&(stage, None)).copied()
    }

    /// Returns the count of a stage for one listing.
    pub(super) fn of_listing(&self, stage: Stage, listing: &Listing) -> Option<u64> {
        self.0.get(&(stage, Some(listing.clone()))).copied()
    }

    /// Returns the counts that a run of version 2 does not have, each by name: of the whole run, and
    /// of every listing that has rows or that another stage has counted.
    pub(super) fn missing<'a>(
        &'a self,
        with_rows: impl Iterator<Item = &'a Listing>,
    ) -> Vec<String> {
        let counted = self.0.keys().filter_map(|(_, listing)| listing.as_ref());
        let listings: BTreeSet<&Listing> = counted.chain(with_rows).collect();
        let mut missing = Vec::new();
        for stage in Stage::ALL {
            if !stage.is_by_listing() {
                let lacks = self.of_run(stage).is_none();
                missing.extend(lacks.then(|| stage.name().to_owned()));
                continue;
            }
            let lacks = |listing: &&&Listing| self.of_listing(stage, listing).is_none();
            let lacking: Vec<&&Listing> = listings.iter().filter(lacks).collect();
            if !lacking.is_empty() && lacking.len() == listings.len() {
                missing.push(stage.name().to_owned());
                continue;
            }
            let name = |(venue, of): &Listing| format!("{} of {venue} {of}", stage.name());
            missing.extend(lacking.into_iter().map(|listing| name(listing)));
        }
        missing
    }
}

/// Returns the stage that a counter of version 1 is of.
fn stage_of_name(name: &str) -> Option<(Stage, Option<Listing>)> {
    let of_run = match name {
        "calculator.quotes" => Some(Stage::NumberedQuotes),
        "calculator.statuses" => Some(Stage::NumberedStatuses),
        "journal.missed" => Some(Stage::Missed),
        "journal.lost" => Some(Stage::Lost),
        "seal.damaged" => Some(Stage::Damaged),
        "seal.unsealed" => Some(Stage::Unsealed),
        "chronicle.booked" => Some(Stage::Booked),
        _ if name.starts_with("edge.feed") && name.ends_with(".passed") => Some(Stage::Fed),
        _ => None,
    };
    let of_listing = || -> Option<(Stage, Option<Listing>)> {
        let (stage, venue, instrument) = if let Some(rest) = name.strip_prefix("feed.") {
            // feed.<venue>.<connection>.instrument.<instrument>.passed
            let (connection, instrument) =
                rest.strip_suffix(".passed")?.split_once(".instrument.")?;
            (Stage::Decoded, connection.rsplit_once('.')?.0, instrument)
        } else if let Some(rest) = name.strip_prefix("calculator.") {
            let (venue, instrument) = rest.strip_suffix(".passed")?.split_once('.')?;
            (Stage::Passed, venue, instrument)
        } else {
            let rest = name.strip_prefix("journal.")?.strip_suffix(".written")?;
            let (venue, instrument) = rest.split_once('.')?;
            (Stage::Journalled, venue, instrument)
        };
        Some((stage, Some((venue.to_owned(), instrument.to_owned()))))
    };
    of_run.map(|stage| (stage, None)).or_else(of_listing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(venue: &str, instrument: &str) -> Listing {
        (venue.to_owned(), instrument.to_owned())
    }

    #[test]
    fn the_names_of_version_1_are_stages_and_several_feeds_add_up() {
        let counts = [
            ("calculator.quotes", 1),
            ("calculator.statuses", 2),
            ("calculator.spreads", 1_000),
            ("edge.feed.passed", 4),
            ("edge.feed.okx.passed", 8),
            ("edge.feed.okx.dropped", 1_000),
            ("edge.journal.passed", 1_000),
            ("journal.missed", 16),
            ("journal.lost", 32),
            ("seal.damaged", 64),
            ("seal.unsealed", 128),
            ("chronicle.booked", 256),
            ("feed.binance-usdm.0.instrument.BTC/USDT:PERP.passed", 3),
            ("feed.binance-usdm.1.instrument.BTC/USDT:PERP.passed", 4),
            ("feed.x.y.import.instrument.A.B/C.passed", 5),
            ("feed.binance-usdm.0.quotes", 1_000),
            ("calculator.okx.BTC/USDT.passed", 6),
            ("journal.okx.BTC/USDT.written", 7),
            ("journal.quotes", 1_000),
        ];
        let counts = counts.map(|(name, count)| (name.to_owned(), count)).into();
        let stages = Stages::of_names(&counts);
        let of_run = Stage::ALL.map(|stage| stages.of_run(stage).unwrap_or(u64::MAX));
        let absent = u64::MAX;
        let expected = [absent, 12, 1, 2, absent, 16, absent, 32, absent, absent, 64, 128, 256];
        assert_eq!(of_run, expected);
        let of = |stage, venue, instrument| stages.of_listing(stage, &listing(venue, instrument));
        assert_eq!(of(Stage::Decoded, "binance-usdm", "BTC/USDT:PERP"), Some(7));
        assert_eq!(of(Stage::Decoded, "x.y", "A.B/C"), Some(5));
        assert_eq!(of(Stage::Passed, "okx", "BTC/USDT"), Some(6));
        assert_eq!(of(Stage::Journalled, "okx", "BTC/USDT"), Some(7));
        assert_eq!(stages.0.len(), 8 + 4, "nothing else is a stage");
    }

    #[test]
    fn what_is_missing_is_named_by_stage_and_where_others_have_it_by_listing() {
        let (btc, eth) = (listing("okx", "BTC/USDT"), listing("okx", "ETH/USDT"));
        let mut whole = Stages::default();
        for stage in Stage::ALL {
            if stage.is_by_listing() {
                whole.insert(stage, Some(btc.clone()), 1);
                whole.insert(stage, Some(eth.clone()), 1);
            } else {
                whole.insert(stage, None, 1);
            }
        }
        assert_eq!(whole.missing([&btc, &eth].into_iter()), Vec::<String>::new());
        for (stage, of) in whole.0.keys() {
            let mut lacking = whole.clone();
            lacking.0.remove(&(*stage, of.clone()));
            let name = match of {
                None => stage.name().to_owned(),
                Some((venue, instrument)) => format!("{} of {venue} {instrument}", stage.name()),
            };
            assert_eq!(lacking.missing(std::iter::empty()), [name]);
        }
        let all: Vec<&str> = Stage::ALL.map(Stage::name).to_vec();
        assert_eq!(Stages::default().missing([&btc].into_iter()), all);
        let of_run = all.len() - 3;
        assert_eq!(Stages::default().missing(std::iter::empty()).len(), of_run);
    }
}
