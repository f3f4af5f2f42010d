//! A place in a frame that is read against the layout expected: the tool of positional decoders.
//!
//! A [`Cursor`] goes forward over the frame. Each step says what must stand next, checks every byte it
//! passes, and returns `None` when anything else stands there, upon which the whole decoder declines
//! the frame. What a step takes, a JSON reader takes for the same: no escapes, no white space, no
//! exponents, ASCII alone but for symbols that are known. It must not know any venue's layout.
#![expect(clippy::inline_always, reason = "the place in the frame stays in a register: see `word`")]

use crate::json::FRAME_MAX;
use crate::venue::{Side, Symbols};
use spreadwire_market::clock::{MILLI, Nanos};
use spreadwire_market::decimal;
use spreadwire_market::word;

/// A frame and how far it has been read.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// At the frame's beginning; `None` for a frame longer than any decoder reads.
    #[inline(always)]
    #[must_use]
    pub fn new(text: &'a [u8]) -> Option<Cursor<'a>> {
        (text.len() <= FRAME_MAX).then_some(Cursor { text, at: 0 })
    }

    /// Passes these bytes if they stand here, and tells whether they did.
    #[inline(always)]
    pub fn skip<const N: usize>(&mut self, bytes: &[u8; N]) -> bool {
        let here = self.text.get(self.at..).and_then(<[u8]>::first_chunk::<N>);
        let found = here == Some(bytes);
        if found {
            self.at += N;
        }
        found
    }

    /// These bytes must stand here.
    #[inline(always)]
    pub fn expect<const N: usize>(&mut self, bytes: &[u8; N]) -> Option<()> {
        self.skip(bytes).then_some(())
    }

    /// Nothing may be left.
    #[inline(always)]
    pub fn end(&self) -> Option<()> {
        (self.at == self.text.len()).then_some(())
    }

    /// The rest of a string whose content says nothing to us, with its closing quote.
    #[inline(always)]
    pub fn string(&mut self) -> Option<()> {
        loop {
            let count = word::plain(word::at(self.text, self.at));
            self.at += count;
            if count < 8 {
                return self.expect(b"\"");
            }
        }
    }

    /// The rest of a string that is a symbol, with its closing quote: its place among those known.
    #[inline(always)]
    pub fn symbol(&mut self, symbols: &Symbols) -> Option<usize> {
        let (place, length) = symbols.find_leading(self.text.get(self.at..)?)?;
        self.at += length;
        self.expect(b"\"")?;
        Some(place)
    }

    /// Digits, at most 19, so that they fit: the content of a string, or part of a number.
    #[inline(always)]
    pub fn digits(&mut self) -> Option<u64> {
        let [low, high] = word::pair_at(self.text, self.at);
        let (values, mut count) = word::digits(low);
        let mut number = word::number(values, count);
        if count == 8 {
            let (values, more) = word::digits(high);
            number = number * word::POWERS[more] + word::number(values, more);
            count += more;
            if more == 8 {
                let (values, more) = word::digits(word::at(self.text, self.at + 16));
                if 3 < more {
                    return None;
                }
                number = number * word::POWERS[more] + word::number(values, more);
                count += more;
            }
        }
        self.at += count;
        (0 < count).then_some(number)
    }

    /// A whole number as JSON writes it, without a sign.
    #[inline(always)]
    pub fn number(&mut self) -> Option<u64> {
        let first = self.text.get(self.at);
        let start = self.at;
        let number = self.digits()?;
        // JSON has no leading zeros; what stands behind, the caller expects.
        (first != Some(&b'0') || self.at == start + 1).then_some(number)
    }

    /// A whole number that says nothing to us, with or without a sign, of up to 18 digits.
    #[inline(always)]
    pub fn any_number(&mut self) -> Option<()> {
        self.skip(b"-");
        let [low, high] = word::pair_at(self.text, self.at);
        let mut count = word::digits(low).1;
        if count == 8 {
            count += word::digits(high).1;
            if count == 16 {
                count += word::digits(word::at(self.text, self.at + 16)).1;
            }
        }
        self.at += count;
        // JSON has no leading zeros.
        (count == 1 || 1 < count && count <= 18 && low & 0xFF != u64::from(b'0')).then_some(())
    }

    /// Milliseconds since 1970 as a number, in ns.
    #[inline(always)]
    pub fn millis(&mut self) -> Option<Nanos> {
        self.number()?.checked_mul(MILLI)
    }

    /// The rest of a string that is a decimal, with its closing quote: its mantissa, not negative.
    #[inline(always)]
    pub fn decimal(&mut self, scale: u8) -> Option<i64> {
        let (mantissa, end) = decimal::leading(self.text, self.at, scale)?;
        self.at = end;
        self.expect(b"\"")?;
        Some(mantissa)
    }

    /// The rest of a string that is a price, `between`, the rest of a string that is a size.
    #[inline(always)]
    pub fn side<const N: usize>(
        &mut self,
        symbols: &Symbols,
        place: usize,
        between: &[u8; N],
    ) -> Option<Side> {
        let symbol = &symbols.list()[place];
        let px = self.decimal(symbol.price_scale)?;
        self.expect(between)?;
        Some(Side::of(px, self.decimal(symbol.size_scale)?))
    }

    /// A list of levels `["price","size",..]`: the best with a size, as [`Symbols::best`] has it.
    #[inline(always)]
    pub fn levels(
        &mut self,
        symbols: &Symbols,
        place: usize,
        unsaid: Side,
        better: fn(&i64, &i64) -> bool,
    ) -> Option<Side> {
        let mut best = unsaid;
        self.expect(b"[")?;
        if self.skip(b"]") {
            return Some(best);
        }
        loop {
            self.expect(b"[\"")?;
            let side = self.side(symbols, place, b",\"")?;
            best = best.or_better(side, better);
            while self.skip(b",\"") {
                self.string()?;
            }
            self.expect(b"]")?;
            if !self.skip(b",") {
                break;
            }
        }
        self.expect(b"]")?;
        Some(best)
    }
}
