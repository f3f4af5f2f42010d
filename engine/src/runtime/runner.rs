//! Runs agents on named threads, pinned where the plan says so, and sees that all end in order.
//!
//! Each thread runs its agents' duty cycles in the order of the data flow. Sources end when they are
//! told to stop, the others when what feeds them is gone and drained; a panic in one agent stops the
//! process in that same order: its rings are let go, everybody downstream drains and closes, and the
//! outcome is a failure.

use crate::runtime::agent::{Agent, IdleStrategy, Idler, Report};
use crate::runtime::memory;
use crate::runtime::pulse::{Pulse, PulseReader};
use spreadwire_market::clock::{Clock, Nanos};
use spreadwire_market::counters::Counters;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Pause of an idle thread once it was told to stop. Others need the core to finish what it waits for.
const STOPPING_PAUSE: Duration = Duration::from_micros(100);

/// One thread and what it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadPlan {
    /// Its name, at most 15 bytes.
    pub name: String,
    /// The core it is pinned to.
    pub cpu: Option<usize>,
    /// What it does when there is nothing to do.
    pub idle: IdleStrategy,
    /// Roles of its agents, in the order they run.
    pub agents: Vec<String>,
}

/// The one flag that ends the process in order, and a second one for when there is no time for order.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    requested: Arc<AtomicBool>,
    hasty: Arc<AtomicBool>,
}

impl Stop {
    /// Asks everybody to end.
    pub fn request(&self) {
        self.requested.store(true, Ordering::Release);
    }

    /// Asks everybody to write at once what is buffered, because the process will not wait for them to
    /// end.
    pub fn hasten(&self) {
        self.request();
        self.hasty.store(true, Ordering::Release);
    }

    /// Whether somebody asked for haste.
    #[must_use]
    pub fn is_hasty(&self) -> bool {
        self.hasty.load(Ordering::Acquire)
    }

    /// Whether somebody asked.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.requested.load(Ordering::Acquire)
    }

    /// The flag itself, for a signal handler to raise.
    #[must_use]
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.requested)
    }
}

/// Agents that run.
#[derive(Debug)]
pub struct Running {
    threads: Vec<JoinHandle<Report>>,
    pulses: Vec<PulseReader>,
}

impl Running {
    /// Whether every agent has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// Returns the pulse of each thread.
    #[must_use]
    pub fn pulses(&self) -> &[PulseReader] {
        &self.pulses
    }

    /// Waits for every agent to end and gathers what they measured and what went wrong.
    #[must_use]
    pub fn join(self) -> Report {
        let mut report = Report::default();
        for thread in self.threads {
            let name = thread.thread().name().unwrap_or("?").to_owned();
            match thread.join() {
                Ok(part) => report.merge(&part),
                Err(_) => {
                    report.failures.push(format!("thread {name:?} panicked outside an agent"))
                }
            }
        }
        report
    }
}

/// Starts a thread for each plan, in order; give them downstream first. Turns and cycles that take
/// longer than `slow_after` ns are counted as slow.
///
/// # Errors
/// If the OS gives no thread; those started already are asked to stop.
pub fn start(
    threads: Vec<(ThreadPlan, Vec<Box<dyn Agent>>)>,
    clock: &Clock,
    stop: &Stop,
    counters: &Counters,
    slow_after: Nanos,
) -> io::Result<Running> {
    let (mut running, mut pulses) = (Vec::new(), Vec::new());
    for (plan, agents) in threads {
        let roles = agents.iter().map(|agent| agent.role().to_owned()).collect();
        let pulse = Pulse::new(&plan.name, roles, slow_after, counters);
        pulses.push(pulse.reader());
        let worker = Worker {
            pulse,
            agents: agents.into_iter().map(Some).collect(),
            clock: clock.clone(),
            stop: stop.clone(),
            plan,
            current: 0,
            started: false,
            told: false,
            hurried: false,
            idle_since: None,
        };
        let name = worker.plan.name.clone();
        let spawned = std::thread::Builder::new().name(name).spawn(move || worker.run());
        running.push(spawned.inspect_err(|_| stop.request())?);
    }
    Ok(Running { threads: running, pulses })
}

/// One thread's agents and what it needs to run them.
struct Worker {
    plan: ThreadPlan,
    /// `None` once an agent has ended.
    agents: Vec<Option<Box<dyn Agent>>>,
    clock: Clock,
    stop: Stop,
    pulse: Pulse,
    /// Whose turn it is: known when one panics.
    current: usize,
    started: bool,
    told: bool,
    hurried: bool,
    /// When the last cycle began, if it did nothing and no pause followed.
    idle_since: Option<Nanos>,
}

impl Worker {
    fn run(mut self) -> Report {
        let mut report = Report::default();
        self.pin(&mut report);
        memory::touch_stack();
        loop {
            match catch_unwind(AssertUnwindSafe(|| self.cycle_until_done(&mut report))) {
                Ok(()) => {
                    self.pulse.end();
                    return report;
                }
                Err(panic) => self.bury(panic.as_ref(), &mut report),
            }
        }
    }

    fn pin(&self, report: &mut Report) {
        let Some(cpu) = self.plan.cpu else { return };
        if !core_affinity::set_for_current(core_affinity::CoreId { id: cpu }) {
            let name = &self.plan.name;
            report.failures.push(format!("thread {name:?} could not be pinned to CPU {cpu}"));
            self.stop.request();
        }
    }

    /// The agent that panicked is dropped with its rings; everybody else goes on to the end.
    fn bury(&mut self, panic: &(dyn std::any::Any + Send), report: &mut Report) {
        let text = panic
            .downcast_ref::<&str>()
            .map(|s| (*s).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no message".to_owned());
        if let Some(agent) = self.agents[self.current].take() {
            report.failures.push(format!("agent {:?} panicked: {text}", agent.role()));
            // Dropping may panic again in a broken agent; it is lost either way.
            drop(catch_unwind(AssertUnwindSafe(move || drop(agent))));
        }
        self.stop.request();
    }

    fn cycle_until_done(&mut self, report: &mut Report) {
        let mut idler = Idler::new(self.plan.idle);
        if !std::mem::replace(&mut self.started, true) {
            self.each(|agent| agent.on_start());
        }
        while self.agents.iter().any(Option::is_some) {
            if !self.told && self.stop.is_requested() {
                self.told = true;
                self.each(|agent| agent.stop());
            }
            if self.told && !self.hurried && self.stop.is_hasty() {
                self.hurried = true;
                self.each(|agent| agent.hurry());
                self.pulse.save();
            }
            let work = self.cycle(report);
            let has_paused = if self.told && work == 0 {
                std::thread::sleep(STOPPING_PAUSE);
                true
            } else {
                idler.idle(work)
            };
            if has_paused {
                self.idle_since = None;
            }
        }
    }

    fn each(&mut self, mut act: impl FnMut(&mut dyn Agent)) {
        for place in 0..self.agents.len() {
            self.current = place;
            self.pulse.begin(place);
            if let Some(agent) = &mut self.agents[place] {
                act(agent.as_mut());
            }
        }
    }

    /// One duty cycle of every agent; those that are finished are closed.
    ///
    /// The clock is read once at the beginning and once after each agent that did something, so that a
    /// slow turn has a name. An agent that did nothing is not worth a reading; its time is counted for
    /// the next one that did something. A cycle in which nobody did anything ends with the next one's
    /// beginning.
    fn cycle(&mut self, report: &mut Report) -> usize {
        let now = self.clock.now();
        if let Some(began) = self.idle_since.take() {
            self.pulse.idle_cycle_took(now.saturating_sub(began));
        }
        let mut since = now;
        let mut work = 0;
        for place in 0..self.agents.len() {
            self.current = place;
            let Some(agent) = &mut self.agents[place] else { continue };
            self.pulse.begin(place);
            let done = agent.do_work(now);
            work += done;
            if 0 < done {
                let end = self.clock.now();
                self.pulse.turn_took(place, end.saturating_sub(since));
                since = end;
            } else if agent.is_finished() {
                agent.on_close();
                agent.report(report);
                self.agents[place] = None;
            }
        }
        self.pulse.rest();
        if work > 0 {
            self.pulse.cycle_took(since.saturating_sub(now));
        } else {
            self.idle_since = Some(now);
        }
        work
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::pulse::Turn;
    use crate::runtime::watchdog::{Finding, Watchdog};
    use crossbeam::channel::{self, Receiver, Sender};
    use spreadwire_market::clock::{MILLI, SECOND};

    /// Number of looks after which a test gives up waiting for another thread.
    const PATIENCE: usize = 10_000_000;

    fn plan(name: &str, agents: &[&str]) -> ThreadPlan {
        let agents = agents.iter().map(|role| (*role).to_owned()).collect();
        ThreadPlan { name: name.to_owned(), cpu: None, idle: IdleStrategy::Yield, agents }
    }

    fn until(what: &str, mut is_so: impl FnMut() -> bool) {
        for _ in 0..PATIENCE {
            if is_so() {
                return;
            }
            std::thread::yield_now();
        }
        panic!("waited in vain: {what}");
    }

    /// An agent whose turn does not end before it is let go, as in a loop or a system call.
    struct Stuck {
        begun: Sender<()>,
        let_go: Receiver<()>,
        is_over: bool,
    }

    impl Agent for Stuck {
        fn role(&self) -> &str {
            "stuck"
        }

        fn do_work(&mut self, _: Nanos) -> usize {
            self.begun.send(()).unwrap_or_default();
            self.is_over = self.let_go.recv().is_err();
            0
        }

        fn is_finished(&self) -> bool {
            self.is_over
        }
    }

    /// An agent with something to write, which waits for another one and never ends before it.
    struct Waiting {
        saved: Sender<&'static str>,
        other: Receiver<()>,
    }

    impl Agent for Waiting {
        fn role(&self) -> &str {
            "waiting"
        }

        fn do_work(&mut self, _: Nanos) -> usize {
            0
        }

        fn hurry(&mut self) {
            self.saved.send("saved").unwrap();
        }

        fn is_finished(&self) -> bool {
            self.other.try_recv() == Err(channel::TryRecvError::Disconnected)
        }
    }

    #[test]
    fn a_stuck_agent_is_named_and_the_others_save_what_they_have() {
        let (clock, stop, counters) = (Clock::manual(0), Stop::default(), Counters::default());
        let (begun, has_begun) = channel::bounded(1);
        let (go, let_go) = channel::bounded(1);
        let (save, saved) = channel::bounded(2);
        let (gone, other) = channel::bounded(0);
        let stuck = Box::new(Stuck { begun, let_go, is_over: false });
        let waiting = Box::new(Waiting { saved: save, other });
        let threads: Vec<(ThreadPlan, Vec<Box<dyn Agent>>)> = vec![
            (plan("hot", &["stuck"]), vec![stuck]),
            (plan("disk", &["waiting"]), vec![waiting]),
        ];
        let running = start(threads, &clock, &stop, &counters, MILLI).unwrap();
        let [hot, disk] = running.pulses() else { panic!("two threads") };
        let mut dog = Watchdog::new(running.pulses().to_vec(), SECOND, 0, &counters);
        has_begun.recv().unwrap();
        dog.look(1);
        let told = dog.look(1 + SECOND);
        assert!(
            matches!(&told[..], [Finding::Stalled { agent, .. }] if agent == "stuck"),
            "{told:?}"
        );
        stop.request();
        assert!(saved.is_empty(), "there is no haste yet");
        stop.hasten();
        until("the disk's thread to save", || disk.is_saved());
        assert_eq!(saved.try_iter().count(), 1, "once");
        assert!(!hot.is_saved() && hot.beat().1 == Turn::Of(0));
        assert!(!running.is_finished());
        // Let go, everything ends in order.
        drop((go, gone));
        let pulses = running.pulses().to_vec();
        assert!(running.join().failures.is_empty());
        assert!(pulses.iter().all(|pulse| pulse.beat().1 == Turn::Ended));
        assert!(saved.is_empty());
    }

    /// An agent that has one turn of a given length, in which it does something or nothing.
    struct Once {
        role: &'static str,
        clock: Clock,
        time: Nanos,
        work: usize,
        is_over: bool,
    }

    impl Agent for Once {
        fn role(&self) -> &str {
            self.role
        }

        fn do_work(&mut self, now: Nanos) -> usize {
            if std::mem::replace(&mut self.is_over, true) {
                return 0;
            }
            self.clock.set(self.clock.now().max(now) + self.time);
            self.work
        }

        fn is_finished(&self) -> bool {
            self.is_over
        }
    }

    #[test]
    fn slow_turns_are_counted_for_the_agent_that_had_them() {
        // Length of the turns of three agents in ms, what they did, and whether each was slow.
        for (times, work, slow) in [
            ([5, 10, 5], [1, 1, 1], [0, 0, 0]),
            ([5, 11, 5], [1, 1, 1], [0, 1, 0]),
            ([11, 1, 50], [1, 1, 1], [1, 0, 1]),
            // What did nothing is not measured by itself.
            ([1, 11, 1], [1, 0, 1], [0, 0, 1]),
        ] {
            let (clock, counters) = (Clock::manual(SECOND), Counters::default());
            let roles = ["one", "two", "three"];
            let agent = |place: usize| -> Box<dyn Agent> {
                let (clock, role) = (clock.clone(), roles[place]);
                let (time, work) = (times[place] * MILLI, work[place]);
                Box::new(Once { role, clock, time, work, is_over: false })
            };
            let threads = vec![(plan("hot", &roles), (0..3).map(agent).collect())];
            let running = start(threads, &clock, &Stop::default(), &counters, 10 * MILLI).unwrap();
            assert!(running.join().failures.is_empty());
            let counted = roles.map(|role| counters.expect(&format!("agent.{role}.turns_slow")));
            assert_eq!(counted, slow, "{times:?} {work:?}");
            let cycle: Nanos = times.iter().sum::<Nanos>() * MILLI;
            assert_eq!(counters.expect("thread.hot.cycle_max_ns"), cycle, "{times:?} {work:?}");
        }
    }
}
