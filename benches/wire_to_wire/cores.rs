//! The cores of a run, and threads pinned to them.

use anyhow::{Context, anyhow, bail};
use core_affinity::CoreId;
use spreadwire_engine::runtime::cpu;

/// The two cores of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cores {
    pub(crate) engine: usize,
    pub(crate) load: usize,
}

impl Cores {
    /// Chooses the requested cores, or the last two.
    pub(crate) fn choose(engine: Option<usize>, load: Option<usize>) -> anyhow::Result<Cores> {
        let cpus = cpu::available();
        let last = |but: Option<usize>| cpus.iter().copied().rfind(|cpu| Some(*cpu) != but);
        let engine = engine.or_else(|| last(load)).context("no CPU")?;
        let load = load.or_else(|| last(Some(engine))).context("two CPUs are needed")?;
        if engine == load || !cpus.contains(&engine) || !cpus.contains(&load) {
            bail!("CPUs {engine} and {load}: two different ones of {cpus:?} are needed");
        }
        Ok(Cores { engine, load })
    }
}

/// Runs `work` on a thread of its own, pinned to a core, while `meanwhile` runs here; returns both
/// results.
pub(crate) fn beside<T: Send, U>(
    cpu: usize,
    work: impl FnOnce() -> anyhow::Result<T> + Send,
    meanwhile: impl FnOnce() -> anyhow::Result<U>,
) -> anyhow::Result<(T, U)> {
    std::thread::scope(|scope| {
        let pinned = move || {
            if !core_affinity::set_for_current(CoreId { id: cpu }) {
                bail!("cannot pin to CPU {cpu}");
            }
            work()
        };
        let thread =
            std::thread::Builder::new().name("load".to_owned()).spawn_scoped(scope, pinned)?;
        let other = meanwhile();
        let done = thread.join().map_err(|_| anyhow!("the generator panicked"))??;
        Ok((done, other?))
    })
}
