//! What comes back: which frame of the block each answer belongs to.
//!
//! It reads bytes as they come, cut anywhere, and allocates nothing. It must not know sockets or clocks.

use super::frames::FIRST_UPDATE;

/// Bytes that may wait for their rest.
const BUFFER_BYTES: usize = 1 << 18;
/// A spread ends with the number of its quote.
const NUMBER: &[u8] = b"\"quote_seq\":";
/// It is looked for within so many last bytes; behind it at most a mark of conflation follows.
const TAIL_BYTES: usize = 64;

/// How answers tell their frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Broadcast messages: a spread has the number of its quote; `base` is that of the last one before
    /// the block.
    Spreads {
        /// See above.
        base: u64,
    },
    /// Lines that begin with the update id.
    Lines,
    /// Answers of one length, in order.
    Bytes {
        /// That length.
        length: usize,
    },
}

/// A reader of answers.
#[derive(Debug)]
pub(crate) struct Answers {
    form: Form,
    buffer: Vec<u8>,
    filled: usize,
    total: usize,
    reported: u64,
    /// Messages that told of something missing.
    pub(crate) gaps: u64,
}

impl Answers {
    pub(crate) fn new(form: Form) -> Answers {
        let buffer = vec![0; BUFFER_BYTES];
        Answers { form, buffer, filled: 0, total: 0, reported: 0, gaps: 0 }
    }

    /// Where the next bytes go.
    #[inline]
    pub(crate) fn room(&mut self) -> &mut [u8] {
        &mut self.buffer[self.filled..]
    }

    /// Bytes read so far.
    pub(crate) fn total(&self) -> usize {
        self.total
    }

    /// `count` bytes are in the room; calls `each` with the number of each frame answered.
    #[inline]
    pub(crate) fn take(&mut self, count: usize, mut each: impl FnMut(u64)) {
        self.filled += count;
        self.total += count;
        let used = match self.form {
            Form::Bytes { length } => {
                let answered = (self.total / length) as u64;
                (self.reported..answered).for_each(&mut each);
                self.reported = answered;
                self.filled
            }
            Form::Lines => lines(&self.buffer[..self.filled], each),
            Form::Spreads { base } => {
                let gaps = &mut self.gaps;
                messages(&self.buffer[..self.filled], |payload| match quote_number(payload) {
                    Some(number) => each(number.wrapping_sub(base + 1)),
                    None => *gaps += u64::from(payload.starts_with(b"{\"type\":\"gap\"")),
                })
            }
        };
        self.buffer.copy_within(used..self.filled, 0);
        self.filled -= used;
    }
}

/// The number of the quote that a spread came from.
pub(crate) fn quote_number(payload: &[u8]) -> Option<u64> {
    if !payload.starts_with(b"{\"type\":\"spread\"") {
        return None;
    }
    let tail = &payload[payload.len().saturating_sub(TAIL_BYTES)..];
    let find = |bytes: &[u8]| bytes.windows(NUMBER.len()).rposition(|window| window == NUMBER);
    let rest = match find(tail) {
        Some(at) => &tail[at + NUMBER.len()..],
        None => &payload[find(payload)? + NUMBER.len()..],
    };
    Some(digits(rest))
}

fn digits(bytes: &[u8]) -> u64 {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
}

/// Calls `each` with every whole line's frame; returns the bytes used.
fn lines(bytes: &[u8], mut each: impl FnMut(u64)) -> usize {
    let mut used = 0;
    while let Some(length) = bytes[used..].iter().position(|byte| *byte == b'\n') {
        each(digits(&bytes[used..]).wrapping_sub(FIRST_UPDATE));
        used += length + 1;
    }
    used
}

/// Calls `each` with the payload of every whole text frame of a server; returns the bytes used.
pub(crate) fn messages(bytes: &[u8], mut each: impl FnMut(&[u8])) -> usize {
    let mut used = 0;
    while let Some((text, head, length)) = frame(&bytes[used..]) {
        let Some(payload) = bytes.get(used + head..used + head + length) else { break };
        if text {
            each(payload);
        }
        used += head + length;
    }
    used
}

/// Whether a frame is text, the length of its head and that of its payload.
fn frame(bytes: &[u8]) -> Option<(bool, usize, usize)> {
    let text = bytes.first()? & 0x0f == 1;
    match *bytes.get(1)? & 0x7f {
        126 => {
            let length = bytes.get(2..4)?.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            Some((text, 4, length))
        }
        127 => {
            let length =
                bytes.get(2..10)?.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            Some((text, 10, length))
        }
        short => Some((text, 2, usize::from(short))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives the bytes in pieces of every length and expects the same answers.
    fn check(form: Form, bytes: &[u8], expected: &[u64], gaps: u64) {
        for piece in 1..=bytes.len() {
            let (mut answers, mut found) = (Answers::new(form), Vec::new());
            for part in bytes.chunks(piece) {
                answers.room()[..part.len()].copy_from_slice(part);
                answers.take(part.len(), |number| found.push(number));
            }
            assert_eq!((&found[..], answers.gaps), (expected, gaps), "in pieces of {piece}");
        }
    }

    #[test]
    fn answers_tell_their_frame_however_they_are_cut() {
        let text = |payload: &str| {
            let length = u8::try_from(payload.len()).expect("short");
            [&[0x81, length], payload.as_bytes()].concat()
        };
        let stream = [
            text(r#"{"type":"spread","seq":1,"net_bps":1.5,"quote_seq":43}"#),
            vec![0x89, 0],
            text(r#"{"type":"gap","missed":1}"#),
            text(r#"{"type":"spread","quote_seq":46,"conflated":true}"#),
        ];
        check(Form::Spreads { base: 42 }, &stream.concat(), &[0, 3], 1);
        check(Form::Lines, b"50000000000 1 2\n50000000002 3 4\n", &[0, 2], 0);
        check(Form::Bytes { length: 5 }, &[0; 17], &[0, 1, 2], 0);
    }
}
