//! Frames of the simulated Binance: complete WebSocket frames in one buffer, built before they are
//! due.
//!
//! All frames have the same length, so a frame's offset is a multiplication, and all frames that
//! are due are sent with one write.

/// Update id of the first frame of a block. Those of a warm-up are lower.
pub(crate) const FIRST_UPDATE: u64 = 50_000_000_000;
/// The other venue's bid and ask. They are above every price here, so buying here and selling there
/// is always a gap.
const FIXED: [u64; 2] = [6_250_000, 6_250_001];
/// Lowest bid, in cents.
const LOWEST: u64 = 6_100_000;
/// Number of cents by which bids exceed the lowest at most.
const RANGE: u64 = 100_000;

/// Wrapping of the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrapping {
    /// Payload of `/ws`.
    Bare,
    /// Payload of `/stream`.
    Stream,
}

/// The frames of one block.
#[derive(Debug)]
pub(crate) struct Frames {
    bytes: Vec<u8>,
    length: usize,
}

impl Frames {
    /// Builds `count` quotes whose prices move cent by cent and whose sizes differ.
    pub(crate) fn new(count: usize, wrapping: Wrapping) -> Frames {
        let length = quote(FIRST_UPDATE, LOWEST, 1, wrapping).len();
        let mut bytes = Vec::with_capacity(count * length);
        let (mut bid, mut state) = (LOWEST + RANGE / 2, 1_u64);
        for number in 0..count as u64 {
            // A linear congruential generator (Knuth's MMIX) is random enough for digits.
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let step = (state >> 60) % 3;
            bid = (bid + step).saturating_sub(1).clamp(LOWEST, LOWEST + RANGE - 1);
            bytes.extend(quote(FIRST_UPDATE + number, bid, state >> 33, wrapping));
        }
        assert_eq!(bytes.len(), count * length, "all frames have the same length");
        Frames { bytes, length }
    }

    /// Returns the bytes of `count` frames from `offset` on.
    #[inline]
    pub(crate) fn bytes(&self, offset: usize, count: usize) -> &[u8] {
        &self.bytes[offset..count * self.length]
    }

    /// Returns the length of one frame, bytes.
    pub(crate) fn length(&self) -> usize {
        self.length
    }
}

/// Returns a quote that precedes the first of a block.
pub(crate) fn probe(number: u64, wrapping: Wrapping) -> Vec<u8> {
    quote(FIRST_UPDATE - 1_000_000 + number, LOWEST + RANGE / 2, number, wrapping)
}

/// Returns the other venue's only quote.
pub(crate) fn fixed() -> Vec<u8> {
    let [bid, ask] = FIXED;
    framed(&payload(FIRST_UPDATE, [bid, ask], [1, 1], r#""e":"bookTicker","E":1732000000000,"#))
}

fn quote(update: u64, bid: u64, noise: u64, wrapping: Wrapping) -> Vec<u8> {
    let payload = payload(update, [bid, bid + 1], [noise, noise >> 7], "");
    match wrapping {
        Wrapping::Bare => framed(&payload),
        Wrapping::Stream => {
            framed(&format!(r#"{{"stream":"btcusdt@bookTicker","data":{payload}}}"#))
        }
    }
}

/// Returns the payload. Prices are in cents and printed with Binance's eight decimals; sizes are
/// below 10 BTC.
fn payload(update: u64, [bid, ask]: [u64; 2], sizes: [u64; 2], event: &str) -> String {
    let price = |cents: u64| format!("{}.{:02}000000", cents / 100, cents % 100);
    let size = |noise: u64| format!("{}.{:05}000", noise % 10, 1 + noise % 99_999);
    let [bid_size, ask_size] = sizes.map(size);
    let (bid, ask) = (price(bid), price(ask));
    format!(
        r#"{{{event}"u":{update},"s":"BTCUSDT","b":"{bid}","B":"{bid_size}","a":"{ask}","A":"{ask_size}"}}"#
    )
}

/// Returns a text frame as a server sends it.
fn framed(payload: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match u8::try_from(payload.len()) {
        Ok(short @ ..=125) => frame.push(short),
        _ => {
            frame.push(126);
            let length = u16::try_from(payload.len()).unwrap_or(u16::MAX);
            frame.extend(length.to_be_bytes());
        }
    }
    frame.extend(payload.as_bytes());
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_have_one_length_and_numbers_that_follow() {
        for wrapping in [Wrapping::Bare, Wrapping::Stream] {
            let frames = Frames::new(1_000, wrapping);
            for number in 0..1_000 {
                let frame = &frames.bytes(number * frames.length(), number + 1);
                let head = frame.iter().position(|byte| *byte == b'{').expect("an object");
                let json: serde_json::Value = serde_json::from_slice(&frame[head..]).expect("JSON");
                let quote = json.get("data").unwrap_or(&json);
                assert_eq!(quote["u"], FIRST_UPDATE + number as u64);
                let ask: f64 = quote["a"].as_str().expect("text").parse().expect("a price");
                assert!(ask < 62_500.0, "every quote is a gap");
            }
        }
    }
}
