//! WebSocket frames as a server sends them (RFC 6455): final and unmasked.
//!
//! A frame's header depends on the length of its payload. The payload is therefore written first,
//! behind room for the longest header, and the header is put right before it.

use super::text::Text;

/// Bytes of the longest header of an unmasked frame.
const HEADER_MAX: usize = 10;
/// Longest payload of a control frame.
const CONTROL_PAYLOAD_MAX: usize = 125;
/// First byte of a close frame.
const CLOSE: u8 = 0x88;
/// First byte of a pong.
const PONG: u8 = 0x8A;
/// A ping frame without payload.
pub(super) const PING: [u8; 2] = [0x89, 0];

/// First byte of the frame of a whole message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Opcode {
    /// A text in UTF-8.
    Text = 0x81,
    /// Bytes.
    Binary = 0x82,
}

/// A buffer that holds one frame at a time and is used again for the next.
#[derive(Debug, Default)]
pub(super) struct Frame {
    buffer: Text,
    start: usize,
}

impl Frame {
    /// Drops the frame before and returns the buffer to which the next payload is appended.
    #[inline]
    pub(super) fn begin(&mut self) -> &mut Text {
        self.buffer.begin(HEADER_MAX);
        &mut self.buffer
    }

    /// Puts the header right before the payload.
    #[inline]
    pub(super) fn end(&mut self, opcode: Opcode) {
        let opcode = opcode as u8;
        let bytes = self.buffer.bytes_mut();
        let length = bytes.len() - HEADER_MAX;
        self.start = match (u8::try_from(length), u16::try_from(length)) {
            (Ok(short @ 0..=125), _) => {
                bytes[8..10].copy_from_slice(&[opcode, short]);
                8
            }
            (_, Ok(medium)) => {
                let [high, low] = medium.to_be_bytes();
                bytes[6..10].copy_from_slice(&[opcode, 126, high, low]);
                6
            }
            (_, Err(_)) => {
                bytes[..2].copy_from_slice(&[opcode, 127]);
                bytes[2..10].copy_from_slice(&(length as u64).to_be_bytes());
                0
            }
        };
    }

    /// Returns the frame, header included.
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer.bytes()[self.start..]
    }
}

/// Returns a close frame; a reason of more than 123 bytes is cut off.
pub(super) fn close_frame(code: u16, reason: &str) -> Vec<u8> {
    let reason = &reason.as_bytes()[..reason.len().min(CONTROL_PAYLOAD_MAX - 2)];
    let length = u8::try_from(2 + reason.len()).unwrap_or(2);
    let mut frame = vec![CLOSE, length];
    frame.extend(code.to_be_bytes());
    frame.extend(reason);
    frame
}

/// Returns the answer to a close frame: the same code, if there was one.
pub(super) fn close_echo(code: Option<u16>) -> Vec<u8> {
    code.map_or_else(|| vec![CLOSE, 0], |code| close_frame(code, ""))
}

/// Returns the answer to a ping: the same payload, which is that of a control frame.
pub(super) fn pong_frame(payload: &[u8]) -> Vec<u8> {
    let payload = &payload[..payload.len().min(CONTROL_PAYLOAD_MAX)];
    let length = u8::try_from(payload.len()).unwrap_or(0);
    [&[PONG, length], payload].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_all_three_lengths_are_those_of_rfc_6455() {
        let mut frame = Frame::default();
        for (length, header) in [
            (0_usize, vec![0x81, 0]),
            (125, vec![0x81, 125]),
            (126, vec![0x81, 126, 0, 126]),
            (255, vec![0x81, 126, 0, 255]),
            (65_535, vec![0x81, 126, 255, 255]),
            (65_536, vec![0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            frame.begin().append(&vec![b'x'; length]);
            frame.end(Opcode::Text);
            let (head, payload) = frame.bytes().split_at(header.len());
            assert_eq!((head, payload.len()), (&header[..], length));
        }
        frame.begin().append(&[7]);
        frame.end(Opcode::Binary);
        assert_eq!(frame.bytes(), [0x82, 1, 7]);
    }

    #[test]
    fn a_close_frame_has_its_code_and_at_most_123_bytes_of_reason() {
        assert_eq!(close_frame(1001, "bye"), [0x88, 5, 0x03, 0xE9, b'b', b'y', b'e']);
        let long = close_frame(1008, &"y".repeat(200));
        assert_eq!((long.len(), long[1]), (127, 125));
    }
}
