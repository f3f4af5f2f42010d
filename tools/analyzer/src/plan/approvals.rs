//! The approved pairs that an analysis looks at.

use super::problems::Problems;
use crate::options::Arguments;
use spreadwire_market::approved::{self, Approved, FILE};
use std::path::PathBuf;

/// Reads the file that was named, or else the one beside the folder for the results, if there is one.
pub(super) fn read(arguments: &Arguments, problems: &mut Problems) -> Approved {
    let beside = arguments.out.parent().map_or_else(|| PathBuf::from(FILE), |at| at.join(FILE));
    let usual = Some(beside).filter(|file| file.exists());
    let Some(file) = arguments.approved.clone().or(usual) else { return Approved::default() };
    match approved::read(&file) {
        Ok(approved) => approved,
        Err(found) => {
            for problem in found {
                let key = if problem.key.is_empty() { "" } else { ": " };
                let file = problem.file.display();
                let what = format!("{file}{key}{}: {}", problem.key, problem.reason);
                problems.add("--approved", what, &problem.remedy);
            }
            Approved::default()
        }
    }
}
