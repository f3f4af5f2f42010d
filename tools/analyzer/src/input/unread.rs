//! What is not read, in few lines: equal reasons are one line once there are many.

use crate::report::Problem;
use std::collections::BTreeMap;

/// Subjects with the same reason that are listed one by one.
const LISTED: usize = 3;

/// Files and folders that are not read, by reason.
#[derive(Debug, Default)]
pub(super) struct Unread {
    /// For each reason, the subjects and the number of files of each.
    by_reason: BTreeMap<String, Vec<(String, u64)>>,
}

impl Unread {
    /// Adds a file or folder with this number of files.
    pub(super) fn add(&mut self, subject: &str, reason: &str, files: u64) {
        let of_reason = self.by_reason.entry(reason.to_owned()).or_default();
        of_reason.push((subject.to_owned(), files));
    }

    /// Returns the number of files.
    pub(super) fn files(&self) -> u64 {
        self.by_reason.values().flatten().map(|(_, files)| files).sum()
    }

    /// Returns one problem for each subject, or for each reason that many have.
    pub(super) fn problems(self) -> Vec<Problem> {
        let problem = |subject, what| Problem { subject, what, left_out: true };
        let mut problems = Vec::new();
        for (reason, mut subjects) in self.by_reason {
            subjects.sort();
            if subjects.len() <= LISTED {
                problems.extend(subjects.into_iter().map(|(subject, files)| {
                    let what = if files <= 1 {
                        reason.clone()
                    } else {
                        format!("{reason}: {files} files")
                    };
                    problem(subject, what)
                }));
                continue;
            }
            let (others, files) =
                (subjects.len() - 1, subjects.iter().map(|(_, files)| files).sum::<u64>());
            let what = format!("{reason}; the same goes for {others} others: {files} files in all");
            problems.extend(subjects.into_iter().next().map(|(first, _)| problem(first, what)));
        }
        problems
    }
}
