//! A venue's fixture as a source of quotes, for tests and benches that need a stream of frames.
//!
//! The first frame of `data/fixtures/<venue>.jsonl` is an ordinary quote. It is returned repeatedly
//! with its sequence number, or else its event time, counting up, in the venue's own layout. `<venue>.toml` says where that
//! number is.

use spreadwire_market::instrument::InstrumentId;
use spreadwire_venues::venue::{Contract, Symbol, Symbols, VenueSpec};
use std::path::Path;

/// Number of decimals of every price mantissa, the same for all venues so that their prices
/// compare.
pub const PRICE_SCALE: u8 = 10;
/// Number of decimals of every size mantissa.
pub const SIZE_SCALE: u8 = 8;

/// An ordinary quote of a venue's fixture.
pub struct Fixture {
    /// Subscribed symbols; the quote is one of the first.
    pub symbols: Symbols,
    /// Parts of the frame between the places of the sequence number.
    around: Vec<Vec<u8>>,
    first: u64,
}

impl Fixture {
    /// Reads a venue's fixture.
    ///
    /// # Panics
    /// If it is not as described in `data/README.md`.
    pub fn of(spec: &VenueSpec) -> Fixture {
        let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
        let folder = above.map(|it| it.join("data/fixtures")).find(|it| it.is_dir()).unwrap();
        let read = |extension: &str| {
            let path = folder.join(format!("{}.{extension}", spec.name));
            std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
        };
        let layout: toml::Table = read("toml").parse().unwrap();
        let frames = read("jsonl");
        let frame = frames.lines().next().unwrap();
        let json: serde_json::Value = serde_json::from_str(frame).unwrap_or_default();
        // Where a venue sends no number, the event time counts up in its place.
        let pointers = ["sequence", "event_ms"].into_iter().filter_map(|key| layout.get(key));
        let pointers = pointers.flat_map(|list| list.as_array().unwrap());
        let number = pointers.filter_map(|p| json.pointer(p.as_str().unwrap())).next();
        let number = number.map(|number| number.to_string().trim_matches('"').to_owned());
        // Where no pointer finds one, it is stated. A frame that is no JSON is in hexadecimal digits.
        let number = number.unwrap_or_else(|| layout["number"].to_string());
        let around = around(&bytes(frame), number.as_bytes());
        assert!((2..=3).contains(&around.len()), "{number} must occur once or twice in {frame}");
        let contract = |symbol: &str| match layout.get("contract_sizes") {
            Some(sizes) => Contract::parse(sizes[symbol].as_str().unwrap()).unwrap(),
            None => Contract::ONE,
        };
        let symbol = |(place, symbol): (usize, &toml::Value)| Symbol {
            text: symbol[0].as_str().unwrap().to_owned(),
            instrument: InstrumentId(u32::try_from(place).unwrap()),
            price_scale: PRICE_SCALE,
            size_scale: SIZE_SCALE,
            contract: contract(symbol[0].as_str().unwrap()),
        };
        let symbols = layout["symbols"].as_array().unwrap().iter().enumerate().map(symbol);
        Fixture { symbols: Symbols::new(symbols.collect()), around, first: number.parse().unwrap() }
    }

    /// Returns the quote `count` times with ascending sequence numbers. Rounds count from 0, and
    /// each continues where the last one ended.
    pub fn quotes(&self, count: usize, round: usize) -> Vec<Vec<u8>> {
        let first = self.first + (round * count) as u64;
        let numbers = first..first + count as u64;
        numbers.map(|number| self.around.join(number.to_string().as_bytes())).collect()
    }
}

/// Returns the frame that a line of a fixture stands for.
fn bytes(line: &str) -> Vec<u8> {
    let Some(digits) = line.strip_prefix("hex:") else { return line.into() };
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

/// Returns the parts of a frame between the places of a number.
fn around(mut frame: &[u8], number: &[u8]) -> Vec<Vec<u8>> {
    let mut parts = Vec::new();
    while let Some(at) = frame.windows(number.len()).position(|here| here == number) {
        parts.push(frame[..at].to_vec());
        frame = &frame[at + number.len()..];
    }
    parts.push(frame.to_vec());
    parts
}
