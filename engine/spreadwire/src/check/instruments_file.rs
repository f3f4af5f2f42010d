//! Writes a file of instruments that the venues trade now, ready for a configuration to include.
//!
//! It has every instrument of the configuration, with the venues that trade it, their symbols, and
//! decimals that hold every tick and lot; never fewer decimals than the configuration has, because
//! recordings have been made with those. On request it also has every instrument of a quote currency
//! that at least two of the configured venues trade.

use super::compare::{Directory, Standing, Subject};
use anyhow::{Context as _, bail};
use spreadwire_catalogue::Venue;
use spreadwire_lake::files;
use spreadwire_market::instrument::{CanonicalName, Market};
use spreadwire_venues::instruments::Listed;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

/// The first line of every file that this program may replace.
const HEAD: &str = "# Written by `spreadwire check --online`.";

/// Most currencies that are named where one adds nothing.
const QUOTES_TOLD: usize = 10;

/// An instrument as it is written.
#[derive(Debug)]
struct Entry<'a> {
    list: &'static str,
    name: String,
    price_decimals: u8,
    size_decimals: u8,
    /// The venues that trade it; all of its market if this is `None`.
    venues: Option<Vec<&'a str>>,
    /// Symbols that are not the customary ones.
    symbols: Vec<(&'a str, &'a str)>,
    /// Contract sizes of the venues whose sizes count contracts.
    contract_sizes: Vec<(&'a str, &'a str)>,
    /// Why venues are left out.
    comments: Vec<String>,
}

/// A venue that trades an instrument, with its row.
type Trading<'a> = (&'a Venue, &'a Listed);

/// What is to be written.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) text: String,
    /// Number of its instruments.
    pub(crate) count: usize,
    /// What is told of each quote currency that added nothing.
    pub(crate) added_nothing: Vec<String>,
}

/// Returns the file with all instruments of `quotes`. All venues must have answered.
pub(crate) fn text(
    subjects: &[Subject<'_>],
    venues: &[Venue],
    directories: &[Option<Directory>],
    quotes: &[String],
) -> File {
    let mut text = format!(
        "{HEAD} It is replaced when it is written again.\n\
         # The instruments that the configured venues trade, with decimals that hold every venue's tick\n\
         # and lot. Include it beside a file with the venues: include = [\"venues.toml\", \"instruments.toml\"]\n"
    );
    let mut entries: Vec<Entry<'_>> = Vec::new();
    for subject in subjects {
        match configured(subject) {
            Ok(entry) => entries.push(entry),
            Err(why) => {
                let _infallible = writeln!(text, "\n# {} is left out: {why}", subject.written.name);
            }
        }
    }
    let mut added_nothing = Vec::new();
    let again = |at: usize| quotes[..at].iter().any(|q| q.eq_ignore_ascii_case(&quotes[at]));
    for (_, quote) in quotes.iter().enumerate().filter(|(at, _)| !again(*at)) {
        let is_asked = |other: &str| quote.eq_ignore_ascii_case(other);
        let before = entries.len();
        entries.extend(of_quotes(subjects, venues, directories, &is_asked));
        if entries.len() == before {
            added_nothing.push(nothing(quote, subjects, venues, directories));
        }
    }
    entries.iter().for_each(|entry| entry.write(&mut text));
    File { text, count: entries.len(), added_nothing }
}

/// Says that a quote currency added nothing, and which ones would.
fn nothing(
    quote: &str,
    subjects: &[Subject<'_>],
    venues: &[Venue],
    directories: &[Option<Directory>],
) -> String {
    let all = of_quotes(subjects, venues, directories, &|_| true);
    let others = all.iter().filter_map(|entry| Some(CanonicalName::parse(&entry.name)?.quote));
    let others: BTreeSet<&str> = others.collect();
    let others: Vec<&str> = others.into_iter().take(QUOTES_TOLD).collect();
    let others = match others.as_slice() {
        [] => "nor is any other instrument".to_owned(),
        others => format!("these currencies would: {}", others.join(", ")),
    };
    format!(
        "--all {quote:?} adds nothing: no further instrument that is paid in it is traded by two of \
         the configured venues of a market; {others}"
    )
}

/// Writes the file as a whole or not at all.
///
/// # Errors
/// If there is a file that this program did not write, or the system refuses.
pub(crate) fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    match std::fs::read(path) {
        Ok(before) if !before.starts_with(HEAD.as_bytes()) => {
            bail!(
                "{} was not written by `spreadwire check --online`, so it is not replaced; choose \
                 another name or move it away",
                path.display()
            );
        }
        Ok(_) | Err(_) => {}
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let fresh = path.with_file_name(name);
    let written = files::fresh(&fresh)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .and_then(|()| std::fs::rename(&fresh, path));
    written.with_context(|| format!("cannot write {}", path.display()))
}

/// Returns the entry of a configured instrument, or why there is none.
fn configured<'a>(subject: &'a Subject<'a>) -> Result<Entry<'a>, String> {
    let mut comments = Vec::new();
    let mut trading: Vec<Trading<'a>> = Vec::new();
    for (venue, symbol, standing) in &subject.places {
        let name = &venue.info.name;
        match (*standing, standing.traded()) {
            (_, Some(row)) => trading.push((venue, row)),
            (Standing::Halted(_) | Standing::Renamed(_) | Standing::Trades(_), None) => {
                comments.push(format!("{name} does not trade {symbol} now"));
            }
            (Standing::Unknown(_) | Standing::Unreadable(_) | Standing::NotAsked, None) => {
                comments.push(format!("{name} does not list {symbol}"));
            }
        }
    }
    let has = |market| trading.iter().any(|(venue, _)| venue.spec.market == market);
    let needed =
        Market::ALL.into_iter().filter(|m| subject.name.market.is_none_or(|own| own == *m));
    if let Some(market) = needed.into_iter().find(|market| !has(*market)) {
        return Err(format!("no {market} venue trades it ({})", comments.join(", ")));
    }
    let (written, all) = (subject.written, trading.len() == subject.places.len());
    let venues = (written.venues.is_some() || !all).then(|| names(&trading));
    let (price_decimals, size_decimals) = decimals(&trading);
    Ok(Entry {
        list: subject.list,
        name: written.name.clone(),
        price_decimals: price_decimals.max(written.price_decimals),
        size_decimals: size_decimals.max(written.size_decimals),
        venues,
        symbols: symbols(subject.name, &trading),
        contract_sizes: contract_sizes(&trading),
        comments,
    })
}

/// Returns the entries of all instruments with a quote that is asked for, that two venues of a market
/// trade, and that the configuration does not have.
fn of_quotes<'a>(
    subjects: &[Subject<'a>],
    venues: &'a [Venue],
    directories: &'a [Option<Directory>],
    is_asked: &dyn Fn(&str) -> bool,
) -> Vec<Entry<'a>> {
    let places = subjects.iter().flat_map(|subject| &subject.places);
    let traded = places.map(|(venue, symbol, standing)| {
        let symbol = standing.row().map_or(*symbol, |row| row.symbol.as_str());
        (venue.info.name.as_str(), symbol)
    });
    let taken: BTreeSet<(&str, &str)> = traded.collect();
    let known: BTreeSet<&str> = subjects.iter().map(|it| it.written.name.as_str()).collect();
    let mut entries = Vec::new();
    for market in Market::ALL {
        let here = venues.iter().zip(directories).filter(|(venue, _)| venue.spec.market == market);
        let here: Vec<_> = here.collect();
        for ((base, quote), trading) in by_pair(&here, &taken, is_asked) {
            let name = CanonicalName { base: &base, quote: &quote, market: Some(market) };
            let written = name.to_string();
            let is_name = CanonicalName::parse(&written) == Some(name);
            if trading.len() < 2 || !is_name || known.contains(written.as_str()) {
                continue;
            }
            let (price_decimals, size_decimals) = decimals(&trading);
            let venues = (trading.len() < here.len()).then(|| names(&trading));
            let (list, symbols) = ("instruments", symbols(name, &trading));
            let comments = Vec::new();
            let name = written;
            entries.push(Entry {
                list,
                name,
                price_decimals,
                size_decimals,
                venues,
                symbols,
                contract_sizes: contract_sizes(&trading),
                comments,
            });
        }
    }
    entries
}

/// Returns what venues of one market trade, by base and quote. A row is passed over if its steps are not
/// known, or if its symbol stands for an instrument of the configuration.
fn by_pair<'a>(
    venues: &[(&'a Venue, &'a Option<Directory>)],
    taken: &BTreeSet<(&str, &str)>,
    is_asked: &dyn Fn(&str) -> bool,
) -> BTreeMap<(String, String), Vec<Trading<'a>>> {
    let mut pairs: BTreeMap<(String, String), Vec<Trading<'a>>> = BTreeMap::new();
    for (venue, directory) in venues {
        let name = venue.info.name.as_str();
        for row in directory.iter().flat_map(Directory::rows) {
            let is_usable = row.halted.is_none()
                && row.tick.is_ok()
                && row.lot.is_ok()
                && row.contract.as_ref().is_none_or(Result::is_ok);
            if !is_usable || !is_asked(&row.quote) || taken.contains(&(name, row.symbol.as_str())) {
                continue;
            }
            let pair = (row.base.to_uppercase(), row.quote.to_uppercase());
            let trading = pairs.entry(pair).or_default();
            if trading.last().is_none_or(|(last, _)| last.info.name != name) {
                trading.push((venue, row));
            }
        }
    }
    pairs
}

fn names<'a>(trading: &[Trading<'a>]) -> Vec<&'a str> {
    trading.iter().map(|(venue, _)| venue.info.name.as_str()).collect()
}

/// Returns the decimals that hold every tick, announced ones too, and every lot.
fn decimals(trading: &[Trading<'_>]) -> (u8, u8) {
    let rows = || trading.iter().map(|(_, row)| row);
    let ticks = rows().filter_map(|row| row.tick.as_ref().ok());
    let coming = rows().filter_map(|row| row.next_tick.as_ref());
    let lots = rows().filter_map(|row| row.lot.as_ref().ok());
    let prices = ticks.chain(coming).map(|step| step.decimals).max();
    (prices.unwrap_or(0), lots.map(|step| step.decimals).max().unwrap_or(0))
}

fn symbols<'a>(name: CanonicalName<'_>, trading: &[Trading<'a>]) -> Vec<(&'a str, &'a str)> {
    let other =
        |(venue, row): &&Trading<'a>| (venue.spec.symbol)(name.base, name.quote) != row.symbol;
    let trading = trading.iter().filter(other);
    trading.map(|(venue, row)| (venue.info.name.as_str(), row.symbol.as_str())).collect()
}

fn contract_sizes<'a>(trading: &[Trading<'a>]) -> Vec<(&'a str, &'a str)> {
    let size = |(venue, row): &Trading<'a>| {
        let contract = row.contract.as_ref()?.as_ref().ok()?;
        Some((venue.info.name.as_str(), contract.text.as_str()))
    };
    trading.iter().filter_map(size).collect()
}

impl Entry<'_> {
    fn write(&self, out: &mut String) {
        let quoted = |name: &str| format!("\"{name}\"");
        let mut lines = vec![String::new()];
        lines.extend(self.comments.iter().map(|comment| format!("# {comment}")));
        lines.push(format!("[[{}]]", self.list));
        lines.push(format!("name = {}", quoted(&self.name)));
        lines.push(format!("price_decimals = {}", self.price_decimals));
        lines.push(format!("size_decimals = {}", self.size_decimals));
        if let Some(venues) = &self.venues {
            let venues: Vec<String> = venues.iter().map(|name| quoted(name)).collect();
            lines.push(format!("venues = [{}]", venues.join(", ")));
        }
        for (key, texts) in [("symbols", &self.symbols), ("contract_sizes", &self.contract_sizes)] {
            if !texts.is_empty() {
                let texts: Vec<String> = texts
                    .iter()
                    .map(|(venue, text)| format!("{venue} = {}", quoted(text)))
                    .collect();
                lines.push(format!("{key} = {{ {} }}", texts.join(", ")));
            }
        }
        for line in lines {
            out.push_str(&line);
            out.push('\n');
        }
    }
}
