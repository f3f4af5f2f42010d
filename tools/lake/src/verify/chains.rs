//! The files of the ledger itself: whether each run's chain is whole, and whether every run that the
//! head of the lake knows is there.

use super::Scope;
use super::expected::{Expected, Run};
use super::runs::interval;
use crate::findings::{Finding, Problem, Verdict};
use spreadwire_lake::layout::HEAD;
use spreadwire_lake::ledger::{Break, Chain, Head, Ledger, Tip};
use spreadwire_lake::recover::Leftover;
use spreadwire_lake::table::TableError;

/// The head as it was before the ledger was read, so that it knows no file that the ledger lacks.
pub(super) type FoundHead = Result<Option<Head>, TableError>;

/// Every chain must be whole, and end where the head says.
pub(super) fn check_chains(
    ledger: &Ledger,
    head: FoundHead,
    expected: &Expected,
    scope: &Scope,
    open: &[Leftover],
    verdict: &mut Verdict,
) {
    let in_scope = |run: &str| expected.runs.get(run).is_none_or(|run| overlaps(run, scope));
    for (run, chain) in ledger.chains.iter().filter(|(run, _)| in_scope(run)) {
        for broken in chain.breaks() {
            let problem = match broken {
                Break::Gone { .. } => Problem::Missing,
                Break::Changed { .. } | Break::Cut { .. } => Problem::Damaged,
                Break::Forked { .. } => Problem::Unexpected,
            };
            tell(run, problem, &broken.to_string(), verdict);
        }
    }
    let head = match head {
        Ok(head) => head,
        Err(error) => {
            let text = format!("{:#}", anyhow::Error::from(error));
            return verdict.findings.push(Finding::new(Problem::Damaged, text));
        }
    };
    let is_open = |run: &str| open.iter().any(|left| left.run.as_str() == run);
    let Some(head) = head else {
        if let Some(run) = ledger.chains.keys().find(|run| !is_open(run)) {
            let text = format!("{HEAD} is gone, which named every run, {run} among them");
            verdict.findings.push(Finding::new(Problem::Missing, text));
        }
        return;
    };
    for (run, tip) in head.runs.iter().filter(|(run, _)| in_scope(run)) {
        check_tip(run, tip, ledger.chains.get(run), is_open(run), verdict);
    }
    let unknown = |run: &&String| !head.runs.contains_key(*run) && !is_open(run) && in_scope(run);
    for run in ledger.chains.keys().filter(unknown) {
        tell(run, Problem::Unexpected, &format!("{HEAD} does not name it"), verdict);
    }
}

/// The file that the head names must be there, and the last one of a run that has ended.
fn check_tip(run: &str, tip: &Tip, chain: Option<&Chain>, is_open: bool, verdict: &mut Verdict) {
    let Some(chain) = chain else {
        let text = format!("all of it is gone; {HEAD} names it");
        return tell(run, Problem::Missing, &text, verdict);
    };
    let serial = tip.serial;
    match chain.hash_of(serial) {
        None => {
            let text = format!("file {serial} of its ledger is gone; {HEAD} names it");
            tell(run, Problem::Missing, &text, verdict);
        }
        Some(hash) if hash != tip.hash => {
            let text = format!("file {serial} of its ledger is not the one that {HEAD} names");
            tell(run, Problem::Damaged, &text, verdict);
        }
        Some(_) if !is_open && serial + 1 < chain.tip().0 && 0 < serial => {
            let text = format!("its ledger has files after number {serial}, which ended it");
            tell(run, Problem::Unexpected, &text, verdict);
        }
        Some(_) => {}
    }
}

/// Whether a run lies in these days. What is not known of it may.
pub(super) fn overlaps(run: &Run, scope: &Scope) -> bool {
    interval(run).is_none_or(|(from, until, _)| scope.overlaps(from, Some(until)))
}

fn tell(run: &str, problem: Problem, what: &str, verdict: &mut Verdict) {
    let text = format!("run {run}: {what}");
    verdict.findings.push(Finding::new(problem, text).of_run(run));
}
