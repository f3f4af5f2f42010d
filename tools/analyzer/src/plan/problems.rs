//! What is wrong with the arguments.

use std::ops::RangeInclusive;

/// Names that are less like a given one than this are not suggested.
const NEAR: f64 = 0.75;

/// One thing that is wrong with the arguments, and how to fix it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{option}: {what}; {remedy}")]
pub struct Problem {
    /// The option.
    pub option: &'static str,
    /// What is wrong.
    pub what: String,
    /// How to fix it.
    pub remedy: String,
}

/// All problems of one command line.
#[derive(Default)]
pub(super) struct Problems(pub(super) Vec<Problem>);

impl Problems {
    pub(super) fn add(&mut self, option: &'static str, what: String, remedy: &str) {
        self.0.push(Problem { option, what, remedy: remedy.to_owned() });
    }

    /// Adds a problem unless the value is within the range, both ends included. NaN never is.
    pub(super) fn within<T: PartialOrd + std::fmt::Display>(
        &mut self,
        option: &'static str,
        value: &T,
        range: &RangeInclusive<T>,
    ) {
        if !range.contains(value) {
            let remedy = format!("give a number from {} to {}", range.start(), range.end());
            self.add(option, format!("{value} is out of range"), &remedy);
        }
    }
}

/// Returns the known name that is most like a given one, if one is like it. Names are alike whatever
/// their case, and whether they are written with `-` or `_`.
pub(super) fn nearest<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |name: &str| name.to_lowercase().replace('_', "-");
    let given = plain(given);
    let likeness = |name: &str| strsim::jaro_winkler(&plain(name), &given);
    let nearest = known.max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (NEAR <= likeness(nearest)).then_some(nearest)
}
