//! Choosing a configuration on one period and judging it on the next, so that a grid does not flatter
//! itself.
//!
//! Whoever picks the best of many configurations after the fact also picks luck. Here each choice is made
//! from the period before alone. If no configuration gained there, none is chosen, and the next period
//! counts 0. The sum of the judged periods is compared with the best single configuration in hindsight,
//! over the same periods. The difference is what the grid flatters by. It is below 0 where changing the
//! configuration from period to period paid.

use crate::sweep::Swept;
use spreadwire_market::clock::Nanos;
use spreadwire_trading::amount::Amount;

/// A configuration, by its index among the swept, and its profit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Index among the swept.
    pub index: usize,
    /// Profit in the currency of the books.
    pub profit: Amount,
}

/// A choice on one period, judged on the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The period that is judged, counted from 0.
    pub period: usize,
    /// Times of its first and last record, ns since 1970 UTC; 0 without records.
    pub time: (Nanos, Nanos),
    /// What gained most in the period before, with its profit there; `None` if nothing gained.
    pub chosen: Option<Choice>,
    /// Profit of the chosen one in this period; 0 if none was chosen.
    pub judged: Amount,
    /// What gained most in this period, with its profit; `None` if nothing gained.
    pub best: Option<Choice>,
}

/// All steps, and their sums.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalkForward {
    /// One for each period but the first.
    pub steps: Vec<Step>,
    /// Sum of the profits that the chosen ones had where they were chosen.
    pub promised: Amount,
    /// Sum of the profits that they had in the periods after.
    pub judged: Amount,
    /// The one configuration that gained most over all judged periods together; `None` if nothing gained.
    pub hindsight: Option<Choice>,
}

impl WalkForward {
    /// Judges the periods of a sweep; `None` if it has fewer than two, or no configuration.
    #[must_use]
    pub fn of(swept: &[Swept]) -> Option<WalkForward> {
        let periods = swept.first()?.parts.len();
        if periods < 2 {
            return None;
        }
        let steps: Vec<Step> = (1..periods).map(|period| Step::new(swept, period)).collect();
        let promised = steps.iter().filter_map(|step| step.chosen).map(|chosen| chosen.profit);
        Some(WalkForward {
            promised: promised.sum(),
            judged: steps.iter().map(|step| step.judged).sum(),
            hindsight: best(swept, |one| one.parts[1..].iter().map(|part| part.profit()).sum()),
            steps,
        })
    }

    /// Returns the profit of the judged periods over time, one after the other.
    #[must_use]
    pub fn curve(&self, swept: &[Swept]) -> Vec<(Nanos, Amount)> {
        let (mut points, mut before) = (Vec::new(), Amount::ZERO);
        for step in &self.steps {
            let (begin, end) = step.time;
            let part = step.chosen.map(|chosen| &swept[chosen.index].parts[step.period]);
            match part.filter(|part| 0 < part.records) {
                Some(part) => {
                    let samples = part.samples.iter();
                    points.extend(samples.map(|sample| (sample.ts, before + sample.total())));
                }
                None if step.time == (0, 0) => {}
                None => points.extend([(begin, before), (end, before)]),
            }
            before += step.judged;
        }
        points
    }

    /// Returns by how much the best configuration in hindsight gained more than the choices.
    #[must_use]
    pub fn flattery(&self) -> Amount {
        self.hindsight.map_or(Amount::ZERO, |best| best.profit) - self.judged
    }
}

impl Step {
    fn new(swept: &[Swept], period: usize) -> Step {
        let chosen = best(swept, |one| one.parts[period - 1].profit());
        let part = |index: usize| &swept[index].parts[period];
        Step {
            period,
            time: swept
                .first()
                .map_or((0, 0), |one| (one.parts[period].begin, one.parts[period].end)),
            chosen,
            judged: chosen.map_or(Amount::ZERO, |chosen| part(chosen.index).profit()),
            best: best(swept, |one| one.parts[period].profit()),
        }
    }
}

/// Returns the first of those that gained most; `None` if none gained.
fn best(swept: &[Swept], profit: impl Fn(&Swept) -> Amount) -> Option<Choice> {
    let mut best: Option<Choice> = None;
    for (index, one) in swept.iter().enumerate() {
        let profit = profit(one);
        if best.map_or(Amount::ZERO, |best| best.profit) < profit {
            best = Some(Choice { index, profit });
        }
    }
    best
}
