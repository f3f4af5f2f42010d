//! What the kernel did to each hot thread: page faults and times that it lost its core.
//!
//! A cold thread calls it about once a second. Counting begins [`WARM_UP`] after the start, when every
//! page should be there, so that on a tuned host every count stays 0.

use procfs::ProcResult;
use procfs::process::{Process, Task};
use spreadwire_market::clock::{Nanos, SECOND};
use spreadwire_market::counters::{Counter, Counters};

/// From the start until counting begins.
pub const WARM_UP: Nanos = 2 * SECOND;

/// Bytes of a thread's name that the kernel keeps.
const NAME_BYTES: usize = 15;

/// Totals of a thread since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Totals([u64; 4]);

/// How they are called, in their order: faults served from memory and from a disk, and switches
/// because the thread waited and because somebody else was given its core.
pub const NAMES: [&str; 4] =
    ["faults_minor", "faults_major", "switches_voluntary", "switches_involuntary"];

#[derive(Debug)]
struct Watched {
    name: String,
    /// The kernel's id, once the thread was found.
    id: Option<i32>,
    /// What stood at the end of the warm-up, and the counters of what came since.
    since: Option<(Totals, [Counter; 4])>,
}

/// Counters `thread.<name>.faults_minor` and the like, of threads known by name; there are none
/// before the warm-up is over.
#[derive(Debug)]
pub struct ThreadWatch {
    begins: Nanos,
    counters: Counters,
    threads: Vec<Watched>,
}

impl ThreadWatch {
    /// Of threads that were started by `now`.
    #[must_use]
    pub fn new<'a>(
        names: impl Iterator<Item = &'a str>,
        now: Nanos,
        counters: &Counters,
    ) -> ThreadWatch {
        let watched = |name: &str| Watched { name: name.to_owned(), id: None, since: None };
        let (begins, counters) = (now + WARM_UP, counters.clone());
        ThreadWatch { begins, counters, threads: names.map(watched).collect() }
    }

    /// Asks the kernel; a thread that has ended keeps its last counts.
    pub fn look(&mut self, now: Nanos) {
        if self.begins <= now {
            self.look_with(|id| id.map_or_else(find_all, |id| totals_of(id).map(|one| vec![one])));
        }
    }

    /// Takes totals by thread from `ask`: of the one with the id given, or of all with their names.
    fn look_with(&mut self, mut ask: impl FnMut(Option<i32>) -> ProcResult<Vec<Found>>) {
        if self.threads.iter().any(|thread| thread.id.is_none()) {
            let found = ask(None).unwrap_or_default();
            for thread in &mut self.threads {
                let name = &thread.name.as_bytes()[..thread.name.len().min(NAME_BYTES)];
                let same = |found: &&Found| found.name.as_bytes() == name;
                thread.id = thread.id.or(found.iter().find(same).map(|found| found.id));
            }
        }
        for thread in &mut self.threads {
            let Some(id) = thread.id else { continue };
            let Some(Found { totals, .. }) = ask(Some(id)).ok().and_then(|mut one| one.pop())
            else {
                continue;
            };
            let named = |what| self.counters.register(&format!("thread.{}.{what}", thread.name));
            let (before, counters) = thread.since.get_or_insert_with(|| (totals, NAMES.map(named)));
            for (place, counter) in counters.iter().enumerate() {
                counter.set(totals.0[place].saturating_sub(before.0[place]));
            }
        }
    }
}

/// A thread of this process.
#[derive(Clone, Debug)]
struct Found {
    id: i32,
    name: String,
    totals: Totals,
}

fn find_all() -> ProcResult<Vec<Found>> {
    let tasks = Process::myself()?.tasks()?;
    Ok(tasks.flatten().filter_map(|task| found(&task).ok()).collect())
}

fn totals_of(id: i32) -> ProcResult<Found> {
    found(&Process::myself()?.task_from_tid(id)?)
}

fn found(task: &Task) -> ProcResult<Found> {
    let (stat, status) = (task.stat()?, task.status()?);
    let switches = [status.voluntary_ctxt_switches, status.nonvoluntary_ctxt_switches];
    let [voluntary, involuntary] = switches.map(|count| count.unwrap_or(0));
    let totals = Totals([stat.minflt, stat.majflt, voluntary, involuntary]);
    Ok(Found { id: task.tid, name: stat.comm, totals })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_after_the_warm_up_is_counted_by_thread() {
        let counters = Counters::default();
        let names = ["hot", "a name that the kernel cuts off"];
        let mut watch = ThreadWatch::new(names.into_iter(), 0, &counters);
        let mut host: Vec<Found> = Vec::new();
        let mut look = |watch: &mut ThreadWatch, threads: &[(i32, &str, [u64; 4])]| {
            host = threads
                .iter()
                .map(|(id, name, totals)| Found {
                    id: *id,
                    name: (*name).to_owned(),
                    totals: Totals(*totals),
                })
                .collect();
            watch.look_with(|id| {
                let wanted = |found: &&Found| id.is_none_or(|id| found.id == id);
                Ok(host.iter().filter(wanted).cloned().collect())
            });
        };
        let cut = "a name that the";
        look(&mut watch, &[(7, "hot", [5, 1, 9, 2]), (9, "other", [4; 4])]);
        look(&mut watch, &[(7, "hot", [5, 1, 9, 3]), (8, cut, [1; 4])]);
        look(&mut watch, &[(8, cut, [1, 1, 2, 1])]);
        let counted = counters.snapshot();
        let of = |name: &str| NAMES.map(|what| counted[&format!("thread.{name}.{what}")]);
        assert_eq!(of("hot"), [0, 0, 0, 1]);
        assert_eq!(of(names[1]), [0, 0, 1, 0]);
    }

    /// The kernel's own answer, for this thread.
    #[test]
    fn the_host_s_threads_are_found() {
        let all = find_all().unwrap();
        let this = rustix::thread::gettid().as_raw_nonzero().get();
        assert!(all.iter().any(|found| found.id == this));
        assert_eq!(totals_of(this).unwrap().id, this);
    }
}
