//! The events of hftbacktest's arrays: `event_dtype` of its `types.py`, 64 bytes each, and the header
//! of a NumPy array of them. `lake export` writes them and `lake import` reads them.

use anyhow::{Context, ensure};
use std::io::Read;

/// Size of an event, bytes.
pub(crate) const EVENT_BYTES: usize = 64;

/// A level of one side of the book changed.
pub(crate) const DEPTH: u64 = 1;
/// Levels were removed.
pub(crate) const DEPTH_CLEAR: u64 = 3;
/// A level as it is in a snapshot.
pub(crate) const DEPTH_SNAPSHOT: u64 = 4;
/// The best level of one side.
pub(crate) const DEPTH_BBO: u64 = 5;
/// The event is one of the exchange's clock.
pub(crate) const EXCH: u64 = 1 << 31;
/// The event is one of the local clock.
pub(crate) const LOCAL: u64 = 1 << 30;
/// The event is one of bids.
pub(crate) const BUY: u64 = 1 << 29;
/// The event is one of asks.
pub(crate) const SELL: u64 = 1 << 28;

/// Fields of `event_dtype`.
const FIELDS: [(&str, &str); 8] = [
    ("ev", "<u8"),
    ("exch_ts", "<i8"),
    ("local_ts", "<i8"),
    ("px", "<f8"),
    ("qty", "<f8"),
    ("order_id", "<u8"),
    ("ival", "<i8"),
    ("fval", "<f8"),
];

/// An event, without the fields that no change of a book uses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) flags: u64,
    pub(crate) exchange: i64,
    pub(crate) local: i64,
    pub(crate) price: f64,
    pub(crate) size: f64,
}

impl Event {
    /// Returns what kind of event it is.
    pub(crate) fn kind(&self) -> u64 {
        self.flags & 0xFF
    }

    /// Returns the event's bytes in the array.
    pub(crate) fn bytes(&self) -> [u8; EVENT_BYTES] {
        let words = [
            self.flags,
            self.exchange.cast_unsigned(),
            self.local.cast_unsigned(),
            self.price.to_bits(),
            self.size.to_bits(),
        ];
        let mut bytes = [0; EVENT_BYTES];
        for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// Returns the event of these bytes.
    pub(crate) fn of(bytes: &[u8; EVENT_BYTES]) -> Event {
        let word = |at: usize| {
            let (words, _) = bytes.as_chunks::<8>();
            u64::from_le_bytes(words[at])
        };
        Event {
            flags: word(0),
            exchange: word(1).cast_signed(),
            local: word(2).cast_signed(),
            price: f64::from_bits(word(3)),
            size: f64::from_bits(word(4)),
        }
    }
}

/// Returns the header of an array with this many events, format version 1.0:
/// <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.
pub(crate) fn npy_header(rows: usize) -> Vec<u8> {
    const MAGIC: &[u8] = b"\x93NUMPY\x01\x00";
    const ALIGNED: usize = 64;
    let mut text =
        format!("{{'descr': {}, 'fortran_order': False, 'shape': ({rows},), }}", descr());
    // The header is the magic, two bytes of length, the text, and a newline.
    let length = (MAGIC.len() + 2 + text.len() + 1).next_multiple_of(ALIGNED) - MAGIC.len() - 2;
    text.push_str(&" ".repeat(length - text.len() - 1));
    text.push('\n');
    let length = u16::try_from(length).unwrap_or(u16::MAX);
    [MAGIC, &length.to_le_bytes(), text.as_bytes()].concat()
}

fn descr() -> String {
    let fields = FIELDS.map(|(name, of)| format!("('{name}', '{of}')"));
    format!("[{}]", fields.join(", "))
}

/// Reads the header of an array up to its first event. Returns the number of events, or `None` if
/// it is another array.
pub(crate) fn read_header(reader: &mut impl Read) -> anyhow::Result<Option<u64>> {
    const HEADER_BYTES_MAX: usize = 1 << 16;
    let mut start = [0; 8];
    reader.read_exact(&mut start).context("the array ends in its header")?;
    let mut length = vec![0; if start[6] == 1 { 2 } else { 4 }];
    reader.read_exact(&mut length).context("the array ends in its header")?;
    let length = length.iter().rev().fold(0, |length, byte| length << 8 | usize::from(*byte));
    ensure!(length <= HEADER_BYTES_MAX, "the array's header is {length} bytes long");
    let mut header = vec![0; length];
    reader.read_exact(&mut header).context("the array ends in its header")?;
    Ok(count_in(&String::from_utf8_lossy(&header)))
}

/// Returns the number of events of an array, by the text of its header; `None` if it is an array of
/// something else.
fn count_in(header: &str) -> Option<u64> {
    let dense = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
    let header = dense(header).replace('"', "'");
    let is_ours = header.contains(&format!("'descr':{}", dense(&descr())))
        && header.contains("'fortran_order':False");
    let (_, shape) = header.split_once("'shape':(").filter(|_| is_ours)?;
    shape.split_once(",)")?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_of_an_array_is_aligned_and_read_again() {
        for rows in [0, 1, 1_000_000_000] {
            let header = npy_header(rows);
            assert_eq!(header.len() % 64, 0);
            assert_eq!(header.last(), Some(&b'\n'));
            assert_eq!(count_in(&String::from_utf8_lossy(&header[10..])), Some(rows as u64));
        }
        let good = String::from_utf8_lossy(&npy_header(5)[10..]).into_owned();
        for (from, to) in [
            ("(5,)", "(5, 6)"),
            ("(5,)", "()"),
            ("False", "True"),
            ("'<f8'", "'>f8'"),
            ("'px'", "'price'"),
            ("'descr'", "'other'"),
        ] {
            assert_eq!(count_in(&good.replace(from, to)), None, "{from} {to}");
        }
    }

    #[test]
    fn events_come_back_from_their_bytes() {
        let event =
            Event { flags: LOCAL | BUY | DEPTH, exchange: -1, local: 7, price: 0.25, size: 3.0 };
        assert_eq!(Event::of(&event.bytes()), event);
        assert_eq!(event.kind(), DEPTH);
    }
}
