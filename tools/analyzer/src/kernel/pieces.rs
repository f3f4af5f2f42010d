//! The sums that a half-life without noise is computed from, by pieces of the time: how much the
//! estimate changes without one of them tells how uncertain it is.
//!
//! A piece begins [`SHORTEST`] samples wide, aligned to whole multiples of its width on the sampling
//! grid, and doubles in width whenever there are more than [`PIECES_MAX`].

use crate::kernel::lags::{LEAST_TRANSITIONS, MULTIPLES, WINDOWS};
use crate::statistics::noise::{self, LagPoint, Robust};
use serde::{Deserialize, Serialize};

/// With more pieces than this, pieces are merged two by two.
pub const PIECES_MAX: usize = 32;

/// With fewer pieces there is no interval.
pub const LEAST_PIECES: usize = 8;

/// Number of half-lives that a piece must span: what happens in one piece must hardly depend on what
/// happened in the one before.
const SPANNED: f64 = 4.0;

/// Width of the first pieces, in samples: a power of two.
pub const SHORTEST: u32 = 1 << SHORTEST_BITS;

const SHORTEST_BITS: u32 = 6;

/// Sums over samples, for the half-life without noise. Levels are relative to an origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Observed {
    /// Number of transitions, the sum of the levels before each, and that of their squares.
    pub(super) count: u64,
    pub(super) level: f64,
    pub(super) squares: f64,
    /// Number and sum of squared steps over one sample, over the windows, and over the longest lag.
    pub(super) near: (u64, f64),
    pub(super) windows: [(u64, f64); WINDOWS.len()],
    pub(super) far: (u64, f64),
}

impl Observed {
    /// Returns these sums without those of a part.
    pub(super) fn without(&self, part: &Observed) -> Observed {
        let less = |all: (u64, f64), part: (u64, f64)| (all.0 - part.0, all.1 - part.1);
        Observed {
            count: self.count - part.count,
            level: self.level - part.level,
            squares: self.squares - part.squares,
            near: less(self.near, part.near),
            windows: std::array::from_fn(|at| less(self.windows[at], part.windows[at])),
            far: less(self.far, part.far),
        }
    }

    fn add(&mut self, other: &Observed) {
        let more = |mine: &mut (u64, f64), other: (u64, f64)| {
            mine.0 += other.0;
            mine.1 += other.1;
        };
        self.count += other.count;
        self.level += other.level;
        self.squares += other.squares;
        more(&mut self.near, other.near);
        self.windows.iter_mut().zip(other.windows).for_each(|(mine, other)| more(mine, other));
        more(&mut self.far, other.far);
    }

    /// Returns the same sums relative to an origin that lies `by` lower.
    #[expect(clippy::cast_precision_loss, reason = "counts of samples are far below 2^53")]
    fn moved(&self, by: f64) -> Observed {
        let shifted = by * self.count as f64;
        Observed {
            level: self.level + shifted,
            squares: self.squares + by * (2.0 * self.level + shifted),
            ..*self
        }
    }

    /// Returns the number of samples.
    pub(super) fn samples(&self) -> u64 {
        self.count
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of samples are far below 2^53")]
    fn variance(&self) -> f64 {
        let n = (self.count as f64).max(1.0);
        ((self.squares - self.level * self.level / n) / n).max(0.0)
    }

    /// Returns the half-life with the noise of single samples removed; see [`noise`].
    pub(super) fn without_noise(&self, sampling_s: f64) -> Option<Robust> {
        // Overlapping windows where possible: a shock then counts at every phase of a window.
        let windows = WINDOWS.iter().zip(self.windows);
        let windows = windows.map(|(width, sums)| (f64::from(*width), sums, u64::from(*width)));
        let far = f64::from(MULTIPLES[MULTIPLES.len() - 1]);
        let lags = std::iter::once((1.0, self.near, 1)).chain(windows).chain([(far, self.far, 1)]);
        let point = |(steps, (count, squares), overlap): (f64, (u64, f64), u64)| {
            #[expect(clippy::cast_precision_loss, reason = "counts of samples are far below 2^53")]
            let mean_square = squares / (count as f64).max(1.0);
            LagPoint { lag_s: steps * sampling_s, mean_square, count: count / overlap }
        };
        let lags = lags.map(point).filter(|point| LEAST_TRANSITIONS <= point.count);
        noise::robust_half_life(self.variance(), &lags.collect::<Vec<_>>())
    }
}

/// The pieces of one unit, or of several.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Pieces {
    /// Number of times that the width has doubled.
    doubled: u32,
    /// The number of each piece, counted in widths since sample 0, and its sums, in order.
    pieces: Vec<(i64, Observed)>,
    /// The piece being filled, and the sums when it began.
    #[serde(skip)]
    open: Option<(i64, Observed)>,
}

impl Pieces {
    fn bits(&self) -> u32 {
        SHORTEST_BITS + self.doubled
    }

    /// Returns whether no piece is open that this sample belongs to.
    #[inline]
    pub(super) fn ends_before(&self, number: i64) -> bool {
        self.open.is_none_or(|(open, _)| open != number >> self.bits())
    }

    /// Begins the piece of this sample. `observed` are the sums until now.
    pub(super) fn begin(&mut self, number: i64, observed: Observed) {
        self.finish(observed);
        self.open = Some((number >> self.bits(), observed));
    }

    /// Ends the piece that is open.
    pub(super) fn finish(&mut self, observed: Observed) {
        if let Some((number, before)) = self.open.take() {
            self.push(number, &observed.without(&before));
        }
    }

    fn push(&mut self, number: i64, sums: &Observed) {
        if sums.count == 0 {
            return;
        }
        match self.pieces.last_mut() {
            Some((last, mine)) if *last == number => mine.add(sums),
            Some(_) | None => self.pieces.push((number, *sums)),
        }
        while PIECES_MAX < self.pieces.len() {
            self.double();
        }
    }

    fn double(&mut self) {
        self.doubled += 1;
        for (number, sums) in std::mem::take(&mut self.pieces) {
            match self.pieces.last_mut() {
                Some((last, mine)) if *last == number >> 1 => mine.add(&sums),
                Some(_) | None => self.pieces.push((number >> 1, sums)),
            }
        }
    }

    /// Adds the pieces of a later unit, whose origin lies `by` above this one's.
    pub(super) fn merge(&mut self, later: &Pieces, by: f64) {
        while self.doubled < later.doubled {
            self.double();
        }
        for (number, sums) in &later.pieces {
            let number = *number << later.doubled >> self.doubled;
            self.push(number, &sums.moved(by));
        }
    }

    /// Returns pieces that span several half-lives each, given in samples; `None` with fewer than
    /// [`LEAST_PIECES`].
    pub(super) fn of_at_least(&self, half_life: f64) -> Option<Vec<Observed>> {
        let mut pieces = self.clone();
        while f64::from(SHORTEST) * libm::exp2(f64::from(pieces.doubled)) < SPANNED * half_life {
            pieces.double();
            if pieces.pieces.len() < LEAST_PIECES {
                return None;
            }
        }
        let found: Vec<Observed> = pieces.pieces.into_iter().map(|(_, sums)| sums).collect();
        (LEAST_PIECES <= found.len()).then_some(found)
    }
}
