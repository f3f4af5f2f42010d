//! The log of messages that clients have in common, each encoded once per protocol as a frame.
//!
//! It is a ring of messages beside a ring of bytes for each protocol. A message has a number, which
//! grows by one. A client's queue holds ranges of numbers, and the bytes of a range are at most two
//! slices, so that nothing is copied for a client. The record of each message is kept with it, so
//! that a client that is too slow can be conflated instead. Old messages are overwritten:
//! the agent makes sure before it appends that no client still has to be sent them.

use super::event::Event;
use spreadwire_market::record::Record;

/// The form of the messages that a client is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `spreadwire.v1.json`: texts.
    Json,
    /// `spreadwire.v1.bin`: fixed little-endian layouts.
    Binary,
}

impl Protocol {
    /// Both protocols.
    pub const ALL: [Protocol; 2] = [Protocol::Json, Protocol::Binary];
}

/// Bytes of the ring per message: a spread has some 330 as JSON and 82 as binary.
const BYTES_PER_MESSAGE: usize = 128;

#[derive(Clone, Copy, Debug)]
struct Entry {
    record: Record,
    seq: u64,
    key: usize,
    /// Place, by protocol, where its frame begins among all bytes ever written. In a protocol that
    /// nobody needed there is no frame, and the next message begins at the same place.
    starts: [u64; 2],
}

#[derive(Debug)]
struct Bytes {
    ring: Vec<u8>,
    /// Number of bytes ever written.
    head: u64,
    /// Number of further bytes, of the message that is not committed yet.
    staged: usize,
}

/// The log.
#[derive(Debug)]
pub(super) struct Log {
    entries: Vec<Entry>,
    /// The number of the next message.
    head: u64,
    /// The number of the oldest that is still there.
    tail: u64,
    bytes: [Bytes; 2],
}

impl Log {
    /// Keeps at least `bytes` of frames in each protocol.
    pub(super) fn new(bytes: usize) -> Log {
        let capacity = bytes.next_power_of_two();
        let empty = Entry { record: bytemuck::Zeroable::zeroed(), seq: 0, key: 0, starts: [0; 2] };
        let ring = || Bytes { ring: vec![0; capacity], head: 0, staged: 0 };
        Log {
            entries: vec![empty; capacity / BYTES_PER_MESSAGE],
            head: 0,
            tail: 0,
            bytes: [ring(), ring()],
        }
    }

    /// Returns the number that the next message will have.
    pub(super) fn head(&self) -> u64 {
        self.head
    }

    #[expect(clippy::cast_possible_truncation, reason = "masked to the ring's size")]
    fn entry(&self, number: u64) -> &Entry {
        &self.entries[number as usize & (self.entries.len() - 1)]
    }

    /// Returns where a message's frame begins, or will begin if it is the next message.
    fn start(&self, number: u64, protocol: Protocol) -> u64 {
        if number == self.head {
            return self.bytes[protocol as usize].head;
        }
        debug_assert!(self.tail <= number && number < self.head, "message {number} is gone");
        self.entry(number).starts[protocol as usize]
    }

    /// Returns the number of bytes of the frames `from..to`.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "at most the ring's size")]
    pub(super) fn len(&self, from: u64, to: u64, protocol: Protocol) -> usize {
        (self.start(to, protocol) - self.start(from, protocol)) as usize
    }

    /// Returns the number of the oldest message that will be left when a message is appended whose
    /// frames are at most `bound` long.
    pub(super) fn tail_with(&self, bound: usize) -> u64 {
        let too_many = |tail: u64| self.entries.len() as u64 <= self.head - tail;
        let too_long = |tail: u64| {
            Protocol::ALL
                .iter()
                .any(|p| self.bytes[*p as usize].ring.len() < self.len(tail, self.head, *p) + bound)
        };
        let mut tail = self.tail;
        while tail < self.head && (too_many(tail) || too_long(tail)) {
            tail += 1;
        }
        tail
    }

    /// Returns whether the next message has a frame of this protocol already.
    #[inline]
    pub(super) fn is_staged(&self, protocol: Protocol) -> bool {
        self.bytes[protocol as usize].staged > 0
    }

    /// Returns the number of bytes of the next message's frame.
    #[inline]
    pub(super) fn staged(&self, protocol: Protocol) -> usize {
        self.bytes[protocol as usize].staged
    }

    /// Writes the next message's frame.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "masked to the ring's size")]
    pub(super) fn stage(&mut self, frame: &[u8], protocol: Protocol) {
        let bytes = &mut self.bytes[protocol as usize];
        let at = bytes.head as usize & (bytes.ring.len() - 1);
        let first = frame.len().min(bytes.ring.len() - at);
        bytes.ring[at..at + first].copy_from_slice(&frame[..first]);
        if first < frame.len() {
            bytes.ring[..frame.len() - first].copy_from_slice(&frame[first..]);
        }
        bytes.staged = frame.len();
    }

    /// Appends the message whose frames were staged; returns the longest frame's length.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "masked to the ring's size")]
    pub(super) fn commit(&mut self, event: &Event) -> usize {
        let longest = self.bytes[0].staged.max(self.bytes[1].staged);
        self.tail = self.tail_with(longest);
        let starts = [self.bytes[0].head, self.bytes[1].head];
        let place = self.head as usize & (self.entries.len() - 1);
        self.entries[place] =
            Entry { record: event.record, seq: event.seq, key: event.key, starts };
        for bytes in &mut self.bytes {
            bytes.head += bytes.staged as u64;
            bytes.staged = 0;
        }
        self.head += 1;
        longest
    }

    /// Returns the event of a message.
    pub(super) fn event(&self, number: u64) -> Event {
        let Entry { record, seq, key, .. } = *self.entry(number);
        Event { record, seq, key }
    }

    /// Returns the frames `from..to` without the first `sent` bytes; the second slice is empty
    /// unless they pass the end of the ring.
    #[expect(clippy::cast_possible_truncation, reason = "masked to the ring's size")]
    pub(super) fn slices(
        &self,
        (from, to): (u64, u64),
        sent: usize,
        protocol: Protocol,
    ) -> (&[u8], &[u8]) {
        let length = self.len(from, to, protocol) - sent;
        let ring = &self.bytes[protocol as usize].ring;
        let start = self.start(from, protocol) + sent as u64;
        let at = start as usize & (ring.len() - 1);
        let first = length.min(ring.len() - at);
        (&ring[at..at + first], &ring[..length - first])
    }

    /// Finds the message in `from..to` that holds the byte at `offset` of their frames; returns it
    /// with the number of its own bytes before that byte.
    pub(super) fn find(
        &self,
        (from, to): (u64, u64),
        offset: usize,
        protocol: Protocol,
    ) -> (u64, usize) {
        let (mut low, mut high) = (from, to);
        while low + 1 < high {
            let middle = low + (high - low) / 2;
            if self.len(from, middle, protocol) <= offset {
                low = middle;
            } else {
                high = middle;
            }
        }
        (low, offset - self.len(from, low, protocol))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytemuck::Zeroable;
    use proptest::prelude::*;

    fn event(key: usize) -> Event {
        Event { record: Record::zeroed(), seq: 7, key }
    }

    proptest! {
        #[test]
        fn frames_come_back_as_they_were_written(
            lengths in proptest::collection::vec((1_usize..90, any::<bool>()), 1..120)
        ) {
            let mut log = Log::new(1024);
            let mut written: Vec<[Vec<u8>; 2]> = Vec::new();
            for (place, (length, both)) in lengths.into_iter().enumerate() {
                let byte = u8::try_from(place % 251).unwrap();
                let frames = [vec![byte; length], vec![!byte; if both { length / 2 + 1 } else { 0 }]];
                let tail = log.tail_with(length);
                for (frame, protocol) in frames.iter().zip(Protocol::ALL) {
                    if !frame.is_empty() {
                        log.stage(frame, protocol);
                    }
                }
                log.commit(&event(place));
                written.push(frames);
                prop_assert_eq!(tail, log.tail);
                prop_assert!(log.head - log.tail <= 8, "as many messages as were said");
                for protocol in Protocol::ALL {
                    for from in log.tail..log.head {
                        prop_assert_eq!(log.event(from).key as u64, from);
                        let (a, b) = log.slices((from, log.head), 0, protocol);
                        let range = usize::try_from(from).unwrap()..=place;
                        let expected = written[range].iter().map(|f| &f[protocol as usize]);
                        let expected: Vec<u8> = expected.flatten().copied().collect();
                        prop_assert_eq!([a, b].concat(), expected);
                        // The first byte of each frame, one inside, and the last.
                        for number in from..log.head {
                            let start = log.len(from, number, protocol);
                            let length = log.len(number, number + 1, protocol);
                            let ends = [0, length / 2, length.saturating_sub(1)];
                            for inside in ends.into_iter().take(3 * length.min(1)) {
                                let found = log.find((from, log.head), start + inside, protocol);
                                prop_assert_eq!(found, (number, inside));
                            }
                        }
                    }
                }
            }
        }
    }
}
