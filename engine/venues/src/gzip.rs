//! Inflates gzip members (RFC 1952) into a buffer of a fixed length.
//!
//! Some venues compress each frame. An [`Inflater`] allocates its memory once. A frame that would
//! need more than the buffer is a bomb: it is refused after as much work as a frame of the longest
//! permitted length needs. The checksum is verified.

use crate::json::FRAME_MAX;
use crate::venue::Reject;
use flate2::{Crc, Decompress, FlushDecompress, Status};

/// Length of the part of the header that every member has, bytes.
const HEADER: usize = 10;
/// Length of the trailer: checksum and length of the content, bytes.
const TRAILER: usize = 8;

const FLAG_CHECKSUM: u8 = 2;
const FLAG_EXTRA: u8 = 4;
const FLAG_NAME: u8 = 8;
const FLAG_COMMENT: u8 = 16;

/// Inflates the frames of one connection.
pub struct Inflater {
    inflate: Decompress,
    content: Box<[u8]>,
    crc: Crc,
}

impl Default for Inflater {
    fn default() -> Inflater {
        let content = vec![0; FRAME_MAX].into_boxed_slice();
        Inflater { inflate: Decompress::new(false), content, crc: Crc::new() }
    }
}

impl std::fmt::Debug for Inflater {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Inflater")
    }
}

impl Inflater {
    /// Returns the content of one member, which must be the whole of `bytes`.
    ///
    /// # Errors
    /// [`Reject::Bomb`] if the content is longer than [`FRAME_MAX`], [`Reject::NotGzip`] if the
    /// member is damaged.
    pub fn inflate(&mut self, bytes: &[u8]) -> Result<&[u8], Reject> {
        let body = header(bytes).ok_or(Reject::NotGzip)?;
        let (body, trailer) = body.split_last_chunk::<TRAILER>().ok_or(Reject::NotGzip)?;
        self.inflate.reset(false);
        let status = self.inflate.decompress(body, &mut self.content, FlushDecompress::Finish);
        let length = usize::try_from(self.inflate.total_out()).map_err(|_| Reject::Bomb)?;
        match status {
            Ok(Status::StreamEnd) if self.inflate.total_in() == body.len() as u64 => {}
            Ok(_) if length == self.content.len() => return Err(Reject::Bomb),
            Ok(_) | Err(_) => return Err(Reject::NotGzip),
        }
        let content = &self.content[..length];
        self.crc.reset();
        self.crc.update(content);
        let [a, b, c, d, e, f, g, h] = *trailer;
        let is_sound = self.crc.sum() == u32::from_le_bytes([a, b, c, d])
            && self.crc.amount() == u32::from_le_bytes([e, f, g, h]);
        if is_sound { Ok(content) } else { Err(Reject::NotGzip) }
    }
}

/// Returns what follows the header of a member.
fn header(bytes: &[u8]) -> Option<&[u8]> {
    let (head, mut rest) = bytes.split_at_checked(HEADER)?;
    let [0x1f, 0x8b, 8, flags, ..] = *head else { return None };
    if flags & FLAG_EXTRA != 0 {
        let (length, behind) = rest.split_first_chunk::<2>()?;
        rest = behind.get(usize::from(u16::from_le_bytes(*length))..)?;
    }
    for flag in [FLAG_NAME, FLAG_COMMENT] {
        if flags & flag != 0 {
            let end = rest.iter().position(|byte| *byte == 0)?;
            rest = &rest[end + 1..];
        }
    }
    if flags & FLAG_CHECKSUM != 0 { rest.get(2..) } else { Some(rest) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, GzBuilder};
    use std::io::Write as _;

    fn zipped(builder: GzBuilder, content: &[u8]) -> Vec<u8> {
        let mut writer = builder.write(Vec::new(), Compression::default());
        writer.write_all(content).unwrap();
        writer.finish().unwrap()
    }

    #[test]
    fn members_with_any_header_give_their_content_again_and_again() {
        let mut inflater = Inflater::default();
        for content in [&b""[..], b"{}", &b"{\"ping\":1}".repeat(500)] {
            let plain = zipped(GzBuilder::new(), content);
            let rich = GzBuilder::new().filename("a").comment("b").extra(&b"cde"[..]);
            for bytes in [plain, zipped(rich, content)] {
                assert_eq!(inflater.inflate(&bytes), Ok(content));
            }
        }
    }

    #[test]
    fn a_bomb_is_refused_and_the_longest_frame_is_not() {
        let mut inflater = Inflater::default();
        let longest = vec![b' '; FRAME_MAX];
        let bytes = zipped(GzBuilder::new(), &longest);
        assert_eq!(inflater.inflate(&bytes), Ok(&longest[..]));
        for length in [FRAME_MAX + 1, 200 * FRAME_MAX] {
            let bytes = zipped(GzBuilder::new(), &vec![b' '; length]);
            assert_eq!(inflater.inflate(&bytes), Err(Reject::Bomb), "{length}");
        }
    }

    #[test]
    fn a_member_that_is_cut_or_flipped_anywhere_is_refused() {
        let mut inflater = Inflater::default();
        let content = br#"{"ch":"market.btcusdt.bbo","ts":1489474082831}"#;
        let bytes = zipped(GzBuilder::new().filename("x"), content);
        for cut in 0..bytes.len() {
            assert_eq!(inflater.inflate(&bytes[..cut]), Err(Reject::NotGzip), "{cut}");
        }
        for bit in 0..8 * bytes.len() {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            // Time, system and name are not checked by anything.
            if let Ok(inflated) = inflater.inflate(&damaged) {
                assert_eq!(inflated, content, "{bit}");
            }
        }
        let doubled = [bytes.clone(), bytes.clone()].concat();
        assert_eq!(inflater.inflate(&doubled), Err(Reject::NotGzip));
        assert_eq!(inflater.inflate(&bytes), Ok(&content[..]));
    }
}
