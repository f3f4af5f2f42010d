//! Lists all checks by area.
//!
//! A check reads a [`Host`] and reports what it saw. The host may be this machine or a copy of
//! another machine's files; a check works the same on both.

use crate::check::{Check, Finding};
use crate::host::Host;

pub mod clock;
pub mod cores;
mod interrupts;
pub mod kernel;
pub mod memory;
pub mod network;
pub mod power;
pub mod system;

/// The checks of each area, in the order of the report.
pub const AREAS: [(&str, &[Check]); 7] = [
    ("clock", clock::CHECKS),
    ("cores", cores::CHECKS),
    ("kernel", kernel::CHECKS),
    ("power", power::CHECKS),
    ("memory", memory::CHECKS),
    ("network", network::CHECKS),
    ("system", system::CHECKS),
];

/// Runs every check on a host.
#[must_use]
pub fn run(host: &Host) -> Vec<Finding> {
    let of_area = |(area, checks): &(&'static str, &'static [Check])| {
        let area = *area;
        checks.iter().map(move |check| check.run(area, host))
    };
    AREAS.iter().flat_map(of_area).collect()
}
