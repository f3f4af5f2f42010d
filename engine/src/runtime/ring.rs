//! An edge: an SPSC ring of records between two agents, and what happens when it is full.
//!
//! An edge has exactly one producer and one consumer, by construction (rtrb), and no call blocks.
//! There are two policies for a full ring, and the type says which one applies. A [`HoldSender`] lets
//! its agent ask for room first and leave its input where it is. A [`CountSender`] always returns: it
//! counts the records that do not fit, and marks their place with a [`Gap`] record before the next one
//! that does.

use super::spsc::{Consumer, Producer, PushError, RingBuffer};
use spreadwire_market::clock::Nanos;
use spreadwire_market::counters::Counter;
use spreadwire_market::record::{Gap, Record};

/// Counters of one edge.
#[derive(Clone, Debug, Default)]
pub struct EdgeCounters {
    /// Records accepted, gap marks not counted.
    pub passed: Counter,
    /// Records that did not fit and were dropped; 0 on an edge that holds.
    pub dropped: Counter,
    /// Offers that found the ring full.
    pub full: Counter,
}

/// The producing end of an edge that loses nothing. Its agent asks for [`room`](HoldSender::room)
/// before it reads input.
#[derive(Debug)]
pub struct HoldSender {
    ring: Producer<Record>,
    counters: EdgeCounters,
}

/// The producing end of an edge that never holds its agent back.
#[derive(Debug)]
pub struct CountSender {
    ring: Producer<Record>,
    counters: EdgeCounters,
    missed: u64,
    missed_since: Nanos,
}

/// The consuming end.
#[derive(Debug)]
pub struct Receiver {
    ring: Consumer<Record>,
}

/// Makes an edge whose producer holds back when it is full.
#[must_use]
pub fn hold(capacity: usize, counters: EdgeCounters) -> (HoldSender, Receiver) {
    let (producer, consumer) = RingBuffer::new(capacity);
    (HoldSender { ring: producer, counters }, Receiver { ring: consumer })
}

/// Makes an edge that counts and marks the records that do not fit.
#[must_use]
pub fn count(capacity: usize, counters: EdgeCounters) -> (CountSender, Receiver) {
    let (producer, consumer) = RingBuffer::new(capacity);
    let sender = CountSender { ring: producer, counters, missed: 0, missed_since: 0 };
    (sender, Receiver { ring: consumer })
}

impl HoldSender {
    /// Returns whether `records` more fit. The consumer can only make more room, so a yes stays true.
    #[must_use]
    pub fn room(&mut self, records: usize) -> bool {
        let room = self.ring.slots() >= records;
        if !room {
            self.counters.full.add(1);
        }
        room
    }

    /// Sends a record for which [`room`](HoldSender::room) was found.
    ///
    /// # Panics
    /// If there is no room: the agent broke its promise, and going on would lose the record.
    #[inline]
    pub fn send(&mut self, record: Record) {
        assert!(
            self.ring.push(record).is_ok(),
            "an edge that holds was sent a record without room"
        );
        self.counters.passed.add(1);
    }

    /// Returns the edge's counters.
    #[must_use]
    pub fn counters(&self) -> &EdgeCounters {
        &self.counters
    }

    /// Touches the ring's memory, so that its pages are there before the first record. To be called at
    /// the start, on the thread that will send.
    pub fn touch(&mut self) {
        touch(&mut self.ring);
    }

    /// Returns whether the consumer is gone.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.ring.is_abandoned()
    }
}

impl CountSender {
    /// Sends a record, or counts it as missed if the ring is full. Returns whether it was sent.
    #[inline]
    pub fn offer(&mut self, record: Record) -> bool {
        if self.missed > 0 && !self.mark_gap() {
            self.miss(&record);
            return false;
        }
        match self.ring.push(record) {
            Ok(()) => {
                self.counters.passed.add(1);
                true
            }
            Err(PushError::Full(record)) => {
                self.miss(&record);
                false
            }
        }
    }

    /// Touches the ring's memory, as [`HoldSender::touch`] does.
    pub fn touch(&mut self) {
        touch(&mut self.ring);
    }

    /// Writes the pending gap mark if it and one record fit. Returns whether it did.
    #[cold]
    fn mark_gap(&mut self) -> bool {
        if self.ring.slots() < 2 {
            return false;
        }
        let marked = self.ring.push(Gap::new(self.missed_since, self.missed).into()).is_ok();
        if marked {
            self.missed = 0;
        }
        marked
    }

    #[cold]
    fn miss(&mut self, record: &Record) {
        if self.missed == 0 {
            self.missed_since = record.ts_recv();
        }
        self.missed += 1;
        self.counters.dropped.add(1);
        self.counters.full.add(1);
    }

    /// Writes a gap mark that is still owed, before the edge closes. Returns the number of records that
    /// stay unmarked because not even the mark fits.
    pub fn settle(&mut self) -> u64 {
        if self.missed > 0
            && self.ring.push(Gap::new(self.missed_since, self.missed).into()).is_ok()
        {
            self.missed = 0;
        }
        self.missed
    }
}

fn touch(ring: &mut Producer<Record>) {
    // The consumer does not see what is written and not committed.
    let _chunk = ring.write_chunk(ring.slots());
}

impl Receiver {
    /// Hands every record that is there now to `each` and frees their room in one go. Returns how many
    /// there were.
    #[inline]
    pub fn drain(&mut self, each: impl FnMut(&Record)) -> usize {
        self.drain_up_to(usize::MAX, each)
    }

    /// As [`drain`](Receiver::drain), but no more than `most`; the rest waits.
    #[inline]
    pub fn drain_up_to(&mut self, most: usize, mut each: impl FnMut(&Record)) -> usize {
        let ready = self.ring.slots().min(most);
        if ready == 0 {
            return 0;
        }
        let Ok(chunk) = self.ring.read_chunk(ready) else { return 0 };
        let (first, second) = chunk.as_slices();
        first.iter().for_each(&mut each);
        second.iter().for_each(&mut each);
        chunk.commit_all();
        ready
    }

    /// Returns the number of records that wait now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.ring.slots()
    }

    /// Returns whether the producer is gone and everything it sent was taken.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        // The order matters. If the ring were asked first, the producer could send its last records and
        // go between the two questions.
        self.ring.is_abandoned() && self.ring.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spreadwire_kit::records::quote;
    use spreadwire_market::record::Kind;

    fn drained(receiver: &mut Receiver) -> Vec<(Option<Kind>, u64)> {
        let mut seen = Vec::new();
        let count = receiver.drain(|r| {
            let detail = r.get::<Gap>().map_or(r.ts_recv(), |gap| gap.missed);
            seen.push((r.kind(), detail));
        });
        assert_eq!(count, seen.len());
        seen
    }

    #[test]
    fn what_does_not_fit_is_counted_and_marked_before_the_next_that_does() {
        let counters = EdgeCounters::default();
        let (mut sender, mut receiver) = count(2, counters.clone());
        let passed = (1..=5).filter(|ts| sender.offer(quote(*ts))).count();
        assert_eq!(passed, 2);
        assert_eq!(drained(&mut receiver), [(Some(Kind::Quote), 1), (Some(Kind::Quote), 2)]);
        sender.offer(quote(6));
        assert_eq!(drained(&mut receiver), [(Some(Kind::Gap), 3), (Some(Kind::Quote), 6)]);
        assert_eq!((counters.passed.get(), counters.dropped.get()), (3, 3));
    }

    #[test]
    fn a_gap_still_owed_at_the_end_is_settled() {
        let (mut sender, mut receiver) = count(1, EdgeCounters::default());
        sender.offer(quote(1));
        sender.offer(quote(2));
        assert_eq!(sender.settle(), 1, "no room for the mark yet");
        assert_eq!(drained(&mut receiver).len(), 1);
        assert_eq!(sender.settle(), 0);
        drop(sender);
        assert!(!receiver.is_finished());
        assert_eq!(drained(&mut receiver), [(Some(Kind::Gap), 1)]);
        assert!(receiver.is_finished());
    }

    #[test]
    fn a_mark_waits_until_a_record_fits_behind_it() {
        let (mut sender, mut receiver) = count(1, EdgeCounters::default());
        assert_eq!([1, 2].map(|ts| sender.offer(quote(ts))), [true, false]);
        assert_eq!(drained(&mut receiver), [(Some(Kind::Quote), 1)]);
        assert!(!sender.offer(quote(3)));
        assert_eq!(drained(&mut receiver), []);
        assert_eq!(sender.settle(), 0);
        assert_eq!(drained(&mut receiver), [(Some(Kind::Gap), 2)]);
    }

    #[test]
    fn a_holding_edge_says_when_there_is_no_room() {
        let (mut sender, mut receiver) = hold(1, EdgeCounters::default());
        assert!(sender.room(1));
        sender.send(quote(1));
        assert!(!sender.room(1));
        drained(&mut receiver);
        assert!(sender.room(1));
    }
}
