//! Proposes which agents run on which cores, from the measured distances between the cores, as
//! `[[threads]]` of a configuration.
//!
//! The calculator exchanges records with all other agents, so it gets the core that is nearest to
//! the others. The remaining cores are assigned by distance in the order in which a quote passes
//! the agents: feeds and decision first, then the consumers that may be slower. Everything here is
//! pure.

use crate::topology::Pair;
use std::fmt::Write;

/// One thread of a proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    /// Name of the thread, at most 15 bytes.
    pub name: String,
    /// CPU that the thread is pinned to.
    pub cpu: usize,
    /// Agents of the thread, in the order of the data flow.
    pub agents: Vec<String>,
}

/// Number of bytes of a thread's name that Linux keeps.
const NAME_MAX: usize = 15;

/// Returns the agents of each thread for this many cores. Cores beyond five are only used for
/// separate feeds.
fn roles(cores: usize, venues: &[String]) -> Vec<Vec<String>> {
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let rows: &[&str] = match cores {
        0 => &[],
        1 => &["feed calculator decision broadcast journal"],
        2 => &["feed calculator decision", "broadcast journal"],
        3 => &["feed", "calculator decision", "broadcast journal"],
        4 => &["feed", "calculator", "decision", "broadcast journal"],
        _ => &["feed", "calculator", "decision", "broadcast", "journal"],
    };
    let mut roles: Vec<Vec<String>> = rows.iter().map(|row| words(row)).collect();
    let spare = cores.saturating_sub(roles.len());
    if spare != 0 && 1 < venues.len() {
        // If there are not enough cores, a shared feed keeps the venues without a feed of their
        // own.
        let own = (spare + 1).min(venues.len());
        let alone = if own == venues.len() { own } else { own - 1 };
        let feeds = venues[..alone].iter().map(|venue| vec![format!("feed.{venue}")]);
        let shared = (alone < venues.len()).then(|| vec!["feed".to_owned()]);
        roles.splice(0..1, feeds.chain(shared));
    }
    roles
}

/// Proposes a placement on `cpus`, whose distances are in `pairs`. If there are several venues,
/// they get separate feeds as far as there are cores.
#[must_use]
pub fn propose(cpus: &[usize], pairs: &[Pair], venues: &[String]) -> Vec<Thread> {
    let roles = roles(cpus.len(), venues);
    let mut free = cpus.to_vec();
    free.sort_unstable();
    let is_central = |agents: &[String]| agents.iter().any(|agent| agent == "calculator");
    let Some(centre) = roles.iter().position(|agents| is_central(agents)) else {
        return Vec::new();
    };
    let neighbours = roles.len() - 1;
    let Some(core) = central(&free, pairs, neighbours) else { return Vec::new() };
    free.retain(|cpu| *cpu != core);
    free.sort_by(|a, b| distance(pairs, core, *a).total_cmp(&distance(pairs, core, *b)));
    // The nearest cores go to the feeds and the decision, in the order of the data flow.
    let mut free = free.into_iter();
    let mut threads = Vec::new();
    for (place, agents) in roles.into_iter().enumerate() {
        let cpu = if place == centre { Some(core) } else { free.next() };
        let Some(cpu) = cpu else { break };
        threads.push(Thread { name: name(&agents, &threads), cpu, agents });
    }
    threads
}

/// Returns the core with the smallest total distance to its nearest `neighbours`; among equals, the
/// one with the smallest number.
fn central(cpus: &[usize], pairs: &[Pair], neighbours: usize) -> Option<usize> {
    let spread = |cpu: usize| {
        let others = cpus.iter().filter(|other| **other != cpu);
        let mut distances: Vec<f64> = others.map(|other| distance(pairs, cpu, *other)).collect();
        distances.sort_by(f64::total_cmp);
        distances.iter().take(neighbours).sum::<f64>()
    };
    cpus.iter().copied().min_by(|a, b| spread(*a).total_cmp(&spread(*b)))
}

/// Returns the time of one hand-over between two cores, ns; infinity if it was not measured.
fn distance(pairs: &[Pair], a: usize, b: usize) -> f64 {
    let both = (a.min(b), a.max(b));
    pairs.iter().find(|pair| pair.cpus == both).map_or(f64::INFINITY, |pair| pair.p50_ns)
}

/// Names a thread after its agents, cut to what Linux keeps, with a number if the name is taken.
fn name(agents: &[String], others: &[Thread]) -> String {
    let name = match agents {
        [one] => one.replace('.', "-"),
        [.., last] if last == "decision" => "hot".to_owned(),
        [first, ..] if first == "broadcast" => "consumers".to_owned(),
        _ => "all".to_owned(),
    };
    let cut = |name: &str, length: usize| {
        let mut end = length.min(name.len());
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        name[..end].to_owned()
    };
    let is_taken = |name: &str| others.iter().any(|thread| thread.name == name);
    let short = cut(&name, NAME_MAX);
    let numbered = (2..1_000).map(|n| format!("{}-{n}", cut(&name, NAME_MAX - 4)));
    std::iter::once(short.clone()).chain(numbered).find(|n| !is_taken(n)).unwrap_or(short)
}

/// Returns the threads as `[[threads]]` of a configuration.
#[must_use]
pub fn toml(threads: &[Thread]) -> String {
    let mut text = String::new();
    for Thread { name, cpu, agents } in threads {
        let divider = if text.is_empty() { "" } else { "\n" };
        let agents: Vec<String> = agents.iter().map(|agent| format!("{agent:?}")).collect();
        write!(
            text,
            "{divider}[[threads]]\nname = {name:?}\ncpu = {cpu}\nidle = \"spin\"\nagents = [{}]\n",
            agents.join(", ")
        )
        .expect("a String accepts any text");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::skew::Skew;
    use proptest::prelude::*;
    use spreadwire_engine::plan::{Host, Plan};

    fn pairs(cpus: &[usize], distance: impl Fn(usize, usize) -> f64) -> Vec<Pair> {
        let mut pairs = Vec::new();
        for (place, &a) in cpus.iter().enumerate() {
            for &b in &cpus[place + 1..] {
                let skew = Skew { cpus: (a, b), low: 0, high: 0 };
                pairs.push(Pair { cpus: (a, b), p50_ns: distance(a, b), skew });
            }
        }
        pairs
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    const VENUES: [&str; 4] = ["binance", "binance-usdm", "bybit", "okx"];

    /// Puts the proposal into a configuration and lets the engine validate it.
    fn proved(threads: &[Thread], cpus: &[usize], venues: &[&str]) -> Result<Plan, Vec<String>> {
        let mut text = toml(threads);
        for venue in venues {
            text.push_str(&format!("[[venues]]\nname = \"{venue}\"\n"));
        }
        text.push_str("[[across_markets]]\nname = \"BTC/USDT:SPOT-PERP\"\nprice_decimals = 2\n");
        text.push_str("size_decimals = 5\n");
        let (config, unknown) = spreadwire_config::config::parse(&text).unwrap();
        assert!(unknown.is_empty(), "{unknown:?}");
        let host = Host { cpus: cpus.to_vec(), descriptors: u64::MAX, now: 0 };
        Plan::new(config, "proposal.toml".as_ref(), &host, Vec::new())
            .map_err(|all| all.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn two_cores_are_placed_as_the_preset_does() {
        let threads = propose(&[0, 1], &pairs(&[0, 1], |_, _| 40.0), &[]);
        let preset = include_str!("../../../config/pinned-2.toml");
        assert!(preset.contains(&toml(&threads)), "{}", toml(&threads));
    }

    #[test]
    fn the_threads_that_a_quote_passes_first_share_the_cache() {
        // 0-3 share one cache, 4-7 another; the threads get five of them.
        let near = |a: usize, b: usize| if a / 4 == b / 4 { 20.0 } else { 100.0 };
        let cpus = [2, 4, 5, 6, 7];
        let threads = propose(&cpus, &pairs(&cpus, near), &[]);
        let cpu = |agent: &str| threads.iter().find(|t| t.agents == [agent]).unwrap().cpu;
        assert_eq!(cpu("journal"), 2);
        assert!(["feed", "calculator", "decision"].iter().all(|agent| 4 <= cpu(agent)));
    }

    #[test]
    fn venues_get_separate_feeds_as_far_as_there_are_cores() {
        let venues = names(&VENUES);
        let feeds = |cores: usize| {
            let cpus: Vec<usize> = (0..cores).collect();
            let threads = propose(&cpus, &pairs(&cpus, |_, _| 20.0), &venues);
            let agents = threads.into_iter().flat_map(|thread| thread.agents);
            agents.filter(|agent| agent.starts_with("feed")).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(feeds(5), "feed");
        assert_eq!(feeds(6), "feed.binance feed");
        assert_eq!(feeds(7), "feed.binance feed.binance-usdm feed");
        let all = "feed.binance feed.binance-usdm feed.bybit feed.okx";
        assert_eq!((feeds(8), feeds(12)), (all.to_owned(), all.to_owned()));
    }

    #[test]
    fn names_are_cut_and_numbered() {
        let venues = names(&["a-long-venue-1", "a-long-venue-2"]);
        let cpus: Vec<usize> = (0..6).collect();
        let threads = propose(&cpus, &pairs(&cpus, |_, _| 20.0), &venues);
        assert_eq!(threads[0].name, "feed-a-long-ven");
        assert_eq!(threads[1].name, "feed-a-long-2");
    }

    #[test]
    fn nothing_is_placed_on_no_core() {
        assert_eq!(propose(&[], &[], &[]), []);
    }

    proptest! {
        #[test]
        fn the_engine_accepts_every_proposal(
            cpus in prop::collection::btree_set(0_usize..64, 1..12),
            far in prop::collection::vec(1_u32..200, 97),
            count in 2_usize..5,
            are_known in any::<bool>(),
        ) {
            let cpus: Vec<usize> = cpus.into_iter().collect();
            let far = |a: usize, b: usize| f64::from(far[(a * 64 + b) % 97]);
            let venues = &VENUES[..count];
            let known = if are_known { names(venues) } else { Vec::new() };
            let threads = propose(&cpus, &pairs(&cpus, far), &known);
            let plan = proved(&threads, &cpus, venues);
            prop_assert!(plan.is_ok(), "{:?}", plan.err());
        }
    }
}
