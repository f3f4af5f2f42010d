//! Hayashi-Yoshida cross-correlation of two venues by lag: sums that can be stored and merged.
//!
//! What is observed is a change of a venue's mid. A quote holds until the next one, so its price is
//! known at every time, and an update that moves sizes alone says nothing of it. Nothing is sampled:
//! the estimator takes the changes at the times at which they were received.
//!
//! With log mids X of exchange1 and Y of exchange2, and their changes at t and s, each after the one
//! at t' and s':
//!
//! `C(h) = sum of (X(t) - X(t')) (Y(s) - Y(s'))` over all pairs of which `(t' + h, t + h]` and
//! `(s', s]` overlap, and `rho(h) = C(h) / sqrt(sum of dX^2 * sum of dY^2)`.
//!
//! **Positive h: exchange1 leads by h.** What X did at t, Y does at t + h.
//!
//! How far `rho` strays if neither leads is told by the same sum at shifts by minutes: within a block
//! exchange2's changes are turned around a circle, which keeps both venues' own ways and breaks what
//! they have in common. A few such shifts, evenly spread, are summed by their number.

mod changes;
mod conclusion;
mod student;
mod sums;
mod walk;

pub use changes::Changes;
pub use conclusion::{LeadLagResult, Leader};
pub use sums::{DEFAULT_STEP_NS, DEFAULT_STEPS, Grid, LeadLag, SHIFTS};
