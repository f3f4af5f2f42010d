//! Checks power management: frequency and sleep states of the hot CPUs.

use crate::check::{Check, Seen, fail, pass, skip, warn};
use crate::host::Host;
use std::collections::BTreeSet;

/// The checks of this area.
pub const CHECKS: &[Check] = &[
    Check {
        id: "governor",
        good: "performance on every hot CPU",
        mend: "cpupower -c HOT frequency-set -g performance",
        look: governor,
    },
    Check {
        id: "energy_preference",
        good: "performance on every hot CPU",
        mend: "cpupower -c HOT set --epp performance",
        look: energy_preference,
    },
    Check {
        id: "frequency",
        good: "the frequencies of the hot CPUs are within 2 % of each other",
        mend: "for repeatable benchmarks: echo 1 > /sys/devices/system/cpu/intel_pstate/no_turbo, or \
               echo 0 > /sys/devices/system/cpu/cpufreq/boost",
        look: frequency,
    },
    Check {
        id: "c_states",
        good: "no hot CPU may enter a sleep state that takes over 2 us to leave",
        mend: "cpupower -c HOT idle-set -D 2, or hold 0 in /dev/cpu_dma_latency, or kernel arguments \
               processor.max_cstate=1 intel_idle.max_cstate=0",
        look: c_states,
    },
];

/// Longest acceptable time to leave a sleep state, us: about as long as a hop through the engine.
const EXIT_MAX_US: u64 = 2;

/// Returns the different values that a file has for the hot CPUs; `None` if no CPU has the file.
fn values(host: &Host, path: &str) -> Option<BTreeSet<String>> {
    let values: BTreeSet<String> =
        host.hot.iter().filter_map(|cpu| host.of_cpu(cpu, path)).collect();
    (!values.is_empty()).then_some(values)
}

fn listed(values: &BTreeSet<String>) -> String {
    values.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn governor(host: &Host) -> Seen {
    let Some(values) = values(host, "cpufreq/scaling_governor") else {
        let vm = if host.is_vm() { " (this is a VM: its host does)" } else { "" };
        return skip(format!("the kernel does not choose the frequency here{vm}"));
    };
    if values.iter().all(|value| value == "performance") {
        pass("performance")
    } else {
        fail(format!("{}: a core that was idle starts slowly", listed(&values)))
    }
}

fn energy_preference(host: &Host) -> Seen {
    let Some(values) = values(host, "cpufreq/energy_performance_preference") else {
        return skip("the frequency driver has no such setting");
    };
    let is_good = |value: &String| value == "performance" || value == "0";
    if values.iter().all(is_good) { pass("performance") } else { warn(listed(&values)) }
}

fn frequency(host: &Host) -> Seen {
    let now = |cpu: usize| host.of_cpu(cpu, "cpufreq/scaling_cur_freq")?.parse::<u64>().ok();
    let all: Vec<u64> = host.hot.iter().filter_map(now).collect();
    let (Some(min), Some(max)) = (all.iter().min(), all.iter().max()) else {
        return skip("the kernel does not report the frequency");
    };
    let found = format!("{} to {} MHz", min / 1_000, max / 1_000);
    if *max * 98 <= *min * 100 { pass(found) } else { warn(found) }
}

fn c_states(host: &Host) -> Seen {
    if host.argument("idle").as_deref() == Some("poll") {
        return pass("idle=poll: no sleep state is used");
    }
    // Four bytes: the longest latency, us, that a process holding the file open allows.
    let held = host.bytes("dev/cpu_dma_latency").and_then(|bytes| bytes.try_into().ok());
    if let Some(held) = held.map(i32::from_ne_bytes)
        && (0..=2).contains(&held)
    {
        return pass(format!("/dev/cpu_dma_latency is held at {held} us"));
    }
    let mut open = BTreeSet::new();
    let mut known = 0;
    for cpu in host.hot.iter() {
        let folder = format!("sys/devices/system/cpu/cpu{cpu}/cpuidle");
        for state in host.names(&folder).iter().filter(|name| name.starts_with("state")) {
            let number = |file: &str| host.number::<u64>(&format!("{folder}/{state}/{file}"));
            let Some(latency) = number("latency") else { continue };
            known += 1;
            if EXIT_MAX_US < latency && number("disable").unwrap_or(0) == 0 {
                let name = host.text(&format!("{folder}/{state}/name")).unwrap_or_default();
                open.insert(format!("{name} ({latency} us)"));
            }
        }
    }
    if known == 0 {
        skip("the kernel offers no sleep states here")
    } else if open.is_empty() {
        pass("no such state is enabled")
    } else {
        warn(format!("enabled: {}; a thread that backs off enters them", listed(&open)))
    }
}
