//! An edge of raw frames: an SPSC ring of bytes between one feed and the capture.
//!
//! A frame is sent whole or not at all. Frames that do not fit are counted for their connection, and a
//! mark with the count stands before the connection's next frame that fits. Room for one mark of each
//! connection is kept free, so that the marks that are owed at the end fit as well. At the producing
//! end no call blocks or allocates.

use super::spsc::{Consumer, Producer, RingBuffer};
use spreadwire_market::clock::Nanos;

/// Bytes before an entry's body: receive time u64, length u32, connection u16, kind u16,
/// little-endian.
const HEADER_BYTES: usize = 16;
/// Bytes of a mark, whose body is its count, a u64.
const MARK_BYTES: usize = HEADER_BYTES + 8;

/// A frame as it came in its WebSocket message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A text frame.
    Text(&'a [u8]),
    /// A binary frame.
    Binary(&'a [u8]),
}

/// An entry of the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry<'a> {
    /// A frame.
    Frame(Frame<'a>),
    /// This many frames did not fit.
    Lost(u64),
}

const TEXT: u16 = 1;
const BINARY: u16 = 2;
const LOST: u16 = 3;

/// The producing end, which belongs to one feed.
#[derive(Debug)]
pub struct FrameSender {
    ring: Producer<u8>,
    /// By the connection's number in the feed; `None` for connections that are not captured.
    connections: Vec<Option<Owed>>,
    /// Bytes that stay free for marks.
    reserve: usize,
}

/// The losses of one connection that no mark tells yet.
#[derive(Clone, Copy, Debug)]
struct Owed {
    connection: u16,
    lost: u64,
    since: Nanos,
}

/// The consuming end.
#[derive(Debug)]
pub struct FrameReceiver {
    ring: Consumer<u8>,
    /// The entry in hand, in one piece.
    entry: Vec<u8>,
}

/// Returns the bytes of a ring that just holds a mark for each of so many connections.
#[must_use]
pub fn bytes_min(connections: usize) -> usize {
    connections * MARK_BYTES
}

/// Makes a ring for a feed's connections; `captured` says of each whether its frames are wanted.
///
/// # Panics
/// With more than 65,536 connections, or fewer bytes than [`bytes_min`] of them.
#[must_use]
pub fn frames(bytes: usize, captured: &[bool]) -> (FrameSender, FrameReceiver) {
    assert!(captured.len() <= usize::from(u16::MAX) + 1, "more connections than a feed can have");
    let reserve = bytes_min(captured.iter().filter(|wanted| **wanted).count());
    assert!(reserve <= bytes, "a ring of {bytes} bytes does not hold its marks");
    let owed = |connection| Owed { connection, lost: 0, since: 0 };
    let connections =
        captured.iter().zip(0..=u16::MAX).map(|(wanted, n)| wanted.then(|| owed(n))).collect();
    let (producer, consumer) = RingBuffer::new(bytes);
    let sender = FrameSender { ring: producer, connections, reserve };
    (sender, FrameReceiver { ring: consumer, entry: Vec::new() })
}

impl FrameSender {
    /// Touches the ring's memory, so that its pages are there before the first frame. To be called at
    /// the start.
    pub fn touch(&mut self) {
        // The consumer does not see what is written and not committed.
        let _chunk = self.ring.write_chunk(self.ring.slots());
    }

    /// Sends a frame of a connection. Returns false if it does not fit, which is marked in the stream.
    /// Frames of connections that are not captured count as sent.
    #[inline]
    pub fn offer(&mut self, connection: usize, ts_recv: Nanos, frame: Frame<'_>) -> bool {
        let FrameSender { ring, connections, reserve } = self;
        let Some(Some(owed)) = connections.get_mut(connection) else { return true };
        let (kind, bytes) = match frame {
            Frame::Text(bytes) => (TEXT, bytes),
            Frame::Binary(bytes) => (BINARY, bytes),
        };
        let needed = *reserve + MARK_BYTES + HEADER_BYTES + bytes.len();
        let has_room = needed <= ring.cached_slots() || needed <= ring.slots();
        let Some(len) = u32::try_from(bytes.len()).ok().filter(|_| has_room) else {
            owed.miss(ts_recv);
            return false;
        };
        owed.mark(ring);
        put(ring, ts_recv, len, owed.connection, kind, bytes);
        true
    }
}

impl Drop for FrameSender {
    /// Writes the marks that are owed, with which the stream ends.
    fn drop(&mut self) {
        for owed in self.connections.iter_mut().flatten() {
            owed.mark(&mut self.ring);
        }
    }
}

impl Owed {
    #[cold]
    fn miss(&mut self, ts_recv: Nanos) {
        if self.lost == 0 {
            self.since = ts_recv;
        }
        self.lost += 1;
    }

    #[inline]
    fn mark(&mut self, ring: &mut Producer<u8>) {
        if 0 < self.lost {
            put(ring, self.since, 8, self.connection, LOST, &self.lost.to_le_bytes());
            self.lost = 0;
        }
    }
}

/// Writes an entry for which there is room.
#[inline]
fn put(
    ring: &mut Producer<u8>,
    ts_recv: Nanos,
    len: u32,
    connection: u16,
    kind: u16,
    bytes: &[u8],
) {
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(&ts_recv.to_le_bytes());
    header[8..12].copy_from_slice(&len.to_le_bytes());
    header[12..14].copy_from_slice(&connection.to_le_bytes());
    header[14..].copy_from_slice(&kind.to_le_bytes());
    let fits = ring.push_entire_slice(&header).is_ok() && ring.push_entire_slice(bytes).is_ok();
    assert!(fits, "an entry was put without room");
}

/// The connection and the time of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Receive time of the frame, or of the first frame lost.
    pub ts_recv: Nanos,
    /// The connection's number in the feed.
    pub connection: usize,
}

impl FrameReceiver {
    /// Hands the entries that are there to `each`, in order, until they exceed `bytes_max` together.
    /// Returns how many they were.
    pub fn drain(&mut self, bytes_max: usize, mut each: impl FnMut(Place, Entry<'_>)) -> usize {
        let (mut entries, mut bytes) = (0, 0);
        while bytes <= bytes_max {
            let Some((place, kind)) = self.take() else { break };
            entries += 1;
            bytes += self.entry.len();
            let body = &self.entry[HEADER_BYTES..];
            each(
                place,
                match kind {
                    BINARY => Entry::Frame(Frame::Binary(body)),
                    LOST => Entry::Lost(u64::from_le_bytes(array(body))),
                    _ => Entry::Frame(Frame::Text(body)),
                },
            );
        }
        entries
    }

    /// Takes the next entry into one piece, if all of it is there.
    fn take(&mut self) -> Option<(Place, u16)> {
        let FrameReceiver { ring, entry } = self;
        let head = ring.read_chunk(HEADER_BYTES).ok()?;
        entry.clear();
        entry.extend(head.as_slices().0);
        entry.extend(head.as_slices().1);
        let len = u32::from_le_bytes(array(&entry[8..12]));
        let place = Place {
            ts_recv: u64::from_le_bytes(array(&entry[..8])),
            connection: usize::from(u16::from_le_bytes(array(&entry[12..14]))),
        };
        let kind = u16::from_le_bytes(array(&entry[14..16]));
        let whole = ring.read_chunk(HEADER_BYTES + usize::try_from(len).ok()?).ok()?;
        entry.clear();
        entry.extend(whole.as_slices().0);
        entry.extend(whole.as_slices().1);
        whole.commit_all();
        Some((place, kind))
    }

    /// Returns whether the producer is gone and everything it sent was taken.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        // The order matters, as in `ring`.
        self.ring.is_abandoned() && self.ring.is_empty()
    }
}

/// Returns the first bytes of a slice that is long enough.
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    std::array::from_fn(|place| bytes[place])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drained(receiver: &mut FrameReceiver) -> Vec<(usize, Nanos, String)> {
        let mut seen = Vec::new();
        receiver.drain(usize::MAX, |place, entry| {
            let told = match entry {
                Entry::Frame(Frame::Text(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
                Entry::Frame(Frame::Binary(bytes)) => format!("{bytes:?}"),
                Entry::Lost(count) => format!("lost {count}"),
            };
            seen.push((place.connection, place.ts_recv, told));
        });
        seen
    }

    fn told(connection: usize, ts: Nanos, text: &str) -> (usize, Nanos, String) {
        (connection, ts, text.to_owned())
    }

    #[test]
    fn frames_come_out_as_they_went_in_wherever_the_ring_wraps() {
        let (mut sender, mut receiver) = frames(150, &[true, false, true]);
        sender.touch();
        for ts in 0..500 {
            let text = "x".repeat(usize::try_from(ts).unwrap() % 20);
            assert!(sender.offer(0, ts, Frame::Text(text.as_bytes())));
            assert!(sender.offer(1, ts, Frame::Text(b"nobody wants it")));
            assert_eq!(drained(&mut receiver), [told(0, ts, &text)]);
            assert!(sender.offer(2, ts, Frame::Binary(&[1, 0, 255])));
            assert_eq!(drained(&mut receiver), [told(2, ts, "[1, 0, 255]")]);
        }
    }

    #[test]
    fn each_connection_s_loss_stands_before_its_next_frame_and_at_the_end() {
        let (mut sender, mut receiver) = frames(2 * MARK_BYTES + 80, &[true, true]);
        let mut offer = |connection, ts| sender.offer(connection, ts, Frame::Text(b"12345678"));
        assert_eq!(
            [(0, 1), (1, 2), (0, 3), (1, 4), (1, 5)].map(|(c, ts)| offer(c, ts)),
            [true, true, false, false, false]
        );
        assert_eq!(drained(&mut receiver), [told(0, 1, "12345678"), told(1, 2, "12345678")]);
        assert!(offer(0, 6));
        assert_eq!(drained(&mut receiver), [told(0, 3, "lost 1"), told(0, 6, "12345678")]);
        assert!([7, 8, 9].map(|ts| offer(0, ts)) == [true, true, false]);
        drop(sender);
        assert!(!receiver.is_finished());
        assert_eq!(
            drained(&mut receiver),
            [
                told(0, 7, "12345678"),
                told(0, 8, "12345678"),
                told(0, 9, "lost 1"),
                told(1, 4, "lost 2"),
            ]
        );
        assert!(receiver.is_finished());
    }

    #[test]
    fn a_frame_larger_than_the_ring_is_a_loss_like_any_other() {
        let (mut sender, mut receiver) = frames(200, &[true]);
        assert!(!sender.offer(0, 1, Frame::Text(&[b'x'; 200])));
        assert!(sender.offer(0, 2, Frame::Text(b"y")));
        assert_eq!(drained(&mut receiver), [told(0, 1, "lost 1"), told(0, 2, "y")]);
    }
}
