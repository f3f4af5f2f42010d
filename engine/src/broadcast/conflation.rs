//! The events that a client whose buffer is full will get later: the latest of each key, in order.
//!
//! The entries form a list, from the one unchanged for longest to the newest, and an index finds the
//! entry of a key. A newer event replaces the older of its key and moves to the end, so that taking
//! from the front gives the latest of each key in the order of the stream. A leg that came back to
//! life while the client was behind has two entries, its latest state that was not live and then the
//! live one, so that the client forgets the leg's pairs as it would have in the stream.
//!
//! There are entries only for what the client has missed, and no more of them than its buffer has
//! bytes for. When there is no room for one more, nothing is kept any more and the client has to go.

use super::event::{Event, Topic};
use super::market::Keys;
use spreadwire_market::record::{Gap, Record, Recording, Status};
use spreadwire_market::state::State;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// No entry.
const NONE: u32 = u32::MAX;
/// Bytes that an entry takes with its place in the index, as the index is half empty at worst.
const BYTES_PER_ENTRY: usize = 128;
/// Entries for which memory is taken at first.
const ENTRIES_MIN: usize = 64;

/// Returns how many missed pairs and states are kept for a client whose buffer has so many bytes.
pub(super) fn entries_max(buffer_bytes: usize) -> usize {
    buffer_bytes / BYTES_PER_ENTRY
}

/// An entry. Its record is not aligned as records are, which would take half as much again.
#[derive(Clone, Copy, Debug)]
struct Entry {
    record: [u64; 8],
    seq: u64,
    /// Its place: a key, or behind the last key that of a state that is live.
    place: u32,
    before: u32,
    after: u32,
}

const _: () = assert!(size_of::<Entry>() == 88);

/// Spreads places over the index by a multiplication: they are ours, and dense.
#[derive(Debug, Default)]
struct PlaceHasher(u64);

impl Hasher for PlaceHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u32(u32::from(*byte)));
    }

    fn write_u32(&mut self, place: u32) {
        self.0 = (self.0 ^ u64::from(place)).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(32);
    }
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
    entries: Vec<Entry>,
    /// The entry of each place.
    index: HashMap<u32, u32, BuildHasherDefault<PlaceHasher>>,
    /// The first entry that is not used; `after` leads to the next.
    unused: u32,
    first: u32,
    last: u32,
    /// Number of keys: places from there on are states that are live.
    keys: usize,
    entries_max: usize,
    is_full: bool,
    missed: Missed,
    gap: Option<Gap>,
    recording: Option<Recording>,
}

impl Conflation {
    /// Begins with nothing missed, for a client whose buffer has so many bytes.
    pub(super) fn new(keys: &Keys, buffer_bytes: usize) -> Conflation {
        Conflation {
            entries: Vec::new(),
            index: HashMap::default(),
            unused: NONE,
            first: NONE,
            last: NONE,
            keys: keys.count(),
            entries_max: entries_max(buffer_bytes),
            is_full: false,
            missed: Missed::default(),
            gap: None,
            recording: None,
        }
    }

    /// Returns whether something was missed for which there was no room.
    pub(super) fn is_full(&self) -> bool {
        self.is_full
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
        let (Some(at), Ok(place)) = (self.take_unused(), u32::try_from(place)) else {
            self.is_full = true;
            return replaced;
        };
        match self.last {
            NONE => self.first = at,
            last => self.entry(last).after = at,
        }
        let record = bytemuck::cast(event.record);
        *self.entry(at) = Entry { record, seq: event.seq, place, before: self.last, after: NONE };
        self.last = at;
        self.index.insert(place, at);
        replaced
    }

    fn entry(&mut self, at: u32) -> &mut Entry {
        &mut self.entries[at as usize]
    }

    /// Returns an entry that is not used; `None` if there are as many as there may be.
    fn take_unused(&mut self) -> Option<u32> {
        if self.unused != NONE {
            let at = self.unused;
            self.unused = self.entry(at).after;
            return Some(at);
        }
        let count = self.entries.len();
        if self.entries_max <= count {
            return None;
        }
        if count == self.entries.capacity() {
            // Never more than there may be.
            self.entries.reserve_exact(count.max(ENTRIES_MIN).min(self.entries_max - count));
        }
        let empty = Entry { record: [0; 8], seq: 0, place: 0, before: NONE, after: NONE };
        self.entries.push(empty);
        u32::try_from(count).ok()
    }

    /// Drops the event of a place; returns how many spreads that loses, 0 or 1.
    fn remove(&mut self, place: usize) -> u64 {
        let Some(event) = self.take_at(place) else { return 0 };
        if !matches!(event.topic(), Some(Topic::Spread(_))) {
            return 0;
        }
        self.missed.add(event.seq);
        1
    }

    fn take_at(&mut self, place: usize) -> Option<Event> {
        let at = self.index.remove(&u32::try_from(place).ok()?)?;
        let Entry { record, seq, place, before, after } = *self.entry(at);
        match before {
            NONE => self.first = after,
            before => self.entry(before).after = after,
        }
        match after {
            NONE => self.last = before,
            after => self.entry(after).before = before,
        }
        self.entry(at).after = self.unused;
        self.unused = at;
        let place = place as usize;
        let key = if self.keys <= place { place - self.keys } else { place };
        let record: Record = bytemuck::cast(record);
        Some(Event { record, seq, key })
    }

    /// Keeps a loss before the engine's broadcast: the spreads that wait may no longer hold.
    fn put_gap(&mut self, gap: &Gap, keys: &Keys) -> u64 {
        let missed = gap.missed + self.gap.map_or(0, |earlier| earlier.missed);
        self.gap = Some(Gap { missed, ..*gap });
        let pairs = keys.states()..keys.count();
        let held: Vec<u32> = self.index.keys().copied().collect();
        let held = held.into_iter().map(|place| place as usize);
        held.filter(|place| pairs.contains(place)).map(|place| self.remove(place)).sum()
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
        let place = self.entries.get(self.first as usize)?.place;
        self.take_at(place as usize)
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
        let mut table = Conflation::new(&keys, 1 << 20);
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

    #[test]
    fn it_takes_memory_for_what_is_missed_and_never_more_than_the_buffer() {
        let keys = Keys::new(&Catalogue::default());
        let bytes = |table: &Conflation| {
            // The standard library's table: a power of two of buckets with a byte each, 7/8 full.
            let buckets = (table.index.capacity() * 8 / 7).next_power_of_two();
            table.entries.capacity() * size_of::<Entry>() + buckets * (size_of::<(u32, u32)>() + 1)
        };
        for buffer in [128 * 1024, 1 << 20, 3_333_333] {
            let mut table = Conflation::new(&keys, buffer);
            for seq in 1..=10 {
                for key in 0..10 {
                    table.put(&event(key, seq), &keys);
                }
            }
            assert!(bytes(&table) < 16 * 1024, "{} bytes for ten keys", bytes(&table));
            let mut seq = 10;
            while !table.is_full() {
                seq += 1;
                table.put(&event(usize::try_from(seq).unwrap(), seq), &keys);
                assert!(bytes(&table) <= buffer, "{} of {buffer}", bytes(&table));
            }
            assert_eq!(table.index.len(), buffer / BYTES_PER_ENTRY);
        }
    }

    proptest! {
        #[test]
        fn the_latest_of_each_key_comes_in_order_and_the_rest_is_missed(
            steps in proptest::collection::vec((0_usize..6, 0_u8..10), 0..60)
        ) {
            let keys = Keys::new(&Catalogue::default());
            let mut table = Conflation::new(&keys, 1 << 20);
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
