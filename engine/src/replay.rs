//! Runs recorded inputs through the calculation of the live engine.
//!
//! The inputs of a run come from [`History::read`](spreadwire_lake::history::History::read) in the order
//! in which the calculator used them, with their numbers. They pass through the same
//! [`Calculation`] as in the calculator agent. So the results are those of the run that recorded them, bit
//! for bit, if the catalogue has the same fees, ages and scales, and the book believes the same nets.

use spreadwire_lake::history::{Block, HistoryError};
use spreadwire_market::book::{Book, Results};
use spreadwire_market::calculation::{Calculation, Consumer};
use spreadwire_market::record::{Ended, Record, Spread};

/// Calls a function with each record that the edge to the decision carries, in its order: every status, every
/// spread, every end of one, and a gap where inputs are missing.
#[derive(Clone, Copy, Debug)]
pub struct ResultsTo<F>(pub F);

impl<F: FnMut(&Record)> Results for ResultsTo<F> {
    #[inline]
    fn spread(&mut self, spread: Spread) {
        (self.0)(&spread.into());
    }

    fn ended(&mut self, ended: &Ended) {
        (self.0)(&(*ended).into());
    }
}

impl<F: FnMut(&Record)> Consumer for ResultsTo<F> {
    fn status(&mut self, status: &Record) {
        (self.0)(status);
    }

    fn gap(&mut self, gap: &Record) {
        (self.0)(gap);
    }
}

/// Replays the inputs of a run. `results` takes the records that the edge to the decision carries; for
/// quotes too, pass a [`Consumer`] to [`replay_to`].
///
/// # Errors
/// The first error of the inputs. What came before it was replayed.
pub fn replay(
    inputs: impl Iterator<Item = Result<Block, HistoryError>>,
    book: Book,
    results: impl FnMut(&Record),
) -> Result<(), HistoryError> {
    replay_to(inputs, book, &mut ResultsTo(results))
}

/// Replays the inputs of a run to a consumer of inputs and results.
///
/// # Errors
/// The first error of the inputs. What came before it was replayed.
pub fn replay_to(
    inputs: impl Iterator<Item = Result<Block, HistoryError>>,
    book: Book,
    consumer: &mut impl Consumer,
) -> Result<(), HistoryError> {
    let mut calculation = Calculation::new(book);
    for block in inputs {
        for (number, record) in block?.iter() {
            calculation.take_numbered(number, record, consumer);
        }
    }
    Ok(())
}
