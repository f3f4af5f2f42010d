//! Checks time: the time-stamp counter that gives every stamp, and the clock it is anchored to.

use crate::check::{Check, Seen, fail, pass, skip, warn};
use crate::host::Host;

/// The checks of this area.
pub const CHECKS: &[Check] = &[
    Check {
        id: "tsc",
        good: "the CPU's flags include constant_tsc and nonstop_tsc",
        mend: "in a VM, ask the provider to pass the invariant TSC through; else use other hardware",
        look: tsc,
    },
    Check {
        id: "clocksource",
        good: "tsc (arch_sys_counter on ARM)",
        mend: "kernel arguments: clocksource=tsc tsc=reliable",
        look: clocksource,
    },
    Check {
        id: "tsc_sync",
        good: "time-stamp counters of the hot CPUs are less than 50 ns apart",
        mend: "update the BIOS or hypervisor; until then let one core take all stamps",
        look: tsc_sync,
    },
    Check {
        id: "clock_discipline",
        good: "the clock is synchronised and less than 50 us from the reference",
        mend: "systemctl enable --now chronyd; chronyc tracking",
        look: discipline,
    },
];

/// Largest proven skew. A counter that is further ahead reverses the order of two stamps.
const SKEW_MAX_NS: i64 = 50;
/// Widest bound on the skew that is still meaningful.
const BOUND_MAX_NS: i64 = 1_000;
/// Largest offset from the reference, seconds.
const OFFSET_MAX: f64 = 50e-6;

fn tsc(host: &Host) -> Seen {
    let Some(flags) = host.cpu_info("flags") else {
        return skip("the CPU lists no flags, so it is not x86");
    };
    let has = |flag: &&str| flags.split(' ').any(|f| f == *flag);
    let missing: Vec<&str> =
        ["constant_tsc", "nonstop_tsc"].into_iter().filter(|flag| !has(flag)).collect();
    if missing.is_empty() {
        pass("constant_tsc, nonstop_tsc")
    } else {
        fail(format!("no {}: its rate follows the CPU's frequency", missing.join(", no ")))
    }
}

fn clocksource(host: &Host) -> Seen {
    match host.text("sys/devices/system/clocksource/clocksource0/current_clocksource") {
        None => skip("the kernel does not report its clock source"),
        Some(source) if source == "tsc" || source == "arch_sys_counter" => pass(source),
        Some(source) => fail(format!("{source}: reading the time costs a system call or a trap")),
    }
}

fn tsc_sync(host: &Host) -> Seen {
    if host.hot.len() < 2 {
        return skip("there is only one hot CPU, so nothing to compare");
    }
    let apart = |skew: &&crate::skew::Skew| skew.proven().max(skew.bound() - BOUND_MAX_NS);
    let Some(worst) = host.skews.iter().max_by_key(apart) else {
        return skip("not measured here; run `doctor topology`");
    };
    let found = format!(
        "CPU {} to CPU {}: between {} and {} ns apart",
        worst.cpus.0, worst.cpus.1, worst.low, worst.high
    );
    if SKEW_MAX_NS < worst.proven() {
        fail(found)
    } else if BOUND_MAX_NS < worst.bound() {
        warn(format!("{found}: the CPUs were too busy to measure; run it again when they are idle"))
    } else {
        pass(format!("worst, {found}"))
    }
}

fn discipline(host: &Host) -> Seen {
    if let Some(tracking) = host.program("chronyc -c tracking") {
        return chrony(&tracking);
    }
    if host.text("run/systemd/timesync/synchronized").is_some() {
        return warn(
            "systemd-timesyncd: synchronised, but only to milliseconds, and it reports no error",
        );
    }
    let runs = |names: &[&str]| host.processes().iter().any(|(n, _)| names.contains(&n.as_str()));
    if runs(&["ntpd", "ptp4l", "phc2sys", "chronyd"]) {
        return skip("a daemon runs; reading its offset needs chronyc, ntpq or pmc");
    }
    warn("no chronyd, ntpd, ptp4l or timesyncd: the clock drifts by milliseconds a day")
}

/// Judges the output of `chronyc -c tracking`, which has the reference first, offsets in seconds,
/// and the leap status last.
fn chrony(tracking: &str) -> Seen {
    let fields: Vec<&str> = tracking.trim().split(',').collect();
    let offset = fields.get(4).and_then(|offset| offset.parse::<f64>().ok());
    let (Some(offset), Some(leap)) = (offset, fields.last()) else {
        return skip("the output of chronyc is not in the expected form");
    };
    let found = format!("chrony: {:.1} us from the reference, {leap}", offset.abs() * 1e6);
    if *leap == "Not synchronised" {
        fail(found)
    } else if OFFSET_MAX < offset.abs() {
        warn(found)
    } else {
        pass(found)
    }
}
