//! The kill switch: while it is on, no order is sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A switch that any thread can turn, and that is looked at before every order. All clones are one
/// switch.
#[derive(Clone, Debug, Default)]
pub struct KillSwitch(Arc<AtomicBool>);

impl KillSwitch {
    /// Returns whether it is on.
    #[must_use]
    #[inline]
    pub fn is_on(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Turns it on or off.
    pub fn set(&self, on: bool) {
        self.0.store(on, Ordering::Release);
    }
}
