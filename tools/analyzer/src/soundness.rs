//! Whether the feeds of a pair can be trusted, before any money is counted: what was found, in
//! words, and whether it is a reason to refuse the pair.
//!
//! What can be left out was left out by the kernel (outliers, frozen times); here it is told, and
//! refused if it is too much. The burden of proof is on the pair: where there is too little to tell
//! whether both legs are one asset, it is refused. The bounds are in [`crate::kernel::bounds`].

use crate::kernel::alike::{Alike, HORIZONS, Late};
use crate::kernel::bounds::{
    APART, CROSSED, DELAY_MS, ENDED, ENDED_LEAST, ENDED_MOST, FLAT, FLAT_APART, FLAT_BEYOND,
    FLAT_SECONDS, FROZEN_REFUSED, FROZEN_TOLD, LATE_SHARE, MARKED, OUTLIERS_REFUSED, RETURNS,
    RETURNS_ERRORS, SILENT, TOGETHER, TOGETHER_ERRORS, TORN, UNRELATED_CHANGES,
};
use crate::kernel::samples::Together;
use crate::kernel::venue::VenueSums;
use std::fmt;

/// Something about a pair's feeds. Shares are from 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// A price stood still while the market moved.
    Frozen {
        /// The venue.
        venue: String,
        /// How often, and for how long in ns with a quote that was not stale.
        count: u64,
        /// Frozen time in ns.
        ns: u64,
        /// How far another venue's price was away, as a fraction.
        moved: f64,
        /// Share of the time in which the venue's quote was fresh.
        share: f64,
    },
    /// A venue's price follows the other's by seconds.
    Late {
        /// The venue.
        venue: String,
        /// About how late it is, in seconds.
        by_s: f64,
        /// Correlation of the changes at that lag.
        peak: f64,
        /// The greatest around lag 0.
        around_zero: f64,
    },
    /// In some stretches of ten minutes, a venue's price follows the other's by seconds.
    LateAtTimes {
        /// The venue.
        venue: String,
        /// Number of these stretches.
        stretches: u64,
        /// Number of stretches that had enough changes to tell.
        of: u64,
    },
    /// By the venue's own event times, quotes come late.
    Delayed {
        /// The venue.
        venue: String,
        /// Median and 99 % quantile of the delay over the least, in ms.
        ms: [f64; 2],
    },
    /// A venue's quotes arrive later after their event than those of the other.
    Behind {
        /// The venue.
        venue: String,
        /// By how much, of the medians, in s.
        by_s: f64,
    },
    /// Quotes were far off, and alone there.
    Outliers {
        /// The venue.
        venue: String,
        /// Number of these quotes.
        count: u64,
        /// Share of the venue's quotes.
        share: f64,
    },
    /// Prices are a power of ten apart.
    OtherContractSize {
        /// The first price over the second.
        factor: f64,
    },
    /// Prices are too far apart for one asset.
    Apart {
        /// The first price over the second.
        factor: f64,
    },
    /// Prices do not move together.
    Unrelated {
        /// Correlation of the changes over the longest step with enough of them.
        correlation: f64,
    },
    /// There is too little to tell whether both legs are one asset.
    Unproven {
        /// Number of whole minutes in which both changes are known.
        minutes: u64,
    },
    /// Quotes have the bid above the ask.
    Crossed {
        /// The venue.
        venue: String,
        /// Share of the venue's quotes.
        share: f64,
    },
    /// A venue says nothing for much of the time in which another one does.
    Silent {
        /// The venue.
        venue: String,
        /// Share that is missing of the time in which the best venue had a fresh quote.
        share: f64,
    },
    /// A venue stopped quoting before the end.
    Ended {
        /// The venue.
        venue: String,
        /// Time in ns from its last quote to the end of the recorded time.
        before_ns: u64,
    },
    /// The ledger cannot vouch for much of a venue's time.
    Torn {
        /// The venue.
        venue: String,
        /// Share of the recorded time.
        share: f64,
    },
    /// The recorder marked many gaps.
    MarkedGaps {
        /// The venue.
        venue: String,
        /// Share of the venue's quotes that are the first after a gap.
        share: f64,
    },
}

impl Finding {
    /// Returns whether it is a reason to refuse the pair. If not, what is wrong was left out.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "numbers of hours")]
    pub fn refuses(&self) -> bool {
        match self {
            Finding::Frozen { share, .. } => FROZEN_REFUSED <= *share,
            Finding::LateAtTimes { stretches, of, .. } => {
                LATE_SHARE * *of as f64 <= *stretches as f64
            }
            Finding::Delayed { ms, .. } => DELAY_MS <= ms[0],
            Finding::Outliers { share, .. } => OUTLIERS_REFUSED <= *share,
            Finding::Crossed { share, .. } => CROSSED.1 <= *share,
            Finding::Silent { share, .. } => SILENT.1 <= *share,
            Finding::Torn { share, .. } => TORN.1 <= *share,
            Finding::MarkedGaps { share, .. } => MARKED.1 <= *share,
            Finding::Late { .. }
            | Finding::Behind { .. }
            | Finding::OtherContractSize { .. }
            | Finding::Apart { .. }
            | Finding::Unrelated { .. }
            | Finding::Unproven { .. }
            | Finding::Ended { .. } => true,
        }
    }
}

/// A share in percent.
struct Percent(f64);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = self.0 * 100.0;
        let digits = if percent < 0.1 { 3 } else { usize::from(percent < 10.0) };
        write!(f, "{percent:.digits$} %")
    }
}

/// A time in ns, in a unit that suits it.
struct Lasting(u64);

impl fmt::Display for Lasting {
    #[expect(clippy::cast_precision_loss, reason = "times are shown with two digits")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 as f64 / 1e9;
        match seconds {
            _ if seconds < 120.0 => write!(f, "{seconds:.0} s"),
            _ if seconds < 5_400.0 => write!(f, "{:.0} min", seconds / 60.0),
            _ => write!(f, "{:.1} h", seconds / 3_600.0),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::OtherContractSize { factor } if *factor < 1.0 => {
                let factor = 1.0 / factor;
                write!(f, "other contract size: the first price is 1/{factor:.0} of the second")
            }
            Finding::OtherContractSize { factor } => {
                write!(f, "other contract size: the first price is {factor:.0} times the second")
            }
            Finding::Apart { factor } => {
                write!(f, "not one asset: the first price is {factor:.3} times the second")
            }
            Finding::Unrelated { correlation } => write!(
                f,
                "doubtful to be one asset: the prices do not move together (correlation \
                 {correlation:.2})"
            ),
            Finding::Unproven { minutes } => write!(
                f,
                "unknown whether both are one asset: {minutes} minutes of common prices are too \
                 few to tell"
            ),
            Finding::Frozen { venue, .. }
            | Finding::Late { venue, .. }
            | Finding::LateAtTimes { venue, .. }
            | Finding::Delayed { venue, .. }
            | Finding::Behind { venue, .. }
            | Finding::Outliers { venue, .. }
            | Finding::Crossed { venue, .. }
            | Finding::Silent { venue, .. }
            | Finding::Ended { venue, .. }
            | Finding::Torn { venue, .. }
            | Finding::MarkedGaps { venue, .. } => self.of_venue(venue, f),
        }
    }
}

impl Finding {
    /// Writes what was found about one venue.
    fn of_venue(&self, venue: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::Frozen { count, ns, moved, share, .. } => {
                let times = if *count == 1 { "once" } else { "repeatedly" };
                let (lasting, share, moved) = (Lasting(*ns), Percent(*share), Percent(*moved));
                write!(
                    f,
                    "{venue}'s price {times} stood still, for {lasting} in all ({share}), while \
                     another venue's moved by up to {moved}: that time is left out"
                )
            }
            Finding::Late { by_s, peak, around_zero, .. } => write!(
                f,
                "{venue}'s price is late by about {by_s:.0} s: its changes follow the other's with \
                 a correlation of {peak:.2} at that lag and {around_zero:.2} around 0"
            ),
            Finding::LateAtTimes { stretches, of, .. } => {
                let minutes = of * 10;
                let late = stretches * 10;
                write!(f, "{venue}'s price is seconds late in {late} of {minutes} minutes")
            }
            Finding::Delayed { ms, .. } => {
                let [median, slow] = ms.map(|ms| ms / 1e3);
                write!(
                    f,
                    "{venue}'s quotes arrive {median:.1} s later after their event than the \
                     fastest do (median; slowest hundredth {slow:.1} s)"
                )
            }
            Finding::Behind { by_s, .. } => write!(
                f,
                "{venue}'s quotes arrive {by_s:.1} s later after their event than the other venue's \
                 (median): they are late, or one of the clocks is wrong"
            ),
            Finding::Outliers { count, share, .. } => {
                let quotes = if *count == 1 { "quote was" } else { "quotes were" };
                let share = Percent(*share);
                write!(
                    f,
                    "{count} of {venue}'s {quotes} far off and alone there ({share} of all): left \
                     out"
                )
            }
            Finding::Crossed { share, .. } => {
                write!(f, "{} of {venue}'s quotes have the bid above the ask", Percent(*share))
            }
            Finding::Silent { share, .. } => {
                let share = Percent(*share);
                write!(f, "{venue} had a fresh quote for {share} less time than another venue")
            }
            Finding::Ended { before_ns, .. } => {
                write!(f, "{venue} gave no quote in the last {}", Lasting(*before_ns))
            }
            Finding::Torn { share, .. } => {
                let share = Percent(*share);
                write!(
                    f,
                    "the ledger cannot vouch for {share} of {venue}'s time: that time is left out"
                )
            }
            Finding::MarkedGaps { share, .. } => {
                write!(f, "{} of {venue}'s quotes come after a marked gap", Percent(*share))
            }
            Finding::OtherContractSize { .. }
            | Finding::Apart { .. }
            | Finding::Unrelated { .. }
            | Finding::Unproven { .. } => Ok(()),
        }
    }
}

/// Whether both legs are one asset, as far as prices tell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Identity {
    /// They are.
    Same,
    /// They are not of one contract size; the first price over the second.
    Scaled(f64),
    /// Their prices are apart; the first over the second.
    Apart(f64),
    /// They do not move together; the correlation over the longest step with enough changes.
    Unrelated(f64),
    /// There is too little to tell.
    Unknown,
}

impl Identity {
    /// Returns what two venues' samples say.
    #[must_use]
    pub fn of(alike: &Alike) -> Identity {
        let Some(level) = alike.level() else { return Identity::Unknown };
        if libm::log(1.0 + APART) < level.abs() {
            let power = level / std::f64::consts::LN_10;
            let scaled = 0.5 < power.abs() && (power - power.round()).abs() < 0.05;
            let factor = libm::exp(level);
            return if scaled {
                Identity::Scaled(libm::exp10(power.round()))
            } else {
                Identity::Apart(factor)
            };
        }
        if alike.horizons.iter().any(is_together) || is_flat(alike) || returns(alike) {
            return Identity::Same;
        }
        let least = |together: &&Together| UNRELATED_CHANGES <= together.count;
        let mut told = alike.horizons.iter().filter(least).filter_map(Together::correlation);
        // The longest steps come last. They are the fairest to venues that seldom quote.
        match told.next_back() {
            Some(correlation) if correlation < TOGETHER => Identity::Unrelated(correlation),
            Some(_) | None => Identity::Unknown,
        }
    }

    /// Returns it in words.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Identity::Same => "yes",
            Identity::Scaled(_) => "other contract size",
            Identity::Apart(_) => "no: prices are apart",
            Identity::Unrelated(_) => "doubtful: does not move together",
            Identity::Unknown => "unknown: too little to tell",
        }
    }

    fn finding(self, alike: &Alike) -> Option<Finding> {
        Some(match self {
            Identity::Same => return None,
            Identity::Scaled(factor) => Finding::OtherContractSize { factor },
            Identity::Apart(factor) => Finding::Apart { factor },
            Identity::Unrelated(correlation) => Finding::Unrelated { correlation },
            Identity::Unknown => Finding::Unproven { minutes: alike.horizons[MINUTE].count },
        })
    }
}

/// Place of the changes over a minute among the horizons.
const MINUTE: usize = 1;
const _: () = assert!(HORIZONS[MINUTE] == 60);

/// Returns whether changes are proven to correlate by more than [`TOGETHER`], by Fisher's
/// transformation.
#[expect(clippy::cast_precision_loss, reason = "a count")]
fn is_together(together: &Together) -> bool {
    let Some(correlation) = together.correlation() else { return false };
    if together.count < 5 {
        return false;
    }
    let error = 1.0 / (together.count as f64 - 3.0).sqrt();
    libm::atanh(TOGETHER) + TOGETHER_ERRORS * error <= libm::atanh(correlation.min(1.0))
}

/// Returns whether both prices are flat, and never apart by much.
#[expect(clippy::cast_precision_loss, reason = "counts")]
fn is_flat(alike: &Alike) -> bool {
    let minutes = &alike.horizons[MINUTE];
    let flat = |square: f64| square <= FLAT * FLAT * minutes.count as f64;
    FLAT_SECONDS <= alike.seconds
        && 0 < minutes.count
        && minutes.squares.into_iter().all(flat)
        && alike.beyond as f64 <= FLAT_BEYOND * alike.seconds as f64
}

/// Returns whether two prices are near and their ratio returns, instead of walking as that of two
/// assets does.
#[expect(clippy::cast_precision_loss, reason = "counts")]
fn returns(alike: &Alike) -> bool {
    let variance =
        |of: &Together| (of.squares[0] + of.squares[1] - 2.0 * of.product) / of.count.max(1) as f64;
    if alike.level().is_none_or(|level| FLAT_APART < level.abs()) {
        return false;
    }
    let [short, longer @ ..] = &alike.horizons;
    let [first, steps @ ..] = HORIZONS;
    longer.iter().zip(steps).any(|(long, step)| {
        let walk = variance(short) * step as f64 / first as f64;
        let error = (2.0 / long.count.max(1) as f64).sqrt();
        UNRELATED_CHANGES <= short.count
            && 10 <= long.count
            && variance(long) * (1.0 + RETURNS_ERRORS * error) <= RETURNS * walk
    })
}

/// What is known of a pair's feeds.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// Names of the venues.
    pub names: [&'a str; 2],
    /// Their sums.
    pub venues: [&'a VenueSums; 2],
    /// What they have in common, if that was computed.
    pub alike: Option<&'a Alike>,
    /// The most time in ns that a venue of the instrument had a fresh quote.
    pub freshest_ns: u64,
    /// The recorded times, ascending and apart, in ns since 1970.
    pub recorded: &'a [(i64, i64)],
}

impl Evidence<'_> {
    /// Returns what was found, reasons to refuse the pair first.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        let mut found: Vec<Finding> = self.alike.map_or_else(Vec::new, |alike| self.common(alike));
        found.extend(self.behind());
        for (name, sums) in self.names.into_iter().zip(self.venues) {
            found.extend(self.of_venue(name, sums));
        }
        found.sort_by_key(|finding| !finding.refuses());
        found
    }

    fn common(&self, alike: &Alike) -> Vec<Finding> {
        let mut found: Vec<Finding> = Identity::of(alike).finding(alike).into_iter().collect();
        let name = |venue: usize| self.names[venue].to_owned();
        if let Some(Late { venue, by_s, peak, around_zero }) = alike.late() {
            found.push(Finding::Late { venue: name(venue), by_s, peak, around_zero });
            return found;
        }
        let late = (0..2).filter(|venue| 0 < alike.late_stretches[*venue]);
        found.extend(late.map(|venue| Finding::LateAtTimes {
            venue: name(venue),
            stretches: alike.late_stretches[venue],
            of: alike.stretches,
        }));
        found
    }

    /// Returns which venue is behind the other by the event times, where both have them.
    fn behind(&self) -> Option<Finding> {
        let [one, two] = self.venues.map(|sums| sums.delays.quantile(0.5));
        let apart_ms = one? - two?;
        let venue = self.names[usize::from(apart_ms < 0.0)].to_owned();
        let by_s = apart_ms.abs() / 1e3;
        (DELAY_MS <= apart_ms.abs()).then_some(Finding::Behind { venue, by_s })
    }

    fn of_venue(&self, name: &str, sums: &VenueSums) -> Vec<Finding> {
        let venue = || name.to_owned();
        let mut found = Vec::new();
        let frozen = sums.frozen;
        let of_time = share(frozen.ns, sums.fresh_ns);
        if FROZEN_TOLD <= of_time {
            let (count, ns, moved) = (frozen.count, frozen.ns, frozen.moved);
            found.push(Finding::Frozen { venue: venue(), count, ns, moved, share: of_time });
        }
        let quantile = |q| sums.delays.quantile(q).unwrap_or(0.0);
        let [first, median, slow] = [0.01, 0.5, 0.99].map(quantile);
        if DELAY_MS <= slow - first {
            found.push(Finding::Delayed { venue: venue(), ms: [median - first, slow - first] });
        }
        if 0 < sums.outliers {
            let share = share(sums.outliers, sums.rows);
            found.push(Finding::Outliers { venue: venue(), count: sums.outliers, share });
        }
        let crossed = share(sums.crossed, sums.rows);
        if CROSSED.0 <= crossed {
            found.push(Finding::Crossed { venue: venue(), share: crossed });
        }
        let silent = 1.0 - share(sums.fresh_ns, self.freshest_ns);
        if SILENT.0 <= silent && 0 < self.freshest_ns {
            found.push(Finding::Silent { venue: venue(), share: silent });
        }
        let marked = share(sums.marked_gaps, sums.rows);
        if MARKED.0 <= marked && 1 < sums.marked_gaps {
            found.push(Finding::MarkedGaps { venue: venue(), share: marked });
        }
        let recorded = self.recorded.iter().map(|(from, to)| to.abs_diff(*from)).sum();
        let torn = share(sums.torn_ns, recorded);
        if TORN.0 <= torn && 0 < recorded {
            found.push(Finding::Torn { venue: venue(), share: torn });
        }
        found.extend(self.ended(name, sums, recorded));
        found
    }

    /// Returns whether a venue stopped quoting long before the end of the recorded time.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a time in ns, below 2^63"
    )]
    fn ended(&self, name: &str, sums: &VenueSums, recorded: u64) -> Option<Finding> {
        let (last, (_, end)) = (sums.span?.1, self.recorded.last()?);
        let before_ns = (end - last).max(0).unsigned_abs();
        let tenth = (recorded as f64 * ENDED) as u64;
        let gone = tenth.clamp(ENDED_LEAST, ENDED_MOST) < before_ns;
        gone.then(|| Finding::Ended { venue: name.to_owned(), before_ns })
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts and times are shown with fewer digits")]
fn share(of: u64, all: u64) -> f64 {
    of as f64 / all.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the sums of a venue whose quotes arrive so many ms after their event.
    fn delayed(ms: f64) -> VenueSums {
        let mut sums = VenueSums::default();
        for more in 0..100 {
            sums.delays.add(ms + f64::from(more), 1);
        }
        sums
    }

    #[test]
    fn a_venue_that_is_behind_by_the_event_times_is_refused_whatever_the_recorders_clock() {
        let behind = |delays: [Option<f64>; 2]| {
            let sums = delays.map(|ms| ms.map_or_else(VenueSums::default, delayed));
            let venues = [&sums[0], &sums[1]];
            let evidence =
                Evidence { names: ["a", "b"], venues, alike: None, freshest_ns: 0, recorded: &[] };
            let found = evidence.behind();
            assert!(found.iter().all(Finding::refuses));
            found.map(|finding| finding.to_string())
        };
        let told = "b's quotes arrive 69.8 s later after their event than the other venue's (median): \
                    they are late, or one of the clocks is wrong";
        assert_eq!(behind([Some(20.0), Some(69_920.0)]), Some(told.to_owned()));
        assert!(behind([Some(69_920.0), Some(20.0)]).unwrap().starts_with("a's"));
        // The clock of the recorder is behind that of both.
        assert_eq!(behind([Some(-1_270.0), Some(-1_100.0)]), None);
        assert!(behind([Some(-1_270.0), Some(100.0)]).is_some());
        assert_eq!(behind([Some(20.0), None]), None);
    }
}
