//! A cursor over a frame that has an expected layout, for positional decoders.
//!
//! A [`Cursor`] moves forward through the frame. Each step states what must come next and checks
//! every byte that it passes. If anything else is there, it returns `None` and the whole decoder
//! declines the frame. Whatever a step accepts, a JSON reader accepts with the same value. A step
//! accepts no escapes, white space or exponents, and no bytes outside ASCII except in known
//! symbols.
#![expect(clippy::inline_always, reason = "keeps the position in a register: see `word`")]

use crate::json::FRAME_MAX;
use crate::venue::{self, Side, Symbols};
use spreadwire_market::decimal;
use spreadwire_market::fit::EventTime;
use spreadwire_market::word;

/// Longest symbol that is looked for before another end than a quote, bytes.
const SYMBOL_MAX: usize = 64;

/// A frame and the current position in it.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// Starts at the beginning of a frame; `None` if the frame is longer than any decoder reads.
    #[inline(always)]
    #[must_use]
    pub fn new(text: &'a [u8]) -> Option<Cursor<'a>> {
        (text.len() <= FRAME_MAX).then_some(Cursor { text, at: 0 })
    }

    /// Skips these bytes if they come next, and returns whether they did.
    #[inline(always)]
    pub fn skip<const N: usize>(&mut self, bytes: &[u8; N]) -> bool {
        let here = self.text.get(self.at..).and_then(<[u8]>::first_chunk::<N>);
        let found = here == Some(bytes);
        if found {
            self.at += N;
        }
        found
    }

    /// Requires that these bytes come next.
    #[inline(always)]
    pub fn expect<const N: usize>(&mut self, bytes: &[u8; N]) -> Option<()> {
        self.skip(bytes).then_some(())
    }

    /// Requires that the frame ends here.
    #[inline(always)]
    pub fn end(&self) -> Option<()> {
        (self.at == self.text.len()).then_some(())
    }

    /// Skips the rest of a string whose content is not needed, including its closing quote.
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

    /// Reads the rest of a string that is a symbol, including its closing quote, and returns the
    /// symbol's index.
    #[inline(always)]
    pub fn symbol(&mut self, symbols: &Symbols) -> Option<usize> {
        let (place, length) = symbols.find_leading(self.text.get(self.at..)?)?;
        self.at += length;
        self.expect(b"\"")?;
        Some(place)
    }

    /// Reads a symbol and the byte `end` behind it, which is within a string, and returns the symbol's
    /// index. Symbols that contain `end` or an escape are left to the general decoder.
    #[inline(always)]
    pub fn symbol_until(&mut self, symbols: &Symbols, end: u8) -> Option<usize> {
        let rest = self.text.get(self.at..)?;
        let is_end = |byte: &u8| *byte == end || matches!(byte, b'"' | b'\\' | 0..0x20);
        let length = rest.iter().take(SYMBOL_MAX).position(is_end)?;
        let place = symbols.find(&rest[..length]).ok().filter(|_| rest[length] == end)?;
        self.at += length + 1;
        Some(place)
    }

    /// Reads up to 19 digits, which fit a `u64`: the content of a string, or part of a number.
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

    /// Reads an unsigned integer as JSON writes it.
    #[inline(always)]
    pub fn number(&mut self) -> Option<u64> {
        let first = self.text.get(self.at);
        let start = self.at;
        let number = self.digits()?;
        // JSON has no leading zeros. The caller checks what follows.
        (first != Some(&b'0') || self.at == start + 1).then_some(number)
    }

    /// Skips an integer that is not needed, with or without a sign, of up to 18 digits.
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

    /// Skips a decimal that is not needed, with or without a sign, without an exponent.
    #[inline(always)]
    pub fn any_decimal(&mut self) -> Option<()> {
        self.any_number()?;
        if !self.skip(b".") {
            return Some(());
        }
        let start = self.at;
        loop {
            let count = word::digits(word::at(self.text, self.at)).1;
            self.at += count;
            if count < 8 {
                return (start < self.at).then_some(());
            }
        }
    }

    /// Reads an event time in milliseconds since 1970.
    #[inline(always)]
    pub fn millis(&mut self) -> Option<EventTime> {
        EventTime::of_millis(self.number()?).ok()
    }

    /// Reads the rest of a string that is a non-negative decimal, including its closing quote, and
    /// returns its mantissa.
    #[inline(always)]
    pub fn decimal(&mut self, scale: u8) -> Option<i64> {
        let (mantissa, end) = decimal::leading(self.text, self.at, scale)?;
        self.at = end;
        self.expect(b"\"")?;
        Some(mantissa)
    }

    /// Reads a non-negative decimal that is a JSON number without an exponent, and returns its mantissa.
    #[inline(always)]
    pub fn bare_decimal(&mut self, scale: u8) -> Option<i64> {
        let (mantissa, end) = decimal::leading(self.text, self.at, scale)?;
        // JSON has no leading zeros.
        if let [b'0', b'0'..=b'9', ..] = self.text.get(self.at..)? {
            return None;
        }
        self.at = end;
        // What follows ends the number.
        matches!(self.text.get(end), Some(b',' | b'}' | b']')).then_some(mantissa)
    }

    /// Reads a price that is a number, `between`, and a size that is a number.
    #[inline(always)]
    pub fn bare_side<const N: usize>(
        &mut self,
        symbols: &Symbols,
        place: usize,
        between: &[u8; N],
    ) -> Option<Side> {
        let symbol = &symbols.list()[place];
        let px = self.bare_decimal(symbol.price_scale)?;
        self.expect(between)?;
        let sz = self.bare_decimal(symbol.sent_scale().ok()?)?;
        Some(Side::of(px, symbol.in_base(sz).ok()?))
    }

    /// Reads a list of levels `[price,size,number]` of numbers and returns the best one with a size, as
    /// [`Symbols::best`] does.
    #[inline(always)]
    pub fn bare_levels(
        &mut self,
        symbols: &Symbols,
        place: usize,
        better: fn(&i64, &i64) -> bool,
    ) -> Option<Side> {
        let mut best = Side::Empty;
        self.expect(b"[")?;
        if self.skip(b"]") {
            return Some(best);
        }
        loop {
            self.expect(b"[")?;
            best = best.or_better(self.bare_side(symbols, place, b",")?, better);
            self.expect(b",")?;
            self.any_number()?;
            self.expect(b"]")?;
            if !self.skip(b",") {
                self.expect(b"]")?;
                return Some(best);
            }
        }
    }

    /// Moves past a list of levels `[price,size,number]` of numbers, whose digits are not looked at.
    #[inline(always)]
    pub fn any_bare_levels(&mut self) -> Option<()> {
        let rest = self.text.get(self.at..)?;
        let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'.' | b'[' | b']' | b',');
        // The list ends before the next key.
        let length = rest.iter().position(|byte| !is_part(byte))?;
        let length =
            length.checked_sub(usize::from(rest.get(length.checked_sub(1)?) == Some(&b',')))?;
        self.at += length;
        Some(())
    }

    /// Reads the rest of a size string, in base units.
    #[inline(always)]
    pub fn size(&mut self, symbols: &Symbols, place: usize) -> Option<i64> {
        let symbol = &symbols.list()[place];
        symbol.in_base(self.decimal(symbol.sent_scale().ok()?)?).ok()
    }

    /// Reads a size that is a number, in base units.
    #[inline(always)]
    pub fn bare_size(&mut self, symbols: &Symbols, place: usize) -> Option<i64> {
        let symbol = &symbols.list()[place];
        symbol.in_base(self.bare_decimal(symbol.sent_scale().ok()?)?).ok()
    }

    /// Reads the rest of a string that is a time of RFC 3339, including its closing quote, as
    /// [`instant`](crate::venue::instant) does.
    #[inline(always)]
    pub fn instant(&mut self) -> Option<Option<EventTime>> {
        let start = self.at;
        self.string()?;
        venue::instant_of(&self.text[start..self.at - 1]).ok()
    }

    /// Moves past a list of levels `["price","size",..]` that is not needed.
    #[inline(always)]
    pub fn any_levels(&mut self) -> Option<()> {
        self.expect(b"[")?;
        if self.skip(b"]") {
            return Some(());
        }
        loop {
            self.expect(b"[\"")?;
            self.string()?;
            while self.skip(b",\"") {
                self.string()?;
            }
            self.expect(b"]")?;
            if !self.skip(b",") {
                return self.expect(b"]");
            }
        }
    }

    /// Reads the rest of a price string, `between`, and the rest of a size string.
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
        Some(Side::of(px, self.size(symbols, place)?))
    }

    /// Reads a list of levels `["price","size",..]` and returns the best one with a size, as
    /// [`Symbols::best`] does.
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
