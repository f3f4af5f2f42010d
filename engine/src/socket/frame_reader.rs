//! Finds WebSocket frames (RFC 6455) in bytes as a server sends them, without copying any.
//!
//! It knows the one case that a feed is about: a whole, unfragmented, unmasked text or binary frame
//! without extension bits. Everything else is [`Next::Other`]: control frames, fragments, frames
//! that are longer than the buffer, and whatever breaks the protocol go, byte by byte as they came,
//! to the library's reader, which answers, joins, or ends the connection with its own error. From a
//! frame that is an error, or that closes, all further bytes are the library's.
//!
//! It does not look at the text: decoders check every byte that they use, and a second pass would
//! cost as much as the rest of the reading. Text that is not UTF-8 is therefore refused by the
//! decoder, as a message, where the library would end the connection. It must not know sockets.

/// Where a frame stands at the front of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Bytes of its header.
    pub header: usize,
    /// Bytes of its payload, behind that.
    pub payload: usize,
}

/// What the bytes begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A whole text message.
    Text(Frame),
    /// A whole binary message.
    Binary(Frame),
    /// So many bytes, 1 at least, that are for the library.
    Other(usize),
    /// Too little to tell.
    Incomplete,
}

/// The longest header of a frame that is not masked.
pub const HEADER_MAX: usize = 10;

/// All bytes from now on.
const ENDLESS: u64 = u64::MAX;

const FIN: u8 = 0x80;
const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;
const FINAL_TEXT: u8 = FIN | TEXT;
const FINAL_BINARY: u8 = FIN | BINARY;

/// Reads the frames of one connection.
#[derive(Debug)]
pub struct FrameReader {
    /// Payloads up to this are waited for, bytes.
    payload_max: usize,
    /// Bytes that are still the library's.
    passing: u64,
    /// Inside a message of several frames.
    fragmented: bool,
}

impl FrameReader {
    /// Frames with more than `payload_max` bytes are [`Next::Other`]: a buffer of [`HEADER_MAX`]
    /// bytes more holds every frame that is waited for.
    #[must_use]
    pub fn new(payload_max: usize) -> FrameReader {
        FrameReader { payload_max, passing: 0, fragmented: false }
    }

    /// What `bytes` begin with. Of a frame that is told, or of [`Next::Other`], the bytes are to be
    /// taken away before the next call.
    #[inline]
    pub fn next(&mut self, bytes: &[u8]) -> Next {
        if 0 < self.passing {
            return self.pass(bytes);
        }
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
            // A server must not mask.
            128.. => return self.give_up(bytes),
        };
        let is_message = (first == FINAL_TEXT || first == FINAL_BINARY) && !self.fragmented;
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

    /// A frame of `length` bytes that is not for us, or none at all.
    #[cold]
    fn other(&mut self, first: u8, length: u64, bytes: &[u8]) -> Next {
        let is_final = first & FIN == FIN;
        match first & !FIN {
            CONTINUATION if self.fragmented => self.fragmented = !is_final,
            TEXT | BINARY if !self.fragmented => self.fragmented = !is_final,
            PING | PONG if is_final => {}
            // Extension bits, reserved kinds, frames out of order, and the end.
            _ => return self.give_up(bytes),
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
