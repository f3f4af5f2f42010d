//! Sums over a regularly sampled series, from which its mean reversion is estimated.
//!
//! The samples of a day are pushed one by one. A missing sample breaks the chain of samples, and
//! nothing is ever counted across a break. Only sums are kept, so that days are merged by addition,
//! in order: transitions at several sampling intervals (half-life), means of blocks (Dickey-Fuller),
//! overlapping differences (variance ratios), residuals of lines fitted in boxes (DFA), and some of
//! these sums by pieces of the time, for an interval. Levels are summed relative to the unit's first
//! value, the origin, because the level may be 5e-2 and move by 1e-5. Merging moves the later origin
//! to the earlier one.
//!
//! The sampling interval is not stored: it is passed in when conclusions are drawn.

use crate::kernel::blocks::Blocks;
pub use crate::kernel::lags::{LEAST_TRANSITIONS, MULTIPLES, WINDOWS};
use crate::kernel::pieces::{Observed, Pieces};
use crate::statistics::adf::{self, Adf, LagChoice};
use crate::statistics::dfa::{self, Boxes, Line};
use crate::statistics::noise::{Robust, log_interval};
use crate::statistics::ou::{self, HalfLife};
use crate::statistics::variance_ratio::{self, VarianceRatio};
use serde::{Deserialize, Serialize};

/// Box sizes of the DFA in samples; each is twice the one before.
pub const BOXES: [u32; 8] = [8, 16, 32, 64, 128, 256, 512, 1024];

/// Number of samples that the longest window looks back.
const BACK: usize = 64;

/// Products of squared steps that are 1 to 63 apart. Three rows, because serde supports arrays of
/// at most 32.
type Products = [[f64; 21]; 3];

/// The sums of one unit, or of several. While samples are pushed it also holds the state of the
/// current chain. [`Reversion::finish`] drops that state, and only sums are stored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reversion {
    /// The first value; levels are summed relative to it.
    origin: Option<f64>,
    /// Transitions by sampling multiple.
    transitions: [ou::Sums; MULTIPLES.len()],
    /// Means of blocks, for the Dickey-Fuller regression.
    blocks: Blocks,
    /// What the robust half-life is computed from, by pieces of the time.
    pieces: Pieces,
    /// Number of overlapping windows by length, and the sum of their squared differences.
    windows: [(u64, f64); WINDOWS.len()],
    /// Products of squared steps; the index is the distance between them, minus one.
    products: Products,
    /// Boxes of the DFA by size.
    boxes: [Boxes; BOXES.len()],
    /// Number of the next sample on the grid.
    #[serde(skip)]
    next: i64,
    /// The chain being pushed.
    #[serde(skip)]
    chain: Option<Box<Chain>>,
}

/// What a chain of samples needs to know of its past.
#[derive(Clone, Debug, PartialEq)]
struct Chain {
    /// Number of samples so far.
    length: u64,
    /// For each multiple, its last sample relative to the origin, and the number of samples until
    /// its next one.
    anchors: [(f64, u16); MULTIPLES.len()],
    /// The last samples relative to the origin, at their number modulo 64.
    values: [f64; BACK],
    /// The last squared steps, stored twice, so that the last 63 are contiguous from the newest on.
    squares: [f64; 2 * BACK],
    /// Samples of the box being filled.
    filling: [f64; BOXES[0] as usize],
    /// Boxes that wait for their second half, by size.
    halves: [Line; BOXES.len()],
}

impl Chain {
    /// Returns a chain that begins with this sample.
    fn of(level: f64) -> Box<Chain> {
        let mut chain = Chain {
            length: 1,
            anchors: MULTIPLES.map(|multiple| (level, multiple)),
            values: [0.0; BACK],
            squares: [0.0; 2 * BACK],
            filling: [0.0; BOXES[0] as usize],
            halves: [Line::default(); BOXES.len()],
        };
        chain.values[0] = level;
        chain.filling[0] = level;
        Box::new(chain)
    }

    /// Returns the last sample relative to the origin.
    fn level(&self) -> f64 {
        self.anchors[0].0
    }
}

/// Number of half-lives that must be observed; see [`Reversion::half_lives_observed`].
pub const LEAST_HALF_LIVES: f64 = 10.0;

/// What the half-lives at several sampling intervals and the unit-root test say together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// There is no half-life at the base interval, or none with an upper bound, or the
    /// Dickey-Fuller test cannot tell the series from a random walk.
    NoReversion,
    /// The base half-life is that of quote noise; look at the robust one instead.
    QuoteNoise,
    /// The half-life is about the same at all intervals that can resolve it.
    Reversion,
}

impl Verdict {
    /// Returns the verdict given how likely it is that the series is a random walk: the
    /// Dickey-Fuller p-value of a single series, or the q-value of one of many. Without a test, and
    /// from 5 % on, there is no reversion.
    #[must_use]
    pub fn given(self, chance: Option<f64>) -> Verdict {
        if chance.is_some_and(|chance| chance < SIGNIFICANT) { self } else { Verdict::NoReversion }
    }

    /// Returns the verdict in words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Verdict::NoReversion => "none",
            Verdict::QuoteNoise => "quote noise",
            Verdict::Reversion => "reversion",
        }
    }
}

/// A half-life this many times the base half-life is a different one.
const RISE: f64 = 2.0;

/// A robust half-life this many times the base one is a different one, if its interval says so too.
const SLOWER: f64 = 1.25;

/// With fewer blocks there is no Dickey-Fuller test.
pub const LEAST_BLOCKS: usize = 50;

/// Schwert's shorter bound on the number of lags. Blocks leave little noise, so few lags are enough,
/// and every further one costs power.
const LAG_FACTOR: f64 = 4.0;

/// A p-value or q-value below this tells a series from a random walk.
const SIGNIFICANT: f64 = 0.05;

/// An interval of up to this many half-lives can still resolve the half-life.
const RESOLVED: f64 = 3.0;

impl Reversion {
    /// Returns sums over no samples. The first sample is number 0 on the grid.
    #[must_use]
    pub fn new() -> Reversion {
        Reversion::default()
    }

    /// Returns sums over no samples. The first sample has this number on the grid, which is the same
    /// for all units that are merged.
    #[must_use]
    pub fn starting_at(number: i64) -> Reversion {
        Reversion { next: number, ..Reversion::default() }
    }

    /// Adds the next sample. A value that is not finite is a gap.
    #[inline]
    pub fn push(&mut self, value: f64) {
        if !value.is_finite() {
            return self.gap();
        }
        let level = value - *self.origin.get_or_insert(value);
        self.blocks.add(self.next, level);
        if self.pieces.ends_before(self.next) {
            let observed = self.observed();
            self.pieces.begin(self.next, observed);
        }
        self.next += 1;
        let Some(mut chain) = self.chain.take() else {
            self.chain = Some(Chain::of(level));
            return;
        };
        let step = level - chain.level();
        self.push_windows(&mut chain, level, step);
        self.push_box(&mut chain, level);
        self.push_transitions(&mut chain, level);
        chain.length += 1;
        self.chain = Some(chain);
    }

    /// Marks a gap of one sample: the next sample does not follow the last one.
    pub fn gap(&mut self) {
        self.skip(1);
    }

    /// Marks a gap of that many samples.
    pub fn skip(&mut self, samples: i64) {
        self.chain = None;
        self.next += samples;
    }

    /// Ends a unit; only sums are left.
    pub fn finish(&mut self) {
        self.chain = None;
        self.next = 0;
        let observed = self.observed();
        self.pieces.finish(observed);
    }

    /// Adds the sums of a later unit, as if there were a gap between the two.
    pub fn merge(&mut self, later: &Reversion) {
        self.finish();
        let Some(later_origin) = later.origin else { return };
        let by = later_origin - *self.origin.get_or_insert(later_origin);
        for (mine, more) in self.transitions.iter_mut().zip(&later.transitions) {
            mine.merge(more, by);
        }
        self.blocks.merge(&later.blocks, by);
        self.pieces.merge(&later.pieces, by);
        for (mine, more) in self.windows.iter_mut().zip(&later.windows) {
            mine.0 += more.0;
            mine.1 += more.1;
        }
        let products = self.products.as_flattened_mut().iter_mut();
        products.zip(later.products.as_flattened()).for_each(|(mine, more)| *mine += more);
        for (mine, more) in self.boxes.iter_mut().zip(&later.boxes) {
            mine.count += more.count;
            mine.residual += more.residual;
        }
    }

    #[inline]
    fn push_transitions(&mut self, chain: &mut Chain, level: f64) {
        for (at, (from, left)) in chain.anchors.iter_mut().enumerate() {
            *left -= 1;
            if *left == 0 {
                self.transitions[at].push(*from, level - *from);
                (*from, *left) = (level, MULTIPLES[at]);
            }
        }
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "taken modulo 64")]
    fn push_windows(&mut self, chain: &mut Chain, level: f64, step: f64) {
        let now = chain.length as usize % BACK;
        for ((count, sum), width) in self.windows.iter_mut().zip(WINDOWS) {
            if u64::from(width) <= chain.length {
                let difference = level - chain.values[(now + BACK - width as usize) % BACK];
                *count += 1;
                *sum += difference * difference;
            }
        }
        chain.values[now] = level;
        // Stored in reverse, the newest first.
        let place = BACK - 1 - now;
        let square = step * step;
        let before = &chain.squares[place + 1..][..BACK - 1];
        for (sum, other) in self.products.as_flattened_mut().iter_mut().zip(before) {
            *sum += square * other;
        }
        chain.squares[place] = square;
        chain.squares[place + BACK] = square;
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "taken modulo the size of a box")]
    fn push_box(&mut self, chain: &mut Chain, level: f64) {
        let size = chain.filling.len();
        let place = chain.length as usize % size;
        chain.filling[place] = level;
        if place + 1 < size {
            return;
        }
        let mut line = Line::through(&chain.filling);
        let mut number = chain.length / size as u64;
        for (half, boxes) in chain.halves.iter_mut().zip(&mut self.boxes) {
            boxes.count += 1;
            boxes.residual += line.residual();
            if number.is_multiple_of(2) {
                *half = line;
                return;
            }
            line = half.join(line);
            number /= 2;
        }
    }

    /// Returns the number of transitions between neighbouring samples. Times the sampling interval,
    /// it is the time observed.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.transitions[0].count
    }

    /// Returns the half-life with samples `MULTIPLES[multiple] * sampling_s` apart. `None` if no
    /// reversion is found, there are fewer than [`LEAST_TRANSITIONS`], or there is no such
    /// multiple.
    #[must_use]
    pub fn half_life(&self, multiple: usize, sampling_s: f64) -> Option<HalfLife> {
        let sums = self.transitions.get(multiple)?;
        if sums.count < LEAST_TRANSITIONS {
            return None;
        }
        let found = sums.half_life(f64::from(MULTIPLES[multiple]) * sampling_s)?;
        Some(HalfLife { mean: found.mean + self.origin?, ..found })
    }

    /// Returns the half-life by sampling interval (in s), at all of [`MULTIPLES`].
    #[must_use]
    pub fn signature(&self, sampling_s: f64) -> [(f64, Option<HalfLife>); MULTIPLES.len()] {
        std::array::from_fn(|at| {
            (f64::from(MULTIPLES[at]) * sampling_s, self.half_life(at, sampling_s))
        })
    }

    /// Returns the half-life with the noise of single samples removed; see [`noise`](crate::statistics::noise). `None` also
    /// where the samples span fewer than ten such half-lives. NB: a quarter of random walks appear
    /// to span more. Whether there is any reversion is for [`Reversion::adf`] to tell.
    #[must_use]
    pub fn robust_half_life(&self, sampling_s: f64) -> Option<Robust> {
        self.without_noise(sampling_s).filter(|robust| {
            LEAST_HALF_LIVES <= self.half_lives_observed(robust.half_life_s, sampling_s)
        })
    }

    fn without_noise(&self, sampling_s: f64) -> Option<Robust> {
        self.observed().without_noise(sampling_s)
    }

    /// Returns the 95 % interval of [`Reversion::robust_half_life`], in s, by the delete-one
    /// jackknife over pieces of the time. `None` if there are fewer than
    /// [`LEAST_PIECES`](crate::kernel::pieces::LEAST_PIECES) pieces of several half-lives each, or
    /// if there is no half-life without one of them.
    #[must_use]
    pub fn robust_interval(&self, sampling_s: f64) -> Option<(f64, f64)> {
        let robust = self.robust_half_life(sampling_s)?;
        let whole = self.observed();
        let pieces = self.pieces.of_at_least(robust.half_life_s / sampling_s)?;
        let without = pieces.iter().map(|piece| {
            let half_life_s = whole.without(piece).without_noise(sampling_s)?.half_life_s;
            Some((half_life_s, piece.samples()))
        });
        log_interval(robust.half_life_s, &without.collect::<Option<Vec<_>>>()?)
    }

    /// Returns the sums that the robust half-life is computed from.
    fn observed(&self) -> Observed {
        let (base, far) = (&self.transitions[0], &self.transitions[MULTIPLES.len() - 1]);
        Observed {
            count: base.count,
            level: base.level,
            squares: base.level_level,
            near: (base.count, base.step_step),
            windows: self.windows,
            far: (far.count, far.step_step),
        }
    }

    /// Returns by what factor the half-life grows as the sampling interval grows: about 1 for true
    /// reversion, more for noise. It is the largest ratio to the base half-life among the intervals
    /// that can still resolve it (up to three half-lives) and whose 95 % interval does not overlap
    /// the base one. `None` without a half-life at the base interval.
    #[must_use]
    pub fn rise(&self, sampling_s: f64) -> Option<f64> {
        let base = self.half_life(0, sampling_s)?;
        let mut longest = base.half_life_s;
        for (interval, found) in &self.signature(sampling_s)[1..] {
            if RESOLVED * longest < *interval {
                break;
            }
            let Some(found) = found else { continue };
            if base.high_s.is_some_and(|high| high < found.low_s) {
                longest = longest.max(found.half_life_s);
            }
        }
        Some(longest / base.half_life_s)
    }

    /// Returns whether the base half-life is that of reversion or of noise, if the series is not a
    /// random walk: [`Verdict::given`] tells.
    ///
    /// There is no reversion if there is no half-life with an upper bound. (A random walk has one in
    /// one of four cases, since 1.92 is the limit for a series that does revert.) It is noise if
    /// the half-life at least doubles with the sampling interval ([`Reversion::rise`]); or if the
    /// robust half-life is at least 1.25 times the base one and the two 95 % intervals do not
    /// overlap; or, where the robust one has no interval, if it is at least twice the base one and
    /// beyond that one's interval.
    #[must_use]
    pub fn verdict_if_stationary(&self, sampling_s: f64) -> Verdict {
        let Some(base) = self.half_life(0, sampling_s) else { return Verdict::NoReversion };
        let Some(high) = base.high_s else { return Verdict::NoReversion };
        let robust = self.without_noise(sampling_s).map(|robust| robust.half_life_s);
        let slower = robust.is_some_and(|robust| match self.robust_interval(sampling_s) {
            Some((low, _)) => high < low && SLOWER * base.half_life_s <= robust,
            None => high.max(RISE * base.half_life_s) < robust,
        });
        if slower || self.rise(sampling_s).is_some_and(|rise| RISE <= rise) {
            return Verdict::QuoteNoise;
        }
        Verdict::Reversion
    }

    /// Returns the verdict on a series that is not one of many.
    #[must_use]
    pub fn verdict(&self, sampling_s: f64) -> Verdict {
        self.verdict_if_stationary(sampling_s).given(self.adf().map(|adf| adf.p_value))
    }

    /// Returns how many half-lives the samples span. Below [`LEAST_HALF_LIVES`] the half-life is
    /// meaningless; below 100 its downward bias is more than a third of its error; see [`ou`].
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of samples are far below 2^53")]
    pub fn half_lives_observed(&self, half_life_s: f64, sampling_s: f64) -> f64 {
        self.steps() as f64 * sampling_s / half_life_s
    }

    /// Returns the Dickey-Fuller test of the means of blocks, with a constant and as many lags as
    /// the modified Akaike criterion chooses. `None` with fewer than [`LEAST_BLOCKS`] blocks, or if
    /// they do not move.
    #[must_use]
    pub fn adf(&self) -> Option<Adf> {
        let means = self.blocks.means();
        let known = means.iter().filter(|mean| mean.is_finite()).count();
        let most = adf::schwert(LAG_FACTOR, known);
        (LEAST_BLOCKS <= known).then(|| adf::chosen(&means, most, LagChoice::ModifiedAic))?
    }

    /// Returns the blocks of samples.
    #[must_use]
    pub fn blocks(&self) -> &Blocks {
        &self.blocks
    }

    /// Drops the blocks and the pieces: what is left is what charts need. There is no
    /// [`Reversion::adf`] and no [`Reversion::robust_interval`] from then on.
    pub fn shorten(&mut self) {
        (self.blocks, self.pieces) = (Blocks::default(), Pieces::default());
    }

    /// Returns the variance ratios at those of [`WINDOWS`] that have one.
    #[must_use]
    pub fn variance_ratios(&self) -> Vec<VarianceRatio> {
        let at = |(q, (windows, window_squares)): (u32, (u64, f64))| {
            let sums = variance_ratio::Sums {
                steps: self.steps(),
                squares: self.transitions[0].step_step,
                products: self.products.as_flattened(),
                windows,
                window_squares,
            };
            variance_ratio::variance_ratio(q, &sums)
        };
        WINDOWS.into_iter().zip(self.windows).filter_map(at).collect()
    }

    /// Returns the Hurst exponent by DFA-1: 0.5 for a random walk, less for a series that reverts.
    #[must_use]
    pub fn hurst(&self) -> Option<f64> {
        let sizes: Vec<(u32, Boxes)> = BOXES.into_iter().zip(self.boxes).collect();
        dfa::hurst(&sizes)
    }
}
