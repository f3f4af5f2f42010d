//! The approved pairs that an analysis looks at.

use super::problems::Problems;
use crate::options::Arguments;
use spreadwire_lake::layout;
use spreadwire_market::approved::{self, Approved};
use std::path::PathBuf;

/// Name of the file of approved pairs.
const FILE: &str = "approved.toml";

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

/// Returns the names of the approved pairs, as the lake's folders name the venues.
pub(super) fn in_lake(approved: &Approved) -> Vec<(String, String, String)> {
    let folder = |venue: &str| layout::venue_folder(venue).unwrap_or_else(|_| venue.to_owned());
    let names = approved
        .pairs
        .iter()
        .map(|pair| (pair.instrument.clone(), folder(&pair.buy), folder(&pair.sell)));
    names.collect()
}
