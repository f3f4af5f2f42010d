//! How a hot agent times its stage: a histogram for each venue, handed over without an allocation, a
//! lock or a wait.
//!
//! A [`Stopwatch`] belongs to one agent and records into a set of histograms that it alone holds. The
//! other end, [`Readings`], belongs to a cold thread. To ask for the times, the cold thread sends an
//! empty set through an SPSC ring. At its next [`turn`](Stopwatch::turn) the agent goes on with the
//! empty set and sends the full one back through a second ring. Both rings hold every set there is, so
//! that sending always succeeds. A cold thread that is late just asks later: the set that it gets then
//! holds all that was recorded in between.
//!
//! A histogram of a hot agent has two significant digits (1 ns to a minute in 15 KiB): a whole octave
//! of latencies is 8 cache lines, where three digits and wide counts take 128.
//! `benches/instrumentation.rs` measures both. Stamps are ns: a reading of the time-stamp counter and
//! one multiplication, which the same bench compares with the bare counter.

use super::spsc::{Consumer, Producer, PushError, RingBuffer};
use crate::runtime::latency::{LATENCY_MAX, Latency};
use hdrhistogram::Histogram;
use spreadwire_market::clock::{Clock, Nanos};
use spreadwire_market::instrument::VenueId;

/// Significant digits of hot agents' histograms.
pub const DIGITS: u8 = 2;

/// Number of sets of histograms that one stopwatch and its readings have between them.
pub const SETS: usize = 2;

/// Stands for the start of a lap where there is none: no record has this time.
const NO_LAP: Nanos = Nanos::MAX;

/// Stands for the place of a venue that this stopwatch does not know.
const UNKNOWN: u8 = u8::MAX;

/// The times that one stopwatch recorded from one hand-over to the next.
#[derive(Debug)]
pub struct Times {
    /// Time of the duty cycle that began the set.
    pub since: Nanos,
    /// Time of the duty cycle that ended it.
    pub until: Nanos,
    /// One histogram for each venue, in the order that the stopwatch was made with.
    pub histograms: Vec<Histogram<u32>>,
}

impl Times {
    fn new(venues: usize, digits: u8, since: Nanos) -> Box<Times> {
        let histogram = || {
            let mut histogram = Histogram::new_with_bounds(1, LATENCY_MAX, digits)
                .expect("the bounds are within what the histogram allows");
            // Written to once, so that no hot thread meets a page that is not there yet.
            histogram.reset();
            histogram
        };
        let histograms = (0..venues).map(|_| histogram()).collect();
        Box::new(Times { since, until: since, histograms })
    }
}

/// Samples of one read that are not recorded yet. They get one stamp together.
#[derive(Clone, Copy, Debug)]
struct Lap {
    venue: VenueId,
    start: Nanos,
    samples: u32,
}

impl Lap {
    const NONE: Lap = Lap { venue: VenueId(0), start: NO_LAP, samples: 0 };
}

/// The end of the agent that is timed.
#[derive(Debug)]
pub struct Stopwatch {
    stage: &'static str,
    clock: Clock,
    /// Whether anything is timed. A stopwatch that is off does not even read the clock.
    on: bool,
    /// Each venue's place in `present`.
    places: Box<[u8; 256]>,
    present: Box<Times>,
    lap: Lap,
    /// `None` if nobody reads before the end.
    exchange: Option<Exchange>,
}

/// The hot ends of the two rings.
#[derive(Debug)]
struct Exchange {
    empty: Consumer<Box<Times>>,
    full: Producer<Box<Times>>,
}

/// The end of the cold thread that collects the times.
#[derive(Debug)]
pub struct Readings {
    stage: &'static str,
    venues: Vec<VenueId>,
    empty: Producer<Box<Times>>,
    full: Consumer<Box<Times>>,
    /// The set to ask with next; `None` while a question is not answered.
    spare: Option<Box<Times>>,
}

/// Makes a stopwatch for a stage of some venues, and the end where its readings arrive. All memory is
/// taken now.
#[must_use]
pub fn pair(stage: &'static str, venues: Vec<VenueId>, clock: Clock) -> (Stopwatch, Readings) {
    let since = clock.now();
    let (to_hot, empty) = RingBuffer::new(SETS);
    let (full, to_cold) = RingBuffer::new(SETS);
    let mut places = Box::new([UNKNOWN; 256]);
    for (venue, place) in venues.iter().zip(0..UNKNOWN) {
        places[usize::from(venue.0)] = place;
    }
    let present = Times::new(venues.len(), DIGITS, since);
    let spare = Some(Times::new(venues.len(), DIGITS, since));
    let exchange = Some(Exchange { empty, full });
    let lap = Lap::NONE;
    let stopwatch = Stopwatch { stage, clock, on: true, places, present, lap, exchange };
    (stopwatch, Readings { stage, venues, empty: to_hot, full: to_cold, spare })
}

impl Stopwatch {
    /// Makes a stopwatch that nobody reads before the end. It has all venues in one distribution of
    /// three digits.
    #[must_use]
    pub fn alone(stage: &'static str, clock: Clock) -> Stopwatch {
        let present = Times::new(1, 3, clock.now());
        let (places, lap) = (Box::new([0; 256]), Lap::NONE);
        Stopwatch { stage, clock, on: true, places, present, lap, exchange: None }
    }

    /// Makes a stopwatch that times nothing: the cost of timing is measured against it.
    #[must_use]
    pub fn off(stage: &'static str, clock: Clock) -> Stopwatch {
        Stopwatch { on: false, ..Stopwatch::alone(stage, clock) }
    }

    /// Returns the stage that is timed.
    #[must_use]
    pub fn stage(&self) -> &'static str {
        self.stage
    }

    /// Hands over what was recorded, if the cold side has asked. To be called once a duty cycle.
    #[inline]
    pub fn turn(&mut self, now: Nanos) {
        if let Some(exchange) = &mut self.exchange
            && let Ok(empty) = exchange.empty.pop()
        {
            self.hand_over(empty, now);
        }
    }

    #[cold]
    fn hand_over(&mut self, mut next: Box<Times>, now: Nanos) {
        next.since = now;
        let mut full = std::mem::replace(&mut self.present, next);
        full.until = now;
        if let Some(exchange) = &mut self.exchange {
            // The ring holds every set that there is.
            let sent = exchange.full.push(full);
            debug_assert!(sent.is_ok(), "a set too many");
        }
    }

    /// Records the time from `start`, when the bytes of a venue's record were read, until now.
    #[inline]
    pub fn stamp(&mut self, venue: VenueId, start: Nanos) {
        if self.on {
            self.record(venue, start, self.clock.now());
        }
    }

    /// Records several samples that end now.
    #[inline]
    pub fn stamp_all(&mut self, samples: impl Iterator<Item = (VenueId, Nanos)>) {
        if self.on {
            let end = self.clock.now();
            samples.for_each(|(venue, start)| self.record(venue, start, end));
        }
    }

    /// Records a sample whose end was taken elsewhere.
    #[inline]
    pub fn record(&mut self, venue: VenueId, start: Nanos, end: Nanos) {
        self.record_many(venue, start, end, 1);
    }

    #[inline]
    fn record_many(&mut self, venue: VenueId, start: Nanos, end: Nanos, samples: u32) {
        let place = usize::from(self.places[usize::from(venue.0)]);
        if let Some(histogram) = self.present.histograms.get_mut(place) {
            histogram.saturating_record_n(end.saturating_sub(start), samples);
        }
    }

    /// Begins a sample before a venue's record is worked on. Records of one read, which follow each
    /// other, get one stamp together when the work on the last of them is done. A sample may thus be
    /// recorded longer than it took, by the records that came in the same bytes, but never shorter; and
    /// a burst does not read the clock for each of its records.
    #[inline]
    pub fn lap(&mut self, venue: VenueId, start: Nanos) {
        if self.lap.start == start && self.lap.venue == venue {
            self.lap.samples += 1;
        } else {
            self.next_lap(venue, start);
        }
    }

    fn next_lap(&mut self, venue: VenueId, start: Nanos) {
        self.end_lap();
        if self.on {
            self.lap = Lap { venue, start, samples: 1 };
        }
    }

    /// Ends the last lap when there is nothing more to work on for now.
    #[inline]
    pub fn end_lap(&mut self) {
        let Lap { venue, start, samples } = self.lap;
        if start != NO_LAP {
            self.lap.start = NO_LAP;
            self.record_many(venue, start, self.clock.now(), samples);
        }
    }

    /// Ends the stopwatch. What was recorded last goes to the readings, or is returned if there are none.
    pub fn finish(&mut self) -> Option<Latency> {
        self.end_lap();
        let now = self.clock.now();
        self.turn(now);
        let nothing = Times::new(0, DIGITS, now);
        if self.exchange.is_some() {
            self.hand_over(nothing, now);
            self.exchange = None;
            return None;
        }
        let mut all = Latency::new();
        self.present.histograms.iter().for_each(|histogram| all.merge_counts(histogram));
        self.on.then_some(all)
    }
}

impl Readings {
    /// Returns the stage that is timed.
    #[must_use]
    pub fn stage(&self) -> &'static str {
        self.stage
    }

    /// Returns the venues, in the order of [`Times::histograms`].
    #[must_use]
    pub fn venues(&self) -> &[VenueId] {
        &self.venues
    }

    /// Asks for what was recorded since the last time. Returns whether it could: an earlier question
    /// may still wait for its answer.
    pub fn ask(&mut self) -> bool {
        let Some(spare) = self.spare.take() else { return false };
        // The ring holds every set that there is.
        match self.empty.push(spare) {
            Ok(()) => true,
            Err(PushError::Full(spare)) => {
                self.spare = Some(spare);
                false
            }
        }
    }

    /// Hands the sets that have arrived to `each`, oldest first. Returns how many there were.
    pub fn take(&mut self, mut each: impl FnMut(&Times)) -> usize {
        let mut taken = 0;
        while let Ok(mut times) = self.full.pop() {
            taken += 1;
            each(&times);
            times.histograms.iter_mut().for_each(Histogram::reset);
            self.spare = Some(times);
        }
        taken
    }

    /// Returns whether the stopwatch is gone and everything has been taken.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        // The order matters, as in `ring`.
        self.full.is_abandoned() && self.full.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const X: VenueId = VenueId(3);
    const Y: VenueId = VenueId(9);

    /// Counts by venue of everything that has arrived, and the spans of time.
    fn taken(readings: &mut Readings) -> Vec<(Nanos, Nanos, Vec<u64>)> {
        let mut all = Vec::new();
        readings.take(|times| {
            let counts = times.histograms.iter().map(Histogram::len).collect();
            all.push((times.since, times.until, counts));
        });
        all
    }

    #[test]
    fn what_is_recorded_arrives_once_by_venue_in_intervals_without_a_hole() {
        let clock = Clock::manual(100);
        let (mut stopwatch, mut readings) = pair("stage", vec![X, Y], clock.clone());
        stopwatch.stamp(X, 50);
        stopwatch.turn(200);
        assert!(taken(&mut readings).is_empty(), "nobody has asked");
        assert!(readings.ask());
        stopwatch.stamp(Y, 50);
        stopwatch.stamp(VenueId(7), 50);
        stopwatch.turn(300);
        stopwatch.stamp(Y, 50);
        assert_eq!(taken(&mut readings), [(100, 300, vec![1, 1])]);
        assert!(readings.ask());
        stopwatch.turn(400);
        clock.set(450);
        assert_eq!(taken(&mut readings), [(300, 400, vec![0, 1])]);
        stopwatch.stamp(X, 1);
        assert!(!readings.is_finished());
        assert!(stopwatch.finish().is_none());
        assert_eq!(taken(&mut readings), [(400, 450, vec![1, 0])]);
        assert!(readings.is_finished());
    }

    #[test]
    fn a_late_reader_loses_nothing_and_cannot_ask_twice() {
        let (mut stopwatch, mut readings) = pair("stage", vec![X], Clock::manual(1_000));
        assert!(readings.ask());
        assert!(!readings.ask(), "the first question is open");
        for turn in 0..10 {
            stopwatch.turn(turn);
            stopwatch.stamp(X, 0);
        }
        assert!(stopwatch.finish().is_none());
        stopwatch.stamp(X, 0);
        let counts: Vec<u64> = taken(&mut readings).iter().map(|(_, _, c)| c[0]).collect();
        assert_eq!(counts, [0, 10]);
    }

    #[test]
    fn the_end_answers_an_open_question_as_well() {
        let (mut stopwatch, mut readings) = pair("stage", vec![X], Clock::manual(7));
        stopwatch.stamp(X, 0);
        assert!(readings.ask());
        assert!(stopwatch.finish().is_none());
        let counts: Vec<Vec<u64>> = taken(&mut readings).into_iter().map(|(_, _, c)| c).collect();
        assert_eq!(counts, [vec![1], vec![0]]);
        assert!(readings.is_finished());
    }

    #[test]
    fn samples_of_one_read_get_one_stamp_when_the_last_is_done() {
        let clock = Clock::manual(0);
        let mut stopwatch = Stopwatch::alone("stage", clock.clone());
        for (now, venue, start) in [(10, X, 5), (20, X, 5), (30, X, 5), (40, Y, 5), (50, Y, 7)] {
            stopwatch.lap(venue, start);
            clock.set(now + 5);
        }
        // The first three end when the fourth begins, at 35; that one at 45, the last at 55.
        stopwatch.end_lap();
        stopwatch.end_lap();
        let all = stopwatch.finish().unwrap();
        let quantiles = [0.6, 0.8, 1.0].map(|quantile| all.quantile(quantile));
        assert_eq!((all.count(), quantiles), (5, [30, 40, 48]));
    }

    #[test]
    fn one_that_is_off_records_nothing() {
        let mut stopwatch = Stopwatch::off("stage", Clock::manual(9));
        stopwatch.stamp(X, 1);
        stopwatch.lap(X, 1);
        stopwatch.stamp_all([(X, 1)].into_iter());
        assert!(stopwatch.finish().is_none());
    }
}
