//! What is known of one pair of venues over time: sums that can be stored and merged.

use crate::kernel::episode::Episodes;
use crate::kernel::histogram::Histogram;
use crate::kernel::moments::Moments;
use crate::kernel::profile::{Hours, Profile};
use crate::kernel::reversion::Reversion;
use crate::kernel::samples::Together;
use serde::{Deserialize, Serialize};

/// What is known of a pair.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timed {
    /// From the unit's first quote to its last, any venue, ns.
    pub span_ns: u64,
    /// `bid_1 / bid_2 - 1`, fraction; its weight is the live time.
    pub deviation: Moments,
    /// The same by value, bp.
    pub deviations: Histogram,
    /// Net spread, fraction: buying on the first venue and selling on the second, and the reverse.
    pub net: [Moments; 2],
    /// The same by value, bp.
    pub nets: [Histogram; 2],
    /// By direction and threshold.
    pub episodes: [Vec<Episodes>; 2],
    /// The deviation over time.
    pub profile: Profile,
    /// And hour by hour.
    pub hours: Hours,
    /// How the two mids move together.
    pub together: Together,
    /// Sums of the sampled log ratio of the mids.
    pub reversion: Reversion,
}

impl Timed {
    /// Whether any episode began: without one no size matters.
    #[must_use]
    pub fn has_episodes(&self) -> bool {
        self.episodes.iter().flatten().any(|episodes| 0 < episodes.count)
    }

    /// Adds a later unit's.
    pub fn merge(&mut self, later: &Timed) {
        self.span_ns += later.span_ns;
        self.deviation.merge(&later.deviation);
        self.deviations.merge(&later.deviations);
        for direction in 0..2 {
            self.net[direction].merge(&later.net[direction]);
            self.nets[direction].merge(&later.nets[direction]);
            let (mine, theirs) = (&mut self.episodes[direction], &later.episodes[direction]);
            // A unit without rows has none.
            mine.resize(mine.len().max(theirs.len()), Episodes::default());
            mine.iter_mut().zip(theirs).for_each(|(mine, theirs)| mine.merge(theirs));
        }
        self.profile.merge(&later.profile);
        self.hours.merge(&later.hours);
        self.together.merge(&later.together);
        self.reversion.merge(&later.reversion);
    }
}
