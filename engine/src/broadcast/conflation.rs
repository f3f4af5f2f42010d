//! The events that a client whose buffer is full will get later: the latest of each key, in order.
//!
//! The used entries of a table by key form a list, from the one unchanged for longest to the
//! newest. A newer event replaces the older of its key and moves to the end, so that taking from
//! the front gives the latest of each key in the order of the stream. A leg that came back to life
//! while the client was behind has two entries, its latest state that was not live and then the
//! live one, so that the client forgets the leg's pairs as it would have in the stream. All memory
//! is taken once, at the first congestion.

use super::event::{Event, Topic};
use super::market::Keys;
use spreadwire_market::record::{Gap, Recording, Status};
use spreadwire_market::state::State;

/// No entry.
const NONE: usize = usize::MAX;

#[derive(Clone, Copy, Debug)]
struct Entry {
    event: Option<Event>,
    before: usize,
    after: usize,
}

/// Spreads that will never be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Missed {
    /// Number of spreads.
    pub(super) count: u64,
    /// Number of the first one in the stream.
    pub(super) from_seq: u64,
    /// Number of the last one in the stream.
    pub(super) to_seq: u64,
}

impl Missed {
    fn add(&mut self, seq: u64) {
        self.from_seq = if self.count == 0 { seq } else { self.from_seq.min(seq) };
        self.to_seq = self.to_seq.max(seq);
        self.count += 1;
    }
}

/// The table.
#[derive(Debug)]
pub(super) struct Conflation {
    /// Entries by key; behind the last key those of states that are live.
    entries: Vec<Entry>,
    first: usize,
    last: usize,
    missed: Missed,
    gap: Option<Gap>,
    recording: Option<Recording>,
}

impl Conflation {
    /// Takes the memory for every key.
    pub(super) fn new(keys: &Keys) -> Conflation {
        let empty = Entry { event: None, before: NONE, after: NONE };
        let entries = vec![empty; keys.count() + keys.states()];
        Conflation {
            entries,
            first: NONE,
            last: NONE,
            missed: Missed::default(),
            gap: None,
            recording: None,
        }
    }

    /// Keeps an event for later, in place of an older one of its key; returns how many spreads will
    /// never be sent because of it.
    pub(super) fn put(&mut self, event: &Event, keys: &Keys) -> u64 {
        match event.topic() {
            Some(Topic::Spread(_) | Topic::Ended(_)) => self.put_at(event.key, event),
            Some(Topic::Status(status)) => self.put_status(status, event, keys),
            Some(Topic::Gap(gap)) => self.put_gap(gap, keys),
            Some(Topic::Recording(recording)) => {
                self.recording = Some(*recording);
                0
            }
            None => {
                debug_assert!(false, "clients are not told about {:?}", event.record);
                0
            }
        }
    }

    fn put_status(&mut self, status: &Status, event: &Event, keys: &Keys) -> u64 {
        let live = keys.count() + event.key;
        if status.state == State::Live as u8 {
            return self.put_at(live, event);
        }
        self.remove(live);
        self.put_at(event.key, event);
        keys.pairs_of(status).map(|pair| self.remove(pair)).sum()
    }

    fn put_at(&mut self, place: usize, event: &Event) -> u64 {
        let replaced = self.remove(place);
        match self.last {
            NONE => self.first = place,
            last => self.entries[last].after = place,
        }
        self.entries[place] = Entry { event: Some(*event), before: self.last, after: NONE };
        self.last = place;
        replaced
    }

    /// Drops the event of a key; returns how many spreads that loses, 0 or 1.
    fn remove(&mut self, key: usize) -> u64 {
        let Entry { event, before, after } = self.entries[key];
        let Some(event) = event else { return 0 };
        match before {
            NONE => self.first = after,
            before => self.entries[before].after = after,
        }
        match after {
            NONE => self.last = before,
            after => self.entries[after].before = before,
        }
        self.entries[key].event = None;
        if !matches!(event.topic(), Some(Topic::Spread(_))) {
            return 0;
        }
        self.missed.add(event.seq);
        1
    }

    /// Keeps a loss before the engine's broadcast: the spreads that wait may no longer hold.
    fn put_gap(&mut self, gap: &Gap, keys: &Keys) -> u64 {
        let missed = gap.missed + self.gap.map_or(0, |earlier| earlier.missed);
        self.gap = Some(Gap { missed, ..*gap });
        (keys.states()..keys.count()).map(|key| self.remove(key)).sum()
    }

    /// Takes the engine's loss since the last call.
    pub(super) fn take_gap(&mut self) -> Option<Gap> {
        self.gap.take()
    }

    /// Takes the last change of recording since the last call.
    pub(super) fn take_recording(&mut self) -> Option<Recording> {
        self.recording.take()
    }

    /// Takes what was replaced or dropped since the last call.
    pub(super) fn take_missed(&mut self) -> Option<Missed> {
        let missed = std::mem::take(&mut self.missed);
        (missed.count > 0).then_some(missed)
    }

    /// Takes the event that has waited longest.
    pub(super) fn take_first(&mut self) -> Option<Event> {
        let event = self.entries.get(self.first)?.event;
        let missed = self.missed;
        self.remove(self.first);
        self.missed = missed;
        event
    }

    /// Returns whether nothing waits to be told.
    pub(super) fn is_empty(&self) -> bool {
        let told = self.gap.is_none() && self.recording.is_none();
        self.first == NONE && self.missed.count == 0 && told
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use spreadwire_kit::{catalogue, quotes, records};
    use spreadwire_market::instrument::Catalogue;
    use spreadwire_market::record::Kind;

    fn event(key: usize, seq: u64) -> Event {
        Event { record: records::spread(0), seq, key }
    }

    #[test]
    fn a_leg_that_was_not_live_meanwhile_is_told_so_before_it_is_live_again() {
        let keys = Keys::new(&catalogue::of(["A/B"], ["x", "y"]).listed().build());
        let state =
            |state, seq| Event { record: quotes::status(1, 0, state, 0).into(), seq, key: 1 };
        let pair = keys.states() + 1;
        let mut table = Conflation::new(&keys);
        let mut lost = 0;
        for happened in [
            state(State::Live, 0),
            event(pair, 1),
            state(State::Stale, 1),
            state(State::Live, 1),
            event(pair, 2),
            state(State::Gap, 2),
            state(State::Live, 2),
            event(pair, 3),
        ] {
            lost += table.put(&happened, &keys);
        }
        assert_eq!(lost, 2);
        assert_eq!(table.take_missed(), Some(Missed { count: 2, from_seq: 1, to_seq: 2 }));
        let told: Vec<(u8, u64)> = std::iter::from_fn(|| table.take_first())
            .map(|e| match e.record.kind() {
                Some(Kind::Status) => (e.record.view::<Status>().state, e.seq),
                _ => (u8::MAX, e.seq),
            })
            .collect();
        assert_eq!(told, [(State::Gap as u8, 2), (State::Live as u8, 2), (u8::MAX, 3)]);
        table.put(&event(pair, 4), &keys);
        table.put(&state(State::Live, 4), &keys);
        assert_eq!(table.put(&state(State::Down, 5), &keys), 1, "the leg's pair has ended");
        assert!(table.take_missed().is_some());
        assert_eq!(table.take_first().map(|e| e.seq), Some(5), "it is not live any more");
        assert!(table.is_empty());
    }

    proptest! {
        #[test]
        fn the_latest_of_each_key_comes_in_order_and_the_rest_is_missed(
            steps in proptest::collection::vec((0_usize..6, 0_u8..10), 0..60)
        ) {
            let keys = Keys::new(&Catalogue::default());
            let mut table = Conflation::new(&keys);
            table.entries.resize(6, Entry { event: None, before: NONE, after: NONE });
            let mut model: Vec<(usize, u64)> = Vec::new();
            let mut missed: Vec<u64> = Vec::new();
            for (seq, (key, action)) in (1_u64..).zip(steps) {
                let old = model.iter().position(|(k, _)| *k == key);
                if action < 8 {
                    missed.extend(old.map(|at| model.remove(at).1));
                    model.push((key, seq));
                    table.put(&event(key, seq), &keys);
                } else if action == 8 {
                    missed.extend(old.map(|at| model.remove(at).1));
                    table.remove(key);
                } else {
                    let first = (!model.is_empty()).then(|| model.remove(0));
                    prop_assert_eq!(table.take_first().map(|e| (e.key, e.seq)), first);
                }
            }
            let expected = missed.iter().min().map(|from| Missed {
                count: missed.len() as u64,
                from_seq: *from,
                to_seq: missed.iter().copied().max().unwrap_or(0),
            });
            prop_assert_eq!(table.take_missed(), expected);
            let rest: Vec<_> = std::iter::from_fn(|| table.take_first().map(|e| (e.key, e.seq))).collect();
            prop_assert_eq!(rest, model);
            prop_assert!(table.is_empty());
        }
    }
}
