//! Runs two threads in every order of their steps, with a bounded number of switches between them.
//!
//! One thread runs at a time. At each [`step`] the running thread either goes on or hands over to the
//! other. A scenario is first run without any such switch, then again for each way to place up to
//! `switches_max` of them. When a thread ends, the other one goes on; that is no switch.

use std::cell::RefCell;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

thread_local! {
    /// The run that this thread is part of, and its number there.
    static PLAYER: RefCell<Option<(Arc<Run>, usize)>> = const { RefCell::new(None) };
}

/// Where the running thread may be interrupted. Does nothing outside [`explore`].
pub(super) fn step() {
    if let Some((run, me)) = PLAYER.with_borrow(Clone::clone) {
        run.step(me);
    }
}

/// Runs a scenario in every order and returns in how many. The scenario is the first thread and must
/// do the same each time.
pub(super) fn explore(switches_max: usize, scenario: impl Fn(&Threads)) -> usize {
    let (mut decisions, mut runs) = (Vec::new(), 0);
    loop {
        let run = Arc::new(Run::new(decisions));
        let threads = Threads(Player::enter(Arc::clone(&run), 0));
        scenario(&threads);
        drop(threads);
        runs += 1;
        decisions = std::mem::take(&mut run.lock().decisions);
        if !turn_to_next(&mut decisions, switches_max) {
            return runs;
        }
    }
}

/// Makes the decisions those of the next order, depth first; false if there is none.
fn turn_to_next(decisions: &mut Vec<bool>, switches_max: usize) -> bool {
    while let Some(switched) = decisions.pop() {
        if !switched && decisions.iter().filter(|switch| **switch).count() < switches_max {
            decisions.push(true);
            return true;
        }
    }
    false
}

/// One run of a scenario.
struct Run {
    state: Mutex<State>,
    turned: Condvar,
}

struct State {
    /// The thread that runs.
    turn: usize,
    /// Whether each thread can run: the second one from when it is spawned, the first one unless it
    /// waits for the second.
    can_run: [bool; 2],
    /// The scenario has ended, or failed: nobody waits for a turn any more.
    is_over: bool,
    /// At each step at which both threads could run, whether they switched.
    decisions: Vec<bool>,
    decided: usize,
}

impl Run {
    fn new(decisions: Vec<bool>) -> Run {
        let (can_run, is_over) = ([true, false], false);
        let state = State { turn: 0, can_run, is_over, decisions, decided: 0 };
        Run { state: Mutex::new(state), turned: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn step(&self, me: usize) {
        let mut state = self.lock();
        if state.is_over || !state.can_run[1 - me] {
            return;
        }
        if state.decided == state.decisions.len() {
            state.decisions.push(false);
        }
        state.decided += 1;
        if state.decisions[state.decided - 1] {
            self.hand_over(state, me);
        }
    }

    /// Lets the other thread run until it is this one's turn again.
    fn hand_over(&self, mut state: MutexGuard<'_, State>, me: usize) {
        state.turn = 1 - me;
        self.turned.notify_all();
        self.wait(state, me);
    }

    fn wait(&self, state: MutexGuard<'_, State>, me: usize) {
        let other_runs = |state: &mut State| state.turn != me && !state.is_over;
        drop(self.turned.wait_while(state, other_runs).unwrap_or_else(PoisonError::into_inner));
    }
}

/// A thread's part in a run, until it is dropped.
struct Player {
    run: Arc<Run>,
    me: usize,
}

impl Player {
    fn enter(run: Arc<Run>, me: usize) -> Player {
        PLAYER.set(Some((Arc::clone(&run), me)));
        Player { run, me }
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        PLAYER.set(None);
        let mut state = self.run.lock();
        state.can_run[self.me] = false;
        state.turn = 1 - self.me;
        state.is_over |= self.me == 0;
        self.run.turned.notify_all();
    }
}

/// The threads of a run; the scenario is the first.
pub(super) struct Threads(Player);

impl Threads {
    /// Starts the second thread, which runs when it is its turn.
    pub(super) fn spawn<T: Send + 'static>(
        &self,
        body: impl FnOnce() -> T + Send + 'static,
    ) -> Spawned<T> {
        let run = Arc::clone(&self.0.run);
        run.lock().can_run[1] = true;
        let second = Arc::clone(&run);
        let handle = Builder::new().spawn(move || {
            second.wait(second.lock(), 1);
            let _player = Player::enter(Arc::clone(&second), 1);
            body()
        });
        Spawned { run, handle: handle.unwrap() }
    }
}

/// The second thread.
pub(super) struct Spawned<T> {
    run: Arc<Run>,
    handle: JoinHandle<T>,
}

impl<T> Spawned<T> {
    /// Lets the thread run to its end.
    pub(super) fn join(self) -> T {
        let mut state = self.run.lock();
        if state.can_run[1] {
            state.can_run[0] = false;
            self.run.hand_over(state, 0);
            self.run.lock().can_run[0] = true;
        }
        self.handle.join().unwrap_or_else(|_| panic!("the second thread failed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// The orders in which two threads write two letters each.
    fn orders(switches_max: usize) -> (usize, BTreeSet<String>) {
        let all = Mutex::new(BTreeSet::new());
        let runs = explore(switches_max, |threads| {
            let word = Arc::new(Mutex::new(String::new()));
            let write = |word: &Mutex<String>, letter| {
                step();
                word.lock().unwrap().push(letter);
            };
            let other = Arc::clone(&word);
            let second = threads.spawn(move || {
                write(&other, 'x');
                write(&other, 'y');
            });
            write(&word, 'a');
            write(&word, 'b');
            second.join();
            all.lock().unwrap().insert(word.lock().unwrap().clone());
        });
        (runs, all.into_inner().unwrap())
    }

    #[test]
    fn every_order_is_run() {
        let sets = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let all = sets(&["abxy", "axby", "axyb", "xaby", "xayb", "xyab"]);
        assert_eq!(orders(4).1, all);
        assert_eq!(orders(0), (1, sets(&["abxy"])));
        assert_eq!(orders(1).1, sets(&["abxy", "axyb", "xyab"]));
    }

    #[test]
    #[should_panic(expected = "the second thread failed")]
    fn a_thread_that_fails_ends_the_run() {
        explore(1, |threads| threads.spawn(|| panic!("on purpose")).join());
    }
}
