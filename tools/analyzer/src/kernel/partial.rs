//! The sums of one instrument on one day, and those of a period, to which days are added in order.
//!
//! A partial result holds nothing but sums. Adding those of consecutive days gives what one pass
//! over all of them would have given; figures are computed from the sums only at the end.

use crate::kernel::alike::Alike;
use crate::kernel::compatible::Compatible;
use crate::kernel::lead_lag::LeadLag;
use crate::kernel::legs::Leg;
use crate::kernel::timed::Timed;
use crate::kernel::venue::VenueSums;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The sums of one instrument on one day.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Partial {
    /// Sums of each venue, in order of name.
    pub venues: Vec<VenuePartial>,
    /// Sums of every pair of venues, in the order (0, 1), (0, 2), ..., (1, 2), ...
    pub pairs: Vec<PairPartial>,
}

/// One venue on one day.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VenuePartial {
    /// Name of the venue in the lake.
    pub name: String,
    /// Last quote before the day, as passed in.
    pub opening: Option<Leg>,
    /// Last quote of the day or before; without sizes, whether or not they were read.
    pub closing: Option<Leg>,
    /// The venue's own sums.
    pub sums: VenueSums,
}

/// The sums of two venues. Metrics that were not asked for are `None`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PairPartial {
    /// Sums over the first venue's rows.
    pub compatible: Option<Compatible>,
    /// Sums over time.
    pub timed: Option<Timed>,
    /// Sums by lag.
    pub lead_lag: Option<LeadLag>,
    /// What the two prices have in common; with the sums over time.
    pub alike: Option<Alike>,
}

/// The sums of one instrument over a period.
#[derive(Clone, Debug, PartialEq)]
pub struct Total {
    /// Beginning of the period in ns since 1970; quotes from before it do not belong to the period.
    begin: i64,
    /// Sums of each venue, by name.
    pub venues: BTreeMap<String, VenueSums>,
    /// Sums of each pair, by the names of both venues.
    pub pairs: BTreeMap<(String, String), PairPartial>,
}

impl Total {
    /// Returns a period without days that begins at `begin`.
    #[must_use]
    pub fn new(begin: i64) -> Total {
        Total { begin, venues: BTreeMap::new(), pairs: BTreeMap::new() }
    }

    /// Adds the next day.
    pub fn add(&mut self, day: &Partial) {
        self.add_pairs(day);
        for venue in &day.venues {
            self.venues.entry(venue.name.clone()).or_default().merge(&venue.sums);
        }
    }

    /// Adds the pairs of a day. `venues` still holds the sums of the days before it.
    fn add_pairs(&mut self, day: &Partial) {
        let mut pairs = day.pairs.iter();
        for (place, one) in day.venues.iter().enumerate() {
            for two in &day.venues[place + 1..] {
                let Some(pair) = pairs.next() else { return };
                let carried = two.opening.is_some_and(|leg| self.begin <= leg.time);
                let names = (one.name.clone(), two.name.clone());
                let earlier = self.venues.get(&one.name);
                let sums = self.pairs.entry(names);
                sums.or_insert_with(|| pair.first(earlier)).merge(pair, carried);
            }
        }
    }
}

impl PairPartial {
    /// Returns the sums over time, if the pair was ever live.
    #[must_use]
    pub fn live(&self) -> Option<&Timed> {
        self.timed.as_ref().filter(|timed| 0 < timed.deviation.weight)
    }

    /// Returns what is known before a pair's first day: the rows of the first venue on earlier
    /// days, if there are any, which were joined to nothing.
    fn first(&self, earlier: Option<&VenueSums>) -> PairPartial {
        let earlier = self.compatible.as_ref().and(earlier);
        let compatible = earlier.map(|sums| Compatible::without_right(sums.rows, sums.span));
        PairPartial { compatible, ..PairPartial::default() }
    }

    fn merge(&mut self, later: &PairPartial, carried: bool) {
        if let Some(later) = &later.compatible {
            self.compatible.get_or_insert_default().merge(later, carried);
        }
        if let Some(later) = &later.timed {
            self.timed.get_or_insert_default().merge(later);
        }
        if let Some(later) = &later.alike {
            self.alike.get_or_insert_default().merge(later);
        }
        match (&mut self.lead_lag, &later.lead_lag) {
            (Some(mine), Some(later)) => mine.merge(later),
            (mine, later) => *mine = mine.take().or_else(|| later.clone()),
        }
    }
}
