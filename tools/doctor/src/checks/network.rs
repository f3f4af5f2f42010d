//! Checks the network: the interface's settings, what the kernel drops, and its TCP settings.

use crate::check::{Check, Seen, fail, pass, skip, warn};
use crate::host::{Host, Nic};

/// The checks of this area.
pub const CHECKS: &[Check] = &[
    Check {
        id: "nic_node",
        good: "the network interface is on the NUMA node of the hot CPUs",
        mend: "choose hot CPUs on the interface's node: /sys/class/net/NIC/device/numa_node",
        look: nic_node,
    },
    Check {
        id: "nic_coalescing",
        good: "adaptive-rx is off, and rx-usecs is 0 to 2",
        mend: "ethtool -C NIC adaptive-rx off adaptive-tx off rx-usecs 0 tx-usecs 0",
        look: coalescing,
    },
    Check {
        id: "nic_offloads",
        good: "GRO and LRO are off on the feed's interface",
        mend: "ethtool -K NIC gro off lro off",
        look: offloads,
    },
    Check {
        id: "nic_rings",
        good: "there are 4096 receive descriptors, or as many as the interface has",
        mend: "ethtool -G NIC rx 4096",
        look: rings,
    },
    Check {
        id: "busy_poll",
        good: "net.core.busy_poll and busy_read are 50, or each socket sets the option",
        mend: "sysctl -w net.core.busy_poll=50 net.core.busy_read=50",
        look: busy_poll,
    },
    Check {
        id: "softnet",
        good: "no packet was dropped and no budget used up during the check",
        mend: "sysctl -w net.core.netdev_max_backlog=250000 net.core.netdev_budget=600",
        look: softnet,
    },
    Check {
        id: "tcp_idle",
        good: "net.ipv4.tcp_slow_start_after_idle is 0",
        mend: "sysctl -w net.ipv4.tcp_slow_start_after_idle=0",
        look: tcp_idle,
    },
    Check {
        id: "tcp_autocorking",
        good: "net.ipv4.tcp_autocorking is 0 where clients are served",
        mend: "sysctl -w net.ipv4.tcp_autocorking=0",
        look: tcp_autocorking,
    },
    Check {
        id: "tcp_memory",
        good: "receive buffers may grow to 16 MiB",
        mend: "sysctl -w net.ipv4.tcp_rmem='4096 131072 33554432' net.core.rmem_max=33554432",
        look: tcp_memory,
    },
    Check {
        id: "retransmits",
        good: "nothing was sent again and nothing dropped from a full queue during the check",
        mend: "check the route to the venue: ss -ti, mtr; nstat TcpExtTCPRcvQDrop",
        look: retransmits,
    },
];

/// Bytes to which a receive buffer should be able to grow: one second of the venues' busiest
/// minute.
const RECEIVE_MIN: u64 = 16 << 20;

fn hardware(host: &Host) -> Result<Vec<Nic>, Seen> {
    let all = host.nics();
    let (hardware, others): (Vec<Nic>, Vec<Nic>) = all.into_iter().partition(|n| n.is_hardware);
    match (hardware.is_empty(), others.first()) {
        (false, _) => Ok(hardware),
        (true, Some(nic)) => {
            Err(skip(format!("{} is virtual: its host decides its settings", nic.name)))
        }
        (true, None) => Err(skip("no network interface has a device behind it")),
    }
}

/// Asks `ethtool` about every interface. `fault` returns what is wrong with one, if anything.
fn ask(host: &Host, option: &str, fault: fn(&str) -> Option<String>) -> Seen {
    let nics = match hardware(host) {
        Ok(nics) => nics,
        Err(seen) => return seen,
    };
    let answer = |nic: &Nic| host.program(&format!("ethtool {option} {}", nic.name));
    let said: Vec<(&Nic, String)> =
        nics.iter().filter_map(|nic| Some((nic, answer(nic)?))).collect();
    if said.is_empty() {
        return skip(format!("not checked: needs `ethtool {option} {}`", nics[0].name));
    }
    let faults: Vec<String> = said
        .iter()
        .filter_map(|(nic, text)| Some(format!("{}: {}", nic.name, fault(text)?)))
        .collect();
    let names = said.iter().map(|(nic, _)| nic.name.as_str()).collect::<Vec<_>>().join(", ");
    if faults.is_empty() { pass(names) } else { warn(faults.join("; ")) }
}

/// Returns the value of the last line `name: value` with that name in the output of `ethtool`.
fn setting<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = text.lines().rev().filter_map(|line| line.split_once(':'));
    lines.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim())
}

fn coalescing(host: &Host) -> Seen {
    ask(host, "-c", |text| {
        let adaptive = setting(text, "Adaptive RX").is_some_and(|value| value.starts_with("on"));
        let usecs = setting(text, "rx-usecs").and_then(|value| value.parse::<u32>().ok());
        let mut faults = Vec::new();
        if adaptive {
            faults.push("adaptive-rx on".to_owned());
        }
        if let Some(usecs) = usecs.filter(|usecs| 2 < *usecs) {
            faults.push(format!("rx-usecs {usecs}"));
        }
        (!faults.is_empty()).then(|| faults.join(", "))
    })
}

fn offloads(host: &Host) -> Seen {
    ask(host, "-k", |text| {
        let on = |name: &&str| setting(text, name).is_some_and(|value| value.starts_with("on"));
        let names = ["generic-receive-offload", "large-receive-offload"];
        let on: Vec<&str> = names.into_iter().filter(on).collect();
        (!on.is_empty()).then(|| format!("{} on", on.join(", ")))
    })
}

fn rings(host: &Host) -> Seen {
    ask(host, "-g", |text| {
        let (limits, now) = text.split_once("Current hardware settings")?;
        let rx = |text: &str| setting(text, "RX")?.parse::<u32>().ok();
        let (most, now) = (rx(limits)?, rx(now)?);
        (now < most.min(4_096)).then(|| format!("{now} of {most} receive descriptors"))
    })
}

fn nic_node(host: &Host) -> Seen {
    let nics = match hardware(host) {
        Ok(nics) => nics,
        Err(seen) => return seen,
    };
    let nodes = super::cores::nodes(host);
    if nodes.len() < 2 {
        return skip("there is only one NUMA node");
    }
    let far = |nic: &&Nic| {
        let path = format!("sys/class/net/{}/device/numa_node", nic.name);
        let Some(number) = host.number::<usize>(&path) else { return false };
        let node = nodes.iter().find(|(node, _)| *node == number);
        node.is_some_and(|(_, cpus)| cpus.and(&host.hot).is_empty())
    };
    let far: Vec<&str> = nics.iter().filter(far).map(|nic| nic.name.as_str()).collect();
    if far.is_empty() {
        pass("on the same node")
    } else {
        warn(format!("{} is on another node than CPUs {}", far.join(", "), host.hot))
    }
}

fn busy_poll(host: &Host) -> Seen {
    if let Err(seen) = hardware(host) {
        return seen;
    }
    let value = |name: &str| host.number::<u32>(&format!("proc/sys/net/core/{name}"));
    match (value("busy_poll"), value("busy_read")) {
        (Some(poll), Some(read)) if 0 < read => pass(format!("busy_poll {poll}, busy_read {read}")),
        (Some(_), Some(_)) => warn("0: a packet has to wait for its interrupt"),
        _ => skip("this kernel has none"),
    }
}

/// Sums up the second and third column of `/proc/net/softnet_stat`: packets dropped, and how often
/// the budget was used up.
fn soft(text: &str) -> (u64, u64) {
    let column = |line: &str, number: usize| {
        let word = line.split_whitespace().nth(number);
        word.and_then(|word| u64::from_str_radix(word, 16).ok()).unwrap_or(0)
    };
    let both = text.lines().map(|line| (column(line, 1), column(line, 2)));
    both.fold((0, 0), |sum, line| (sum.0 + line.0, sum.1 + line.1))
}

fn softnet(host: &Host) -> Seen {
    let Some((before, after)) = host.twice("proc/net/softnet_stat") else {
        return skip("/proc/net/softnet_stat cannot be read");
    };
    let (before, after) = (soft(before), soft(after));
    let dropped = after.0.saturating_sub(before.0);
    let squeezed = after.1.saturating_sub(before.1);
    let found = format!(
        "{dropped} dropped, budget used up {squeezed} times; {} and {} since boot",
        after.0, after.1
    );
    match (dropped, squeezed) {
        (0, 0) => pass(found),
        (0, _) => warn(found),
        _ => fail(found),
    }
}

/// Checks that a switch below `net.ipv4` is 0.
fn zero(host: &Host, name: &str, otherwise: &str) -> Seen {
    match host.number::<u32>(&format!("proc/sys/net/ipv4/{name}")) {
        None => skip("this kernel has no such switch"),
        Some(0) => pass("0"),
        Some(n) => warn(format!("{n}: {otherwise}")),
    }
}

fn tcp_idle(host: &Host) -> Seen {
    zero(host, "tcp_slow_start_after_idle", "a connection that was quiet starts slowly")
}

fn tcp_autocorking(host: &Host) -> Seen {
    zero(host, "tcp_autocorking", "a small message may wait for the one before it to leave")
}

fn tcp_memory(host: &Host) -> Seen {
    let text = host.text("proc/sys/net/ipv4/tcp_rmem");
    let max = text.as_deref().and_then(|text| text.split_whitespace().nth(2)?.parse::<u64>().ok());
    match max {
        None => skip("the kernel does not report it"),
        Some(max) if RECEIVE_MIN <= max => pass(format!("{} MiB", max >> 20)),
        Some(max) => warn(format!("{} KiB", max >> 10)),
    }
}

/// Returns a value of `/proc/net/snmp` or `netstat`, which have a line of names, then a line of
/// numbers.
fn named(text: &str, group: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter(|line| line.split(':').next() == Some(group));
    let (names, numbers) = (lines.next()?, lines.next()?);
    let place = names.split_whitespace().position(|word| word == name)?;
    numbers.split_whitespace().nth(place)?.parse().ok()
}

fn retransmits(host: &Host) -> Seen {
    let grown = |path: &str, group: &str, name: &str| {
        let (before, after) = host.twice(path)?;
        Some(named(after, group, name)?.saturating_sub(named(before, group, name)?))
    };
    let again = grown("proc/net/snmp", "Tcp", "RetransSegs");
    let dropped = grown("proc/net/netstat", "TcpExt", "TCPRcvQDrop").unwrap_or(0);
    let Some(again) = again else { return skip("/proc/net/snmp cannot be read") };
    let found = format!("{again} sent again, {dropped} dropped in {:.1} s", host.seconds);
    if again == 0 && dropped == 0 { pass(found) } else { warn(found) }
}
