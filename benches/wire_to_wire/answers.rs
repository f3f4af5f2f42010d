//! Parses the answers: which frame of the block each answer belongs to.
//!
//! It reads bytes as they arrive, split anywhere, and allocates nothing.

use super::frames::FIRST_UPDATE;

/// Capacity for incomplete bytes.
const BUFFER_BYTES: usize = 1 << 18;
/// A spread's last field is the number of its quote.
const NUMBER: &[u8] = b"\"quote_seq\":";
/// The number is searched within this many last bytes. Only a mark of conflation may follow it.
const TAIL_BYTES: usize = 64;

/// How an answer identifies its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Broadcast messages. A spread contains the number of its quote; `base` is the number of the
    /// last quote before the block.
    Spreads {
        /// Number of the last quote before the block.
        base: u64,
    },
    /// Lines that begin with the update id.
    Lines,
    /// Answers of equal length, in order.
    Bytes {
        /// Length of an answer.
        length: usize,
    },
}

/// A parser of answers.
#[derive(Debug)]
pub(crate) struct Answers {
    form: Form,
    buffer: Vec<u8>,
    filled: usize,
    total: usize,
    reported: u64,
    /// Number of messages that reported a gap.
    pub(crate) gaps: u64,
}

impl Answers {
    pub(crate) fn new(form: Form) -> Answers {
        let buffer = vec![0; BUFFER_BYTES];
        Answers { form, buffer, filled: 0, total: 0, reported: 0, gaps: 0 }
    }

    /// Returns the space for the next bytes.
    #[inline]
    pub(crate) fn room(&mut self) -> &mut [u8] {
        &mut self.buffer[self.filled..]
    }

    /// Returns the number of bytes read so far.
    pub(crate) fn total(&self) -> usize {
        self.total
    }

    /// Processes `count` bytes written to the space, and calls `each` with the number of each
    /// answered frame.
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

/// Returns the number of the quote that a spread came from.
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

/// Calls `each` with the frame of every complete line; returns the number of bytes used.
fn lines(bytes: &[u8], mut each: impl FnMut(u64)) -> usize {
    let mut used = 0;
    while let Some(length) = bytes[used..].iter().position(|byte| *byte == b'\n') {
        each(digits(&bytes[used..]).wrapping_sub(FIRST_UPDATE));
        used += length + 1;
    }
    used
}

/// Calls `each` with the payload of every complete text frame from a server; returns the number of
/// bytes used.
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

/// Returns whether a frame is text, and the lengths of its header and its payload.
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

    /// Passes the bytes in pieces of every length and checks that the answers are the same.
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
