//! The order of pairs: by a column, and by what was decided.

use crate::columns::Column;
use crate::figures::Pair;
use crate::plan::Plan;
use crate::report::{Cell, Verdict};
use std::cmp::Ordering;

/// The column and direction to rank by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    column: usize,
    ascending: bool,
    /// Whether recommended pairs come first; a column that the user chose decides alone.
    by_verdict: bool,
}

impl Order {
    /// Returns the order that the plan asks for, whose column exists.
    #[must_use]
    pub fn of(plan: &Plan, columns: &[Column]) -> Order {
        let found = columns.iter().position(|column| column.about.name == plan.rank);
        let by_verdict = plan.arguments.rank.is_none();
        Order { column: found.unwrap_or(0), ascending: plan.ascending, by_verdict }
    }

    /// Returns the order by a column alone, the greatest first.
    #[cfg(test)]
    pub(crate) fn by(column: usize) -> Order {
        Order { column, ascending: false, by_verdict: false }
    }

    /// Compares two pairs, the better one first. Pairs with unsound feeds come last, and unknown cells come
    /// after known ones; ties are ordered by name.
    #[must_use]
    pub fn compare(self, a: &Pair, b: &Pair) -> Ordering {
        let place = |pair: &Pair| match pair.verdict() {
            Verdict::Recommended if self.by_verdict => 0,
            Verdict::Recommended | Verdict::Refused => 1,
            Verdict::Unsound => 2,
        };
        place(a).cmp(&place(b)).then_with(|| self.compare_cells(a, b))
    }

    fn compare_cells(self, a: &Pair, b: &Pair) -> Ordering {
        let (one, two) = (&a.cells[self.column], &b.cells[self.column]);
        let order = match (value(one), value(two)) {
            (Some(one), Some(two)) if self.ascending => one.total_cmp(&two),
            (Some(one), Some(two)) => two.total_cmp(&one),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => match (one, two) {
                (Cell::Text(one), Cell::Text(two)) => one.cmp(two),
                _ => Ordering::Equal,
            },
        };
        order.then_with(|| a.key().cmp(&b.key()))
    }
}

fn value(cell: &Cell) -> Option<f64> {
    match cell {
        Cell::Number(value) => Some(*value),
        #[expect(clippy::cast_precision_loss, reason = "an order of counts below 2^53")]
        Cell::Count(count) => Some(*count as f64),
        Cell::Flag(flag) => Some(f64::from(u8::from(*flag))),
        Cell::None | Cell::Text(_) => None,
    }
}
