//! What each signal means to a running engine.
//!
//! Every signal whose default is to end a process is taken, so that none of them ends the engine without
//! sealing. Those that ask for an end have it end in order. Those that mean nothing here are told in the
//! log and change nothing. Left alone are faults of the program itself (SIGSEGV, SIGABRT and their like),
//! and SIGKILL, which nobody can take. Rust's runtime ignores SIGPIPE.
//!
//! SIGHUP means two things by custom: the terminal has gone, or a service should read its files again.
//! [`HangUp`] tells them apart.

use anyhow::Context;
use procfs::process::Process;
use signal_hook::consts::{
    SIGALRM, SIGHUP, SIGINT, SIGIO, SIGPROF, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGVTALRM,
    SIGXCPU, SIGXFSZ,
};
use signal_hook::iterator;
use signal_hook::low_level::signal_name;
use spreadwire_trading::kill::{Cause, KillSwitch};
use std::fs::File;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Signals that ask for an end.
const ENDING: [i32; 5] = [SIGINT, SIGTERM, SIGQUIT, SIGXCPU, SIGPWR];
/// Signals that mean nothing here, without the real-time ones. After SIGXFSZ the write itself fails, and
/// is counted as such.
const MEANINGLESS: [i32; 7] = [SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGXFSZ, SIGSTKFLT];
/// The real-time signals that programs may use; the C library keeps the two below.
const REAL_TIME: RangeInclusive<i32> = 34..=64;
/// Power is failing.
const SIGPWR: i32 = 30;
/// Unused, but fatal by default.
const SIGSTKFLT: i32 = 16;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// End in order.
    End,
    /// Read the certificate and the configuration again.
    Reload,
    /// Send no order any more.
    Kill,
    /// Go on.
    Nothing,
}

/// The signals of the process, from the moment on that this is made.
#[derive(Debug)]
pub(super) struct Signals {
    taken: iterator::Signals,
    hang_up: HangUp,
    reload: Vec<Arc<AtomicBool>>,
    kill: Option<KillSwitch>,
}

impl Signals {
    /// Takes all signals.
    ///
    /// # Errors
    /// If they cannot be taken.
    pub(super) fn take() -> anyhow::Result<Signals> {
        let hang_up = HangUp { is_ignored: ignores(SIGHUP), had_terminal: has_terminal() };
        let all = ENDING.into_iter().chain([SIGHUP, SIGUSR1]).chain(MEANINGLESS).chain(REAL_TIME);
        let taken = iterator::Signals::new(all).context("cannot watch signals")?;
        Ok(Signals { taken, hang_up, reload: Vec::new(), kill: None })
    }

    /// Has SIGHUP set the flag, beside those that it sets already.
    pub(super) fn reloading(mut self, flag: Arc<AtomicBool>) -> Signals {
        self.reload.push(flag);
        self
    }

    /// Has SIGUSR1 turn the kill switch on.
    pub(super) fn killing(self, kill: KillSwitch) -> Signals {
        Signals { kill: Some(kill), ..self }
    }

    /// Waits for the next signal.
    pub(super) fn next(&mut self) -> (i32, Meaning) {
        // The iterator ends only if it is closed, which nobody does.
        let signal = self.taken.forever().next().unwrap_or(SIGTERM);
        (signal, self.meaning(signal))
    }

    /// Returns whether one of the signals since the last question asks for an end. The others are forgotten.
    pub(super) fn ask_for_an_end(&mut self) -> bool {
        let pending: Vec<i32> = self.taken.pending().collect();
        pending.into_iter().any(|signal| self.meaning(signal) == Meaning::End)
    }

    fn meaning(&self, signal: i32) -> Meaning {
        let (hang_up, can_reload) = (self.hang_up, !self.reload.is_empty());
        match meaning(signal, || hang_up.meaning(can_reload, !has_terminal())) {
            Meaning::Kill if self.kill.is_none() => Meaning::Nothing,
            meaning => meaning,
        }
    }

    /// Turns the kill switch on, until the process ends.
    pub(super) fn kill(&self) {
        if let Some(kill) = &self.kill {
            kill.turn(Cause::Signal, true);
        }
    }

    /// Sets the flags that have files read again.
    pub(super) fn reload(&self) {
        self.reload.iter().for_each(|flag| flag.store(true, Ordering::Relaxed));
    }

    /// Logs a signal, except those that everybody knows.
    pub(super) fn tell(&self, signal: i32, meaning: Meaning) {
        let name = name(signal);
        match meaning {
            Meaning::End if matches!(signal, SIGINT | SIGTERM) => {}
            Meaning::End => tracing::warn!(target: "signals", "{name}: ending in order"),
            Meaning::Reload => {}
            Meaning::Kill => {
                tracing::warn!(target: "trading", "PAPER: {name}: no order is sent any more");
            }
            Meaning::Nothing => {
                tracing::warn!(target: "signals", "{name} means nothing here; recording goes on");
            }
        }
    }
}

/// Returns the name of a signal; the real-time ones have none.
fn name(signal: i32) -> String {
    match signal {
        SIGPWR => "SIGPWR".to_owned(),
        SIGSTKFLT => "SIGSTKFLT".to_owned(),
        _ => signal_name(signal).map_or(format!("signal {signal}"), str::to_owned),
    }
}

fn meaning(signal: i32, hang_up: impl FnOnce() -> Meaning) -> Meaning {
    if signal == SIGHUP {
        hang_up()
    } else if signal == SIGUSR1 {
        Meaning::Kill
    } else if ENDING.contains(&signal) {
        Meaning::End
    } else {
        Meaning::Nothing
    }
}

/// How the process was started, as far as SIGHUP depends on it.
#[derive(Clone, Copy, Debug)]
struct HangUp {
    /// Whether SIGHUP was ignored, as `nohup` does.
    is_ignored: bool,
    /// Whether there was a terminal.
    had_terminal: bool,
}

impl HangUp {
    /// A terminal that has gone ends the engine, unless it was started to outlive it. Otherwise what can be
    /// read again is; if there is nothing, SIGHUP asks for an end as by default.
    fn meaning(self, can_reload: bool, is_terminal_gone: bool) -> Meaning {
        if self.had_terminal && is_terminal_gone && !self.is_ignored {
            Meaning::End
        } else if can_reload {
            Meaning::Reload
        } else if self.is_ignored {
            Meaning::Nothing
        } else {
            Meaning::End
        }
    }
}

/// Whether the process ignores a signal.
fn ignores(signal: i32) -> bool {
    let status = Process::myself().and_then(|process| process.status());
    status.is_ok_and(|status| status.sigign >> (signal - 1) & 1 == 1)
}

/// Whether the process has a controlling terminal.
fn has_terminal() -> bool {
    File::open("/dev/tty").is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hang_up_ends_the_engine_unless_something_is_to_be_read_again() {
        let of = |had_terminal, is_ignored, can_reload, is_terminal_gone| {
            HangUp { is_ignored, had_terminal }.meaning(can_reload, is_terminal_gone)
        };
        // A service: no terminal at any time.
        assert_eq!(of(false, false, true, true), Meaning::Reload);
        assert_eq!(of(false, false, false, true), Meaning::End);
        // On a terminal that is still there: `kill -HUP`.
        assert_eq!(of(true, false, true, false), Meaning::Reload);
        assert_eq!(of(true, false, false, false), Meaning::End);
        // The terminal has gone.
        assert_eq!(of(true, false, true, true), Meaning::End);
        assert_eq!(of(true, false, false, true), Meaning::End);
        // Started with nohup.
        assert_eq!(of(true, true, false, true), Meaning::Nothing);
        assert_eq!(of(true, true, true, true), Meaning::Reload);
    }

    #[test]
    fn each_signal_ends_the_engine_in_order_or_means_nothing() {
        let never = || unreachable!("only SIGHUP asks");
        for signal in ENDING {
            assert_eq!(meaning(signal, never), Meaning::End, "{signal}");
        }
        for signal in MEANINGLESS.into_iter().chain(REAL_TIME) {
            assert_eq!(meaning(signal, never), Meaning::Nothing, "{signal}");
        }
        assert_eq!(meaning(SIGHUP, || Meaning::Reload), Meaning::Reload);
        assert_eq!(meaning(SIGUSR1, never), Meaning::Kill);
    }

    #[test]
    fn every_signal_that_ends_a_process_by_default_is_accounted_for() {
        // signal(7): quit, illegal, trap, abort, bus, floating point, kill, segment, pipe, system call; and
        // those that stop, continue or are ignored by default.
        let left_alone = [4, 5, 6, 7, 8, 9, 11, 13, 31];
        let harmless = [17, 18, 19, 20, 21, 22, 23, 28];
        let taken = || ENDING.into_iter().chain([SIGHUP, SIGUSR1]).chain(MEANINGLESS);
        let mut all: Vec<i32> = taken().chain(left_alone).chain(harmless).collect();
        all.sort_unstable();
        assert_eq!(all, (1..=31).collect::<Vec<_>>());
    }
}
