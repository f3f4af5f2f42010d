//! Runs every check on files that the test wrote, once as they should be and once with a fault.

use crate::folder::{Folder, engine, interrupts, machine_of_a_cloud, tuned};
use doctor::check::Status::{self, Fail, Pass, Skip, Warn};
use doctor::skew::Skew;
use doctor::verdict::{Report, Verdict};
use std::collections::BTreeSet;

#[test]
fn on_a_tuned_host_everything_passes() {
    let findings = tuned().findings();
    let others: Vec<_> = findings.iter().filter(|it| it.status != Pass).collect();
    assert!(others.is_empty(), "{others:#?}");
    assert!(findings.iter().all(|it| it.mend.is_none()));
    let ids: BTreeSet<&str> = findings.iter().map(|it| it.id).collect();
    assert_eq!(ids.len(), findings.len(), "two checks have the same name");
}

/// Faults of the tuned host: check, file, text of the file, expected status.
const WORSE: &[(&str, &str, &str, Status)] = &[
    ("tsc", "proc/cpuinfo", "flags : fpu tsc constant_tsc\n", Fail),
    (
        "clocksource",
        "sys/devices/system/clocksource/clocksource0/current_clocksource",
        "hpet",
        Fail,
    ),
    ("allowed_cpus", "proc/self/status", "Cpus_allowed_list:\t0-5\n", Fail),
    ("enough_cpus", "proc/self/status", "Cpus_allowed_list:\t2-4\n", Warn),
    ("enough_cpus", "proc/self/status", "Cpus_allowed_list:\t2\n", Fail),
    ("cpu_quota", "sys/fs/cgroup/user.slice/cpu.max", "50000 100000\n", Fail),
    ("shared_l3", "sys/devices/system/cpu/cpu7/cache/index3/shared_cpu_list", "7-15", Warn),
    ("smt", "sys/devices/system/cpu/cpu7/topology/thread_siblings_list", "6-7", Fail),
    ("smt", "sys/devices/system/cpu/cpu7/topology/thread_siblings_list", "1,7", Warn),
    ("numa_node", "sys/devices/system/node/node1/cpulist", "6-15", Warn),
    ("isolation", "sys/devices/system/cpu/isolated", "2-6", Fail),
    ("isolation", "sys/devices/system/cpu/isolated", "", Fail),
    ("pressure", "proc/pressure/cpu", "some avg10=7.50 avg60=0.00 avg300=0.00 total=1\n", Warn),
    ("nohz_full", "sys/devices/system/cpu/nohz_full", "2-3", Fail),
    ("nohz_full", "sys/devices/system/cpu/nohz_full", "(null)", Fail),
    ("rcu_nocbs", "proc/cmdline", "rcu_nocbs=3-7", Warn),
    ("irq_affinity", "proc/irq/42/effective_affinity_list", "3", Warn),
    ("irqbalance", "proc/9/comm", "irqbalance\n", Warn),
    ("workqueues", "sys/devices/virtual/workqueue/cpumask", "ff", Warn),
    ("workqueues", "sys/devices/virtual/workqueue/writeback/cpumask", "7", Warn),
    ("watchdogs", "proc/sys/kernel/nmi_watchdog", "1", Warn),
    ("preemption", "proc/version", "Linux version 6.12.0 #1 SMP PREEMPT_RT Mon", Warn),
    ("mitigations", "sys/devices/system/cpu/vulnerabilities/mds", "Vulnerable", Warn),
    ("governor", "sys/devices/system/cpu/cpu3/cpufreq/scaling_governor", "powersave", Fail),
    (
        "energy_preference",
        "sys/devices/system/cpu/cpu3/cpufreq/energy_performance_preference",
        "balance_power",
        Warn,
    ),
    ("frequency", "sys/devices/system/cpu/cpu3/cpufreq/scaling_cur_freq", "3900000", Warn),
    ("c_states", "sys/devices/system/cpu/cpu3/cpuidle/state2/disable", "0", Warn),
    (
        "transparent_huge_pages",
        "sys/kernel/mm/transparent_hugepage/enabled",
        "[always] madvise never",
        Warn,
    ),
    ("khugepaged", "sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never", Warn),
    ("huge_pages", "proc/meminfo", "HugePages_Total:      64\nHugePages_Free:       0\n", Warn),
    ("memory_lock", "proc/self/limits", "Max locked memory   8388608  8388608  bytes\n", Warn),
    ("numa_balancing", "proc/sys/kernel/numa_balancing", "1", Warn),
    ("swap", "proc/swaps", "Filename Type Size Used Priority\n/swap file 1024 8 -2\n", Fail),
    ("compaction", "proc/sys/vm/compaction_proactiveness", "20", Warn),
    ("stat_interval", "proc/sys/vm/stat_interval", "1", Warn),
    ("same_page_merging", "sys/kernel/mm/ksm/run", "1", Warn),
    ("nic_node", "sys/class/net/eth0/device/numa_node", "1", Warn),
    ("busy_poll", "proc/sys/net/core/busy_read", "0", Warn),
    ("tcp_idle", "proc/sys/net/ipv4/tcp_slow_start_after_idle", "1", Warn),
    ("tcp_autocorking", "proc/sys/net/ipv4/tcp_autocorking", "1", Warn),
    ("tcp_memory", "proc/sys/net/ipv4/tcp_rmem", "4096 131072 6291456", Warn),
    ("file_descriptors", "proc/self/limits", "Max open files   1024   65536   files\n", Warn),
    ("disk_scheduler", "sys/block/nvme0n1/queue/scheduler", "none [bfq]", Warn),
    ("disk_mount", "proc/mounts", "/dev/sda1 /lake ext4 rw,strictatime 0 0\n", Warn),
    ("tuned_profile", "etc/tuned/active_profile", "balanced", Warn),
];

/// Checks whose fault is not in a file of the first reading. Each has its own test below.
const OTHERWISE: &[&str] = &[
    "tsc_sync",
    "clock_discipline",
    "pinned",
    "steal",
    "ticks",
    "irq_arrivals",
    "timer_migration",
    "rt_throttling",
    "engine_threads",
    "nic_coalescing",
    "nic_offloads",
    "nic_rings",
    "softnet",
    "retransmits",
];

#[test]
fn each_fault_is_reported_with_a_fix() {
    let mut folder = tuned();
    for (id, path, text, status) in WORSE {
        let finding = folder.with(path, text, |folder| folder.finding(id));
        assert_eq!(finding.status, *status, "{finding:?}");
        assert!(finding.mend.is_some_and(|mend| !mend.is_empty()), "{id}");
    }
}

#[test]
fn every_check_is_shown_to_fail() {
    let shown: BTreeSet<&str> =
        WORSE.iter().map(|row| row.0).chain(OTHERWISE.iter().copied()).collect();
    let all: BTreeSet<&str> = tuned().findings().iter().map(|finding| finding.id).collect();
    assert_eq!(shown, all);
}

#[test]
fn counters_that_grow_too_fast_are_reported() {
    let interface = "TcpExt: SyncookiesSent TCPRcvQDrop\nTcpExt: 0 3\n";
    let timers = interrupts(550, 0);
    let device = interrupts(302, 4);
    let mut folder = tuned();
    for (id, path, text, status) in [
        ("ticks", "proc/interrupts", timers.as_str(), Warn),
        ("irq_arrivals", "proc/interrupts", &device, Fail),
        ("steal", "proc/stat", "cpu  100 0 100 8900 0 0 0 100 0 0\n", Fail),
        ("steal", "proc/stat", "cpu  100 0 100 9999 0 0 0 1 0 0\n", Warn),
        ("softnet", "proc/net/softnet_stat", "0 00000002 00000002\n", Fail),
        ("softnet", "proc/net/softnet_stat", "0 00000000 00000003\n", Warn),
        ("retransmits", "proc/net/snmp", "Tcp: RtoMin RetransSegs\nTcp: 200 9\n", Warn),
        ("retransmits", "proc/net/netstat", interface, Warn),
    ] {
        let finding = folder.with_later(path, text, |folder| folder.finding(id));
        assert_eq!(finding.status, status, "{finding:?}");
    }
}

#[test]
fn the_output_of_programs_is_judged() {
    let mut folder = tuned();
    let usual = folder.programs.clone();
    for (id, line, said, status) in [
        ("nic_coalescing", "ethtool -c eth0", "Adaptive RX: on  TX: on\nrx-usecs: 50\n", Warn),
        ("nic_offloads", "ethtool -k eth0", "generic-receive-offload: on\n", Warn),
        ("nic_rings", "ethtool -g eth0", "RX: 8160\nCurrent hardware settings:\nRX: 512\n", Warn),
        ("clock_discipline", "chronyc -c tracking", "0,a,2,1,0.0002,0,0,Normal\n", Warn),
        ("clock_discipline", "chronyc -c tracking", "0,,0,0,0.0,0,0,Not synchronised\n", Fail),
        ("clock_discipline", "chronyc -c tracking", "nonsense", Skip),
    ] {
        folder.programs.insert(line.to_owned(), said.to_owned());
        assert_eq!(folder.status(id), status, "{:?}", folder.finding(id));
        folder.programs.clone_from(&usual);
    }
    folder.programs.clear();
    let finding = folder.finding("nic_coalescing");
    assert_eq!(finding.found, "not checked: needs `ethtool -c eth0`");
    assert_eq!((finding.status, folder.status("clock_discipline")), (Skip, Warn));
    folder.write("run/systemd/timesync/synchronized", "");
    assert!(folder.finding("clock_discipline").found.starts_with("systemd-timesyncd"));
}

#[test]
fn a_proven_skew_is_a_failure_and_an_uncertain_one_a_warning() {
    let mut folder = tuned();
    for (low, high, status) in [(60, 90, Fail), (-300, -51, Fail), (-2_000, 30, Warn)] {
        folder.skews = vec![Skew { cpus: (2, 3), low, high }];
        assert_eq!(folder.status("tsc_sync"), status, "{low} {high}");
    }
    folder.skews.clear();
    assert_eq!(folder.status("tsc_sync"), Skip);
}

#[test]
fn the_running_engine_is_compared_with_its_configuration() {
    let mut folder = tuned();
    engine(&mut folder, "2-3", 0);
    assert_eq!(folder.finding("engine_threads").found, "process 77: hot may use 2-3, not only 2");
    engine(&mut folder, "2", 1);
    assert_eq!(folder.status("engine_threads"), Fail);
    folder.remove("proc/77");
    assert_eq!(folder.finding("engine_threads").found, "no engine is running");
    folder.wanted.as_mut().unwrap().unpinned = 1;
    assert_eq!(folder.status("pinned"), Warn);
    folder.wanted = None;
    assert_eq!((folder.status("pinned"), folder.status("engine_threads")), (Skip, Skip));
}

#[test]
fn a_realtime_task_on_a_hot_cpu_is_named() {
    let mut folder = tuned();
    let stat = |policy: u32| format!("9 (od d) x) S {}{policy} 0\n", "0 ".repeat(37));
    folder.write("proc/9/comm", "od d) x");
    folder.write("proc/9/stat", &stat(1));
    folder.write("proc/9/status", "Cpus_allowed_list:\t0-1\n");
    assert_eq!(folder.status("rt_throttling"), Pass, "on other CPUs it does not matter");
    folder.write("proc/9/status", "Cpus_allowed_list:\t0-7\n");
    let finding = folder.finding("rt_throttling");
    assert_eq!(finding.status, Warn);
    assert!(finding.found.contains("od d) x (9)"), "{}", finding.found);
}

#[test]
fn timers_may_migrate_if_the_hot_cpus_are_tickless() {
    let mut folder = tuned();
    folder.write("proc/sys/kernel/timer_migration", "1");
    assert_eq!(folder.status("timer_migration"), Pass);
    folder.write("sys/devices/system/cpu/nohz_full", "");
    assert_eq!(folder.status("timer_migration"), Warn);
}

#[test]
fn other_ways_to_reach_the_same_state_pass() {
    let mut folder = tuned();
    folder.write("sys/devices/system/cpu/isolated", "");
    folder.write("sys/fs/cgroup/cpuset.cpus.isolated", "2-7");
    folder.write("sys/devices/system/cpu/cpu3/cpuidle/state2/disable", "0");
    folder.write("dev/cpu_dma_latency", "\0\0\0\0");
    folder.write("proc/cmdline", "quiet");
    for id in ["isolation", "c_states", "rcu_nocbs"] {
        assert_eq!(folder.status(id), Pass, "{:?}", folder.finding(id));
    }
    folder.write("proc/self/cgroup", "3:cpuset:/\n2:cpu,cpuacct:/docker/x\n");
    folder.write("sys/fs/cgroup/cpu/docker/cpu.cfs_quota_us", "-1\n");
    assert_eq!(folder.status("cpu_quota"), Pass);
    folder.write("sys/fs/cgroup/cpu/docker/cpu.cfs_quota_us", "50000\n");
    assert_eq!(folder.status("cpu_quota"), Fail);
}

#[test]
fn a_virtual_machine_skips_what_it_lacks() {
    let folder = machine_of_a_cloud();
    let host = folder.host();
    assert!(host.is_vm());
    assert_eq!((host.hot.to_string(), host.cold.to_string()), ("2-7".into(), "0-1".into()));
    for id in ["governor", "frequency", "c_states", "nic_coalescing", "nic_rings", "busy_poll"] {
        assert_eq!(folder.status(id), Skip, "{:?}", folder.finding(id));
    }
    assert!(folder.finding("governor").found.contains("a VM"));
    for id in ["clocksource", "isolation", "nohz_full", "irq_arrivals"] {
        assert_eq!(folder.status(id), Fail, "{:?}", folder.finding(id));
    }
    let mend = folder.finding("isolation").mend.unwrap();
    assert_eq!(mend, "kernel arguments: isolcpus=managed_irq,domain,2-7");
    let mend = folder.finding("workqueues").mend.unwrap();
    assert!(mend.ends_with("do echo 3 > $i; done"), "{mend}");
}

#[test]
fn no_check_panics_on_an_empty_host() {
    let findings = Folder::of(&[]).findings();
    assert!(findings.iter().any(|it| it.status == Skip));
    assert!(findings.iter().all(|it| !it.found.is_empty()));
}

#[test]
fn the_hot_cpus_are_the_isolated_ones_or_all_but_the_first() {
    let mut folder = tuned();
    (folder.hot, folder.wanted) = (None, None);
    folder.write("sys/devices/system/cpu/isolated", "4-5,9");
    assert_eq!(folder.host().hot.to_string(), "4-5");
    folder.write("sys/devices/system/cpu/isolated", "");
    for (allowed, hot) in [("0-7", "2-7"), ("0-2", "1-2"), ("0-1", "1"), ("3", "3")] {
        folder.write("proc/self/status", &format!("Cpus_allowed_list:\t{allowed}\n"));
        assert_eq!(folder.host().hot.to_string(), hot);
    }
    folder.write("sys/devices/system/cpu/cpu5/topology/thread_siblings_list", "4-5");
    assert_eq!(folder.host().without_siblings(&"3-6".parse().unwrap()), [3, 4, 6]);
}

#[test]
fn the_verdict_is_one_line_that_names_what_failed() {
    let findings = machine_of_a_cloud().findings();
    let verdict = Verdict::of(&findings);
    assert_eq!(verdict.pass + verdict.warn + verdict.fail + verdict.skip, findings.len());
    let line = verdict.to_string();
    assert!(!line.contains('\n') && line.starts_with("doctor: "), "{line}");
    let failed = "4 fail (clocksource, isolation, nohz_full, irq_arrivals), ";
    assert!(line.contains(failed) && line.ends_with(" skipped"), "{line}");
    let many = Verdict { fail: 7, failed: vec!["x"; 7], ..Verdict::default() };
    assert!(many.to_string().contains("(x, x, x, x, x, x, ...)"));
}

#[test]
fn the_report_has_the_keys_that_the_document_lists() {
    let report = Report::of(&machine_of_a_cloud().host());
    let json = serde_json::to_value(&report).unwrap();
    let keys = |value: &serde_json::Value| {
        value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(keys(&json), "findings format host line verdict");
    assert_eq!(json["format"], 1);
    assert_eq!(keys(&json["host"]), "cold cpu cpus hot kernel vm watched_s");
    assert_eq!(keys(&json["verdict"]), "fail failed pass skip warn warned");
    assert_eq!(keys(&json["findings"][0]), "area found good id mend status");
    assert_eq!(json["findings"][1]["status"], "FAIL");
    let document = include_str!("../../../../docs/tuning.md");
    for finding in &report.findings {
        assert!(
            document.contains(&format!("`{}`", finding.id)),
            "docs/tuning.md does not explain {}",
            finding.id
        );
    }
}
