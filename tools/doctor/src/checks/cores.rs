//! Checks the cores: how many the process may use, which caches they share, and whether the engine
//! has its cores to itself.

use crate::check::{Check, Seen, fail, pass, skip, warn};
use crate::cpulist::CpuList;
use crate::host::{Host, field};
use std::collections::BTreeSet;

/// The checks of this area.
pub const CHECKS: &[Check] = &[
    Check {
        id: "enough_cpus",
        good: "there is a CPU for each spinning thread, and two for everything else",
        mend: "use a larger machine, or put several agents on one thread (config/laptop.toml)",
        look: enough,
    },
    Check {
        id: "allowed_cpus",
        good: "the process may use the hot CPUs HOT",
        mend: "start it with: taskset -c ALL, or CPUAffinity=ALL in its systemd unit",
        look: allowed,
    },
    Check {
        id: "cpu_quota",
        good: "there is no quota: cpu.max is max",
        mend: "systemctl set-property UNIT CPUQuota= ; in a container, remove the CPU limit",
        look: quota,
    },
    Check {
        id: "pinned",
        good: "each spinning thread has a core in the configuration",
        mend: "set cpu = N in each [[threads]] that spins; `doctor topology` proposes CPUs",
        look: pinned,
    },
    Check {
        id: "shared_l3",
        good: "the hot CPUs share one L3 cache",
        mend: "choose cores that share an L3 cache; `doctor topology` proposes some",
        look: shared_l3,
    },
    Check {
        id: "smt",
        good: "no SMT sibling of a hot CPU is used",
        mend: "echo off > /sys/devices/system/cpu/smt/control, or the kernel argument nosmt",
        look: smt,
    },
    Check {
        id: "numa_node",
        good: "the hot CPUs are on one NUMA node",
        mend: "choose cores of one node",
        look: numa_node,
    },
    Check {
        id: "isolation",
        good: "the kernel's isolated CPUs include HOT",
        mend: "kernel arguments: isolcpus=managed_irq,domain,HOT",
        look: isolation,
    },
    Check {
        id: "steal",
        good: "other guests steal no time",
        mend: "use a dedicated host or bare metal",
        look: steal,
    },
    Check {
        id: "pressure",
        good: "tasks wait for a CPU less than 1 % of the time",
        mend: "find what is running (top -H) and move it away: taskset -pc COLD PID",
        look: pressure,
    },
];

/// Share of the time that tasks wait for a CPU, per cent. Above this there is more than
/// housekeeping.
const PRESSURE_MAX: f64 = 1.0;
/// Share of stolen time above which a stall occurs within seconds.
const STEAL_MAX: f64 = 0.01;

fn enough(host: &Host) -> Seen {
    let spinning = host.wanted.as_ref().map_or(host.hot.len(), |wanted| wanted.spinning);
    let cpus = host.cpus.len();
    let found = format!("{spinning} spinning, {cpus} CPUs allowed");
    if cpus < spinning || (spinning == cpus && 2 < cpus) {
        fail(format!("{found}: nothing is left for the kernel and the cold threads"))
    } else if cpus < spinning + 2 {
        warn(format!("{found}: fewer than two are left for everything else"))
    } else {
        pass(found)
    }
}

fn allowed(host: &Host) -> Seen {
    let missing = host.hot.without(&host.cpus);
    if host.cpus.is_empty() {
        skip("the kernel does not report it")
    } else if missing.is_empty() {
        pass(format!("{}", host.cpus))
    } else {
        fail(format!(
            "the process may use {}, not {missing}; the engine would refuse to start",
            host.cpus
        ))
    }
}

/// Looks for a quota in the process's control groups up to the root, versions 2 and 1.
fn quota(host: &Host) -> Seen {
    let groups = host.text("proc/self/cgroup").unwrap_or_default();
    if groups.is_empty() {
        return skip("there are no control groups here");
    }
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (base, file) = match controllers {
            "" => ("sys/fs/cgroup", "cpu.max"),
            list if list.split(',').any(|name| name == "cpu") => {
                ("sys/fs/cgroup/cpu", "cpu.cfs_quota_us")
            }
            _ => continue,
        };
        let limited = ancestors(path).into_iter().find_map(|group| {
            let limit = host.text(&format!("{base}{group}/{file}"))?;
            (!limit.starts_with("max") && !limit.starts_with('-')).then_some((group, limit))
        });
        if let Some((group, limit)) = limited {
            let found =
                format!("group {group:?} has {file} {limit}: threads stop once it is used up");
            return fail(found);
        }
    }
    pass("none")
}

/// Returns the path of a group and of all its ancestors: `/a/b`, `/a`, and the root, which is
/// empty.
fn ancestors(path: &str) -> Vec<&str> {
    let mut all = vec![path.trim_end_matches('/')];
    while let Some((parent, _)) = all.last().and_then(|path| path.rsplit_once('/')) {
        all.push(parent);
    }
    all
}

fn pinned(host: &Host) -> Seen {
    match &host.wanted {
        None => skip("the threads are not known without --config"),
        Some(wanted) if wanted.spinning == 0 => skip("no thread spins, so none needs a core"),
        Some(wanted) if wanted.unpinned == 0 => pass(format!("all {} of them", wanted.spinning)),
        Some(wanted) => {
            warn(format!("{} of {} spin without a core", wanted.unpinned, wanted.spinning))
        }
    }
}

/// Returns the different values that a file has for the hot CPUs.
fn groups(host: &Host, path: &str) -> BTreeSet<String> {
    host.hot.iter().filter_map(|cpu| host.of_cpu(cpu, path)).collect()
}

fn shared_l3(host: &Host) -> Seen {
    let groups = groups(host, "cache/index3/shared_cpu_list");
    let list: Vec<String> = groups.into_iter().collect();
    match list.as_slice() {
        [] => skip("the kernel reports no L3 cache"),
        [one] => pass(format!("one, shared by CPUs {one}")),
        several => warn(format!(
            "the hot CPUs are split over {}: a hop between them takes 4 to 5 times as long",
            several.join(" and ")
        )),
    }
}

fn smt(host: &Host) -> Seen {
    let mut siblings = CpuList::default();
    for cpu in host.hot.iter() {
        let list = host.of_cpu(cpu, "topology/thread_siblings_list");
        let list = list.and_then(|list| list.parse::<CpuList>().ok()).unwrap_or_default();
        let others = list.iter().filter(|other| *other != cpu);
        siblings = siblings.iter().chain(others).collect();
    }
    let isolated = host.cpu_list("sys/devices/system/cpu/isolated").unwrap_or_default();
    let (used, idle) = (siblings.and(&host.hot), siblings.without(&host.hot));
    if !used.is_empty() {
        fail(format!("{used} are siblings, so they share the units of one core"))
    } else if !idle.without(&isolated).is_empty() {
        warn(format!("siblings {} of the hot CPUs may run other tasks", idle.without(&isolated)))
    } else if !idle.is_empty() {
        pass(format!("siblings {idle} are isolated and idle"))
    } else if host.text("sys/devices/system/cpu/smt/active").is_none() {
        skip("the kernel reports no SMT")
    } else {
        pass("the hot CPUs have no siblings")
    }
}

fn numa_node(host: &Host) -> Seen {
    let nodes: Vec<(usize, CpuList)> = nodes(host);
    let used: Vec<usize> = nodes
        .iter()
        .filter(|(_, cpus)| !cpus.and(&host.hot).is_empty())
        .map(|(node, _)| *node)
        .collect();
    match used.as_slice() {
        [] => skip("the kernel reports no NUMA nodes"),
        [node] => pass(format!("node {node} of {}", nodes.len())),
        several => warn(format!("the hot CPUs are on nodes {several:?}")),
    }
}

/// Returns the NUMA nodes with their CPUs.
pub(super) fn nodes(host: &Host) -> Vec<(usize, CpuList)> {
    let folder = "sys/devices/system/node";
    let node = |name: &String| {
        let number = name.strip_prefix("node")?.parse().ok()?;
        Some((number, host.cpu_list(&format!("{folder}/{name}/cpulist"))?))
    };
    host.names(folder).iter().filter_map(node).collect()
}

fn isolation(host: &Host) -> Seen {
    let isolated = host.cpu_list("sys/devices/system/cpu/isolated").unwrap_or_default();
    let partition = partitions(host);
    let covered: CpuList = isolated.iter().chain(partition.iter()).collect();
    let missing = host.hot.without(&covered);
    if missing.is_empty() && !host.hot.is_empty() {
        pass(format!("{covered}"))
    } else if covered.is_empty() {
        fail("no CPU is isolated: any task may be scheduled next to the engine")
    } else {
        fail(format!("{covered} are isolated, but {missing} are not"))
    }
}

/// Returns the CPUs of isolated cpuset partitions, in the groups directly below the root.
fn partitions(host: &Host) -> CpuList {
    let list = host.text("sys/fs/cgroup/cpuset.cpus.isolated");
    list.and_then(|list| list.parse().ok()).unwrap_or_default()
}

fn steal(host: &Host) -> Seen {
    let numbers = |text: &str| -> Option<Vec<u64>> {
        field(text, "cpu ").map(|line| line.split_whitespace().flat_map(str::parse).collect())
    };
    let twice = host.twice("proc/stat").and_then(|(a, b)| Some((numbers(a)?, numbers(b)?)));
    let Some((before, after)) = twice.filter(|(a, b)| 8 <= a.len() && a.len() == b.len()) else {
        return skip("/proc/stat does not report stolen time");
    };
    // Only the first eight fields: guest time, which follows them, is already part of the first
    // two.
    let sum = |all: &[u64]| all[..8].iter().sum::<u64>();
    let total = sum(&after).saturating_sub(sum(&before));
    let stolen = after[7].saturating_sub(before[7]);
    let since_boot = share(after[7], sum(&after)) * 100.0;
    let found = format!("{:.2} % now, {since_boot:.3} % since boot", share(stolen, total) * 100.0);
    if STEAL_MAX < share(stolen, total) {
        fail(found)
    } else if stolen != 0 || 0.1 < since_boot {
        warn(found)
    } else {
        pass(found)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share for people")]
fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

fn pressure(host: &Host) -> Seen {
    let text = host.text("proc/pressure/cpu").unwrap_or_default();
    let some = field(&text, "some avg10=").and_then(|rest| rest.split(' ').next()?.parse().ok());
    let Some(some): Option<f64> = some else {
        return skip("the kernel does not measure pressure (CONFIG_PSI, psi=1)");
    };
    let found = format!("{some:.1} % over the last 10 s");
    if some < PRESSURE_MAX { pass(found) } else { warn(found) }
}
