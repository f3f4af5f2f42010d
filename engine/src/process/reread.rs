//! Reads the configuration again while the engine runs: thresholds, approved pairs and limits can change, all
//! else needs a restart. A configuration that is wrong, or moves a threshold too far, is refused as a whole.

use crate::decision::Retune;
use crate::plan::{Host, Plan};
use crate::runtime::{cpu, descriptors};
use crossbeam::channel::Sender;
use spreadwire_catalogue::changes::{self, Rules};
use spreadwire_market::approved::Expiries;
use spreadwire_market::clock::Nanos;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

/// When a file was changed last, and its length; `None` if it cannot be looked at.
type Stamp = Option<(SystemTime, u64)>;

/// The files that are looked at, and what the engine goes by now.
#[derive(Debug)]
pub struct Reread {
    file: PathBuf,
    plan: Plan,
    asked: Arc<AtomicBool>,
    retune: Sender<Box<Retune>>,
    stamps: [Stamp; 2],
    expiries: Expiries,
}

impl Reread {
    pub(super) fn new(
        file: &Path,
        plan: &Plan,
        asked: Arc<AtomicBool>,
        retune: Sender<Box<Retune>>,
        expiries: Expiries,
    ) -> Reread {
        let (file, plan) = (file.to_owned(), plan.clone());
        let stamps = stamps(&file, &plan);
        Reread { file, plan, asked, retune, stamps, expiries }
    }

    /// Looks whether a file has changed or a signal has asked; if so, takes the new configuration at
    /// `now`, ns since 1970 UTC, or says in the log why not. Says which approvals have expired, too.
    /// Called once a second.
    pub fn look(&mut self, now: Nanos) {
        super::warn(self.expiries.pass(now));
        if !self.plan.is_retunable() {
            return;
        }
        let stamps = stamps(&self.file, &self.plan);
        let has_changed = std::mem::replace(&mut self.stamps, stamps) != stamps;
        if !self.asked.swap(false, Ordering::AcqRel) && !has_changed {
            return;
        }
        match self.read(now) {
            Ok(()) => {
                tracing::info!(target: "decision", "goes by the configuration as it is now");
                super::warn(self.plan.warning());
            }
            Err(problems) => {
                for problem in problems {
                    tracing::error!(target: "decision", "the old configuration stays: {problem}");
                }
            }
        }
    }

    fn read(&mut self, now: Nanos) -> Result<(), Vec<String>> {
        let host = Host { cpus: cpu::available(), descriptors: descriptors::limit(), now };
        let next = Plan::read(&self.file, &host)
            .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        let obstacles = changes::obstacles(rules(&self.plan), rules(&next));
        if !obstacles.is_empty() {
            return Err(obstacles);
        }
        let trading = next.trading.as_ref().map(|trading| trading.settings.clone());
        let retune = Retune { thresholds: next.decision.clone(), trading };
        if self.retune.try_send(Box::new(retune)).is_err() {
            return Err(vec!["the decision has not taken the last one yet; ask again".to_owned()]);
        }
        self.plan = next;
        self.stamps = stamps(&self.file, &self.plan);
        self.expiries = super::expiries(&self.plan);
        Ok(())
    }
}

fn rules(plan: &Plan) -> Rules<'_> {
    let Plan { catalogue, decision, trading, .. } = plan;
    Rules { catalogue, thresholds: decision, trading: trading.as_ref() }
}

/// Returns the stamps of the configuration and of the file of approved pairs that it names.
fn stamps(file: &Path, plan: &Plan) -> [Stamp; 2] {
    let of = |path: &Path| {
        let data = std::fs::metadata(path).ok()?;
        Some((data.modified().ok()?, data.len()))
    };
    [of(file), plan.approved_file.as_deref().and_then(of)]
}
