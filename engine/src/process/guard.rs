//! Two threads that go on while everything else may be stuck: one looks for stalls, one takes signals.
//!
//! They are apart because the first one writes to the log, which may wait a moment. Neither is joined:
//! they end with the process, so that its last steps can be interrupted as well.

use super::signals::{Meaning, Signals};
use crate::runtime::pulse::PulseReader;
use crate::runtime::runner::Stop;
use crate::runtime::watchdog::{Finding, Watchdog};
use signal_hook::consts::SIGINT;
use spreadwire_market::clock::Clock;
use std::time::Duration;

/// Exit code after a second SIGINT: the run has not ended in order. What the journal had is in its
/// files, and the next start seals it.
pub const EXIT_HASTY: u8 = 4;

/// Interval at which the watchdog looks.
const WATCH_INTERVAL: Duration = Duration::from_millis(50);
/// Interval at which a hasty end looks whether everything was written.
const SAVE_INTERVAL: Duration = Duration::from_millis(5);
/// Maximum number of such looks: half a second.
const SAVE_LOOKS_MAX: u32 = 100;

/// Starts the thread that does what signals ask for. It ends the process at a SIGINT after any other
/// signal to end.
///
/// # Errors
/// If the operating system gives no thread.
pub(super) fn heed(
    mut signals: Signals,
    stop: &Stop,
    pulses: Vec<PulseReader>,
) -> std::io::Result<()> {
    let stop = stop.clone();
    let wait = move || {
        let mut presses = Presses::default();
        loop {
            let (signal, meaning) = signals.next();
            match meaning {
                Meaning::End if presses.is_hasty(signal) => end_at_once(&stop, &pulses),
                Meaning::End => stop.request(),
                Meaning::Reload => signals.reload(),
                Meaning::Kill => signals.kill(),
                Meaning::Nothing => {}
            }
            signals.tell(signal, meaning);
        }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(wait).map(drop)
}

/// Counts signals that ask for an end.
#[derive(Debug, Default)]
struct Presses {
    stopped: bool,
}

impl Presses {
    /// Returns whether this signal asks for an end at once: a SIGINT after any other signal. A second
    /// SIGTERM is a supervisor's, which kills by itself if it loses patience.
    fn is_hasty(&mut self, signal: i32) -> bool {
        std::mem::replace(&mut self.stopped, true) && signal == SIGINT
    }
}

/// Gives every thread half a second to write what it has buffered, then ends the process.
fn end_at_once(stop: &Stop, pulses: &[PulseReader]) -> ! {
    save(stop, pulses);
    signal_hook::low_level::exit(i32::from(EXIT_HASTY))
}

/// Asks every thread to write what it has buffered, and waits until all have, for half a second at most.
/// Returns whether all have.
pub(super) fn save(stop: &Stop, pulses: &[PulseReader]) -> bool {
    stop.hasten();
    for _ in 0..SAVE_LOOKS_MAX {
        if pulses.iter().all(PulseReader::is_saved) {
            return true;
        }
        std::thread::sleep(SAVE_INTERVAL);
    }
    false
}

/// Starts the thread that logs stalls.
///
/// # Errors
/// If the operating system gives no thread.
pub(super) fn watch(mut dog: Watchdog, clock: Clock) -> std::io::Result<()> {
    let watch = move || {
        loop {
            std::thread::sleep(WATCH_INTERVAL);
            for finding in dog.look(clock.elapsed()) {
                match finding {
                    Finding::Stalled { .. } => tracing::error!(target: "watchdog", "{finding}"),
                    Finding::Resumed { .. } => tracing::warn!(target: "watchdog", "{finding}"),
                }
            }
        }
    };
    std::thread::Builder::new().name("watchdog".to_owned()).spawn(watch).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use signal_hook::consts::{SIGHUP, SIGTERM};

    #[test]
    fn the_second_sigint_is_hasty_and_a_second_sigterm_is_not() {
        for (signals, hasty) in [
            (vec![SIGINT, SIGINT, SIGINT], vec![false, true, true]),
            (vec![SIGTERM, SIGTERM, SIGINT], vec![false, false, true]),
            (vec![SIGINT, SIGTERM, SIGINT], vec![false, false, true]),
            (vec![SIGHUP, SIGHUP, SIGINT], vec![false, false, true]),
        ] {
            let mut presses = Presses::default();
            let told: Vec<bool> = signals.iter().map(|signal| presses.is_hasty(*signal)).collect();
            assert_eq!(told, hasty, "{signals:?}");
        }
    }
}
