//! Finds WebSocket frames (RFC 6455) in a server's bytes without copying them.
//!
//! The reader handles only the common case: a complete, unfragmented, unmasked text or binary frame
//! without extension bits. Everything else is [`Next::Other`]: control frames, fragments, frames
//! longer than the buffer, and protocol violations. Those bytes go unchanged to tungstenite's
//! reader, which answers, joins fragments, or ends the connection with its own error. After a frame
//! that is an error or a close, all further bytes go to the library.
//!
//! The text is not validated here: decoders check every byte that they use, and a second pass would
//! cost as much as the rest of the reading. Text that is not UTF-8 is therefore rejected by the
//! decoder as one message, while the library would end the connection.

/// A frame at the front of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Length of its header, bytes.
    pub header: usize,
    /// Length of its payload, which follows the header, bytes.
    pub payload: usize,
}

/// The next item in the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A complete text message.
    Text(Frame),
    /// A complete binary message.
    Binary(Frame),
    /// This many bytes, at least 1, which belong to the library.
    Other(usize),
    /// There are too few bytes to decide.
    Incomplete,
    /// The message has more than [`FRAGMENTS_MAX`] fragments. The connection must end.
    TooManyFragments,
}

/// Length of the longest header of an unmasked frame, bytes.
pub const HEADER_MAX: usize = 10;

/// Maximum number of fragments of one message. The longest message in fragments of 4 KiB has that many;
/// a peer that sends more, or empty ones for ever, is broken or hostile.
pub const FRAGMENTS_MAX: u32 = 4096;

/// Means that all further bytes belong to the library.
const ENDLESS: u64 = u64::MAX;

const FIN: u8 = 0x80;
const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;
const FINAL_TEXT: u8 = FIN | TEXT;
const FINAL_BINARY: u8 = FIN | BINARY;

/// Frame reader of one connection.
#[derive(Debug)]
pub struct FrameReader {
    /// Longest payload to wait for, bytes.
    payload_max: usize,
    /// Number of bytes that still belong to the library.
    passing: u64,
    /// Number of fragments of the message in progress; 0 if there is none.
    fragments: u32,
    /// Whether the last bytes were the beginning of a frame.
    is_partial: bool,
}

impl FrameReader {
    /// Creates a reader that waits for payloads of up to `payload_max` bytes. Longer frames are
    /// [`Next::Other`]. A buffer needs [`HEADER_MAX`] bytes more than that to hold any frame.
    #[must_use]
    pub fn new(payload_max: usize) -> FrameReader {
        FrameReader { payload_max, passing: 0, fragments: 0, is_partial: false }
    }

    /// Returns whether a message or a frame has begun and not ended.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        self.is_partial || 0 < self.passing || 0 < self.fragments
    }

    /// Returns the next item at the front of `bytes`. The caller must remove the bytes of a
    /// returned frame or of [`Next::Other`] before the next call.
    #[inline]
    pub fn next(&mut self, bytes: &[u8]) -> Next {
        if 0 < self.passing {
            return self.pass(bytes);
        }
        let next = self.begin(bytes);
        self.is_partial = next == Next::Incomplete && !bytes.is_empty();
        next
    }

    /// Returns the item that begins at the front of `bytes`.
    #[inline]
    fn begin(&mut self, bytes: &[u8]) -> Next {
        let [first, second, ..] = *bytes else { return Next::Incomplete };
        let (header, payload) = match second {
            0..=125 => (2, u64::from(second)),
            126 => match *bytes {
                [_, _, high, low, ..] => (4, u64::from(u16::from_be_bytes([high, low]))),
                _ => return Next::Incomplete,
            },
            127 => match *bytes {
                [_, _, a, b, c, d, e, f, g, h, ..] => {
                    (HEADER_MAX, u64::from_be_bytes([a, b, c, d, e, f, g, h]))
                }
                _ => return Next::Incomplete,
            },
            // A server must not mask its frames.
            128.. => return self.give_up(bytes),
        };
        let is_message = (first == FINAL_TEXT || first == FINAL_BINARY) && self.fragments == 0;
        match usize::try_from(payload) {
            Ok(payload) if is_message && payload <= self.payload_max => {
                if bytes.len() - header < payload {
                    return Next::Incomplete;
                }
                let frame = Frame { header, payload };
                if first == FINAL_TEXT { Next::Text(frame) } else { Next::Binary(frame) }
            }
            _ => self.other(first, payload.saturating_add(header as u64), bytes),
        }
    }

    /// Handles a frame of `length` bytes that belongs to the library, or a protocol violation.
    #[cold]
    fn other(&mut self, first: u8, length: u64, bytes: &[u8]) -> Next {
        let is_final = first & FIN == FIN;
        match first & !FIN {
            CONTINUATION if 0 < self.fragments => {
                self.fragments = if is_final { 0 } else { self.fragments + 1 };
            }
            TEXT | BINARY if self.fragments == 0 => self.fragments = u32::from(!is_final),
            PING | PONG if is_final => {}
            // Extension bits, reserved opcodes, frames out of order, and close frames.
            _ => return self.give_up(bytes),
        }
        if FRAGMENTS_MAX <= self.fragments {
            return Next::TooManyFragments;
        }
        self.passing = length;
        self.pass(bytes)
    }

    fn give_up(&mut self, bytes: &[u8]) -> Next {
        self.passing = ENDLESS;
        self.pass(bytes)
    }

    fn pass(&mut self, bytes: &[u8]) -> Next {
        if bytes.is_empty() {
            return Next::Incomplete;
        }
        if self.passing == ENDLESS {
            return Next::Other(bytes.len());
        }
        let count = usize::try_from(self.passing).unwrap_or(usize::MAX).min(bytes.len());
        self.passing -= count as u64;
        Next::Other(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_messages_are_found_at_every_length() {
        for (payload, header) in [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
            let mut bytes = match (payload, u8::try_from(payload), u16::try_from(payload)) {
                (..126, Ok(length), _) => vec![0x81, length],
                (_, _, Ok(length)) => [&[0x81, 126][..], &length.to_be_bytes()].concat(),
                _ => [&[0x81, 127][..], &(payload as u64).to_be_bytes()].concat(),
            };
            bytes.resize(header + payload, b'x');
            let mut reader = FrameReader::new(65_536);
            for missing in (1..=bytes.len()).rev().step_by(payload / 50 + 1) {
                assert_eq!(reader.next(&bytes[..bytes.len() - missing]), Next::Incomplete);
            }
            assert_eq!(reader.next(&bytes), Next::Text(Frame { header, payload }));
            bytes[0] = 0x82;
            assert_eq!(reader.next(&bytes), Next::Binary(Frame { header, payload }));
        }
    }

    #[test]
    fn what_is_no_whole_message_is_passed_on_as_it_comes() {
        let mut reader = FrameReader::new(4);
        assert_eq!(reader.next(&[0x89, 3, 1]), Next::Other(3));
        assert_eq!(reader.next(&[]), Next::Incomplete);
        assert_eq!(reader.next(&[2, 3, 0x81, 0]), Next::Other(2));
        assert_eq!(reader.next(&[0x81, 0]), Next::Text(Frame { header: 2, payload: 0 }));
        assert_eq!(reader.next(&[0x81, 5, 1, 2, 3, 4, 5, 0x81]), Next::Other(7));
        assert_eq!(reader.next(&[0x01, 0, 0x89, 0]), Next::Other(2));
        assert_eq!(reader.next(&[0x89, 0, 0x80]), Next::Other(2));
        assert_eq!(reader.next(&[0x80, 0, 0x82, 0]), Next::Other(2));
        assert_eq!(reader.next(&[0x82, 0]), Next::Binary(Frame { header: 2, payload: 0 }));
    }

    #[test]
    fn a_message_has_a_bound_of_fragments_and_the_next_one_starts_anew() {
        let mut reader = FrameReader::new(4);
        for _ in 0..2 {
            assert_eq!(reader.next(&[0x01, 0]), Next::Other(2));
            for _ in 0..FRAGMENTS_MAX - 2 {
                assert_eq!(reader.next(&[0x00, 0, 0]), Next::Other(2));
            }
            assert!(reader.is_unfinished());
            assert_eq!(reader.next(&[0x89, 0]), Next::Other(2), "a ping is no fragment");
            assert_eq!(reader.next(&[0x80, 0]), Next::Other(2), "the last of all");
            assert!(!reader.is_unfinished());
        }
        assert_eq!(reader.next(&[0x01, 0]), Next::Other(2));
        for _ in 0..FRAGMENTS_MAX - 2 {
            assert_eq!(reader.next(&[0x00, 0]), Next::Other(2));
        }
        assert_eq!(reader.next(&[0x00, 0]), Next::TooManyFragments);
    }

    #[test]
    fn what_has_begun_is_unfinished_until_its_last_byte() {
        let mut reader = FrameReader::new(4);
        for (bytes, unfinished) in [
            (&[][..], false),
            (&[0x81][..], true),
            (&[0x81, 2, 1][..], true),
            (&[0x81, 2, 1, 2][..], false),
            (&[0x89, 3, 1][..], true),
            (&[2, 3][..], false),
            (&[0x01, 0][..], true),
            (&[0x89, 0][..], true),
            (&[0x80, 0][..], false),
        ] {
            reader.next(bytes);
            assert_eq!(reader.is_unfinished(), unfinished, "{bytes:?}");
        }
    }

    #[test]
    fn after_an_error_or_a_close_all_is_passed_on() {
        let firsts = [
            &[0x81, 0x80][..],
            &[0xC1, 0],
            &[0x83, 0],
            &[0x09, 0],
            &[0x80, 0],
            &[0x88, 0],
            &[0x8B, 0],
        ];
        for first in firsts {
            let mut reader = FrameReader::new(100);
            let bytes = [first, &[0x81, 0]].concat();
            assert_eq!(reader.next(&bytes), Next::Other(4), "{first:?}");
            assert_eq!(reader.next(&[0x81, 0]), Next::Other(2), "{first:?}");
        }
        let mut reader = FrameReader::new(100);
        assert_eq!(reader.next(&[0x01, 0]), Next::Other(2));
        assert_eq!(reader.next(&[0x81, 0, 0x81]), Next::Other(3), "a message within another");
        let mut reader = FrameReader::new(100);
        let endless = [&[0x82, 127][..], &[0xFF; 8]].concat();
        assert_eq!(reader.next(&endless), Next::Other(10));
        assert_eq!(reader.next(&[1]), Next::Other(1));
    }
}
