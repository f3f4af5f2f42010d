//! Runs agents on named threads, pinned where the plan says so, and sees that all end in order.
//!
//! Each thread runs its agents' duty cycles in the order of the data flow. Sources end when they are
//! told to stop, the others when what feeds them is gone and drained; a panic in one agent stops the
//! process in that same order: its rings are let go, everybody downstream drains and closes, and the
//! outcome is a failure.

use crate::runtime::agent::{Agent, IdleStrategy, Idler, Report};
use crate::runtime::memory;
use spreadwire_market::clock::{Clock, MILLI, Nanos};
use spreadwire_market::counters::{Counter, Counters};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// A duty cycle longer than this is counted as slow.
pub const CYCLE_SLOW: Nanos = MILLI;

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

/// The one flag that ends the process in order.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks everybody to end.
    pub fn request(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether somebody asked.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// The flag itself, for a signal handler to raise.
    #[must_use]
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }
}

/// Agents that run.
#[derive(Debug)]
pub struct Running {
    threads: Vec<JoinHandle<Report>>,
}

impl Running {
    /// Whether every agent has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
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

/// Starts a thread for each plan, in order; give them downstream first.
///
/// # Errors
/// If the OS gives no thread; those started already are asked to stop.
pub fn start(
    threads: Vec<(ThreadPlan, Vec<Box<dyn Agent>>)>,
    clock: &Clock,
    stop: &Stop,
    counters: &Counters,
) -> io::Result<Running> {
    let mut running = Vec::new();
    for (plan, agents) in threads {
        let worker = Worker {
            cycles: CycleTracker::new(&plan.name, counters),
            agents: agents.into_iter().map(Some).collect(),
            clock: clock.clone(),
            stop: stop.clone(),
            plan,
            current: 0,
            started: false,
            told: false,
        };
        let name = worker.plan.name.clone();
        let spawned = std::thread::Builder::new().name(name).spawn(move || worker.run());
        running.push(spawned.inspect_err(|_| stop.request())?);
    }
    Ok(Running { threads: running })
}

/// One thread's agents and what it needs to run them.
struct Worker {
    plan: ThreadPlan,
    /// `None` once an agent has ended.
    agents: Vec<Option<Box<dyn Agent>>>,
    clock: Clock,
    stop: Stop,
    cycles: CycleTracker,
    /// Whose turn it is: known when one panics.
    current: usize,
    started: bool,
    told: bool,
}

impl Worker {
    fn run(mut self) -> Report {
        let mut report = Report::default();
        self.pin(&mut report);
        memory::touch_stack();
        loop {
            match catch_unwind(AssertUnwindSafe(|| self.cycle_until_done(&mut report))) {
                Ok(()) => return report,
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
            let work = self.cycle(report);
            if self.told && work == 0 && self.plan.idle == IdleStrategy::Spin {
                // At the end others need the core to finish what this thread waits for.
                std::thread::yield_now();
            }
            idler.idle(work);
        }
    }

    fn each(&mut self, mut act: impl FnMut(&mut dyn Agent)) {
        for place in 0..self.agents.len() {
            self.current = place;
            if let Some(agent) = &mut self.agents[place] {
                act(agent.as_mut());
            }
        }
    }

    /// One duty cycle of every agent; those that are finished are closed.
    fn cycle(&mut self, report: &mut Report) -> usize {
        let now = self.clock.now();
        let mut work = 0;
        for place in 0..self.agents.len() {
            self.current = place;
            let Some(agent) = &mut self.agents[place] else { continue };
            let done = agent.do_work(now);
            work += done;
            if done == 0 && agent.is_finished() {
                agent.on_close();
                agent.report(report);
                self.agents[place] = None;
            }
        }
        if work > 0 {
            self.cycles.record(self.clock.now().saturating_sub(now));
        }
        work
    }
}

/// The longest duty cycle of a thread, and how many were slow.
struct CycleTracker {
    max: Counter,
    slow: Counter,
}

impl CycleTracker {
    fn new(thread: &str, counters: &Counters) -> CycleTracker {
        CycleTracker {
            max: counters.register(&format!("thread.{thread}.cycle_max_ns")),
            slow: counters.register(&format!("thread.{thread}.cycles_slow")),
        }
    }

    fn record(&self, cycle: Nanos) {
        if self.max.get() < cycle {
            self.max.set(cycle);
        }
        if CYCLE_SLOW < cycle {
            self.slow.add(1);
        }
    }
}
