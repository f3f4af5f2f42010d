//! What the kernel says of its own clock: whether anything keeps it right, and how far off it may be.
//!
//! `adjtimex` is not in the safe wrappers of system calls that we use, so this file calls it itself.

#![expect(unsafe_code, reason = "adjtimex has no safe wrapper")]

use spreadwire_market::clock::{MICRO, Nanos};
use std::io;
use std::mem::MaybeUninit;

/// The state of the kernel's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelClock {
    /// Whether a program such as chronyd keeps it in step with a reference.
    pub is_synchronised: bool,
    /// The error that this program estimates, ns.
    pub estimated_error: Nanos,
    /// The largest error that it thinks possible, ns. It grows while nothing keeps the clock right.
    pub maximum_error: Nanos,
}

impl KernelClock {
    /// Asks the kernel.
    ///
    /// # Errors
    /// If it does not tell, as in a sandbox that forbids the question.
    pub fn read() -> io::Result<KernelClock> {
        let mut timex = MaybeUninit::<libc::timex>::zeroed();
        // SAFETY: the pointer is valid and exclusive for the call. All of the structure is initialised: its
        // fields are integers and padding, for which zeros are valid. With `modes` 0 the kernel sets nothing.
        let state = unsafe { libc::adjtimex(timex.as_mut_ptr()) };
        if state < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: it was zeroed, and zeros are valid for every field.
        let timex = unsafe { timex.assume_init() };
        let nanos = |micros: i64| u64::try_from(micros).unwrap_or(0).saturating_mul(MICRO);
        Ok(KernelClock {
            is_synchronised: timex.status & libc::STA_UNSYNC == 0,
            estimated_error: nanos(timex.esterror),
            maximum_error: nanos(timex.maxerror),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_or_says_why_not() {
        match KernelClock::read() {
            Ok(clock) => assert!(clock.estimated_error <= clock.maximum_error.max(16_000_000_000)),
            Err(error) => assert!(error.raw_os_error().is_some(), "{error}"),
        }
    }
}
