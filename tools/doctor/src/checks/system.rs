//! Checks the rest of the system: limits, disks, profiles.

use crate::check::{Check, Seen, pass, skip, warn};
use crate::host::Host;

/// The checks of this area.
pub const CHECKS: &[Check] = &[
    Check {
        id: "file_descriptors",
        good: "65536 or more",
        mend: "LimitNOFILE=65536 in the systemd unit; ulimit -n 65536",
        look: file_descriptors,
    },
    Check {
        id: "disk_scheduler",
        good: "none or mq-deadline on every disk",
        mend: "echo none > /sys/block/DISK/queue/scheduler",
        look: disk_scheduler,
    },
    Check {
        id: "disk_mount",
        good: "no file system writes an access time for every read (noatime or relatime)",
        mend: "mount -o remount,noatime MOUNT",
        look: disk_mount,
    },
    Check {
        id: "tuned_profile",
        good: "network-latency, latency-performance, cpu-partitioning or realtime",
        mend: "tuned-adm profile network-latency",
        look: tuned_profile,
    },
];

/// Number of descriptors for as many clients as a configuration may allow.
const DESCRIPTORS_MIN: u64 = 65_536;

fn file_descriptors(host: &Host) -> Seen {
    match super::memory::limit(host, "Max open files") {
        None => skip("the kernel does not report the limit"),
        Some(None) => pass("unlimited"),
        Some(Some(count)) if DESCRIPTORS_MIN <= count => pass(count.to_string()),
        Some(Some(count)) => warn(count.to_string()),
    }
}

fn disk_scheduler(host: &Host) -> Seen {
    let is_disk = |name: &&String| {
        !["loop", "ram", "zram", "dm-", "md", "sr", "nbd"].iter().any(|kind| name.starts_with(kind))
    };
    let names = host.names("sys/block");
    let scheduler = |name: &String| {
        let text = host.text(&format!("sys/block/{name}/queue/scheduler"))?;
        // A disk with only one scheduler shows it without brackets.
        let chosen = text.split(['[', ']']).nth(1).unwrap_or(&text).to_owned();
        Some((name.clone(), chosen))
    };
    let all: Vec<(String, String)> = names.iter().filter(is_disk).filter_map(scheduler).collect();
    let text = all.iter().map(|(name, s)| format!("{name} {s}")).collect::<Vec<_>>().join(", ");
    if all.is_empty() {
        skip("the kernel lists no disks")
    } else if all.iter().all(|(_, s)| ["none", "mq-deadline"].contains(&s.as_str())) {
        pass(text)
    } else {
        warn(text)
    }
}

fn disk_mount(host: &Host) -> Seen {
    let Some(table) = host.text("proc/mounts") else { return skip("/proc/mounts cannot be read") };
    let of_disk = table.lines().filter(|line| line.starts_with("/dev/"));
    let fields = of_disk.map(|line| line.split(' ').collect::<Vec<_>>());
    let (mut known, mut slow) = (0, Vec::new());
    for fields in fields.filter(|fields| 4 <= fields.len()) {
        let options: Vec<&str> = fields[3].split(',').collect();
        known += 1;
        let has = |option: &str| options.contains(&option);
        if !has("noatime") && !has("relatime") && !has("ro") {
            slow.push(fields[1].to_owned());
        }
    }
    if known == 0 {
        skip("no file system is on a disk")
    } else if slow.is_empty() {
        pass(format!("{known} file systems"))
    } else {
        warn(format!("reading writes access times on {}", slow.join(", ")))
    }
}

fn tuned_profile(host: &Host) -> Seen {
    let good = ["network-latency", "latency-performance", "cpu-partitioning", "realtime"];
    match host.text("etc/tuned/active_profile") {
        None => skip("tuned is not installed; the checks above cover what it would set"),
        Some(profile) if good.iter().any(|name| profile.split(' ').any(|p| p == *name)) => {
            pass(profile)
        }
        Some(profile) if profile.is_empty() => warn("no profile is active"),
        Some(profile) => warn(profile),
    }
}
