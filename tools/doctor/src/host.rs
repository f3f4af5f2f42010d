//! A host as the checks see it: files below a root, what programs say, counters read twice.
//!
//! The root is `/`, a copy of another host's files, or a folder that a test wrote. Which CPUs are
//! *hot* (carry the engine's spinning threads) and which are left to everything else is settled
//! here. It must not know any check, and changes nothing on the host.

use crate::cpulist::CpuList;
use crate::topology::{self, Skew};
use spreadwire_engine::plan::Plan;
use spreadwire_engine::runtime::agent::IdleStrategy;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;
use std::time::Duration;

/// Files whose growth is looked at: read once at the beginning and once at the end.
const COUNTERS: [&str; 5] =
    ["proc/interrupts", "proc/stat", "proc/net/softnet_stat", "proc/net/snmp", "proc/net/netstat"];

/// Drivers of network interfaces that are no hardware: the settings of one are its host's.
const PARAVIRTUAL: [&str; 4] = ["virtio_net", "vif", "hv_netvsc", "veth"];

/// What programs say when they are asked.
#[derive(Clone, Debug)]
pub enum Programs {
    /// They are run.
    Run,
    /// Given by command line, as `ethtool -c eth0`.
    Given(BTreeMap<String, String>),
}

/// What a configuration wants of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Threads with their cores, as they will be named.
    pub threads: Vec<(String, Option<usize>)>,
    /// How many of them spin.
    pub spinning: usize,
    /// How many of those have no core of their own.
    pub unpinned: usize,
}

impl Wanted {
    /// What a plan wants.
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
    /// As `ip link` lists it.
    pub name: String,
    /// Whether its settings are those of hardware.
    pub is_hardware: bool,
}

/// A host.
#[derive(Clone, Debug)]
pub struct Host {
    root: PathBuf,
    programs: Programs,
    before: BTreeMap<&'static str, String>,
    after: BTreeMap<&'static str, String>,
    /// Between the two readings of the counters, seconds.
    pub seconds: f64,
    /// CPUs that this process may use.
    pub cpus: CpuList,
    /// CPUs for the engine's threads.
    pub hot: CpuList,
    /// CPUs that are left to everything else.
    pub cold: CpuList,
    /// What the configuration wants, where there is one.
    pub wanted: Option<Wanted>,
    /// How far the time-stamp counters of hot CPUs are apart, where that was measured.
    pub skews: Vec<Skew>,
}

/// Measuring skews may take this long in all.
const SKEW_BUDGET: Duration = Duration::from_millis(200);

impl Host {
    /// This machine: skews are measured, then counters are watched for as long as `watch`.
    #[must_use]
    pub fn live(wanted: Option<Wanted>, hot: Option<CpuList>, watch: Duration) -> Host {
        let mut host = Host::bare(Path::new("/"), Programs::Run, wanted, hot);
        let clock = quanta::Clock::new();
        // Before the counters are watched: these threads would be in them.
        let hot: Vec<usize> = host.hot.iter().collect();
        host.skews = topology::skews(&clock, &hot, SKEW_BUDGET);
        let start = clock.raw();
        host.before = host.counters();
        std::thread::sleep(watch);
        host.after = host.counters();
        host.seconds = Duration::from_nanos(clock.delta_as_nanos(start, clock.raw())).as_secs_f64();
        host
    }

    /// Files of a host below `root`; those below `later` are its counters a second later.
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

    /// CPUs that this process may use: what the engine will find when it is started the same way.
    fn allowed(&self) -> CpuList {
        let status = self.text("proc/self/status").unwrap_or_default();
        let list = field(&status, "Cpus_allowed_list:").and_then(|list| list.parse().ok());
        list.unwrap_or_else(|| self.online())
    }

    /// Without a configuration: the isolated CPUs; without those, all but the first two, or all but
    /// the first where there are fewer than four.
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

    /// A counters' file at the beginning and at the end.
    #[must_use]
    pub fn twice(&self, path: &str) -> Option<(&str, &str)> {
        let before = self.before.get(path)?;
        Some((before, self.after.get(path).unwrap_or(before)))
    }

    /// A file's text, without the white space at its ends.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<String> {
        let bytes = std::fs::read(self.root.join(path)).ok()?;
        Some(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    /// A file's bytes.
    #[must_use]
    pub fn bytes(&self, path: &str) -> Option<Vec<u8>> {
        use std::io::Read;
        let mut bytes = [0_u8; 64];
        let mut file = std::fs::File::open(self.root.join(path)).ok()?;
        let count = file.read(&mut bytes).ok()?;
        Some(bytes[..count].to_vec())
    }

    /// A file that holds one number.
    #[must_use]
    pub fn number<T: FromStr>(&self, path: &str) -> Option<T> {
        self.text(path)?.parse().ok()
    }

    /// A file that holds a list of CPUs.
    #[must_use]
    pub fn cpu_list(&self, path: &str) -> Option<CpuList> {
        self.text(path)?.parse().ok()
    }

    /// Names in a folder, in order; none if there is no such folder.
    #[must_use]
    pub fn names(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.root.join(folder)).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    /// The last value of an argument of the kernel's command line; empty for one without.
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

    /// What a program prints; `None` if there is no such program or it fails.
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

    /// CPUs that are there.
    #[must_use]
    pub fn online(&self) -> CpuList {
        self.cpu_list("sys/devices/system/cpu/online").unwrap_or_default()
    }

    /// A file of one CPU: `cache/index3/shared_cpu_list`.
    #[must_use]
    pub fn of_cpu(&self, cpu: usize, path: &str) -> Option<String> {
        self.text(&format!("sys/devices/system/cpu/cpu{cpu}/{path}"))
    }

    /// What `/proc/cpuinfo` says of the first CPU.
    #[must_use]
    pub fn cpu_info(&self, key: &str) -> Option<String> {
        let text = self.text("proc/cpuinfo")?;
        let mut lines = text.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(name, _)| name.trim() == key).map(|(_, value)| value.trim().to_owned())
    }

    /// Whether it is a virtual machine.
    #[must_use]
    pub fn is_vm(&self) -> bool {
        let flags = self.cpu_info("flags").unwrap_or_default();
        flags.split(' ').any(|flag| flag == "hypervisor")
    }

    /// Network interfaces with a device behind them.
    #[must_use]
    pub fn nics(&self) -> Vec<Nic> {
        let nic = |name: String| {
            let device = self.text(&format!("sys/class/net/{name}/device/uevent"))?;
            let driver = field(&device, "DRIVER=").unwrap_or_default();
            Some(Nic { name, is_hardware: !PARAVIRTUAL.contains(&driver) })
        };
        self.names("sys/class/net").into_iter().filter_map(nic).collect()
    }

    /// The CPUs of a list without those that share a core with an earlier one.
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

    /// Names of all processes with their numbers.
    #[must_use]
    pub fn processes(&self) -> Vec<(String, String)> {
        let numbers = self.names("proc").into_iter();
        let numbers = numbers.filter(|name| name.bytes().all(|b| b.is_ascii_digit()));
        numbers.filter_map(|n| Some((self.text(&format!("proc/{n}/comm"))?, n))).collect()
    }
}

/// The rest of the line that begins with `key`, trimmed.
#[must_use]
pub fn field<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(key)).map(str::trim)
}
