//! Kills before chosen system calls: the first of a kind, the second, the third and so on, until the
//! run ends before it is killed.
//!
//! A moment is named as `recovery/fsync:3`: the stage, the kind of call, and its number within the
//! thread that does the stage's work. Each moment has a lake of its own, so that it can be repeated
//! alone with `MOMENT`. Only calls after which the lake's files differ are chosen, and syncs. As each
//! file is synced before it is renamed, and its folder after, the syncs are the moments before and
//! after each rename; that of a segment, which is not synced in between, has its own moment.

use crate::noted::{Noted, check, marks};
use crate::strace::{MAIN, Moment};
use crate::victim::{Home, Scene, market};
use exchange_sim::Simulator;
use std::fs;
use std::path::Path;

/// Quotes a second and records in a segment: two or three segments in a run, each so small that
/// its files take few calls.
const RATE: f64 = 500.0;
const SEGMENT_RECORDS: u64 = 60;
/// Lengths of a run, seconds. The later ones are for first calls that were not met: the machine may be
/// so slow that the run ended before them, or that strace came after them.
const LIVES: [&str; 4] = ["0.35", "1", "3", "9"];
/// The last run's length, seconds: it only recovers.
const LAST_SECONDS: &str = "0.05";
/// The moment at which an engine is killed that leaves something to recover: a closed segment, the one
/// begun after it, and an unfinished file.
const LEAVING: Moment = Moment { thread: "sealer", call: "write", count: 1 };

/// Part of an engine's life.
struct Stage {
    name: &'static str,
    thread: &'static str,
    /// Kinds of calls, each with the most calls before which the engine is killed.
    calls: &'static [(&'static str, usize)],
    /// Whether the lake has the remains of a killed run. The stage ends when they are sealed.
    recovers: bool,
}

pub(crate) fn of_the_begin_and_the_end() {
    let calls = &[("mkdir", 9), ("ftruncate", 1), ("write", 40), ("fsync", 40), ("unlink", 9)];
    play(&Stage { name: "run", thread: MAIN, calls, recovers: false });
    let calls = &[("write", 9), ("fsync", 9)];
    play(&Stage { name: "chronicle", thread: "chronicle", calls, recovers: false });
}

pub(crate) fn of_a_segment() {
    let calls = &[("fallocate", 2), ("write", 5)];
    play(&Stage { name: "writing", thread: "all", calls, recovers: false });
    let calls = &[("fdatasync", 5), ("ftruncate", 2), ("rename", 2), ("fsync", 4)];
    play(&Stage { name: "closing", thread: "syncer", calls, recovers: false });
}

pub(crate) fn of_sealing() {
    let calls = &[("write", 14), ("fsync", 40), ("unlink", 2)];
    play(&Stage { name: "sealing", thread: "sealer", calls, recovers: false });
}

pub(crate) fn of_recovery() {
    let calls = &[("write", 40), ("fsync", 60), ("unlink", 9)];
    play(&Stage { name: "recovery", thread: "sealer", calls, recovers: true });
}

/// Kills at every moment of a stage.
fn play(stage: &Stage) {
    let simulator = Simulator::start(market(1, RATE)).unwrap();
    let left = stage.recovers.then(|| leave(&simulator));
    let left = left.as_ref().map(|home| home.path().join("lake"));
    for (call, most) in stage.calls {
        let mut moments = (1..=*most).map(|count| Moment { thread: stage.thread, call, count });
        moments.all(|moment| {
            let name = Named(format!("{}/{call}:{}", stage.name, moment.count));
            if name.is_left_out() {
                return true;
            }
            let lives = if moment.count == 1 { &LIVES[..] } else { &LIVES[..1] };
            let is_met = |life: &&str| is_met(&name, moment, life, &simulator, left.as_deref());
            let met = lives.iter().any(is_met);
            assert!(met || 1 < moment.count, "the {} makes no call {call}", stage.thread);
            met
        });
    }
}

/// The name of a moment. It is printed if the moment's test fails.
struct Named(String);

impl Named {
    /// Returns whether another moment is asked for.
    fn is_left_out(&self) -> bool {
        std::env::var("MOMENT").is_ok_and(|asked| asked != self.0)
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("this failed: MOMENT={}", self.0);
        }
    }
}

/// Leaves the lake of an engine that was killed.
fn leave(simulator: &Simulator) -> Home {
    let home = Home::new();
    let scene = Scene::set(home.path(), simulator, SEGMENT_RECORDS);
    LEAVING.kill(&scene, LIVES[LIVES.len() - 1]).unwrap();
    let glance = Noted::default().look(&scene);
    assert!(glance.closed_segment && glance.unfinished_file, "{}", home.path().display());
    home
}

/// Kills an engine at a moment and checks what the next one makes of the lake. Returns whether the
/// moment was met within the stage.
fn is_met(
    name: &Named,
    moment: Moment,
    life: &str,
    simulator: &Simulator,
    left: Option<&Path>,
) -> bool {
    let home = Home::new();
    let scene = Scene::set(home.path(), simulator, SEGMENT_RECORDS);
    left.inspect(|left| copy(left, &scene.lake));
    let mut noted = Noted::default();
    noted.look(&scene);
    let before = marks(&scene.lake);
    let killed_before = moment.kill(&scene, life);
    println!("MOMENT={}: {}", name.0, killed_before.as_deref().unwrap_or("not met, it ended"));
    let after = marks(&scene.lake);
    if moment.thread == MAIN {
        noted.ending.extend(after.difference(&before).cloned());
    }
    noted.look(&scene);
    let last = scene.start(&["--for", LAST_SECONDS]).wait(&scene.clock);
    // It may end before its first quote, which is a failure by itself; the lake is checked below.
    assert!(matches!(last.code(), Some(0 | 1)), "the last run ended with {last}");
    check(&scene, &noted);
    killed_before.is_some() && (before.is_empty() || !before.is_disjoint(&after))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (from, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if from.is_dir() { copy(&from, &to) } else { fs::copy(from, to).map(drop).unwrap() }
    }
}
