//! Inputs with their numbers, and the spreads that they lead to.
//!
//! The calculator agent and a replay both take their inputs through a [`Calculation`], so the same inputs
//! in the same order give the same results. It reads no clock and knows no rings.

use crate::book::{Book, Results};
use crate::record::{Gap, Kind, Record, numbers_taken};

/// Takes inputs as they are passed on, and their results, in order.
pub trait Consumer: Results {
    /// Takes a quote, before its spreads.
    fn quote(&mut self, _quote: &Record) {}
    /// Takes a status, before the ends of the spreads that it ends.
    fn status(&mut self, _status: &Record) {}
    /// Takes a gap: inputs are missing here, and their results too.
    fn gap(&mut self, _gap: &Record) {}
}

/// The book, and the number of the next input.
#[derive(Clone, Debug)]
pub struct Calculation {
    book: Book,
    next: u64,
}

impl Calculation {
    /// Begins with an empty book and the number 0.
    #[must_use]
    pub fn new(book: Book) -> Calculation {
        Calculation { book, next: 0 }
    }

    /// Returns the number of the next input.
    #[must_use]
    pub fn next_number(&self) -> u64 {
        self.next
    }

    /// Gives an input the next number, passes it on, and then its results. Returns its kind; `None` for a
    /// record that is no input, which is ignored.
    #[inline]
    pub fn take(&mut self, record: &Record, consumer: &mut impl Consumer) -> Option<Kind> {
        let kind = record.kind();
        match kind {
            Some(Kind::Quote) => {
                consumer.quote(record);
                self.book.on_quote(record.view(), self.next, consumer);
            }
            Some(Kind::Status) => {
                consumer.status(record);
                self.book.on_status(record.view(), self.next, consumer);
            }
            _ => return None,
        }
        self.next += 1;
        kind
    }

    /// Takes a recorded input that has a number, or a gap with the first number that is missing. Numbers
    /// between the last one and this one are passed over.
    ///
    /// # Panics
    /// If the number is below that of the next input: recorded inputs are taken in their order.
    #[inline]
    pub fn take_numbered(&mut self, number: u64, record: &Record, consumer: &mut impl Consumer) {
        assert!(self.next <= number, "input {number} comes after {} was due", self.next);
        self.next = number;
        if record.is::<Gap>() {
            consumer.gap(record);
            self.next = number.saturating_add(numbers_taken(record));
        } else {
            self.take(record, consumer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instrument::{Catalogue, Instrument, InstrumentId, VenueId, VenueInfo};
    use crate::record::{Ended, Quote, Spread, Status};
    use crate::state::State;

    /// Notes the kinds and numbers of what it takes.
    #[derive(Default)]
    struct Notes(Vec<(Kind, u64)>);

    impl Results for Notes {
        fn spread(&mut self, spread: Spread) {
            self.0.push((Kind::Spread, spread.sequence));
        }

        fn ended(&mut self, ended: &Ended) {
            self.0.push((Kind::Ended, ended.sequence));
        }
    }

    impl Consumer for Notes {
        fn quote(&mut self, quote: &Record) {
            self.0.push((Kind::Quote, quote.ts_recv()));
        }

        fn status(&mut self, status: &Record) {
            self.0.push((Kind::Status, status.ts_recv()));
        }

        fn gap(&mut self, gap: &Record) {
            self.0.push((Kind::Gap, gap.view::<Gap>().missed));
        }
    }

    fn calculation() -> Calculation {
        let instrument = Instrument { name: "A/B".to_owned(), price_scale: 2, size_scale: 2 };
        let venue = |name: &str| VenueInfo { name: name.to_owned(), taker_fee: 0.0, max_age: 100 };
        let venues = vec![venue("x"), venue("y")];
        let listings = Vec::new();
        Calculation::new(Book::new(&Catalogue { instruments: vec![instrument], venues, listings }))
    }

    fn status(venue: u8, state: State, ts_recv: u64) -> Record {
        let (instrument, venue) = (InstrumentId(0), VenueId(venue));
        Status { ts_recv, state: state.code(), instrument, venue, ..Status::default() }.into()
    }

    fn quote(venue: u8, ts_recv: u64) -> Record {
        let (bid_px, ask_px, venue) = (100, 101, VenueId(venue));
        Quote { ts_recv, bid_px, ask_px, bid_sz: 1, ask_sz: 1, venue, ..Quote::default() }.into()
    }

    #[test]
    fn inputs_come_before_their_results_and_gaps_take_their_numbers() {
        use Kind::{Ended, Gap as Lost, Quote as Quoted, Spread as Spreads, Status as Changed};
        let (mut calculation, mut notes) = (calculation(), Notes::default());
        let inputs = [
            (0, status(0, State::Live, 10)),
            (1, status(1, State::Live, 11)),
            (2, quote(0, 12)),
            (3, Gap::new(13, 5).into()),
            (8, quote(1, 14)),
            // A number is passed over that the reader of the inputs left out.
            (10, status(1, State::Down, 15)),
        ];
        for (number, record) in &inputs {
            calculation.take_numbered(*number, record, &mut notes);
        }
        assert_eq!(calculation.next_number(), 11);
        let expected = [
            (Changed, 10),
            (Changed, 11),
            (Quoted, 12),
            (Lost, 5),
            (Quoted, 14),
            (Spreads, 8),
            (Spreads, 8),
            (Changed, 15),
            (Ended, 10),
            (Ended, 10),
        ];
        assert_eq!(notes.0, expected);
    }

    #[test]
    fn live_inputs_are_numbered_in_turn_and_other_records_are_ignored() {
        let (mut calculation, mut notes) = (calculation(), Notes::default());
        let records = [status(0, State::Live, 1), Gap::new(2, 3).into(), quote(0, 4)];
        let kinds = records.map(|record| calculation.take(&record, &mut notes));
        assert_eq!(kinds, [Some(Kind::Status), None, Some(Kind::Quote)]);
        assert_eq!(calculation.next_number(), 2);
        assert_eq!(notes.0, [(Kind::Status, 1), (Kind::Quote, 4)]);
    }

    #[test]
    #[should_panic(expected = "input 4 comes after 6 was due")]
    fn recorded_inputs_out_of_order_are_refused() {
        let mut calculation = calculation();
        calculation.take_numbered(5, &quote(0, 1), &mut Notes::default());
        calculation.take_numbered(4, &quote(0, 2), &mut Notes::default());
    }
}
