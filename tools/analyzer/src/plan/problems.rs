//! What is wrong with the arguments.

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

    /// Adds a problem unless the value is above zero and at most `most`.
    pub(super) fn positive(&mut self, option: &'static str, value: f64, most: f64) {
        if !(0.0 < value && value <= most) {
            let remedy = format!("give a number above 0 and up to {most}");
            self.add(option, format!("{value} is out of range"), &remedy);
        }
    }
}
