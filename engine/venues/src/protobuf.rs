//! A reader of protobuf messages, for venues that send them.
//!
//! [`Fields`] moves over the fields of one message and copies nothing. It does not recurse: a message in a
//! field is bytes, which the caller reads in the same way. Groups, which proto3 does not have, are
//! refused.

use crate::json::Malformed;

/// Bytes of the longest number.
const VARINT_MAX: u32 = 10;
/// Bits of a tag that tell how the value is written.
const KIND_BITS: u32 = 3;

/// The value of a field as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field<'a> {
    /// An integer, a boolean or an enumeration. A negative `int64` is above `i64::MAX`.
    Number(u64),
    /// A string, bytes or a message.
    Bytes(&'a [u8]),
    /// Four or eight bytes of a fixed length.
    Fixed,
}

/// The fields of a message in the order sent, with their numbers. Nothing follows an error.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Starts at the beginning of a message.
    #[must_use]
    pub fn of(message: &'a [u8]) -> Fields<'a> {
        Fields { rest: message }
    }

    #[inline]
    fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for place in 0..VARINT_MAX {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            let bits = u64::from(byte & 0x7F);
            if place == VARINT_MAX - 1 && 1 < bits {
                return None;
            }
            number |= bits << (7 * place);
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    #[inline]
    fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(bytes)
    }

    #[inline]
    fn field(&mut self) -> Option<(u32, Field<'a>)> {
        let tag = u32::try_from(self.number()?).ok()?;
        let (number, kind) = (tag >> KIND_BITS, tag & ((1 << KIND_BITS) - 1));
        let field = match kind {
            0 => Field::Number(self.number()?),
            1 => self.bytes(8).map(|_| Field::Fixed)?,
            2 => {
                let length = usize::try_from(self.number()?).ok()?;
                Field::Bytes(self.bytes(length)?)
            }
            5 => self.bytes(4).map(|_| Field::Fixed)?,
            _ => return None,
        };
        (0 < number).then_some((number, field))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Field<'a>), Malformed>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field().ok_or(Malformed);
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(bytes: &[u8]) -> Result<Vec<(u32, Field<'_>)>, Malformed> {
        Fields::of(bytes).collect()
    }

    #[test]
    fn every_kind_of_field_is_read_or_passed() {
        let bytes = b"\x0a\x03abc\x30\x96\x01\xda\x13\x00\x09\0\0\0\0\0\0\0\0\x15\0\0\0\0\x08\x00";
        let expected = [
            (1, Field::Bytes(b"abc")),
            (6, Field::Number(150)),
            (315, Field::Bytes(b"")),
            (1, Field::Fixed),
            (2, Field::Fixed),
            (1, Field::Number(0)),
        ];
        assert_eq!(all(bytes), Ok(expected.to_vec()));
        assert_eq!(all(b""), Ok(Vec::new()));
    }

    #[test]
    fn numbers_have_64_bits() {
        let of = |bytes: &[u8]| match all(&[b"\x08", bytes].concat())?[..] {
            [(1, Field::Number(number))] => Ok(number),
            _ => Err(Malformed),
        };
        let nine = [0xFF; 9];
        assert_eq!(of(&[&nine[..], b"\x01"].concat()), Ok(u64::MAX));
        assert!(of(&[&nine[..], b"\x02"].concat()).is_err());
        assert!(of(&[&nine[..], b"\x80\x00"].concat()).is_err());
        // Longer than it needs to be.
        assert_eq!(of(b"\x87\x80\x00"), Ok(7));
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for bytes in [
            &b"\x0a"[..],
            b"\x0a\x03ab",
            b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            b"\x08",
            b"\x08\x80",
            b"\x09\0\0\0\0\0\0\0",
            b"\x0d\0\0\0",
            b"\x00\x00",
            b"\x0b",
            b"\x0c",
            b"\x0e",
            b"\x0f",
            b"\xff\xff\xff\xff\xff\x01\x00",
        ] {
            assert_eq!(all(bytes), Err(Malformed), "{bytes:?}");
        }
    }

    proptest! {
        /// The lengths of the fields never pass those of the message.
        #[test]
        fn any_bytes_are_refused_or_read(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut held = 0;
            for field in Fields::of(&bytes) {
                if let Ok((number, Field::Bytes(content))) = field {
                    prop_assert!(0 < number);
                    held += content.len();
                }
            }
            prop_assert!(held <= bytes.len());
        }
    }
}
