//! Every order in which the two ends of a ring can act.
//!
//! The ends (`ring`, `frame_ring` and the exchange of `stopwatch`) are compiled here a second time,
//! over a ring in which each call is one step. Each test runs a producer and a consumer, again for
//! every order of their steps with up to [`SWITCHES`] switches between the two.
//!
//! This proves, for these short scenarios, what the ends promise whatever the other side does in
//! between: that a consumer which finds its producer gone has everything it sent, that each record is
//! passed once and in order or stands in a gap, that a frame comes whole, and that a hand-over of
//! times loses none. It proves nothing about rtrb itself or about the order of memory accesses: the
//! ring here has each call happen at once and be seen at once. rtrb documents that `is_abandoned`
//! synchronises with the drop of the other end, and the ends rely on it.

#![allow(dead_code, reason = "what these scenarios do not call is used in the first copy")]
#![allow(unreachable_pub, reason = "as above")]
#![allow(clippy::duplicate_mod, reason = "the same ends over another ring")]

mod explorer;
mod spsc;

#[path = "frame_ring.rs"]
mod frame_ring;
#[path = "ring.rs"]
mod ring;
#[path = "stopwatch.rs"]
mod stopwatch;

use explorer::explore;
use frame_ring::{Entry, Frame};
use ring::{EdgeCounters, Receiver};
use spreadwire_kit::records::quote;
use spreadwire_market::clock::{Clock, Nanos};
use spreadwire_market::instrument::VenueId;
use spreadwire_market::record::Gap;
use stopwatch::Readings;

/// Switches away from a thread that could go on, in one run of a scenario.
const SWITCHES: usize = 3;
/// Times that a consumer looks before its producer is known to be gone.
const LOOKS: usize = 3;

/// Each scenario has more orders than this.
const ORDERS_MIN: usize = 100;

/// The times of quotes that came out, and of those that gaps stand for, in order.
#[derive(Debug, Default)]
struct Stream {
    quotes: Vec<Nanos>,
    missed: Vec<Nanos>,
}

impl Stream {
    /// The time that comes next: the quotes of a test are one ns apart.
    fn next(&self) -> Nanos {
        (self.quotes.len() + self.missed.len()) as Nanos + 1
    }

    fn take(&mut self, receiver: &mut Receiver) {
        receiver.drain(|record| {
            assert_eq!(record.ts_recv(), self.next(), "out of order, twice or unmarked");
            match record.get::<Gap>() {
                Some(gap) => self.missed.extend(self.next()..self.next() + gap.missed),
                None => self.quotes.push(record.ts_recv()),
            }
        });
    }
}

#[test]
fn a_holding_edge_loses_nothing_and_ends_when_everything_was_taken() {
    let orders = explore(SWITCHES, |threads| {
        let (mut sender, mut receiver) = ring::hold(2, EdgeCounters::default());
        let producer = threads.spawn(move || {
            let mut sent = 0;
            for records in [1, 2, 1] {
                // The consumer only makes more room: what was found stays.
                if sender.room(records) {
                    for _ in 0..records {
                        sent += 1;
                        sender.send(quote(sent));
                    }
                }
            }
            sent
        });
        let mut stream = Stream::default();
        let mut finished_with = None;
        for _ in 0..LOOKS {
            stream.take(&mut receiver);
            if receiver.is_finished() {
                finished_with = Some(stream.next() - 1);
            }
        }
        let sent = producer.join();
        assert!(finished_with.is_none_or(|seen| seen == sent), "{finished_with:?} of {sent}");
        stream.take(&mut receiver);
        assert!(receiver.is_finished());
        assert_eq!((stream.quotes.len() as Nanos, stream.missed.len()), (sent, 0));
    });
    assert!(ORDERS_MIN < orders, "{orders} orders are no proof");
    println!("{orders} orders");
}

#[test]
fn a_counting_edge_passes_each_record_or_marks_it_and_settles_at_the_end() {
    let orders = explore(SWITCHES, |threads| {
        let counters = EdgeCounters::default();
        let (mut sender, mut receiver) = ring::count(2, counters.clone());
        let producer = threads.spawn(move || {
            let passed: Vec<Nanos> = (1..=5).filter(|ts| sender.offer(quote(*ts))).collect();
            (passed, sender.settle())
        });
        let mut stream = Stream::default();
        let mut finished_with = None;
        for _ in 0..LOOKS {
            stream.take(&mut receiver);
            if receiver.is_finished() {
                finished_with = Some(stream.next() - 1);
            }
        }
        let (passed, unmarked) = producer.join();
        assert!(finished_with.is_none_or(|seen| seen + unmarked == 5), "{finished_with:?}");
        stream.take(&mut receiver);
        assert!(receiver.is_finished());
        assert_eq!(stream.quotes, passed);
        assert_eq!(stream.missed.len() as u64 + unmarked, 5 - passed.len() as u64);
        assert_eq!(counters.passed.get(), passed.len() as u64);
        assert_eq!(counters.dropped.get(), 5 - passed.len() as u64);
    });
    assert!(ORDERS_MIN < orders, "{orders} orders are no proof");
    println!("{orders} orders");
}

#[test]
fn frames_come_whole_and_in_order_and_the_last_mark_before_the_end() {
    let orders = explore(SWITCHES, |threads| {
        // Room for one frame, a mark before it, and the mark that may be owed at the end.
        let (mut sender, mut receiver) = frame_ring::frames(70, &[true]);
        let producer = threads.spawn(move || {
            (1..=3).filter(|ts| sender.offer(0, *ts, Frame::Text(b"text"))).collect::<Vec<Nanos>>()
        });
        let mut frames = Vec::new();
        let mut next = 1;
        let mut take = |receiver: &mut frame_ring::FrameReceiver| {
            receiver.drain(usize::MAX, |place, entry| {
                assert_eq!(place.ts_recv, next, "out of order, twice or unmarked");
                match entry {
                    Entry::Lost(count) => next += count,
                    Entry::Frame(frame) => {
                        assert_eq!(frame, Frame::Text(b"text"));
                        frames.push(place.ts_recv);
                        next += 1;
                    }
                }
            });
            next - 1
        };
        let mut finished_with = None;
        for _ in 0..LOOKS {
            let seen = take(&mut receiver);
            if receiver.is_finished() {
                finished_with = Some(seen);
            }
        }
        let passed = producer.join();
        assert!(finished_with.is_none_or(|seen| seen == 3), "{finished_with:?}");
        assert_eq!(take(&mut receiver), 3, "what was lost is marked");
        assert!(receiver.is_finished());
        assert_eq!(frames, passed);
    });
    assert!(ORDERS_MIN < orders, "{orders} orders are no proof");
    println!("{orders} orders");
}

/// Takes what has arrived: the samples, and that each interval begins where the last one ended.
fn taken(readings: &mut Readings, until: &mut Nanos) -> u64 {
    let mut samples = 0;
    readings.take(|times| {
        assert_eq!(times.since, *until, "a hole between two intervals");
        *until = times.until;
        samples += times.histograms.iter().map(hdrhistogram::Histogram::len).sum::<u64>();
    });
    samples
}

#[test]
fn a_stopwatch_hands_over_every_sample_whenever_it_is_asked() {
    let orders = explore(SWITCHES, |threads| {
        let venue = VenueId(0);
        let (mut stopwatch, mut readings) =
            stopwatch::pair("stage", vec![venue], Clock::manual(10));
        let hot = threads.spawn(move || {
            for _ in 0..2 {
                stopwatch.stamp(venue, 0);
                stopwatch.turn(10);
            }
            stopwatch.stamp(venue, 0);
            assert!(stopwatch.finish().is_none());
        });
        let (mut samples, mut until) = (0, 10);
        let mut finished_with = None;
        for _ in 0..LOOKS {
            readings.ask();
            samples += taken(&mut readings, &mut until);
            if readings.is_finished() {
                finished_with = Some(samples);
            }
        }
        hot.join();
        assert!(finished_with.is_none_or(|seen| seen == 3), "{finished_with:?}");
        samples += taken(&mut readings, &mut until);
        assert_eq!((samples, readings.is_finished()), (3, true));
    });
    assert!(ORDERS_MIN < orders, "{orders} orders are no proof");
    println!("{orders} orders");
}
