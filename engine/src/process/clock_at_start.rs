//! What is done at start if nothing keeps the kernel's clock right: receive times come from it, and rows with
//! a wrong time stay in the lake.

use super::signals::Signals;
use crate::plan::AtStart;
use crate::runtime::kernel_clock::KernelClock;
use anyhow::bail;
use std::io;
use std::time::Duration;

/// Time between two questions while it is waited.
const ASK_INTERVAL: Duration = Duration::from_millis(100);
/// Questions between two lines of the log: 10 s.
const TELL_AFTER: u64 = 100;

/// Does what the policy says, by asking the kernel. Returns when the engine may start.
///
/// # Errors
/// If it may not: the policy refuses, or the wait was ended by a signal.
pub(super) fn settle(policy: AtStart, signals: &mut Signals) -> anyhow::Result<()> {
    settle_with(policy, KernelClock::read, || {
        std::thread::sleep(ASK_INTERVAL);
        !signals.ask_for_an_end()
    })
}

/// The same with an answer of the kernel from `ask`; `pause` returns whether to go on waiting.
fn settle_with(
    policy: AtStart,
    mut ask: impl FnMut() -> io::Result<KernelClock>,
    mut pause: impl FnMut() -> bool,
) -> anyhow::Result<()> {
    for asked in 0_u64.. {
        let Some(doubt) = doubt(&ask()) else { break };
        match policy {
            AtStart::Warn => {
                tracing::warn!(target: "clock", "{doubt}; receive times may be wrong (clock.at_start)");
                break;
            }
            AtStart::Refuse => {
                bail!(
                    "{doubt}, and clock.at_start is \"refuse\": start chronyd or another NTP program, or \
                     set clock.at_start = \"warn\""
                );
            }
            AtStart::Wait => {
                if asked.is_multiple_of(TELL_AFTER) {
                    tracing::warn!(target: "clock", "{doubt}; waiting until something does (clock.at_start)");
                }
                if !pause() {
                    bail!("stopped while waiting for the clock: {doubt}");
                }
            }
        }
    }
    Ok(())
}

/// Returns why the kernel's clock is not to be relied on, if it is not.
fn doubt(kernel: &io::Result<KernelClock>) -> Option<String> {
    match kernel {
        Err(error) => Some(format!("the kernel does not tell whether its clock is right: {error}")),
        Ok(KernelClock { is_synchronised: false, .. }) => {
            Some("nothing keeps the kernel's clock right".to_owned())
        }
        Ok(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(is_synchronised: bool) -> io::Result<KernelClock> {
        Ok(KernelClock { is_synchronised, estimated_error: 1_000, maximum_error: 2_000 })
    }

    fn never() -> bool {
        panic!("nothing to wait for")
    }

    #[test]
    fn a_clock_that_is_kept_right_is_no_hindrance() {
        for policy in AtStart::ALL {
            assert!(settle_with(policy, || answer(true), never).is_ok(), "{policy:?}");
        }
    }

    #[test]
    fn a_clock_that_nothing_keeps_right_is_refused_or_told() {
        assert!(settle_with(AtStart::Warn, || answer(false), never).is_ok());
        let refused = settle_with(AtStart::Refuse, || answer(false), never).unwrap_err();
        let told = "nothing keeps the kernel's clock right, and clock.at_start is \"refuse\"";
        assert!(refused.to_string().starts_with(told), "{refused}");
        let forbidden = || Err(io::ErrorKind::PermissionDenied.into());
        assert!(settle_with(AtStart::Refuse, forbidden, never).is_err(), "not known is not right");
    }

    #[test]
    fn a_clock_is_waited_for_until_it_is_right_or_somebody_has_enough() {
        let mut asked = 0;
        let ask = || {
            asked += 1;
            answer(250 <= asked)
        };
        assert!(settle_with(AtStart::Wait, ask, || true).is_ok());
        assert_eq!(asked, 250);
        let mut left = 3;
        let pause = || {
            left -= 1;
            0 < left
        };
        let stopped = settle_with(AtStart::Wait, || answer(false), pause).unwrap_err();
        assert!(stopped.to_string().starts_with("stopped while waiting"), "{stopped}");
    }
}
