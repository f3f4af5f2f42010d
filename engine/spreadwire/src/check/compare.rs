//! Compares the instruments of a configuration with those that the venues list. It asks nobody.

use super::ask::{Instruments, escaped};
use serde::Serialize;
use spreadwire_catalogue::Venue;
use spreadwire_config::config::{self, Config};
use spreadwire_market::instrument::{CanonicalName, Catalogue};
use spreadwire_market::problem::Problem;
use spreadwire_venues::instruments::{Listed, OddRow, Step};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A symbol as near as this to the configured one is suggested (Jaro-Winkler, 0 to 1).
const NEAR: f64 = 0.85;

/// The instruments of one venue, by symbol.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    rows: BTreeMap<String, Listed>,
    /// Symbols that it lists more than once; the last row that trades counts, else the last.
    twice: BTreeSet<String>,
    /// Why the row of a symbol cannot be read.
    odd: BTreeMap<String, String>,
    /// Why rows cannot be read whose symbol is not known either.
    nameless: Vec<String>,
    /// Rows that are left out, because a name in them is not plain.
    pub(crate) left_out: usize,
}

impl Directory {
    /// Makes a directory of what a venue lists. A row is left out if its symbol, base or quote is
    /// empty or has other characters than letters, digits and `-_.`.
    pub(crate) fn new(all: Instruments) -> Directory {
        let mut directory = Directory::default();
        for row in all.listed {
            if ![&row.symbol, &row.base, &row.quote].into_iter().all(|name| is_plain(name)) {
                directory.left_out += 1;
            } else {
                directory.add(row);
            }
        }
        for OddRow { symbol, reason } in all.odd {
            match symbol.filter(|symbol| is_plain(symbol)) {
                Some(symbol) => _ = directory.odd.insert(symbol, reason),
                None => directory.nameless.push(reason),
            }
        }
        directory
    }

    fn add(&mut self, row: Listed) {
        match self.rows.entry(row.symbol.clone()) {
            Entry::Vacant(place) => _ = place.insert(row),
            Entry::Occupied(mut place) => {
                self.twice.insert(row.symbol.clone());
                // One that is halted says nothing against one that trades.
                if row.halted.is_none() || place.get().halted.is_some() {
                    place.insert(row);
                }
            }
        }
    }

    /// Returns all rows in the order of their symbols.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &Listed> {
        self.rows.values()
    }

    /// Returns the row with the same base and quote; one that trades before one that does not.
    fn same_pair(&self, name: CanonicalName<'_>) -> Option<&Listed> {
        let same = |row: &&Listed| is_pair(row, name);
        self.rows().filter(same).min_by_key(|row| row.halted.is_some())
    }

    fn nearest(&self, symbol: &str) -> Option<&Listed> {
        let likeness = |row: &Listed| strsim::jaro_winkler(&row.symbol, symbol);
        let nearest = self.rows().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
        (NEAR <= likeness(nearest)).then_some(nearest)
    }
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c))
}

fn is_pair(row: &Listed, name: CanonicalName<'_>) -> bool {
    row.base.eq_ignore_ascii_case(name.base) && row.quote.eq_ignore_ascii_case(name.quote)
}

/// How a configured symbol stands at its venue.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Standing<'a> {
    /// It trades.
    Trades(&'a Listed),
    /// It is listed and does not trade.
    Halted(&'a Listed),
    /// The venue has the same base and quote under another symbol.
    Renamed(&'a Listed),
    /// The venue does not list it; the nearest symbol, if one is near.
    Unknown(Option<&'a Listed>),
    /// The venue lists it, and its row cannot be read for this reason.
    Unreadable(&'a str),
    /// The venue did not answer.
    NotAsked,
}

impl<'a> Standing<'a> {
    /// Returns the row that the steps are taken from.
    pub(crate) fn row(self) -> Option<&'a Listed> {
        match self {
            Standing::Trades(row) | Standing::Halted(row) | Standing::Renamed(row) => Some(row),
            Standing::Unknown(_) | Standing::Unreadable(_) | Standing::NotAsked => None,
        }
    }

    /// Returns the row if the instrument can be traded there now, under whatever symbol.
    pub(crate) fn traded(self) -> Option<&'a Listed> {
        self.row().filter(|row| row.halted.is_none())
    }

    fn word(self) -> &'static str {
        match self {
            Standing::Trades(_) => "trades",
            Standing::Halted(_) => "halted",
            Standing::Renamed(_) => "renamed",
            Standing::Unknown(_) => "unknown",
            Standing::Unreadable(_) => "unreadable",
            Standing::NotAsked => "not asked",
        }
    }
}

/// One instrument of a configuration, with how it stands at each of its venues.
#[derive(Debug)]
pub(crate) struct Subject<'a> {
    /// The list that it stands in: `instruments` or `across_markets`.
    pub(crate) list: &'static str,
    pub(crate) written: &'a config::Instrument,
    pub(crate) name: CanonicalName<'a>,
    /// The venue, the configured symbol, and how it stands there.
    pub(crate) places: Vec<(&'a Venue, &'a str, Standing<'a>)>,
}

/// One configured symbol of a venue beside what the venue says about it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) instrument: String,
    pub(crate) venue: String,
    pub(crate) symbol: String,
    /// `trades`, `halted`, `renamed`, `unknown`, `unreadable` or `not asked`.
    pub(crate) state: &'static str,
    /// The venue's word for a halt, or its symbol where it is another.
    pub(crate) detail: Option<String>,
    pub(crate) tick: Option<String>,
    pub(crate) lot: Option<String>,
    pub(crate) price_decimals: u8,
    pub(crate) size_decimals: u8,
}

/// Everything that the comparison found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) rows: Vec<Row>,
    pub(crate) problems: Vec<Problem>,
    /// Instruments that could not be compared, because the venue's rows cannot be read.
    pub(crate) unread: Vec<Problem>,
    /// What a person should know and need not correct.
    pub(crate) notes: Vec<Problem>,
}

/// Finds each instrument of a proved configuration at its venues. `directories` are in the order of
/// the venues; `None` stands for a venue that did not answer.
pub(crate) fn subjects<'a>(
    config: &'a Config,
    venues: &'a [Venue],
    catalogue: &'a Catalogue,
    directories: &'a [Option<Directory>],
) -> Vec<Subject<'a>> {
    let one = config.instruments.iter().map(|written| ("instruments", written));
    let across = config.across_markets.iter().map(|written| ("across_markets", written));
    let subject = |(id, (list, written)): (usize, (&'static str, &'a config::Instrument))| {
        let name = CanonicalName::parse(&written.name)?;
        let own = catalogue.listings.iter().filter(|listing| listing.instrument.index() == id);
        let places = own.map(|listing| {
            let (venue, symbol) = (listing.venue.index(), listing.symbol.as_str());
            (&venues[venue], symbol, standing(directories[venue].as_ref(), symbol, name))
        });
        Some(Subject { list, written, name, places: places.collect() })
    };
    one.chain(across).enumerate().filter_map(subject).collect()
}

fn standing<'a>(
    directory: Option<&'a Directory>,
    symbol: &str,
    name: CanonicalName<'_>,
) -> Standing<'a> {
    let Some(directory) = directory else { return Standing::NotAsked };
    match directory.rows.get(symbol) {
        Some(row) if row.halted.is_none() => Standing::Trades(row),
        Some(row) => match directory.same_pair(name) {
            Some(other) if other.halted.is_none() => Standing::Renamed(other),
            Some(_) | None => Standing::Halted(row),
        },
        None if directory.odd.contains_key(symbol) => Standing::Unreadable(&directory.odd[symbol]),
        None => match directory.same_pair(name) {
            Some(other) => Standing::Renamed(other),
            None => Standing::Unknown(directory.nearest(symbol)),
        },
    }
}

/// Compares every subject with its venues. `file` is that of the configuration.
pub(crate) fn compare(
    subjects: &[Subject<'_>],
    venues: &[Venue],
    directories: &[Option<Directory>],
    file: &Path,
) -> Findings {
    let mut findings = Findings::default();
    for subject in subjects {
        let mut told = Told { subject, file, findings: &mut findings };
        told.rows();
        told.standings();
        told.contracts();
        told.decimals("price_decimals", subject.written.price_decimals, "tick");
        told.decimals("size_decimals", subject.written.size_decimals, "lot");
    }
    for (venue, directory) in venues.iter().zip(directories) {
        let Some(directory) = directory else { continue };
        venue_notes(venue, directory, subjects, file, &mut findings.notes);
    }
    findings
}

/// Notes what is odd about a venue's list.
fn venue_notes(
    venue: &Venue,
    directory: &Directory,
    subjects: &[Subject<'_>],
    file: &Path,
    notes: &mut Vec<Problem>,
) {
    let mut note = |reason: String, remedy: &str| {
        let file = venue.place.file.as_deref().unwrap_or(file).to_owned();
        notes.push(Problem { file, key: venue.key("name"), reason, remedy: remedy.to_owned() });
    };
    let name = &venue.info.name;
    let places = subjects.iter().flat_map(|subject| &subject.places);
    let own = places.filter(|(at, ..)| at.info.name == *name).map(|(_, symbol, _)| *symbol);
    for symbol in own.filter(|symbol| directory.twice.contains(*symbol)) {
        note(
            format!("{name} lists {symbol} more than once"),
            "the last row that trades was compared",
        );
    }
    if 0 < directory.left_out {
        let reason =
            format!("{} rows of {name} have a name that is empty or not plain", directory.left_out);
        note(reason, "they were left out");
    }
    let odd = directory.odd.values().chain(&directory.nameless);
    if let Some(first) = odd.clone().next() {
        let first = escaped(first);
        let count = odd.count();
        let reason = format!("rows of {name} are not as documented ({count}), as: {first}");
        note(reason, "they were left out");
    }
}

/// Tells what was found about one instrument.
struct Told<'a> {
    subject: &'a Subject<'a>,
    file: &'a Path,
    findings: &'a mut Findings,
}

impl Told<'_> {
    fn problem_of(&self, field: &str, reason: String, remedy: String) -> Problem {
        let place = &self.subject.written.place;
        let file = place.file.as_deref().unwrap_or(self.file).to_owned();
        let key = format!("{}[{}].{field}", self.subject.list, place.number);
        Problem { file, key, reason, remedy }
    }

    fn problem(&mut self, field: &str, reason: String, remedy: String) {
        let problem = self.problem_of(field, reason, remedy);
        self.findings.problems.push(problem);
    }

    fn note(&mut self, field: &str, reason: String, remedy: String) {
        let note = self.problem_of(field, reason, remedy);
        self.findings.notes.push(note);
    }

    fn rows(&mut self) {
        let written = self.subject.written;
        for (venue, symbol, standing) in &self.subject.places {
            let row = standing.row();
            let step = |it: Option<&Step>| it.map(|step| step.text.clone());
            let detail = match standing {
                Standing::Halted(row) => row.halted.as_deref().map(escaped),
                Standing::Renamed(row) => Some(row.symbol.clone()),
                Standing::Trades(_)
                | Standing::Unknown(_)
                | Standing::Unreadable(_)
                | Standing::NotAsked => None,
            };
            self.findings.rows.push(Row {
                instrument: written.name.clone(),
                venue: venue.info.name.clone(),
                symbol: (*symbol).to_owned(),
                state: standing.word(),
                detail,
                tick: step(row.and_then(|row| row.tick.as_ref().ok())),
                lot: step(row.and_then(|row| row.lot.as_ref().ok())),
                price_decimals: written.price_decimals,
                size_decimals: written.size_decimals,
            });
        }
    }

    /// Tells which symbols are unknown, halted or renamed.
    fn standings(&mut self) {
        for (venue, symbol, standing) in &self.subject.places {
            let (venue_name, name) = (&venue.info.name, self.subject.name);
            match *standing {
                Standing::Trades(row) if !is_pair(row, name) => {
                    let reason = format!(
                        "{venue_name} says that {symbol} is {}/{}, not {}/{}",
                        row.base, row.quote, name.base, name.quote
                    );
                    self.note("symbols", reason, "check that it is the same thing".to_owned());
                }
                Standing::Trades(_) | Standing::NotAsked => {}
                Standing::Unreadable(why) => {
                    let why = escaped(why);
                    let reason = format!(
                        "{venue_name} lists {symbol}, but its row is not as documented: {why}"
                    );
                    let remedy = "ask again later, and tell us if it stays so".to_owned();
                    let problem = self.problem_of("symbols", reason, remedy);
                    self.findings.unread.push(problem);
                }
                Standing::Halted(row) => {
                    let word = escaped(row.halted.as_deref().unwrap_or_default());
                    let reason = format!("{venue_name} does not trade {symbol} now ({word})");
                    let remedy = format!("wait until it does, or {}", self.without(venue_name));
                    self.problem("venues", reason, remedy);
                }
                Standing::Renamed(row) => {
                    let reason = format!(
                        "{venue_name} does not trade {symbol}; its symbol for {}/{} is {}",
                        name.base, name.quote, row.symbol
                    );
                    self.problem("symbols", reason, self.renaming(venue, row));
                }
                Standing::Unknown(nearest) => {
                    let reason = format!("{venue_name} does not list {symbol}");
                    let near = nearest.map(|row| format!("did you mean {}? Else ", row.symbol));
                    let without = self.without(venue_name);
                    self.problem("symbols", reason, near.unwrap_or_default() + &without);
                }
            }
        }
    }

    fn renaming(&self, venue: &Venue, row: &Listed) -> String {
        let name = &venue.info.name;
        let customary = (venue.spec.symbol)(self.subject.name.base, self.subject.name.quote);
        if customary == row.symbol {
            return format!("remove {name} from `symbols`");
        }
        format!("write symbols = {{ {name} = {:?} }}", row.symbol)
    }

    /// Returns how to write the instrument without a venue.
    fn without(&self, venue: &str) -> String {
        let others = self.subject.places.iter().filter(|(at, ..)| at.info.name != venue);
        let others = others.filter(|(_, _, standing)| {
            standing.traded().is_some() || matches!(standing, Standing::NotAsked)
        });
        let others: Vec<String> = others.map(|(at, ..)| format!("{:?}", at.info.name)).collect();
        if others.is_empty() {
            return "remove the instrument: no other venue trades it".to_owned();
        }
        format!("leave {venue} out: venues = [{}]", others.join(", "))
    }

    /// Compares the configured contract sizes with those of the venues.
    fn contracts(&mut self) {
        for (venue, symbol, standing) in &self.subject.places {
            let Some(listed) = standing.row().and_then(|row| row.contract.as_ref()) else {
                continue;
            };
            let name = &venue.info.name;
            let configured = self.subject.written.contract_sizes.get(name);
            let is_same = |step: &Step| {
                configured.is_some_and(|text| Step::parse(Some(text)).as_ref() == Ok(step))
            };
            match listed {
                Ok(step) if is_same(step) => {}
                Ok(step) => {
                    let size = &step.text;
                    let reason = format!("a contract of {symbol} on {name} is {size}");
                    let remedy = format!("set contract_sizes = {{ {name} = \"{size}\" }}");
                    self.problem("contract_sizes", reason, remedy);
                }
                Err(fault) => {
                    let fault = escaped(&fault.to_string());
                    let reason = format!("the contract size of {symbol} on {name} {fault}");
                    self.note("contract_sizes", reason, "it was not compared".to_owned());
                }
            }
        }
    }

    /// Compares `configured` decimals with the steps of all venues that list the instrument.
    fn decimals(&mut self, field: &str, configured: u8, what: &str) {
        let is_price = what == "tick";
        let mut steps: Vec<(String, Step)> = Vec::new();
        let mut coming: Vec<(String, Step)> = Vec::new();
        for (venue, symbol, standing) in &self.subject.places {
            let Some(row) = standing.row() else { continue };
            let name = &venue.info.name;
            match if is_price { &row.tick } else { &row.lot } {
                Ok(step) => steps.push((name.clone(), step.clone())),
                Err(fault) => {
                    let reason =
                        format!("the {what} of {symbol} on {name} {}", escaped(&fault.to_string()));
                    self.note(field, reason, format!("{field} was not compared with it"));
                }
            }
            let next = row.next_tick.as_ref().filter(|_| is_price);
            coming.extend(next.map(|step| (name.clone(), step.clone())));
        }
        let finest = |steps: &[(String, Step)]| steps.iter().map(|(_, step)| step.decimals).max();
        let needed = finest(&steps).max(finest(&coming)).unwrap_or(configured);
        let (small, announced) = (beyond(&steps, configured), beyond(&coming, configured));
        if !small.is_empty() {
            let reason = format!("{configured} decimals do not hold the {what} of {small}");
            self.problem(field, reason, format!("set {field} = {needed}"));
        } else if !announced.is_empty() {
            let reason =
                format!("{configured} decimals will not hold the coming {what} of {announced}");
            self.note(field, reason, format!("set {field} = {needed} before it changes"));
        } else if needed < configured {
            let reason = format!("{configured} decimals are more than any {what} needs");
            self.note(field, reason, format!("{needed} would do"));
        }
    }
}

/// Lists the steps that need more decimals than are configured: `okx (0.001)`.
fn beyond(steps: &[(String, Step)], configured: u8) -> String {
    let beyond = steps.iter().filter(|(_, step)| configured < step.decimals);
    let told: Vec<String> =
        beyond.map(|(venue, step)| format!("{venue} ({})", step.text)).collect();
    told.join(", ")
}
