//! Checks the journal of decisions, where there is one: each of its lines has a number and a checksum.

use super::Verdict;
use crate::findings::{Finding, Problem};
use spreadwire_lake::{decisions, layout};
use std::path::Path;

/// Adds what is wrong with the lake's journal of decisions.
pub(super) fn check(lake: &Path, verdict: &mut Verdict) {
    let path = lake.join(layout::TRADING).join(decisions::FILE_NAME);
    if path.symlink_metadata().is_err() {
        return;
    }
    match decisions::read(&path) {
        Ok(journal) => {
            if let Some(torn) = journal.torn.filter(|_| !verdict.recording) {
                let name = path.strip_prefix(lake).unwrap_or(&path).display();
                verdict.notes.push(format!(
                    "{name}: line {} has no end: the next start cuts it off",
                    torn.line
                ));
            }
        }
        Err(error) => {
            verdict.findings.push(Finding::new(Problem::Damaged, format!("{error:#}")));
        }
    }
}
