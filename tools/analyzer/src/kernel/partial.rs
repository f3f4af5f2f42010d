//! What is known of one instrument on one day, and of a period that days were added to in order.
//!
//! A partial result holds sums alone: adding those of consecutive days gives what one pass over all
//! of them would have given, and figures are drawn from sums only at the end. It must not know
//! where partial results are kept.

use crate::kernel::compatible::Compatible;
use crate::kernel::lead_lag::LeadLag;
use crate::kernel::legs::Leg;
use crate::kernel::timed::Timed;
use crate::kernel::venue::VenueSums;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is known of one instrument on one day.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Partial {
    /// By name.
    pub venues: Vec<VenuePartial>,
    /// Every two of them, in order: (0, 1), (0, 2), ..., (1, 2), ...
    pub pairs: Vec<PairPartial>,
}

/// One venue.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VenuePartial {
    /// Its name in the lake.
    pub name: String,
    /// Its last quote before the day, as it was handed in.
    pub opening: Option<Leg>,
    /// Its last quote of the day, or before; without sizes where no episode asked for them.
    pub closing: Option<Leg>,
    /// Its own sums.
    pub sums: VenueSums,
}

/// Two venues. What was not asked for is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PairPartial {
    /// Over the first venue's rows.
    pub compatible: Option<Compatible>,
    /// Over time.
    pub timed: Option<Timed>,
    /// By lag.
    pub lead_lag: Option<LeadLag>,
}

/// What is known of one instrument over a period.
#[derive(Clone, Debug, PartialEq)]
pub struct Total {
    /// Beginning of the period, ns since 1970: quotes from before are not of it.
    begin: i64,
    /// By name.
    pub venues: BTreeMap<String, VenueSums>,
    /// By names of both.
    pub pairs: BTreeMap<(String, String), PairPartial>,
}

impl Total {
    /// Nothing yet.
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

    /// While the venues' sums are those of the days before.
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
    /// What there is before a pair's first day: rows of the first venue, if it was there earlier,
    /// that nothing was joined to.
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
        match (&mut self.lead_lag, &later.lead_lag) {
            (Some(mine), Some(later)) => mine.merge(later),
            (mine, later) => *mine = mine.take().or_else(|| later.clone()),
        }
    }
}
