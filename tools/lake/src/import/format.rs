//! What a format is: how its files are recognised and read, and what its names mean.

use super::refusal::Refusal;
use super::row::Row;
use super::source::Content;
use anyhow::Context;
use std::collections::BTreeMap;

/// A format: how its files are recognised and read, and what its names mean.
#[derive(Debug)]
pub struct Format {
    /// Its name, as in `--format`.
    pub name: &'static str,
    /// What it is, in a few words.
    pub what: &'static str,
    /// Its columns of times: that of receiving, and that of the event.
    pub times: [&'static str; 2],
    /// What its rows are called.
    pub place: &'static str,
    /// Whether a file is one of this format, by its columns.
    pub recognises: fn(&Content) -> bool,
    /// Begins to read the rows of a file. Fails if it is of another format.
    pub open: fn(Content, &Given) -> anyhow::Result<Box<dyn Rows>>,
    /// Returns the lake's name of a venue, given a symbol there; `None` if the lake's name would
    /// mean another market.
    pub venue: fn(&str, &str) -> Option<String>,
    /// Returns the instrument of a symbol.
    pub instrument: fn(&str) -> String,
}

/// Names for files that have none.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// The venue.
    pub venue: Option<String>,
    /// The instrument.
    pub instrument: Option<String>,
}

impl Given {
    /// Returns the venue and the symbol of a file that may name the symbol.
    ///
    /// # Errors
    /// If one of them is missing.
    pub fn names(&self, symbol: Option<&str>) -> anyhow::Result<(String, String)> {
        let venue = self.venue.clone().context(
            "the file does not say which venue it is of: give --venue, such as --venue binance-usdm",
        )?;
        let symbol = self.instrument.as_deref().or(symbol).context(
            "the file does not say which instrument it is of: give --instrument, such as \
             --instrument BTC/USDT:PERP",
        )?;
        Ok((venue, symbol.to_owned()))
    }
}

/// The rows of an open file.
pub trait Rows {
    /// Returns the next row with its place in the file, or the reason why it is refused; `None` at
    /// the end.
    ///
    /// # Errors
    /// If the file cannot be read.
    fn next_row(&mut self) -> anyhow::Result<Option<(u64, Result<&Row, Refusal>)>>;

    /// Returns what was passed over because it is not about quotes, and how often.
    fn passed_over(&self) -> BTreeMap<&'static str, u64> {
        BTreeMap::new()
    }
}
