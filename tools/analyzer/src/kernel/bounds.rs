//! The bounds of soundness: when a quote does not count, and when a pair is refused, each with its
//! reason. A bound that a user would want to move is an option instead (`--outlier`).

const SECOND: i64 = 1_000_000_000;

/// Time in ns for which a new level must stand before it counts without another venue's word. A
/// wrong print is gone after one or two quotes; a market that went there stays.
pub const STOOD: i64 = 10 * SECOND;
/// Another venue confirms a new level if it stands within this fraction of it: several times what
/// venues differ by, and a fifth of the usual `--outlier`.
pub const CONFIRMED: f64 = 0.01;

/// A price is not called frozen before it has stood still for this long, in ns. A venue that moves
/// with the market does not let it pass by [`LEAST_MOVE`] for so long.
pub const STILL: i64 = 10 * SECOND;
/// Nor before it has stood still for this many times its usual time between changes. Changes at
/// random times are that far apart for 0.005 % of the time.
pub const STILL_TIMES: i64 = 10;
/// Number of changes of a price whose distances are its usual ones, without the longest.
pub const CHANGES: usize = 33;
/// A price that stands still is frozen once another venue's mid has been away from where it was at
/// the last change by more than this fraction, ...
pub const LEAST_MOVE: f64 = 0.000_5;
/// ... and by more than this many times the widths of both quotes, ...
pub const WIDTHS: f64 = 2.0;
/// ... for this long without a break, in ns. A quote that is passed by twice its width is a gift to
/// everybody, so a live venue moves it; but a short move of one venue alone is what a trader looks
/// for, and says nothing about the quiet one.
pub const AWAY: i64 = 10 * SECOND;

/// Age in ns up to which a sampled mid stands, in the comparison of two venues. It is long because
/// a venue that seldom quotes is still the same asset.
pub const SAMPLED: i64 = 60 * SECOND;
/// Changes beyond this many times the mean change of the hour are cut off at it, so that one jump
/// does not decide a correlation.
pub const CUT: f64 = 4.0;
/// A lag of this many steps is late. One step is what honest leads and the grid itself may take.
pub const LATE_STEPS: usize = 2;
/// The correlation at a late lag must be this many times that around 0. A venue that quotes at
/// random times follows with all lags from 0 up, the shorter the likelier.
pub const LATE_TIMES: f64 = 2.0;
/// The least correlation at a late lag, ...
pub const LATE_LEAST: f64 = 0.1;
/// ... which must also be this many standard errors of chance.
pub const LATE_ERRORS: f64 = 6.0;
/// Fewer changes than this prove no lag.
pub const LATE_MOVES: u64 = 30;
/// A pair is refused if this share of its stretches is late.
pub const LATE_SHARE: f64 = 0.1;

/// Two mids that differ on average by more than this fraction are not one asset, or not of one
/// contract size.
pub const APART: f64 = 0.05;
/// Two mids of one asset move together with at least this correlation.
pub const TOGETHER: f64 = 0.3;
/// The correlation is proven if it is above that by this many standard errors.
pub const TOGETHER_ERRORS: f64 = 3.0;
/// Where prices hardly move, they are one asset if they are within [`FLAT_APART`] on average and
/// their ratio returns: over six or thirty times as
/// long a step, the variance of its changes is at most this fraction of what it would be in a random
/// walk, as it is between two assets, ...
pub const RETURNS: f64 = 0.5;
/// ... by this many standard errors.
pub const RETURNS_ERRORS: f64 = 4.0;
/// Number of changes from which a lower correlation is a finding rather than too little to tell.
pub const UNRELATED_CHANGES: u64 = 30;
/// Prices whose changes over a minute are below this fraction are flat: they cannot correlate.
pub const FLAT: f64 = 0.000_2;
/// Flat prices are one asset if they are within this fraction of each other, ...
pub const FLAT_APART: f64 = 0.002;
/// ... but for this share of the time, ...
pub const FLAT_BEYOND: f64 = 0.001;
/// ... over at least this many seconds.
pub const FLAT_SECONDS: u64 = 600;

/// Frozen time is told from this share of a venue's time on; less is a few minutes a day.
pub const FROZEN_TOLD: f64 = 0.002;
/// A venue that was frozen for this share of its time is not a feed to trade on.
pub const FROZEN_REFUSED: f64 = 0.1;
/// Outliers that are one in a hundred quotes are no accidents.
pub const OUTLIERS_REFUSED: f64 = 0.01;
/// A median delay in ms from which a venue's quotes are called late, against its fastest ones or the other
/// venue's, and a delay of the slowest hundredth that is told. Prices a second old are not the market's.
pub const DELAY_MS: f64 = 1_000.0;
/// Shares of crossed quotes that are told, and that are refused.
pub const CROSSED: (f64, f64) = (0.01, 0.1);
/// Shares of stale time that are told, and that are refused. Venues that send only changes are stale
/// for much of a quiet day.
pub const SILENT: (f64, f64) = (0.5, 0.95);
/// Shares of the time that the ledger cannot vouch for that are told, and that are refused.
pub const TORN: (f64, f64) = (0.05, 0.5);
/// Shares of quotes after a marked gap that are told, and that are refused.
pub const MARKED: (f64, f64) = (0.001, 0.05);
/// A venue without quotes in the last tenth of the time is gone, ...
pub const ENDED: f64 = 0.1;
/// ... but not within a minute, ...
pub const ENDED_LEAST: u64 = 60 * SECOND.unsigned_abs();
/// ... and in any case after an hour, in ns.
pub const ENDED_MOST: u64 = 3_600 * SECOND.unsigned_abs();
