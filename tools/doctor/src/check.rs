//! Defines a check and what it found.

use crate::host::Host;
use serde::Serialize;

/// Outcome of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// The host is as it should be.
    Pass,
    /// The platform has no such thing, or it cannot be checked here.
    Skip,
    /// The host costs microseconds, or gives figures that nobody can reproduce.
    Warn,
    /// The host causes stalls of a scheduler slice, or wrong time stamps.
    Fail,
}

impl Status {
    /// Returns the word for a table, always four letters.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Status::Pass => "PASS",
            Status::Skip => "SKIP",
            Status::Warn => "WARN",
            Status::Fail => "FAIL",
        }
    }
}

/// What a check saw on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Outcome.
    pub status: Status,
    /// What was found, or why the check was skipped.
    pub found: String,
}

/// Reports that everything is as it should be.
pub fn pass(found: impl Into<String>) -> Seen {
    Seen { status: Status::Pass, found: found.into() }
}

/// Reports something that costs microseconds.
pub fn warn(found: impl Into<String>) -> Seen {
    Seen { status: Status::Warn, found: found.into() }
}

/// Reports something that costs more than microseconds.
pub fn fail(found: impl Into<String>) -> Seen {
    Seen { status: Status::Fail, found: found.into() }
}

/// Reports that nothing could be checked, and why.
pub fn skip(reason: impl Into<String>) -> Seen {
    Seen { status: Status::Skip, found: reason.into() }
}

/// One thing to check.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// Name in JSON, in the verdict and in `docs/tuning.md`.
    pub id: &'static str,
    /// Description of the good state.
    pub good: &'static str,
    /// How to fix it. `HOT`, `COLD` and `ALL` stand for lists of CPUs, `COLDMASK` for a mask, `NIC`
    /// for the network interface.
    pub mend: &'static str,
    /// Performs the check.
    pub look: fn(&Host) -> Seen,
}

/// What a check found on a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Name of the check.
    pub id: &'static str,
    /// Area: `clock`, `cores`, `kernel`, `power`, `memory`, `network` or `system`.
    pub area: &'static str,
    /// Outcome.
    pub status: Status,
    /// What was found, or why the check was skipped.
    pub found: String,
    /// Description of the good state.
    pub good: String,
    /// How to fix it; present only for a warning or a failure.
    pub mend: Option<String>,
}

impl Check {
    /// Runs the check on a host.
    #[must_use]
    pub fn run(&self, area: &'static str, host: &Host) -> Finding {
        let Seen { status, found } = (self.look)(host);
        let mend = (Status::Warn <= status).then(|| filled(self.mend, host));
        Finding { id: self.id, area, status, found, good: filled(self.good, host), mend }
    }
}

/// Replaces the placeholders of a text by the host's CPUs and network interface.
fn filled(text: &str, host: &Host) -> String {
    let cold = if host.cold.is_empty() { &host.cpus } else { &host.cold };
    let nic = host.nics().first().map_or("eth0".to_owned(), |nic| nic.name.clone());
    text.replace("COLDMASK", &cold.mask())
        .replace("COLD", &cold.to_string())
        .replace("HOT", &host.hot.to_string())
        .replace("ALL", &host.online().to_string())
        .replace("NIC", &nic)
}
