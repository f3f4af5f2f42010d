//! Proves which agents run where: every agent once, on cores that there are, and no more spinning
//! threads than cores.

use super::Host;
use crate::runtime::agent::IdleStrategy;
use crate::runtime::runner::ThreadPlan;
use spreadwire_config::config::{self, Config};
use spreadwire_market::problem::Faults;
use std::collections::BTreeMap;
use std::time::Duration;

/// One feed agent and the venues it reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedPlan {
    /// `feed` or `feed.<venue>`.
    pub role: String,
    /// Names of its venues.
    pub venues: Vec<String>,
}

/// Agents that stand exactly once, beside the feeds.
const SINGLE: [&str; 4] = ["calculator", "decision", "broadcast", "journal"];
/// Threads that the engine adds by itself, one for each agent that may wait for a disk or that hears
/// strangers. Their names are taken: a thread's name is also the name of its counters.
pub const COLD: [&str; 7] =
    ["chronicle", "decision_journal", "capture", "telemetry", "reception", "audit", "tls"];
/// Linux keeps this many bytes of a thread's name.
const NAME_MAX: usize = 15;

pub(super) fn plan(
    config: &Config,
    host: &Host,
    faults: &mut Faults,
) -> (Vec<ThreadPlan>, Vec<FeedPlan>) {
    if config.threads.is_empty() {
        let remedy =
            "say where the agents run: [[threads]]; config/laptop.toml has one thread for all";
        faults.add("threads", "there is none", remedy);
        return (Vec::new(), Vec::new());
    }
    let mut threads = Vec::new();
    let mut placed: BTreeMap<&str, usize> = BTreeMap::new();
    for (place, thread) in config.threads.iter().enumerate() {
        let key = format!("threads[{place}]");
        name(&thread.name, &key, &threads, faults);
        cpu(thread.cpu, &key, host, faults);
        for agent in &thread.agents {
            *placed.entry(agent).or_default() += 1;
            known(agent, &key, config, faults);
        }
        let idle = idle(thread, &key, faults);
        let (name, cpu, agents) = (thread.name.clone(), thread.cpu, thread.agents.clone());
        threads.push(ThreadPlan { name, cpu, idle, agents });
    }
    once(&placed, faults);
    spinners(&threads, host, faults);
    (threads, feeds(config, &placed, faults))
}

fn name(name: &str, key: &str, threads: &[ThreadPlan], faults: &mut Faults) {
    let key = format!("{key}.name");
    if name.is_empty() || NAME_MAX < name.len() {
        faults.add(&key, format!("{name:?} is no thread's name"), "use 1 to 15 bytes");
    }
    if COLD.contains(&name) {
        let reason = format!("{name:?} is the name of one of the engine's own threads");
        faults.add(&key, reason, "choose another name");
    }
    if threads.iter().any(|t| t.name == name) {
        faults.add(&key, format!("thread {name:?} stands twice"), "give each its own name");
    }
}

fn cpu(cpu: Option<usize>, key: &str, host: &Host, faults: &mut Faults) {
    if let Some(cpu) = cpu.filter(|cpu| !host.cpus.contains(cpu)) {
        let reason = format!("there is no CPU {cpu} for this process");
        faults.add(&format!("{key}.cpu"), reason, format!("it may use {:?}", host.cpus));
    }
}

fn idle(thread: &config::Thread, key: &str, faults: &mut Faults) -> IdleStrategy {
    let sleep_max_us = thread.sleep_max_us.unwrap_or(config::SLEEP_MAX_US_DEFAULT);
    faults.within(&format!("{key}.sleep_max_us"), sleep_max_us, 10..=1_000_000);
    match thread.idle.as_str() {
        "spin" => IdleStrategy::Spin,
        "yield" => IdleStrategy::Yield,
        "backoff" => IdleStrategy::Backoff { sleep_max: Duration::from_micros(sleep_max_us) },
        other => {
            let reason = format!("{other:?} is no idle strategy");
            faults.add(&format!("{key}.idle"), reason, "choose spin, yield or backoff");
            IdleStrategy::Yield
        }
    }
}

fn known(agent: &str, key: &str, config: &Config, faults: &mut Faults) {
    let venue = agent.strip_prefix("feed.");
    let is_feed =
        agent == "feed" || venue.is_some_and(|venue| config.venues.iter().any(|v| v.name == venue));
    if !is_feed && !SINGLE.contains(&agent) {
        let remedy = format!("agents are feed, feed.<venue of this file>, {}", SINGLE.join(", "));
        faults.add(&format!("{key}.agents"), format!("no agent is called {agent:?}"), remedy);
    }
}

fn once(placed: &BTreeMap<&str, usize>, faults: &mut Faults) {
    for agent in SINGLE.iter().filter(|agent| !placed.contains_key(**agent)) {
        let reason = format!("agent {agent:?} stands on no thread");
        faults.add("threads", reason, "add it to a thread's agents");
    }
    for (agent, _) in placed.iter().filter(|(_, count)| 1 < **count) {
        faults.add("threads", format!("agent {agent:?} stands more than once"), "keep one");
    }
}

fn spinners(threads: &[ThreadPlan], host: &Host, faults: &mut Faults) {
    let spinning: Vec<_> = threads.iter().filter(|t| t.idle == IdleStrategy::Spin).collect();
    if host.cpus.len() < spinning.len() {
        let reason = format!(
            "{} spinning threads on {} CPUs: each hop would cost a scheduler slice",
            spinning.len(),
            host.cpus.len()
        );
        faults.add("threads", reason, "put several agents on one thread, or idle = \"backoff\"");
    }
    for (place, thread) in spinning.iter().enumerate() {
        let twin = spinning[..place].iter().find(|t| t.cpu.is_some() && t.cpu == thread.cpu);
        if let (Some(twin), Some(cpu)) = (twin, thread.cpu) {
            let reason = format!("{:?} and {:?} both spin on CPU {cpu}", twin.name, thread.name);
            faults.add("threads", reason, "give each spinning thread a core of its own");
        }
    }
}

/// `feed` reads every venue that has no feed of its own.
fn feeds(config: &Config, placed: &BTreeMap<&str, usize>, faults: &mut Faults) -> Vec<FeedPlan> {
    let mut feeds = Vec::new();
    let mut shared = Vec::new();
    for venue in &config.venues {
        let role = format!("feed.{}", venue.name);
        if placed.contains_key(role.as_str()) {
            feeds.push(FeedPlan { role, venues: vec![venue.name.clone()] });
        } else {
            shared.push(venue.name.clone());
        }
    }
    match (placed.contains_key("feed"), shared.is_empty()) {
        (true, false) => feeds.push(FeedPlan { role: "feed".to_owned(), venues: shared }),
        (true, true) if !config.venues.is_empty() => {
            let reason = "agent \"feed\" has no venue left: each has a feed of its own";
            faults.add("threads", reason, "remove it");
        }
        (false, false) => {
            let reason = format!("nobody reads {}", shared.join(", "));
            faults.add("threads", reason, "add \"feed\" or \"feed.<venue>\" to a thread");
        }
        (true, true) | (false, true) => {}
    }
    feeds
}
