//! The figures of one pair of venues over time, as sums that can be stored and merged.

use crate::kernel::episode::Episodes;
use crate::kernel::histogram::Histogram;
use crate::kernel::moments::Moments;
use crate::kernel::play::ledger::Played;
use crate::kernel::profile::{Hours, Profile};
use crate::kernel::reversion::Reversion;
use crate::kernel::samples::Together;
use serde::{Deserialize, Serialize};

/// The sums of one pair over time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timed {
    /// Time from the unit's first quote to its last, over all venues, in ns.
    pub span_ns: u64,
    /// Moments of `bid_1 / bid_2 - 1`, a fraction; their weight is the live time.
    pub deviation: Moments,
    /// Distribution of the same, in bp.
    pub deviations: Histogram,
    /// Moments of the net spread, a fraction: buy on the first venue and sell on the second, then
    /// the reverse.
    pub net: [Moments; 2],
    /// Distributions of the same, in bp.
    pub nets: [Histogram; 2],
    /// Episodes by direction and threshold.
    pub episodes: [Vec<Episodes>; 2],
    /// What the strategies did.
    pub played: Played,
    /// The deviation over time.
    pub profile: Profile,
    /// The deviation hour by hour.
    pub hours: Hours,
    /// How the two mids move together.
    pub together: Together,
    /// Sums of the sampled log ratio of the mids.
    pub reversion: Reversion,
}

impl Timed {
    /// Returns whether there is any episode, or a strategy has had something to do. Without either, sizes
    /// do not matter.
    #[must_use]
    pub fn needs_sizes(&self) -> bool {
        self.episodes.iter().flatten().any(|episodes| 0 < episodes.count)
            || !self.played.tried.is_empty()
    }

    /// Adds the sums of a later unit.
    pub fn merge(&mut self, later: &Timed) {
        self.span_ns += later.span_ns;
        self.deviation.merge(&later.deviation);
        self.deviations.merge(&later.deviations);
        for direction in 0..2 {
            self.net[direction].merge(&later.net[direction]);
            self.nets[direction].merge(&later.nets[direction]);
            let (mine, theirs) = (&mut self.episodes[direction], &later.episodes[direction]);
            // A unit without rows has no thresholds.
            mine.resize(mine.len().max(theirs.len()), Episodes::default());
            mine.iter_mut().zip(theirs).for_each(|(mine, theirs)| mine.merge(theirs));
        }
        self.played.merge(&later.played);
        self.profile.merge(&later.profile);
        self.hours.merge(&later.hours);
        self.together.merge(&later.together);
        self.reversion.merge(&later.reversion);
    }
}
