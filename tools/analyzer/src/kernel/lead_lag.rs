//! Hayashi-Yoshida cross-correlation of two venues by lag: sums that can be stored and merged, and
//! what they say.
//!
//! What is observed is a change of a venue's mid. A quote holds until the next one, so the price is
//! known at every time, and an update that changes only sizes says nothing about it. Nothing is
//! sampled: the estimator takes the changes at the times at which they were received.
//!
//! Let X and Y be the log mids of exchange1 and exchange2, with changes at t and s, and t' and s'
//! the times of the changes before those:
//!
//! `C(h) = sum of (X(t) - X(t')) (Y(s) - Y(s'))` over all pairs for which `(t' + h, t + h]` and
//! `(s', s]` overlap, and `rho(h) = C(h) / sqrt(sum of dX^2 * sum of dY^2)`.
//!
//! **Positive h: exchange1 leads by h.** What X did at t, Y does at t + h.
//!
//! How far `rho` strays if neither venue leads is estimated by the same sum at shifts of minutes.
//! Within a block, exchange2's changes are rotated on a circle. This preserves what each venue does
//! by itself and destroys what they have in common. A few evenly spread shifts are used; each is
//! summed over blocks under its number.

mod changes;
mod conclusion;
mod student;
mod sums;
mod walk;

pub use changes::Changes;
pub use conclusion::{LeadLagResult, Leader};
pub use sums::{DEFAULT_STEP_NS, DEFAULT_STEPS, Grid, LeadLag, SHIFTS};
