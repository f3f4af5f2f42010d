//! Builds hosts as folders of files: a tuned one and a virtual machine, both on common files.

use doctor::check::{Finding, Status};
use doctor::checks;
use doctor::cpulist::CpuList;
use doctor::host::{Host, Programs, Wanted};
use doctor::skew::Skew;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Files of a host, and its counters at the later reading.
pub(crate) struct Folder {
    pub(crate) root: TempDir,
    later: TempDir,
    pub(crate) programs: BTreeMap<String, String>,
    pub(crate) wanted: Option<Wanted>,
    pub(crate) hot: Option<CpuList>,
    pub(crate) skews: Vec<Skew>,
}

impl Folder {
    pub(crate) fn of(files: &[(&str, &str)]) -> Folder {
        let mut folder = Folder {
            root: TempDir::new().unwrap(),
            later: TempDir::new().unwrap(),
            programs: BTreeMap::new(),
            wanted: None,
            hot: None,
            skews: Vec::new(),
        };
        for (path, text) in files {
            folder.write(path, text);
        }
        folder
    }

    pub(crate) fn write(&mut self, path: &str, text: &str) {
        write(self.root.path(), path, text.as_bytes());
    }

    pub(crate) fn write_later(&mut self, path: &str, text: &str) {
        write(self.later.path(), path, text.as_bytes());
    }

    /// Runs `then` while a file has another text.
    pub(crate) fn with<T>(&mut self, path: &str, text: &str, then: impl FnOnce(&Folder) -> T) -> T {
        let _old = Replaced::by(self.root.path().join(path), text);
        then(self)
    }

    /// Does the same with the file of a later counter.
    pub(crate) fn with_later<T>(
        &mut self,
        path: &str,
        text: &str,
        then: impl FnOnce(&Folder) -> T,
    ) -> T {
        let _old = Replaced::by(self.later.path().join(path), text);
        then(self)
    }

    pub(crate) fn remove(&mut self, path: &str) {
        let path = self.root.path().join(path);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap()
        } else {
            fs::remove_file(path).unwrap()
        }
    }

    pub(crate) fn host(&self) -> Host {
        let programs = Programs::Given(self.programs.clone());
        let (root, later) = (self.root.path(), self.later.path());
        let mut host = Host::of_files(root, later, programs, self.wanted.clone(), self.hot.clone());
        host.skews.clone_from(&self.skews);
        host
    }

    pub(crate) fn findings(&self) -> Vec<Finding> {
        checks::run(&self.host())
    }

    pub(crate) fn finding(&self, id: &str) -> Finding {
        let mut all = checks::AREAS.iter().flat_map(|(area, all)| all.iter().map(|it| (*area, it)));
        let found = all.find(|(_, check)| check.id == id);
        let (area, check) = found.unwrap_or_else(|| panic!("no check is called {id}"));
        check.run(area, &self.host())
    }

    pub(crate) fn status(&self, id: &str) -> Status {
        self.finding(id).status
    }
}

/// Restores a file's old text when it is dropped, or deletes the file if it did not exist.
struct Replaced {
    path: PathBuf,
    old: Option<Vec<u8>>,
}

impl Replaced {
    fn by(path: PathBuf, text: &str) -> Replaced {
        let old = fs::read(&path).ok();
        write(Path::new(""), path.to_str().unwrap(), text.as_bytes());
        Replaced { path, old }
    }
}

impl Drop for Replaced {
    fn drop(&mut self) {
        match &self.old {
            Some(old) => fs::write(&self.path, old).unwrap(),
            None => fs::remove_file(&self.path).unwrap(),
        }
    }
}

fn write(root: &Path, path: &str, bytes: &[u8]) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Files that all hosts have: eight CPUs in one node.
const COMMON: &[(&str, &str)] = &[
    ("sys/devices/system/cpu/online", "0-7\n"),
    ("sys/devices/system/node/node0/cpulist", "0-7\n"),
    ("sys/devices/system/cpu/smt/active", "0\n"),
    ("proc/self/status", "Name:\tdoctor\nCpus_allowed_list:\t0-7\n"),
    ("proc/self/cgroup", "0::/user.slice/a.scope\n"),
    ("proc/version", "Linux version 6.12.0 (gcc) #1 SMP PREEMPT_DYNAMIC Mon\n"),
    ("proc/sys/kernel/osrelease", "6.12.0\n"),
    ("proc/1/comm", "systemd\n"),
    (
        "proc/1/stat",
        "1 (systemd) S 0 1 1 0 -1 4194560 1 1 1 1 1 1 1 1 20 0 1 0 4 1 1 1 1 1 1 1 1 1 1 1 1 1 0 0 0 17 3 0 0 0 0 0\n",
    ),
    ("proc/1/status", "Cpus_allowed_list:\t0-7\n"),
    ("proc/net/softnet_stat", "000a3ac6 00000000 00000001\n000942b1 00000000 00000001\n"),
    ("proc/net/snmp", "Tcp: RtoMin RetransSegs\nTcp: 200 7\n"),
    ("proc/net/netstat", "TcpExt: SyncookiesSent TCPRcvQDrop\nTcpExt: 0 0\n"),
    ("proc/stat", "cpu  100 0 100 8000 0 0 0 0 0 0\ncpu0 1 1 1 1 1 1 1 0 0 0\n"),
    ("proc/mounts", "proc /proc proc rw 0 0\n/dev/nvme0n1p1 / ext4 rw,relatime 0 0\n"),
];

/// Returns `/proc/interrupts` of CPUs 0 to 7, with these counts of the timer and the interface on
/// CPU 2.
pub(crate) fn interrupts(timer: u64, nic: u64) -> String {
    format!(
        "           CPU0 CPU1 CPU2 CPU3 CPU4 CPU5 CPU6 CPU7\n \
        42: 5000 0 {nic} 0 0 0 0 0 PCI-MSIX-0000:00:03.0 1-edge eth0-rx-0\n\
        LOC: 90000 90000 {timer} 300 300 300 300 300 Local timer interrupts\n\
        ERR: 0\n"
    )
}

/// Files of a tuned host in addition to [`COMMON`].
const TUNED: &[(&str, &str)] = &[
    (
        "proc/cpuinfo",
        "processor : 0\nmodel name : Fixture 9000\nflags : fpu tsc constant_tsc nonstop_tsc\n",
    ),
    ("proc/cmdline", "isolcpus=managed_irq,domain,2-7 nohz_full=2-7 rcu_nocbs=2-7 preempt=lazy\n"),
    ("sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n"),
    ("sys/devices/system/cpu/isolated", "2-7\n"),
    ("sys/devices/system/cpu/nohz_full", "2-7\n"),
    ("sys/fs/cgroup/user.slice/cpu.max", "max 100000\n"),
    ("proc/pressure/cpu", "some avg10=0.10 avg60=0.00 avg300=0.00 total=1\n"),
    ("proc/irq/42/smp_affinity_list", "0-7\n"),
    ("proc/irq/42/effective_affinity_list", "0\n"),
    ("sys/devices/virtual/workqueue/cpumask", "3\n"),
    ("sys/devices/virtual/workqueue/writeback/cpumask", "3\n"),
    ("proc/sys/kernel/watchdog", "0\n"),
    ("proc/sys/kernel/nmi_watchdog", "0\n"),
    ("proc/sys/kernel/timer_migration", "0\n"),
    ("proc/sys/kernel/sched_rt_runtime_us", "950000\n"),
    ("sys/kernel/debug/sched/preempt", "none voluntary full (lazy)\n"),
    ("sys/devices/system/cpu/vulnerabilities/meltdown", "Not affected\n"),
    ("sys/devices/system/cpu/vulnerabilities/spectre_v1", "Mitigation: usercopy\n"),
    ("sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n"),
    ("sys/kernel/mm/transparent_hugepage/khugepaged/defrag", "1\n"),
    ("sys/kernel/mm/ksm/run", "0\n"),
    ("proc/meminfo", "MemTotal: 1 kB\nHugePages_Total:      64\nHugePages_Free:       64\n"),
    (
        "proc/self/limits",
        "Limit  Soft Limit  Hard Limit  Units\nMax locked memory   unlimited  unlimited  bytes\nMax open files   65536   65536   files\n",
    ),
    ("proc/sys/kernel/numa_balancing", "0\n"),
    ("proc/swaps", "Filename Type Size Used Priority\n"),
    ("proc/sys/vm/swappiness", "0\n"),
    ("proc/sys/vm/compaction_proactiveness", "0\n"),
    ("proc/sys/vm/stat_interval", "120\n"),
    ("sys/class/net/eth0/device/uevent", "DRIVER=ice\n"),
    ("sys/class/net/eth0/device/numa_node", "0\n"),
    ("sys/class/net/lo/mtu", "65536\n"),
    ("proc/sys/net/core/busy_poll", "50\n"),
    ("proc/sys/net/core/busy_read", "50\n"),
    ("proc/sys/net/ipv4/tcp_slow_start_after_idle", "0\n"),
    ("proc/sys/net/ipv4/tcp_autocorking", "0\n"),
    ("proc/sys/net/ipv4/tcp_rmem", "4096 131072 33554432\n"),
    ("sys/block/nvme0n1/queue/scheduler", "[none] mq-deadline\n"),
    ("sys/block/loop0/queue/scheduler", "[bfq]\n"),
    ("etc/tuned/active_profile", "network-latency\n"),
    ("sys/devices/system/node/node1/cpulist", "8-15\n"),
];

/// Files of each CPU of the tuned host.
const TUNED_CPU: &[(&str, &str)] = &[
    ("cache/index3/shared_cpu_list", "0-7\n"),
    ("cpufreq/scaling_governor", "performance\n"),
    ("cpufreq/energy_performance_preference", "performance\n"),
    ("cpufreq/scaling_cur_freq", "4000000\n"),
    ("cpuidle/state0/name", "POLL\n"),
    ("cpuidle/state0/latency", "0\n"),
    ("cpuidle/state2/name", "C6\n"),
    ("cpuidle/state2/latency", "170\n"),
    ("cpuidle/state2/disable", "1\n"),
];

/// Output of programs on the tuned host.
const TUNED_PROGRAMS: &[(&str, &str)] = &[
    (
        "chronyc -c tracking",
        "C0A80001,time,2,1732477000.1,0.000003,-0.000001,0.00002,1.0,0.1,0.1,0.01,0.001,64.0,Normal\n",
    ),
    ("ethtool -c eth0", "Coalesce parameters for eth0:\nAdaptive RX: off  TX: off\nrx-usecs: 0\n"),
    ("ethtool -k eth0", "generic-receive-offload: off\nlarge-receive-offload: off [fixed]\n"),
    (
        "ethtool -g eth0",
        "Ring parameters for eth0:\nPre-set maximums:\nRX:\t\t8160\nCurrent hardware settings:\nRX:\t\t4096\n",
    ),
];

/// Builds a bare-metal host with CPUs 2 to 7 for the engine, tuned as `docs/tuning.md` describes.
pub(crate) fn tuned() -> Folder {
    let mut folder = Folder::of(COMMON);
    TUNED.iter().for_each(|(path, text)| folder.write(path, text));
    for cpu in 0..8 {
        let base = format!("sys/devices/system/cpu/cpu{cpu}");
        TUNED_CPU.iter().for_each(|(path, text)| folder.write(&format!("{base}/{path}"), text));
        folder.write(&format!("{base}/topology/thread_siblings_list"), &format!("{cpu}\n"));
    }
    folder.write("proc/interrupts", &interrupts(300, 0));
    folder.write_later("proc/interrupts", &interrupts(302, 0));
    let programs = TUNED_PROGRAMS.iter().map(|(line, said)| (line.to_string(), said.to_string()));
    folder.programs = programs.collect();
    folder.skews.push(Skew { cpus: (2, 3), low: -20, high: 25 });
    engine(&mut folder, "2", 0);
    folder
}

/// Adds a running engine with one pinned thread, and the requirements of its configuration.
pub(crate) fn engine(folder: &mut Folder, cpus: &str, policy: u32) {
    let task = "proc/77/task/78";
    folder.write("proc/77/comm", "spreadwire\n");
    folder.write(&format!("{task}/comm"), "hot\n");
    folder.write(&format!("{task}/status"), &format!("Cpus_allowed_list:\t{cpus}\n"));
    let zeros = "0 ".repeat(37);
    folder.write(&format!("{task}/stat"), &format!("78 (hot) R {zeros}{policy} 0 0\n"));
    let threads = vec![("hot".to_owned(), Some(2)), ("rest".to_owned(), Some(3))];
    folder.wanted = Some(Wanted { threads, spinning: 2, unpinned: 0 });
    folder.hot = "2-7".parse().ok();
}

/// Builds a virtual machine of eight CPUs as a provider delivers it: no frequency, no sleep states,
/// virtio.
pub(crate) fn machine_of_a_cloud() -> Folder {
    let mut folder = Folder::of(COMMON);
    for (path, text) in [
        ("proc/cpuinfo", "processor : 0\nflags : fpu constant_tsc nonstop_tsc hypervisor\n"),
        ("proc/cmdline", "quiet\n"),
        ("sys/devices/system/clocksource/clocksource0/current_clocksource", "kvm-clock\n"),
        ("sys/devices/system/cpu/isolated", "\n"),
        ("sys/class/net/eth0/device/uevent", "DRIVER=virtio_net\n"),
        ("sys/devices/virtual/workqueue/cpumask", "ff\n"),
        ("proc/sys/kernel/sched_rt_runtime_us", "950000\n"),
    ] {
        folder.write(path, text);
    }
    folder.write("proc/interrupts", &interrupts(300, 10));
    folder.write_later("proc/interrupts", &interrupts(550, 14));
    folder
}
