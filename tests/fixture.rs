//! A venue's fixture as a source of quotes, for tests and benches that need frames to flow.
//!
//! The first frame of `data/fixtures/<venue>.jsonl` is an ordinary quote; it is given again and
//! again with its sequence number counting up, in the venue's own layout. Where that number stands
//! is said in `<venue>.toml`. It must not know any venue by name.
#![expect(clippy::unwrap_used, reason = "a fixture that cannot be read ends the run")]

use spreadwire_market::instrument::InstrumentId;
use spreadwire_venues::venue::{Symbol, Symbols, VenueSpec};
use std::path::Path;

/// Decimals of every price mantissa, whatever the venue, so that prices of all venues compare.
pub(crate) const PRICE_SCALE: u8 = 10;
/// Decimals of every size mantissa.
pub(crate) const SIZE_SCALE: u8 = 8;

/// What a venue's fixture holds of an ordinary quote.
pub(crate) struct Fixture {
    /// Its subscribed symbols; the quote is one of the first.
    pub(crate) symbols: Symbols,
    /// The frame before the sequence number, and behind it.
    around: (String, String),
    first: u64,
}

impl Fixture {
    /// Reads a venue's fixture.
    ///
    /// # Panics
    /// If it is not as `data/README.md` says.
    pub(crate) fn of(spec: &VenueSpec) -> Fixture {
        let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
        let folder = above.map(|it| it.join("data/fixtures")).find(|it| it.is_dir()).unwrap();
        let read = |extension: &str| {
            let path = folder.join(format!("{}.{extension}", spec.name));
            std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
        };
        let layout: toml::Table = read("toml").parse().unwrap();
        let frames = read("jsonl");
        let frame = frames.lines().next().unwrap();
        let json: serde_json::Value = serde_json::from_str(frame).unwrap();
        let pointers = layout["sequence"].as_array().unwrap().iter();
        let number = pointers.filter_map(|p| json.pointer(p.as_str().unwrap())).next().unwrap();
        let number = number.to_string().trim_matches('"').to_owned();
        let parts: Vec<&str> = frame.split(&number).collect();
        let [before, behind] = parts[..] else { panic!("{number} must stand once in {frame}") };
        let symbol = |(place, symbol): (usize, &toml::Value)| Symbol {
            text: symbol[0].as_str().unwrap().to_owned(),
            instrument: InstrumentId(u32::try_from(place).unwrap()),
            price_scale: PRICE_SCALE,
            size_scale: SIZE_SCALE,
        };
        let symbols = layout["symbols"].as_array().unwrap().iter().enumerate().map(symbol);
        Fixture {
            symbols: Symbols::new(symbols.collect()),
            around: (before.to_owned(), behind.to_owned()),
            first: number.parse().unwrap(),
        }
    }

    /// The quote `count` times, each with the sequence number after the one before; from `round` 0
    /// on, each round goes on where the one before it ended.
    pub(crate) fn quotes(&self, count: usize, round: usize) -> Vec<String> {
        let (before, behind) = &self.around;
        let first = self.first + (round * count) as u64;
        (first..first + count as u64).map(|n| format!("{before}{n}{behind}")).collect()
    }
}
