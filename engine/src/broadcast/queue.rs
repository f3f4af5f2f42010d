//! The queue of one client: ranges of the common log, and bytes of the client's own, in order.
//!
//! Messages that all clients have in common are never copied here: a range is two numbers. Only
//! answers, snapshots and control frames are the client's own bytes.

use super::event::Event;
use super::log::{Log, Protocol};
use std::collections::VecDeque;
use std::io::IoSlice;

/// Capacity for bytes of the client's own that is kept once they have left: a part of a snapshot
/// fits, what a client with much to catch up on had does not.
const OWN_KEPT_MAX: usize = 64 * 1024;

#[derive(Clone, Copy, Debug)]
enum Piece {
    /// Messages of the log.
    Shared { from: u64, to: u64 },
    /// The next bytes of the client's own.
    Own { bytes: usize },
}

/// The queue.
#[derive(Debug)]
pub(super) struct Queue {
    protocol: Protocol,
    pieces: VecDeque<Piece>,
    own: VecDeque<u8>,
    /// Bytes of the first message of the first piece that have been sent, if that is a range.
    sent: usize,
    bytes: usize,
}

impl Queue {
    /// Begins with bytes of the client's own, in front of frames of a protocol.
    pub(super) fn new(protocol: Protocol, first: Vec<u8>) -> Queue {
        let bytes = first.len();
        let mut queue =
            Queue { protocol, pieces: VecDeque::new(), own: first.into(), sent: 0, bytes };
        if bytes > 0 {
            queue.pieces.push_back(Piece::Own { bytes });
        }
        queue
    }

    /// Returns the protocol of the frames.
    pub(super) fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Returns the number of bytes to send.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the first message of the log that is still to be sent.
    pub(super) fn first_message(&self) -> Option<u64> {
        self.pieces.iter().find_map(|piece| match piece {
            Piece::Shared { from, .. } => Some(*from),
            Piece::Own { .. } => None,
        })
    }

    /// Adds messages of the log whose frames have `bytes` bytes.
    #[inline]
    pub(super) fn share(&mut self, from: u64, to: u64, bytes: usize) {
        self.bytes += bytes;
        match self.pieces.back_mut() {
            Some(Piece::Shared { to: end, .. }) if *end == from => *end = to,
            Some(_) | None => self.pieces.push_back(Piece::Shared { from, to }),
        }
    }

    /// Adds bytes of the client's own.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.own.extend(bytes);
        self.bytes += bytes.len();
        match self.pieces.back_mut() {
            Some(Piece::Own { bytes: count }) => *count += bytes.len(),
            Some(Piece::Shared { .. }) | None => {
                self.pieces.push_back(Piece::Own { bytes: bytes.len() });
            }
        }
    }

    /// Points `into` at what comes next, at most `limit` bytes; returns how many slices and bytes.
    pub(super) fn gather<'a>(
        &'a self,
        log: &'a Log,
        limit: usize,
        into: &mut [IoSlice<'a>],
    ) -> (usize, usize) {
        let (mut count, mut total, mut own, mut sent) = (0, 0, 0, self.sent);
        for piece in &self.pieces {
            let (first, second) = match *piece {
                Piece::Shared { from, to } => log.slices((from, to), sent, self.protocol),
                Piece::Own { bytes } => {
                    own += bytes;
                    self.own_slices(own - bytes, own)
                }
            };
            sent = 0;
            for slice in [first, second] {
                let slice = &slice[..slice.len().min(limit - total)];
                if slice.is_empty() {
                    continue;
                }
                let Some(place) = into.get_mut(count) else { return (count, total) };
                *place = IoSlice::new(slice);
                count += 1;
                total += slice.len();
            }
            if total == limit {
                break;
            }
        }
        (count, total)
    }

    fn own_slices(&self, from: usize, to: usize) -> (&[u8], &[u8]) {
        let (front, back) = self.own.as_slices();
        let cut = front.len();
        (&front[from.min(cut)..to.min(cut)], &back[from.max(cut) - cut..to.max(cut) - cut])
    }

    /// Forgets the first `count` bytes: they have been sent.
    pub(super) fn advance(&mut self, mut count: usize, log: &Log) {
        self.bytes -= count;
        while let Some(piece) = self.pieces.front_mut() {
            let left = match *piece {
                Piece::Shared { from, to } => {
                    let left = log.len(from, to, self.protocol) - self.sent;
                    if count < left {
                        let (number, sent) = log.find((from, to), self.sent + count, self.protocol);
                        *piece = Piece::Shared { from: number, to };
                        self.sent = sent;
                        return;
                    }
                    self.sent = 0;
                    left
                }
                Piece::Own { bytes } => {
                    let taken = bytes.min(count);
                    self.own.drain(..taken);
                    if taken < bytes {
                        *piece = Piece::Own { bytes: bytes - taken };
                        return;
                    }
                    bytes
                }
            };
            count -= left;
            self.pieces.pop_front();
        }
        if self.own.is_empty() && OWN_KEPT_MAX < self.own.capacity() {
            self.own = VecDeque::new();
        }
    }

    /// Drops what waits behind the last bytes of the client's own, except a frame that has begun,
    /// and hands over the messages that will therefore not be sent, in order. What stays is copied.
    pub(super) fn give_up(&mut self, log: &Log, mut each: impl FnMut(&Event)) {
        let Some(Piece::Shared { from, to }) = self.pieces.back().copied() else {
            return self.detach(log);
        };
        let behind = self.pieces.iter().rposition(|piece| matches!(piece, Piece::Own { .. }));
        let kept = behind.map_or(0, |place| place + 1);
        let begun = kept == 0 && self.sent > 0;
        let lost: Vec<Piece> = self.pieces.drain(kept..).collect();
        debug_assert!(!lost.is_empty(), "{from}..{to} is behind");
        if let (true, Some(Piece::Shared { from, .. })) = (begun, lost.first()) {
            self.pieces.push_back(Piece::Shared { from: *from, to: from + 1 });
        }
        self.detach(log);
        let mut skip = usize::from(begun);
        for piece in lost {
            if let Piece::Shared { from, to } = piece {
                for number in from..to {
                    if skip > 0 {
                        skip -= 1;
                    } else {
                        each(&log.event(number));
                    }
                }
            }
        }
    }

    /// Copies what waits in the log, because the log goes on without this client.
    pub(super) fn detach(&mut self, log: &Log) {
        let mut bytes = VecDeque::with_capacity(self.bytes);
        let (mut own, mut sent) = (0, self.sent);
        for piece in &self.pieces {
            let (first, second) = match *piece {
                Piece::Shared { from, to } => log.slices((from, to), sent, self.protocol),
                Piece::Own { bytes } => {
                    own += bytes;
                    self.own_slices(own - bytes, own)
                }
            };
            sent = 0;
            bytes.extend(first);
            bytes.extend(second);
        }
        self.sent = 0;
        self.bytes = bytes.len();
        self.own = bytes;
        self.pieces.clear();
        if self.bytes > 0 {
            self.pieces.push_back(Piece::Own { bytes: self.bytes });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytemuck::Zeroable;
    use proptest::prelude::*;
    use spreadwire_market::record::Record;

    fn taken(queue: &Queue, log: &Log, limit: usize, places: usize) -> Vec<u8> {
        let mut slices = vec![IoSlice::new(&[]); places];
        let (count, total) = queue.gather(log, limit, &mut slices);
        let bytes: Vec<u8> = slices[..count].iter().flat_map(|s| s.iter().copied()).collect();
        assert_eq!(bytes.len(), total);
        bytes
    }

    proptest! {
        #[test]
        fn what_leaves_is_what_was_queued_in_order(
            steps in proptest::collection::vec((0_u8..5, 1_usize..60), 1..300)
        ) {
            let mut log = Log::new(1 << 16);
            let mut queue = Queue::new(Protocol::Json, Vec::new());
            let (mut expected, mut left): (Vec<u8>, Vec<u8>) = (Vec::new(), Vec::new());
            for (place, (step, size)) in steps.into_iter().enumerate() {
                let byte = u8::try_from(place % 256).unwrap();
                if step < 3 {
                    log.stage(&vec![byte; size], Protocol::Json);
                    log.commit(&Event { record: Record::zeroed(), seq: 0, key: place });
                    if step < 2 {
                        queue.share(log.head() - 1, log.head(), size);
                        expected.extend(vec![byte; size]);
                    }
                } else if step == 3 {
                    queue.push(&vec![byte; size]);
                    expected.extend(vec![byte; size]);
                } else {
                    let bytes = taken(&queue, &log, 4 * size, 3);
                    queue.advance(bytes.len(), &log);
                    left.extend(bytes);
                }
            }
            prop_assert_eq!(queue.bytes(), expected.len() - left.len());
            queue.detach(&log);
            prop_assert_eq!(queue.bytes(), expected.len() - left.len());
            prop_assert!(queue.first_message().is_none());
            left.extend(taken(&queue, &log, usize::MAX, 2));
            prop_assert_eq!(left, expected);
        }

        #[test]
        fn giving_up_keeps_whole_frames_and_tells_every_message_that_is_lost(
            steps in proptest::collection::vec((0_u8..4, 1_usize..60), 1..40), cut in 0_usize..2_000
        ) {
            let mut log = Log::new(1 << 16);
            let mut queue = Queue::new(Protocol::Json, Vec::new());
            // Of each frame in the queue: its bytes, and its key if it is the log's.
            let mut frames: Vec<(Vec<u8>, Option<usize>)> = Vec::new();
            for (place, (step, size)) in steps.into_iter().enumerate() {
                let byte = u8::try_from(place).unwrap();
                let key = (step < 3).then_some(place);
                if key.is_some() {
                    log.stage(&vec![byte; size], Protocol::Json);
                    log.commit(&Event { record: Record::zeroed(), seq: 0, key: place });
                    queue.share(log.head() - 1, log.head(), size);
                } else {
                    queue.push(&vec![byte; size]);
                }
                frames.push((vec![byte; size], key));
            }
            let sent = taken(&queue, &log, cut, 100);
            queue.advance(sent.len(), &log);
            let mut lost = Vec::new();
            queue.give_up(&log, |event| lost.push(event.key));
            let all: Vec<u8> = [sent.clone(), taken(&queue, &log, usize::MAX, 2)].concat();
            let (mut end, mut expected) = (0, Vec::<u8>::new());
            let last_own = frames.iter().rposition(|(_, key)| key.is_none());
            for (place, (bytes, key)) in frames.iter().enumerate() {
                let begun = end < sent.len();
                if begun || last_own.is_some_and(|own| place < own) || key.is_none() {
                    expected.extend(bytes);
                    prop_assert!(key.is_none_or(|key| !lost.contains(&key)));
                } else if let Some(key) = key {
                    prop_assert!(lost.contains(key), "{} of {:?}", key, lost);
                }
                end += bytes.len();
            }
            prop_assert!(lost.is_sorted());
            prop_assert_eq!(all, expected);
        }
    }
}
