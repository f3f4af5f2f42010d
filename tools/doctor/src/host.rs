//! Represents a host as the checks see it: files below a root, output of programs, counters read
//! twice.
//!
//! The root is `/`, a copy of another host's files, or a folder that a test wrote. This file also
//! decides which CPUs are *hot* (they carry the engine's spinning threads) and which are *cold*
//! (left to everything else). Nothing here changes the host.

use crate::cpulist::CpuList;
use crate::skew::Skew;
use crate::topology;
use spreadwire_engine::plan::Plan;
use spreadwire_engine::runtime::agent::IdleStrategy;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;
use std::time::Duration;

/// Counter files, which are read once at the beginning and once at the end to see how they grow.
const COUNTERS: [&str; 5] =
    ["proc/interrupts", "proc/stat", "proc/net/softnet_stat", "proc/net/snmp", "proc/net/netstat"];

/// Drivers of virtual network interfaces, whose settings are decided by the machine's host.
const PARAVIRTUAL: [&str; 4] = ["virtio_net", "vif", "hv_netvsc", "veth"];

/// Source of the output of programs.
#[derive(Clone, Debug)]
pub enum Programs {
    /// The programs are run.
    Run,
    /// The output is given by command line, such as `ethtool -c eth0`.
    Given(BTreeMap<String, String>),
}

/// What a configuration requires of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Names of the threads, each with the core it is pinned to.
    pub threads: Vec<(String, Option<usize>)>,
    /// Number of threads that spin.
    pub spinning: usize,
    /// Number of spinning threads that are not pinned.
    pub unpinned: usize,
}

impl Wanted {
    /// Returns what a plan requires.
    #[must_use]
    pub fn of(plan: &Plan) -> Wanted {
        let spins = |idle: &IdleStrategy| *idle == IdleStrategy::Spin;
        let spinning = plan.threads.iter().filter(|thread| spins(&thread.idle));
        Wanted {
            threads: plan.threads.iter().map(|thread| (thread.name.clone(), thread.cpu)).collect(),
            spinning: spinning.clone().count(),
            unpinned: spinning.filter(|thread| thread.cpu.is_none()).count(),
        }
    }
}

/// A network interface with a device behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nic {
    /// Name as listed by `ip link`.
    pub name: String,
    /// Whether it is hardware, so that its settings can be changed here.
    pub is_hardware: bool,
}

/// A host.
#[derive(Clone, Debug)]
pub struct Host {
    root: PathBuf,
    programs: Programs,
    before: BTreeMap<&'static str, String>,
    after: BTreeMap<&'static str, String>,
    /// Time between the two readings of the counters, seconds.
    pub seconds: f64,
    /// CPUs that this process may use.
    pub cpus: CpuList,
    /// CPUs for the engine's threads.
    pub hot: CpuList,
    /// CPUs that are left to everything else.
    pub cold: CpuList,
    /// Requirements of the configuration, if there is one.
    pub wanted: Option<Wanted>,
    /// Offsets between the time-stamp counters of the hot CPUs, if they were measured.
    pub skews: Vec<Skew>,
}

/// Time limit for measuring all skews.
const SKEW_BUDGET: Duration = Duration::from_millis(200);

impl Host {
    /// Inspects this machine: measures the skews, then watches the counters for `watch`.
    #[must_use]
    pub fn live(wanted: Option<Wanted>, hot: Option<CpuList>, watch: Duration) -> Host {
        let mut host = Host::bare(Path::new("/"), Programs::Run, wanted, hot);
        let clock = quanta::Clock::new();
        // Measured before the counters are watched, so that these threads do not affect the
        // counters.
        let hot: Vec<usize> = host.hot.iter().collect();
        host.skews = topology::skews(&clock, &hot, SKEW_BUDGET);
        let start = clock.raw();
        host.before = host.counters();
        std::thread::sleep(watch);
        host.after = host.counters();
        host.seconds = Duration::from_nanos(clock.delta_as_nanos(start, clock.raw())).as_secs_f64();
        host
    }

    /// Reads a host's files below `root`, and its counters one second later from below `later`.
    #[must_use]
    pub fn of_files(
        root: &Path,
        later: &Path,
        programs: Programs,
        wanted: Option<Wanted>,
        hot: Option<CpuList>,
    ) -> Host {
        let mut host = Host::bare(root, programs, wanted, hot);
        host.before = host.counters();
        host.after = Host { root: later.to_owned(), ..host.clone() }.counters();
        host
    }

    fn bare(root: &Path, programs: Programs, wanted: Option<Wanted>, hot: Option<CpuList>) -> Host {
        let mut host = Host {
            root: root.to_owned(),
            programs,
            before: BTreeMap::new(),
            after: BTreeMap::new(),
            seconds: 1.0,
            cpus: CpuList::default(),
            hot: CpuList::default(),
            cold: CpuList::default(),
            wanted,
            skews: Vec::new(),
        };
        host.cpus = host.allowed();
        let pinned = |wanted: &Wanted| wanted.threads.iter().filter_map(|(_, cpu)| *cpu).collect();
        let of_plan = host.wanted.as_ref().map(pinned).filter(|cpus: &CpuList| !cpus.is_empty());
        host.hot = hot.or(of_plan).unwrap_or_else(|| host.customary());
        host.cold = host.online().without(&host.hot);
        host
    }

    /// Returns the CPUs that this process may use. The engine finds the same ones if it is started
    /// in the same way.
    fn allowed(&self) -> CpuList {
        let status = self.text("proc/self/status").unwrap_or_default();
        let list = field(&status, "Cpus_allowed_list:").and_then(|list| list.parse().ok());
        list.unwrap_or_else(|| self.online())
    }

    /// Returns the hot CPUs if there is no configuration: the isolated CPUs; or if none is
    /// isolated, all but the first two, or all but the first if there are fewer than four.
    fn customary(&self) -> CpuList {
        let isolated = self.cpu_list("sys/devices/system/cpu/isolated").unwrap_or_default();
        let isolated = isolated.and(&self.online());
        if !isolated.is_empty() {
            return isolated;
        }
        let kept = match self.cpus.len() {
            0 | 1 => 0,
            2 | 3 => 1,
            _ => 2,
        };
        self.cpus.iter().skip(kept).collect()
    }

    fn counters(&self) -> BTreeMap<&'static str, String> {
        COUNTERS.iter().filter_map(|path| Some((*path, self.text(path)?))).collect()
    }

    /// Returns a counter file as read at the beginning and at the end.
    #[must_use]
    pub fn twice(&self, path: &str) -> Option<(&str, &str)> {
        let before = self.before.get(path)?;
        Some((before, self.after.get(path).unwrap_or(before)))
    }

    /// Returns a file's text without leading and trailing white space.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<String> {
        let bytes = std::fs::read(self.root.join(path)).ok()?;
        Some(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    /// Returns a file's first bytes, at most 64.
    #[must_use]
    pub fn bytes(&self, path: &str) -> Option<Vec<u8>> {
        use std::io::Read;
        let mut bytes = [0_u8; 64];
        let mut file = std::fs::File::open(self.root.join(path)).ok()?;
        let count = file.read(&mut bytes).ok()?;
        Some(bytes[..count].to_vec())
    }

    /// Parses a file that holds one number.
    #[must_use]
    pub fn number<T: FromStr>(&self, path: &str) -> Option<T> {
        self.text(path)?.parse().ok()
    }

    /// Parses a file that holds a list of CPUs.
    #[must_use]
    pub fn cpu_list(&self, path: &str) -> Option<CpuList> {
        self.text(path)?.parse().ok()
    }

    /// Returns the names in a folder in order; none if there is no such folder.
    #[must_use]
    pub fn names(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.root.join(folder)).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    /// Returns the last value of a kernel command-line argument; empty for an argument without a
    /// value.
    #[must_use]
    pub fn argument(&self, name: &str) -> Option<String> {
        let line = self.text("proc/cmdline")?;
        let of = |word: &str| match word.split_once('=') {
            Some((key, value)) if key == name => Some(value.to_owned()),
            None if word == name => Some(String::new()),
            _ => None,
        };
        line.split_whitespace().rev().find_map(of)
    }

    /// Returns what a program prints, or `None` if there is no such program or it fails.
    #[must_use]
    pub fn program(&self, line: &str) -> Option<String> {
        match &self.programs {
            Programs::Given(said) => said.get(line).cloned(),
            Programs::Run => {
                let mut words = line.split(' ');
                let output = Command::new(words.next()?).args(words).output().ok()?;
                output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into())
            }
        }
    }

    /// Returns the CPUs that are online.
    #[must_use]
    pub fn online(&self) -> CpuList {
        self.cpu_list("sys/devices/system/cpu/online").unwrap_or_default()
    }

    /// Returns the text of one CPU's file, such as `cache/index3/shared_cpu_list`.
    #[must_use]
    pub fn of_cpu(&self, cpu: usize, path: &str) -> Option<String> {
        self.text(&format!("sys/devices/system/cpu/cpu{cpu}/{path}"))
    }

    /// Returns a value that `/proc/cpuinfo` has for the first CPU.
    #[must_use]
    pub fn cpu_info(&self, key: &str) -> Option<String> {
        let text = self.text("proc/cpuinfo")?;
        let mut lines = text.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(name, _)| name.trim() == key).map(|(_, value)| value.trim().to_owned())
    }

    /// Returns whether the host is a virtual machine.
    #[must_use]
    pub fn is_vm(&self) -> bool {
        let flags = self.cpu_info("flags").unwrap_or_default();
        flags.split(' ').any(|flag| flag == "hypervisor")
    }

    /// Returns the network interfaces that have a device behind them.
    #[must_use]
    pub fn nics(&self) -> Vec<Nic> {
        let nic = |name: String| {
            let device = self.text(&format!("sys/class/net/{name}/device/uevent"))?;
            let driver = field(&device, "DRIVER=").unwrap_or_default();
            Some(Nic { name, is_hardware: !PARAVIRTUAL.contains(&driver) })
        };
        self.names("sys/class/net").into_iter().filter_map(nic).collect()
    }

    /// Returns the CPUs of a list, leaving out each that shares a core with an earlier one.
    #[must_use]
    pub fn without_siblings(&self, cpus: &CpuList) -> Vec<usize> {
        let mut cores = CpuList::default();
        for cpu in cpus.iter() {
            let siblings = self.of_cpu(cpu, "topology/thread_siblings_list");
            let siblings: CpuList = siblings.and_then(|l| l.parse().ok()).unwrap_or_default();
            if siblings.and(&cores).is_empty() {
                cores = cores.iter().chain([cpu]).collect();
            }
        }
        cores.iter().collect()
    }

    /// Returns the names of all processes with their ids.
    #[must_use]
    pub fn processes(&self) -> Vec<(String, String)> {
        let numbers = self.names("proc").into_iter();
        let numbers = numbers.filter(|name| name.bytes().all(|b| b.is_ascii_digit()));
        numbers.filter_map(|n| Some((self.text(&format!("proc/{n}/comm"))?, n))).collect()
    }
}

/// Returns the trimmed rest of the first line that begins with `key`.
#[must_use]
pub fn field<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(key)).map(str::trim)
}
