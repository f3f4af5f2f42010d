//! What a check is, and what it found. It must not know any particular check.

use crate::host::Host;
use serde::Serialize;

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// As it should be.
    Pass,
    /// The platform has no such thing, or it cannot be told here.
    Skip,
    /// Costs microseconds, or a figure that nobody could repeat.
    Warn,
    /// Costs a stall of a scheduler slice or makes time stamps wrong.
    Fail,
}

impl Status {
    /// The word in a table, four letters.
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

/// What a check saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// What came of it.
    pub status: Status,
    /// What was found; of a skipped one, why.
    pub found: String,
}

/// Sees what is as it should be.
pub fn pass(found: impl Into<String>) -> Seen {
    Seen { status: Status::Pass, found: found.into() }
}

/// Sees what costs microseconds.
pub fn warn(found: impl Into<String>) -> Seen {
    Seen { status: Status::Warn, found: found.into() }
}

/// Sees what costs more.
pub fn fail(found: impl Into<String>) -> Seen {
    Seen { status: Status::Fail, found: found.into() }
}

/// Sees nothing, and tells why.
pub fn skip(reason: impl Into<String>) -> Seen {
    Seen { status: Status::Skip, found: reason.into() }
}

/// One thing to look at.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// Its name in JSON, the verdict and `docs/tuning.md`.
    pub id: &'static str,
    /// What good looks like.
    pub good: &'static str,
    /// What mends it. `HOT`, `COLD`, `ALL` stand for lists of CPUs, `COLDMASK` for a mask, `NIC` for
    /// the network interface.
    pub mend: &'static str,
    /// Looks.
    pub look: fn(&Host) -> Seen,
}

/// What a check found on a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The check's name.
    pub id: &'static str,
    /// What it is about: `clock`, `cores`, `kernel`, `power`, `memory`, `network`, `system`.
    pub area: &'static str,
    /// What came of it.
    pub status: Status,
    /// What was found; of a skipped one, why.
    pub found: String,
    /// What good looks like.
    pub good: String,
    /// The command that mends it; only of what is not as it should be.
    pub mend: Option<String>,
}

impl Check {
    /// Looks at a host.
    #[must_use]
    pub fn run(&self, area: &'static str, host: &Host) -> Finding {
        let Seen { status, found } = (self.look)(host);
        let mend = (Status::Warn <= status).then(|| filled(self.mend, host));
        Finding { id: self.id, area, status, found, good: filled(self.good, host), mend }
    }
}

/// A text with the host's CPUs in place of the words that stand for them.
fn filled(text: &str, host: &Host) -> String {
    let cold = if host.cold.is_empty() { &host.cpus } else { &host.cold };
    let nic = host.nics().first().map_or("eth0".to_owned(), |nic| nic.name.clone());
    text.replace("COLDMASK", &cold.mask())
        .replace("COLD", &cold.to_string())
        .replace("HOT", &host.hot.to_string())
        .replace("ALL", &host.online().to_string())
        .replace("NIC", &nic)
}
