//! Checks the kernel's own work on the hot CPUs: ticks, callbacks, interrupts, workers, watchdogs,
//! scheduling.

use super::interrupts::{Arrivals, arrivals};
use crate::check::{Check, Seen, fail, pass, skip, warn};
use crate::cpulist::CpuList;
use crate::host::{Host, field};

/// The checks of this area.
pub const CHECKS: &[Check] = &[
    Check {
        id: "nohz_full",
        good: "the tickless CPUs include HOT",
        mend: "kernel argument: nohz_full=HOT (needs a kernel with CONFIG_NO_HZ_FULL)",
        look: nohz_full,
    },
    Check {
        id: "ticks",
        good: "each hot CPU gets fewer than 5 timer interrupts a second",
        mend: "kernel argument: nohz_full=HOT; run only one thread on each",
        look: ticks,
    },
    Check {
        id: "rcu_nocbs",
        good: "RCU callbacks of HOT run elsewhere",
        mend: "kernel arguments: rcu_nocbs=HOT rcu_nocb_poll",
        look: rcu_nocbs,
    },
    Check {
        id: "irq_affinity",
        good: "no device interrupt is sent to a hot CPU, except that of the feed's queue",
        mend: "for i in /proc/irq/*/smp_affinity_list; do echo COLD > $i; done; \
               echo COLDMASK > /proc/irq/default_smp_affinity",
        look: irq_affinity,
    },
    Check {
        id: "irq_arrivals",
        good: "no device interrupt arrived on a hot CPU during the check",
        mend: "as for irq_affinity; /proc/interrupts names the device",
        look: irq_arrivals,
    },
    Check {
        id: "irqbalance",
        good: "irqbalance is not running",
        mend: "systemctl disable --now irqbalance",
        look: irqbalance,
    },
    Check {
        id: "workqueues",
        good: "unbound kernel workers stay off the hot CPUs",
        mend: "for i in /sys/devices/virtual/workqueue/cpumask \
               /sys/devices/virtual/workqueue/writeback/cpumask; do echo COLDMASK > $i; done",
        look: workqueues,
    },
    Check {
        id: "watchdogs",
        good: "kernel.watchdog and kernel.nmi_watchdog are 0",
        mend: "sysctl -w kernel.watchdog=0 kernel.nmi_watchdog=0; kernel arguments: nowatchdog \
               nosoftlockup",
        look: watchdogs,
    },
    Check {
        id: "timer_migration",
        good: "0, or the hot CPUs are tickless",
        mend: "sysctl -w kernel.timer_migration=0",
        look: timer_migration,
    },
    Check {
        id: "rt_throttling",
        good: "no task runs under SCHED_FIFO or SCHED_RR on a hot CPU, so throttling does not matter",
        mend: "chrt -o -p 0 PID for each such task, or taskset -pc COLD PID",
        look: rt_throttling,
    },
    Check {
        id: "engine_threads",
        good: "each pinned thread of the running engine is on its one CPU, under SCHED_OTHER",
        mend: "restart the engine with the configuration that was checked, without chrt",
        look: engine_threads,
    },
    Check {
        id: "preemption",
        good: "known and stated; not PREEMPT_RT, which moves network processing to threads",
        mend: "boot a kernel without PREEMPT_RT; on isolated cores use none or lazy: preempt=lazy",
        look: preemption,
    },
    Check {
        id: "mitigations",
        good: "nothing is vulnerable; whether to switch mitigations off is the operator's choice",
        mend: "update kernel and microcode, or accept it and state it next to every figure",
        look: mitigations,
    },
];

/// Largest number of timer interrupts a second on a tickless CPU: the scheduler's remaining tick,
/// and a few timers.
const TICKS_MAX: f64 = 5.0;

fn nohz_full(host: &Host) -> Seen {
    let Some(tickless) = host.text("sys/devices/system/cpu/nohz_full") else {
        return fail("this kernel is built without CONFIG_NO_HZ_FULL");
    };
    // Some kernels print "(null)" if there is none.
    let tickless = tickless.parse::<CpuList>().unwrap_or_default();
    let missing = host.hot.without(&tickless);
    if missing.is_empty() {
        pass(format!("{tickless}"))
    } else {
        fail(format!("{missing} are not tickless: each is interrupted up to 1000 times a second"))
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn ticks(host: &Host) -> Seen {
    let Some(arrivals) = arrivals(host) else { return skip("/proc/interrupts cannot be read") };
    let local = arrivals.iter().find(|it| it.name == "LOC");
    let worst = local.and_then(|it| it.by_cpu.iter().max_by_key(|(_, count)| *count));
    let Some((cpu, count)) = worst else {
        return skip("/proc/interrupts has no line LOC");
    };
    let rate = *count as f64 / host.seconds.max(0.001);
    let found = format!("{rate:.0} a second on CPU {cpu}");
    if rate < TICKS_MAX { pass(format!("at most {found}")) } else { warn(found) }
}

fn rcu_nocbs(host: &Host) -> Seen {
    let Some(value) = host.argument("rcu_nocbs") else {
        // nohz_full implies it, because the kernel offloads the same CPUs.
        let tickless = host.cpu_list("sys/devices/system/cpu/nohz_full").unwrap_or_default();
        return if !host.hot.is_empty() && host.hot.without(&tickless).is_empty() {
            pass("implied by nohz_full")
        } else {
            warn("no rcu_nocbs= on the kernel's command line")
        };
    };
    let offloaded = if value == "all" { Ok(host.online()) } else { value.parse::<CpuList>() };
    let missing = host.hot.without(&offloaded.unwrap_or_default());
    if missing.is_empty() {
        pass(format!("rcu_nocbs={value}"))
    } else {
        warn(format!("rcu_nocbs={value} leaves {missing} out"))
    }
}

fn irq_affinity(host: &Host) -> Seen {
    let numbers: Vec<String> = host.names("proc/irq");
    let numbers = numbers.iter().filter(|name| name.bytes().all(|b| b.is_ascii_digit()));
    let mut sent = Vec::new();
    let mut known = 0;
    for irq in numbers {
        let effective = host.cpu_list(&format!("proc/irq/{irq}/effective_affinity_list"));
        let effective = effective.filter(|list| !list.is_empty());
        let list =
            effective.or_else(|| host.cpu_list(&format!("proc/irq/{irq}/smp_affinity_list")));
        known += usize::from(list.is_some());
        if list.is_some_and(|list| !list.and(&host.hot).is_empty()) {
            sent.push(irq.as_str());
        }
    }
    if known == 0 {
        skip("the kernel reports no interrupts")
    } else if sent.is_empty() {
        pass(format!("{known} interrupts, all on other CPUs"))
    } else {
        warn(format!("{} of {known} may arrive on CPUs {}: {}", sent.len(), host.hot, some(&sent)))
    }
}

/// Joins the first few entries of a list.
fn some(list: &[&str]) -> String {
    let shown = list.iter().take(8).copied().collect::<Vec<_>>().join(" ");
    if 8 < list.len() { format!("{shown} ...") } else { shown }
}

fn irq_arrivals(host: &Host) -> Seen {
    let Some(arrivals) = arrivals(host) else { return skip("/proc/interrupts cannot be read") };
    let devices = arrivals.iter().filter(|it| it.name.bytes().all(|b| b.is_ascii_digit()));
    let count = |it: &Arrivals| it.by_cpu.iter().map(|(_, count)| count).sum::<u64>();
    let came: Vec<String> = devices
        .filter(|it| count(it) != 0)
        .map(|it| format!("{} {} ({})", count(it), it.device, it.name))
        .collect();
    if came.is_empty() {
        pass(format!("none in {:.1} s", host.seconds))
    } else {
        let came: Vec<&str> = came.iter().map(String::as_str).collect();
        fail(format!("in {:.1} s: {}", host.seconds, some(&came)))
    }
}

fn irqbalance(host: &Host) -> Seen {
    let processes = host.processes();
    if processes.is_empty() {
        return skip("/proc lists no processes");
    }
    match processes.iter().find(|(name, _)| name == "irqbalance") {
        Some((_, number)) => warn(format!("it is running as process {number}")),
        None => pass("it is not running"),
    }
}

fn workqueues(host: &Host) -> Seen {
    let folder = "sys/devices/virtual/workqueue";
    let mask = |file: &str| host.text(&format!("{folder}/{file}"));
    let masks: Vec<CpuList> = ["cpumask", "writeback/cpumask"]
        .into_iter()
        .filter_map(|file| CpuList::from_mask(&mask(file)?))
        .collect();
    let on_hot: CpuList = masks.iter().flat_map(|cpus| cpus.iter()).collect::<CpuList>();
    let on_hot = on_hot.and(&host.hot);
    if masks.is_empty() {
        skip("the kernel does not report where its workers run")
    } else if on_hot.is_empty() {
        pass("on other CPUs")
    } else {
        warn(format!("they may run on CPUs {on_hot}"))
    }
}

fn watchdogs(host: &Host) -> Seen {
    let names = ["watchdog", "nmi_watchdog"];
    let value = |name: &str| host.number::<u32>(&format!("proc/sys/kernel/{name}"));
    if names.iter().all(|name| value(name).is_none()) {
        return skip("this kernel has none");
    }
    let on: Vec<&str> = names.into_iter().filter(|name| value(name) == Some(1)).collect();
    if on.is_empty() { pass("off") } else { warn(format!("on: {}", on.join(", "))) }
}

fn timer_migration(host: &Host) -> Seen {
    let tickless = host.cpu_list("sys/devices/system/cpu/nohz_full").unwrap_or_default();
    match host.number::<u32>("proc/sys/kernel/timer_migration") {
        None => skip("this kernel has no such switch"),
        Some(0) => pass("0"),
        Some(n) if !host.hot.is_empty() && host.hot.without(&tickless).is_empty() => {
            pass(format!("{n}, but the hot CPUs are tickless"))
        }
        Some(n) => warn(format!("{n}: timers may move to a hot CPU")),
    }
}

/// Parses the scheduling policy of a thread from `/proc/PID/task/TID/stat`: 0 is `SCHED_OTHER`, 1
/// `SCHED_FIFO`, 2 `SCHED_RR`. The name before it is in brackets and may contain anything.
fn policy(stat: &str) -> Option<u32> {
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(38)?.parse().ok()
}

fn rt_throttling(host: &Host) -> Seen {
    let limit = host.text("proc/sys/kernel/sched_rt_runtime_us");
    let mut realtime = Vec::new();
    for (name, number) in host.processes() {
        let file = |file: &str| host.text(&format!("proc/{number}/{file}"));
        // Nobody can move a kernel thread that is bound to a CPU (migration, watchdog).
        let is_bound = ["migration/", "watchdog/", "idle_inject/", "irq/"];
        if is_bound.iter().any(|kind| name.starts_with(kind)) {
            continue;
        }
        let policy = file("stat").as_deref().and_then(policy);
        let status = file("status").unwrap_or_default();
        let cpus = field(&status, "Cpus_allowed_list:").and_then(|l| l.parse::<CpuList>().ok());
        let is_hot = cpus.is_some_and(|cpus| !cpus.and(&host.hot).is_empty());
        if matches!(policy, Some(1 | 2)) && is_hot {
            realtime.push(format!("{name} ({number})"));
        }
    }
    let Some(limit) = limit else { return skip("the kernel does not report its limit") };
    if realtime.is_empty() {
        return pass(format!("no such task; sched_rt_runtime_us {limit}"));
    }
    let names: Vec<&str> = realtime.iter().map(String::as_str).collect();
    warn(format!("may run on the hot CPUs: {}; sched_rt_runtime_us {limit}", some(&names)))
}

fn engine_threads(host: &Host) -> Seen {
    let Some(wanted) = &host.wanted else {
        return skip("the threads are not known without --config");
    };
    let engines = host.processes();
    let Some((_, engine)) = engines.iter().find(|(name, _)| name == "spreadwire") else {
        return skip("no engine is running");
    };
    let mut wrong = Vec::new();
    let tasks = host.names(&format!("proc/{engine}/task"));
    let mut seen = 0;
    for task in &tasks {
        let file = |file: &str| {
            host.text(&format!("proc/{engine}/task/{task}/{file}")).unwrap_or_default()
        };
        let name = file("comm");
        let cpu = wanted.threads.iter().find(|(wanted, _)| *wanted == name);
        let Some((_, Some(cpu))) = cpu else { continue };
        seen += 1;
        let status = file("status");
        let list = field(&status, "Cpus_allowed_list:").unwrap_or_default();
        if list != cpu.to_string() {
            wrong.push(format!("{name} may use {list}, not only {cpu}"));
        }
        if policy(&file("stat")) != Some(0) {
            wrong.push(format!("{name} is not under SCHED_OTHER"));
        }
    }
    if !wrong.is_empty() {
        fail(format!("process {engine}: {}", wrong.join("; ")))
    } else if seen == 0 {
        skip(format!("process {engine} has none of the configuration's pinned threads"))
    } else {
        pass(format!("process {engine}: {seen} threads"))
    }
}

fn preemption(host: &Host) -> Seen {
    let version = host.text("proc/version").unwrap_or_default();
    let told = host.text("sys/kernel/debug/sched/preempt");
    let chosen = told.as_deref().and_then(|text| text.split(['(', ')']).nth(1).map(str::to_owned));
    let chosen = chosen.or_else(|| host.argument("preempt"));
    let built = version.split_whitespace().find(|word| word.starts_with("PREEMPT"));
    match (built, chosen) {
        (Some(built @ ("PREEMPT_RT" | "PREEMPT_RT_FULL")), _) => warn(built),
        (Some(built), Some(chosen)) => pass(format!("{built}, {chosen}")),
        (Some(built), None) => {
            pass(format!("{built}; the mode is in debugfs, which only root can read"))
        }
        (None, _) if version.is_empty() => skip("/proc/version cannot be read"),
        (None, _) => pass("no preemption built in"),
    }
}

fn mitigations(host: &Host) -> Seen {
    let folder = "sys/devices/system/cpu/vulnerabilities";
    let names = host.names(folder);
    if names.is_empty() {
        return skip("the kernel does not report vulnerabilities");
    }
    let status = |name: &String| host.text(&format!("{folder}/{name}")).unwrap_or_default();
    let with = |word: &str| {
        let all = names.iter().filter(|name| status(name).starts_with(word));
        all.map(String::as_str).collect::<Vec<_>>()
    };
    let chosen = host.argument("mitigations").unwrap_or_else(|| "auto".to_owned());
    let (open, mitigated) = (with("Vulnerable"), with("Mitigation"));
    let found = format!("mitigations={chosen}, {} in force", mitigated.len());
    if open.is_empty() {
        pass(found)
    } else {
        warn(format!("{found}; vulnerable: {}", some(&open)))
    }
}
