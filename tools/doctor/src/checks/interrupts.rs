//! Reads from `/proc/interrupts` how often each interrupt arrived on the hot CPUs.

use crate::host::Host;

/// One line of `/proc/interrupts`.
struct Interrupt {
    name: String,
    device: String,
    /// Number of arrivals on each CPU that the file's first line lists.
    counts: Vec<u64>,
}

/// Number of times an interrupt arrived on each hot CPU between the two readings.
pub(super) struct Arrivals {
    /// Number of the interrupt, or its name, such as `LOC` for the local timer.
    pub(super) name: String,
    pub(super) device: String,
    pub(super) by_cpu: Vec<(usize, u64)>,
}

/// Parses `/proc/interrupts` into the CPUs of its first line and one entry per interrupt.
fn interrupts(text: &str) -> (Vec<usize>, Vec<Interrupt>) {
    let mut lines = text.lines();
    let head = lines.next().unwrap_or_default().split_whitespace();
    let cpus: Vec<usize> = head.filter_map(|name| name.strip_prefix("CPU")?.parse().ok()).collect();
    let line = |line: &str| {
        let (name, rest) = line.split_once(':')?;
        let words: Vec<&str> = rest.split_whitespace().collect();
        let counts: Vec<u64> =
            words.iter().take(cpus.len()).map_while(|word| word.parse().ok()).collect();
        let device = words.get(cpus.len()..).and_then(|rest| rest.last()).unwrap_or(&"");
        let (name, device) = (name.trim().to_owned(), (*device).to_owned());
        Some(Interrupt { name, device, counts })
    };
    let all = lines.filter_map(line).collect();
    (cpus, all)
}

/// Returns the arrivals of every interrupt; `None` if the file cannot be read, or if the CPUs that it
/// lists changed between the two readings.
pub(super) fn arrivals(host: &Host) -> Option<Vec<Arrivals>> {
    let (before, after) = host.twice("proc/interrupts")?;
    let (cpus, before) = interrupts(before);
    let (cpus_after, after) = interrupts(after);
    let grown = |now: Interrupt| {
        let old = before.iter().find(|old| old.name == now.name)?;
        let pairs = cpus.iter().zip(old.counts.iter().zip(&now.counts));
        let hot = pairs.filter(|(cpu, _)| host.hot.contains(**cpu));
        let by_cpu = hot.map(|(cpu, (old, now))| (*cpu, now.saturating_sub(*old))).collect();
        Some(Arrivals { name: now.name, device: now.device, by_cpu })
    };
    (cpus == cpus_after && !cpus.is_empty()).then(|| after.into_iter().filter_map(grown).collect())
}
