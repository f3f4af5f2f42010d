//! Checks memory: whatever moves, compacts, swaps or scans pages while the engine runs.

use crate::check::{Check, Seen, fail, pass, skip, warn};
use crate::host::{Host, field};

/// The checks of this area.
pub const CHECKS: &[Check] = &[
    Check {
        id: "transparent_huge_pages",
        good: "madvise or never",
        mend: "echo never > /sys/kernel/mm/transparent_hugepage/enabled",
        look: transparent,
    },
    Check {
        id: "khugepaged",
        good: "transparent huge pages are off, or khugepaged does not defragment (0)",
        mend: "echo 0 > /sys/kernel/mm/transparent_hugepage/khugepaged/defrag",
        look: khugepaged,
    },
    Check {
        id: "huge_pages",
        good: "some are free, if any are reserved",
        mend: "sysctl -w vm.nr_hugepages=64",
        look: huge_pages,
    },
    Check {
        id: "memory_lock",
        good: "unlimited",
        mend: "LimitMEMLOCK=infinity in the systemd unit; ulimit -l unlimited",
        look: memory_lock,
    },
    Check {
        id: "numa_balancing",
        good: "0, or there is one node",
        mend: "sysctl -w kernel.numa_balancing=0",
        look: numa_balancing,
    },
    Check {
        id: "swap",
        good: "no swap, or swappiness 0 or 1",
        mend: "swapoff -a; sysctl -w vm.swappiness=0",
        look: swap,
    },
    Check {
        id: "compaction",
        good: "vm.compaction_proactiveness is 0",
        mend: "sysctl -w vm.compaction_proactiveness=0",
        look: compaction,
    },
    Check {
        id: "stat_interval",
        good: "vm.stat_interval is 10 s or more",
        mend: "sysctl -w vm.stat_interval=120",
        look: stat_interval,
    },
    Check {
        id: "same_page_merging",
        good: "0: no daemon looks for identical pages",
        mend: "echo 0 > /sys/kernel/mm/ksm/run",
        look: same_page_merging,
    },
];

/// Bytes of locked memory that a small configuration needs: the rings of all edges and the process
/// itself.
const LOCK_MIN: u64 = 1 << 30;

const THP: &str = "sys/kernel/mm/transparent_hugepage";

/// Returns the word in brackets: `always [madvise] never`.
fn chosen(text: &str) -> Option<&str> {
    text.split(['[', ']']).nth(1)
}

fn transparent(host: &Host) -> Seen {
    let text = host.text(&format!("{THP}/enabled"));
    match text.as_deref().and_then(chosen) {
        None => skip("this kernel has none"),
        Some("always") => warn("always: a page fault may have to clear 2 MiB"),
        Some(other) => pass(other),
    }
}

fn khugepaged(host: &Host) -> Seen {
    let enabled = host.text(&format!("{THP}/enabled"));
    if enabled.as_deref().and_then(chosen) == Some("never") {
        return pass("transparent huge pages are off");
    }
    match host.number::<u32>(&format!("{THP}/khugepaged/defrag")) {
        None => skip("this kernel has no khugepaged"),
        Some(0) => pass("0"),
        Some(n) => warn(format!("{n}: it may lock a process's memory map for 0.1 to 1 ms")),
    }
}

/// Returns the value of a line of `/proc/meminfo`, in that line's unit.
fn info(host: &Host, key: &str) -> Option<u64> {
    let text = host.text("proc/meminfo")?;
    field(&text, key)?.split(' ').next()?.parse().ok()
}

fn huge_pages(host: &Host) -> Seen {
    match (info(host, "HugePages_Total:"), info(host, "HugePages_Free:")) {
        (Some(0), _) => skip("none is reserved, and the engine uses none"),
        (Some(total), Some(0)) => warn(format!("all {total} are taken")),
        (Some(total), Some(free)) => pass(format!("{free} of {total} are free")),
        _ => skip("the kernel does not report them"),
    }
}

/// Returns the soft limit of a line of `/proc/self/limits`; `Some(None)` is unlimited.
pub(super) fn limit(host: &Host, name: &str) -> Option<Option<u64>> {
    let text = host.text("proc/self/limits")?;
    let soft = field(&text, name)?.split_whitespace().next()?;
    if soft == "unlimited" { Some(None) } else { Some(Some(soft.parse().ok()?)) }
}

fn memory_lock(host: &Host) -> Seen {
    match limit(host, "Max locked memory") {
        None => skip("the kernel does not report the limit"),
        Some(None) => pass("unlimited"),
        Some(Some(bytes)) if LOCK_MIN <= bytes => pass(format!("{} MiB", bytes >> 20)),
        Some(Some(bytes)) => warn(format!("{} KiB: memory cannot be locked", bytes >> 10)),
    }
}

fn numa_balancing(host: &Host) -> Seen {
    let nodes = super::cores::nodes(host).len();
    match host.number::<u32>("proc/sys/kernel/numa_balancing") {
        None => skip("this kernel does not balance between nodes"),
        Some(0) => pass("0"),
        Some(n) if nodes < 2 => pass(format!("{n}, but there is one node")),
        Some(n) => warn(format!("{n}: pages are unmapped on purpose to see who uses them")),
    }
}

fn swap(host: &Host) -> Seen {
    let Some(table) = host.text("proc/swaps") else { return skip("this kernel has no swap") };
    let areas = table.lines().skip(1).count();
    let swappiness: Option<u32> = host.number("proc/sys/vm/swappiness");
    let used = |line: &str| line.split_whitespace().nth(3)?.parse::<u64>().ok();
    let used: u64 = table.lines().skip(1).filter_map(used).sum();
    let found = format!("{areas} areas, {} MiB used", used >> 10);
    match (areas, swappiness) {
        (0, _) => pass("none"),
        (_, Some(0 | 1)) if used == 0 => pass(format!("{found}, but swappiness is 0 or 1")),
        _ if used == 0 => warn(found),
        _ => fail(format!("{found}: reading a page back costs milliseconds")),
    }
}

fn compaction(host: &Host) -> Seen {
    match host.number::<u32>("proc/sys/vm/compaction_proactiveness") {
        None => skip("this kernel does not compact proactively"),
        Some(0) => pass("0"),
        Some(n) => warn(format!("{n}: pages are moved in the background")),
    }
}

fn stat_interval(host: &Host) -> Seen {
    match host.number::<u32>("proc/sys/vm/stat_interval") {
        None => skip("the kernel does not report it"),
        Some(seconds) if 10 <= seconds => pass(format!("{seconds} s")),
        Some(seconds) => warn(format!("{seconds} s: a worker runs on each CPU that often")),
    }
}

fn same_page_merging(host: &Host) -> Seen {
    match host.number::<u32>("sys/kernel/mm/ksm/run") {
        None => skip("this kernel has none"),
        Some(0) => pass("0"),
        Some(n) => warn(format!("{n}: a write to a merged page causes a page fault")),
    }
}
