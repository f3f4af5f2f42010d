//! Who was recommended, by kind of truth.

use crate::kinds::Kind;
use crate::lakes::{Kinds, Lake};
use analyzer::report::Report;
use std::collections::BTreeMap;
use std::fmt;

/// What was decided about the pairs of one kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Decided {
    pub(crate) pairs: usize,
    pub(crate) recommended: usize,
    pub(crate) unsound: usize,
    /// By first reason without its figures, how often it was given and one example.
    pub(crate) reasons: BTreeMap<String, (usize, String)>,
}

/// A line for every kind, in the order in which they were written.
#[derive(Clone, Debug)]
pub(crate) struct Matrix {
    pub(crate) kinds: Vec<(Kind, Decided)>,
}

impl Matrix {
    pub(crate) fn of(kinds: &Kinds, lake: &Lake, report: &Report) -> Matrix {
        let mut matrix = Matrix { kinds: Vec::new() };
        for (kind, pairs) in kinds {
            let decided = Decided { pairs: *pairs, ..Decided::default() };
            matrix.kinds.push((*kind, decided));
        }
        let reasons = lake.told(report, "why");
        for ((kind, verdict), (_, why)) in lake.told(report, "verdict").into_iter().zip(reasons) {
            let decided = matrix.kinds.iter_mut().find(|(of, _)| *of == kind);
            let decided = &mut decided.unwrap().1;
            decided.recommended += usize::from(verdict == "recommended");
            decided.unsound += usize::from(verdict == "unsound");
            if verdict != "recommended" {
                let first = why.split(';').next().unwrap_or_default();
                let words = first.chars().filter(|of| !of.is_ascii_digit()).collect();
                let reason = decided.reasons.entry(words).or_insert((0, first.to_owned()));
                reason.0 += 1;
            }
        }
        matrix
    }

    /// Returns the number of pairs, and of recommended ones.
    pub(crate) fn total(&self) -> [usize; 2] {
        let sum = |of: fn(&Decided) -> usize| self.kinds.iter().map(|(_, it)| of(it)).sum();
        [sum(|it| it.pairs), sum(|it| it.recommended)]
    }
}

/// Writes a table in Markdown.
impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| truth | pairs | recommended | unsound | the most frequent reason, of one of them |"
        )?;
        writeln!(f, "| --- | --- | --- | --- | --- |")?;
        for (kind, of) in &self.kinds {
            let Decided { pairs, recommended, unsound, reasons } = of;
            let most = reasons.values().max_by_key(|(count, _)| *count);
            let most = most.map_or("", |(_, example)| example.as_str());
            writeln!(f, "| {} | {pairs} | {recommended} | {unsound} | {most} |", kind.name())?;
        }
        let [pairs, recommended] = self.total();
        writeln!(f, "| all | {pairs} | {recommended} | | |")
    }
}
