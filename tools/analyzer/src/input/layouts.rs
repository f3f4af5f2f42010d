//! How recorders lay out their folders: what the path of a file says about its quotes.
//!
//! A folder `<key>=<value>` says one thing by its key, in any place of the path ([`KEYS`]). The rest
//! of the path must be one of the [`LAYOUTS`]: as many names, of which each has the form that is
//! written there. `{venue}` and the like stand for what a name says, `*` for any name. The name of a
//! file is matched without its ending. If several layouts match, the first one counts.

use super::spelling;
use jiff::civil::Date;

/// One layout.
#[derive(Debug)]
pub(super) struct Layout {
    path: &'static str,
}

/// All layouts.
pub(super) const LAYOUTS: [Layout; 13] = [
    // One file a day: exchange=okx/symbol=BTC#USDT/2024-08-08.parquet
    Layout { path: "{date}" },
    // Everything is said by keys: exchange=okx/symbol=BTC#USDT/date=2024-08-08/hour=00/a.parquet
    Layout { path: "*" },
    // NautilusTrader, whose catalog is the lake or the folder `data` of it.
    Layout { path: "data/{kind}/{symbol}.{venue}/*" },
    Layout { path: "{kind}/{symbol}.{venue}/*" },
    // cryptofeed's files as cryptostore writes them.
    Layout { path: "{venue}/{kind}/{symbol}/*" },
    // Exports of tardis.dev: one folder, or folders as on its server.
    Layout { path: "{venue}_{kind}_{date}_{symbol}" },
    Layout { path: "{venue}/{kind}/{year}/{month}/{day}/{symbol}" },
    Layout { path: "{venue}/{kind}/{date}/{symbol}" },
    // binance/BTC_USDT/2024-08-08.parquet, and the same with folders.
    Layout { path: "{venue}/{symbol}/{date}" },
    Layout { path: "{venue}/{symbol}/{date}/*" },
    Layout { path: "{venue}/{symbol}/{date}/{hour}/*" },
    Layout { path: "{venue}/{symbol}/{year}/{month}/{day}" },
    Layout { path: "{venue}/{symbol}/{year}/{month}/{day}/*" },
];

/// Keys of folders, in small letters.
const KEYS: [(&str, Field); 17] = [
    ("exchange", Field::Venue),
    ("venue", Field::Venue),
    ("feed", Field::Venue),
    ("symbol", Field::Symbol),
    ("pair", Field::Symbol),
    ("instrument", Field::Symbol),
    ("date", Field::Date),
    ("dt", Field::Date),
    ("year", Field::Year),
    ("month", Field::Month),
    ("day", Field::Day),
    ("hour", Field::Hour),
    ("data_type", Field::Kind),
    ("type", Field::Kind),
    ("kind", Field::Kind),
    ("channel", Field::Kind),
    ("table", Field::Kind),
];

/// Kinds of rows that are quotes.
const KINDS: [&str; 10] = [
    "quotes",
    "quote",
    "quote_tick",
    "quote_ticks",
    "ticker",
    "book_ticker",
    "bookticker",
    "bbo",
    "l1_book",
    "top_of_book",
];

/// Endings of the names of Parquet files.
const ENDINGS: [&str; 3] = ["parquet", "parq", "pq"];

/// One thing that a path can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Venue,
    Symbol,
    Date,
    Year,
    Month,
    Day,
    Hour,
    Kind,
}

/// What a path says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// The venue as it is spelled.
    pub(super) venue: Option<String>,
    /// Whether the venue is a folder's value by its key.
    pub(super) venue_by_key: bool,
    /// The symbol as it is spelled.
    pub(super) symbol: Option<String>,
    pub(super) date: Option<Date>,
    year: Option<i16>,
    month: Option<i8>,
    day: Option<i8>,
    hour: Option<i8>,
    has_kind: bool,
}

/// A layout that the beginning of a path matches.
#[derive(Clone, Debug)]
pub(super) struct Partial {
    /// Index in [`LAYOUTS`].
    pub(super) layout: usize,
    /// What follows.
    rest: &'static str,
    pub(super) place: Place,
    /// Length of the path of the folder that says both venue and symbol, and no day.
    pub(super) named_at: Option<usize>,
}

/// Returns all layouts, for the beginning of a path.
pub(super) fn all() -> Vec<Partial> {
    let begun = |(layout, of): (usize, &Layout)| {
        let place = Place::default();
        Partial { layout, rest: of.path, place, named_at: None }
    };
    LAYOUTS.iter().enumerate().map(begun).collect()
}

/// Returns the layouts that still match after a folder.
///
/// # Errors
/// Returns why none does.
pub(super) fn enter(partials: &[Partial], name: &str) -> Result<Vec<Partial>, &'static str> {
    if let Some((field, value)) = keyed(name) {
        let said = |partial: &Partial| partial.said(field, &spelling::decoded(value));
        let (mut found, mut why) = (Vec::new(), NO_LAYOUT);
        for partial in partials {
            match said(partial) {
                Ok(partial) => found.push(partial),
                Err(reason) => why = reason,
            }
        }
        return if found.is_empty() { Err(why) } else { Ok(found) };
    }
    let found: Vec<Partial> = partials.iter().filter_map(|partial| partial.entered(name)).collect();
    if found.is_empty() { Err(NO_LAYOUT) } else { Ok(found) }
}

/// Returns what the path of a file says, if it matches a layout, and which.
///
/// # Errors
/// Returns why it matches none.
pub(super) fn file(partials: &[Partial], name: &str) -> Result<Partial, &'static str> {
    let Some(stem) = stem(name) else { return Err(NOT_PARQUET) };
    let mut why = NO_LAYOUT;
    for partial in partials.iter().filter(|partial| !partial.rest.contains('/')) {
        let Some(place) = matched(partial.rest, stem, &partial.place) else { continue };
        match place.whole() {
            Ok(place) => return Ok(Partial { place, rest: "", ..*partial }),
            Err(reason) => why = reason,
        }
    }
    Err(why)
}

/// Returns venue and symbol, if every layout that still matches says the same ones.
pub(super) fn agreed(partials: &[Partial]) -> Option<(&str, &str)> {
    let mut said = partials.iter().map(|partial| partial.place.names());
    let first = said.next()??;
    said.all(|names| names == Some(first)).then_some(first)
}

/// Returns whether the name is that of a folder: `<key>=<value>` with a known key.
pub(super) fn is_keyed_folder(name: &str) -> bool {
    keyed(name).is_some() && stem(name).is_none()
}

pub(super) const NO_LAYOUT: &str = "is in no layout that is known, so it is not read";
const NOT_PARQUET: &str = "is not a Parquet file, so it is not read";

fn keyed(name: &str) -> Option<(Field, &str)> {
    let (key, value) = name.split_once('=')?;
    let known = KEYS.iter().find(|(known, _)| key.eq_ignore_ascii_case(known))?;
    Some((known.1, value))
}

/// Returns the name of a Parquet file without its ending.
fn stem(name: &str) -> Option<&str> {
    let (stem, ending) = name.rsplit_once('.')?;
    ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)).then_some(stem)
}

impl Partial {
    /// Returns the layout after a folder that says something by its key.
    fn said(&self, field: Field, value: &str) -> Result<Partial, &'static str> {
        let mut place = self.place.clone();
        place.say(field, value)?;
        place.venue_by_key |= field == Field::Venue;
        // What a key says is not said by another name too.
        if self.rest.contains(field.name()) {
            return Err(NO_LAYOUT);
        }
        Ok(Partial { place, ..*self })
    }

    /// Takes note of the path of a folder that was entered, if it is the first that says venue and
    /// symbol.
    pub(super) fn heed_folder(&mut self, path: &str) {
        if self.named_at.is_none() && self.place.names().is_some() && !self.place.has_time() {
            self.named_at = Some(path.len());
        }
    }

    /// Returns the layout after a folder that its form has to match.
    fn entered(&self, name: &str) -> Option<Partial> {
        let (form, rest) = self.rest.split_once('/')?;
        let place = matched(form, name, &self.place)?;
        Some(Partial { place, rest, ..*self })
    }
}

impl Field {
    const ALL: [Field; 8] = [
        Field::Venue,
        Field::Symbol,
        Field::Date,
        Field::Year,
        Field::Month,
        Field::Day,
        Field::Hour,
        Field::Kind,
    ];

    /// Returns how it is written in layouts.
    fn name(self) -> &'static str {
        match self {
            Field::Venue => "{venue}",
            Field::Symbol => "{symbol}",
            Field::Date => "{date}",
            Field::Year => "{year}",
            Field::Month => "{month}",
            Field::Day => "{day}",
            Field::Hour => "{hour}",
            Field::Kind => "{kind}",
        }
    }
}

impl Place {
    /// Returns venue and symbol as they are spelled, once both are said.
    pub(super) fn names(&self) -> Option<(&str, &str)> {
        Some((self.venue.as_deref()?, self.symbol.as_deref()?))
    }

    /// Returns whether any part of a time is said.
    fn has_time(&self) -> bool {
        self.date.is_some() || self.year.is_some() || self.hour.is_some()
    }

    /// Takes note of a value.
    ///
    /// # Errors
    /// Returns what is wrong with it.
    fn say(&mut self, field: Field, value: &str) -> Result<(), &'static str> {
        match field {
            Field::Venue => once(&mut self.venue, name(value)),
            Field::Symbol => once(&mut self.symbol, name(value)),
            Field::Date => {
                once(&mut self.date, date(value).ok_or("is not a date of the form YYYY-MM-DD"))
            }
            Field::Year => once(&mut self.year, year(value).ok_or("is not a year from 1970 on")),
            Field::Month => {
                let month = number(value, 1..=12).ok_or("is not a month from 01 to 12");
                once(&mut self.month, month)
            }
            Field::Day => match date(value).filter(|_| self.year.is_none()) {
                Some(date) => once(&mut self.date, Ok(date)),
                None => {
                    let day = number(value, 1..=31).ok_or("is not a day from 01 to 31");
                    once(&mut self.day, day)
                }
            },
            Field::Hour => {
                let hour = number(value, 0..=23).ok_or("is not an hour from 00 to 23");
                once(&mut self.hour, hour)
            }
            Field::Kind => {
                let is_known = KINDS.iter().any(|kind| value.eq_ignore_ascii_case(kind));
                self.has_kind |= is_known;
                is_known.then_some(()).ok_or("holds rows of another kind, so it is not read")
            }
        }
    }

    /// Returns it with the date of year, month and day.
    ///
    /// # Errors
    /// Returns what is missing.
    fn whole(mut self) -> Result<Place, &'static str> {
        if self.names().is_none() {
            return Err(NO_LAYOUT);
        }
        match (self.year, self.month, self.day) {
            (None, None, None) => {}
            (Some(year), Some(month), Some(day)) if self.date.is_none() => {
                let date = Date::new(year, month, day);
                self.date = Some(date.map_err(|_| "is of a day that does not exist")?);
            }
            _ => return Err("has a part of a date alone, so it is not read"),
        }
        // An hour without its day says nothing.
        if self.date.is_none() && self.hour.is_some() {
            return Err(NO_LAYOUT);
        }
        Ok(self)
    }
}

fn once<T>(slot: &mut Option<T>, value: Result<T, &'static str>) -> Result<(), &'static str> {
    let value = value?;
    if slot.is_some() {
        return Err("says something that a folder above it says too, so it is not read");
    }
    *slot = Some(value);
    Ok(())
}

fn name(value: &str) -> Result<String, &'static str> {
    if value.is_empty() { Err("has no name in it") } else { Ok(value.to_owned()) }
}

/// Parses `YYYY-MM-DD`, and nothing else that could be read as a date.
fn date(text: &str) -> Option<Date> {
    let date: Date = text.parse().ok()?;
    (date.to_string() == text).then_some(date)
}

fn year(text: &str) -> Option<i16> {
    let year: i16 = text.parse().ok().filter(|year| (1970..=2261).contains(year))?;
    (year.to_string() == text).then_some(year)
}

/// Parses a number of one or two digits: not every recorder pads with a zero.
fn number(text: &str, range: std::ops::RangeInclusive<i8>) -> Option<i8> {
    let digits = matches!(text.len(), 1 | 2) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| digits && range.contains(number))
}

/// Returns what a name of this form says in addition; `None` if it has another form.
fn matched(form: &str, name: &str, place: &Place) -> Option<Place> {
    if form == "*" {
        return Some(place.clone());
    }
    if form.is_empty() || name.is_empty() {
        return (form.is_empty() && name.is_empty()).then(|| place.clone());
    }
    let Some(field) = Field::ALL.into_iter().find(|field| form.starts_with(field.name())) else {
        let (first, rest) = name.split_at(name.chars().next()?.len_utf8());
        return matched(form.strip_prefix(first)?, rest, place);
    };
    let form = &form[field.name().len()..];
    let ends = name.char_indices().map(|(at, of)| at + of.len_utf8());
    let mut ends: Vec<usize> = ends.collect();
    // What separates two fields may also be in a value: dots are in symbols, and kinds of rows end
    // like others.
    if field == Field::Symbol {
        ends.reverse();
    }
    ends.into_iter().find_map(|end| {
        let (value, rest) = name.split_at(end);
        let mut place = place.clone();
        is_plain(field, value).then_some(())?;
        place.say(field, value).ok()?;
        matched(form, rest, &place)
    })
}

/// Returns whether a name without a key can be that of a venue or symbol.
fn is_plain(field: Field, value: &str) -> bool {
    let is_name = |more: &[char]| {
        let fits = |c: char| c.is_alphanumeric() || more.contains(&c);
        value.chars().all(fits) && value.chars().any(char::is_alphabetic)
    };
    match field {
        Field::Venue => is_name(&['-', '_']),
        Field::Symbol => is_name(&['-', '_', '#', ':', '.']),
        Field::Date | Field::Year | Field::Month | Field::Day | Field::Hour | Field::Kind => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns what a path says: venue, symbol and date, or why it says nothing.
    fn said(path: &str) -> Result<String, &'static str> {
        let mut partials = all();
        let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
        for folder in folders.split('/').filter(|folder| !folder.is_empty()) {
            partials = enter(&partials, folder)?;
        }
        let Place { venue, symbol, date, .. } = file(&partials, name)?.place;
        let date = date.map_or("any day".to_owned(), |date| date.to_string());
        Ok(format!("{} {} {date}", venue.unwrap(), symbol.unwrap()))
    }

    #[test]
    fn paths_of_every_layout_say_venue_symbol_and_day() {
        const DAY: &str = "okx BTC#USDT 2024-08-08";
        for (path, expected) in [
            ("exchange=okx/symbol=BTC#USDT/date=2024-08-08/hour=00/a.parquet", DAY),
            ("exchange=okx/symbol=BTC#USDT/date=2024-08-08/hour=7/part-0.snappy.parquet", DAY),
            ("exchange=okx/symbol=BTC#USDT/date=2024-08-08/a.parq", DAY),
            ("Exchange=okx/SYMBOL=BTC#USDT/Date=2024-08-08/Hour=00/a.PARQUET", DAY),
            ("venue=okx/pair=BTC%23USDT/dt=2024-08-08/a.pq", DAY),
            ("date=2024-08-08/exchange=okx/symbol=BTC#USDT/a.parquet", DAY),
            ("exchange=okx/symbol=BTC#USDT/year=2024/month=08/day=08/hour=00/a.parquet", DAY),
            ("exchange=okx/symbol=BTC#USDT/year=2024/month=8/day=8/a.parquet", DAY),
            ("exchange=okx/symbol=BTC#USDT/day=2024-08-08/a.parquet", DAY),
            ("exchange=okx/symbol=BTC#USDT/2024-08-08.parquet", DAY),
            ("type=quotes/exchange=okx/symbol=BTC#USDT/date=2024-08-08/a.parquet", DAY),
            ("exchange=okx/symbol=BTC#USDT/a.parquet", "okx BTC#USDT any day"),
            ("okx/BTC_USDT/2024-08-08.parquet", "okx BTC_USDT 2024-08-08"),
            ("okx/BTC_USDT/2024-08-08/a.parquet", "okx BTC_USDT 2024-08-08"),
            ("okx/BTC_USDT/2024-08-08/07.parquet", "okx BTC_USDT 2024-08-08"),
            ("okx/BTC_USDT/2024-08-08/07/a.parquet", "okx BTC_USDT 2024-08-08"),
            ("okx/BTC_USDT/2024/08/08.parquet", "okx BTC_USDT 2024-08-08"),
            ("okx/BTC_USDT/2024/08/08/a.parquet", "okx BTC_USDT 2024-08-08"),
            ("data/quote_tick/BTCUSDT.OKX/part-0.parquet", "OKX BTCUSDT any day"),
            ("data/quotes/BTCUSDT-PERP.OKX/part-0.parquet", "OKX BTCUSDT-PERP any day"),
            ("quote_tick/BTC-USDT.v1.OKX/2024_2025.parquet", "OKX BTC-USDT.v1 any day"),
            ("OKX/ticker/BTC-USDT/OKX-ticker-BTC-USDT-1723075200.parquet", "OKX BTC-USDT any day"),
            (
                "binance-futures_book_ticker_2024-08-08_BTCUSDT.parquet",
                "binance-futures BTCUSDT 2024-08-08",
            ),
            ("okex/quotes/2024/08/08/BTC-USDT.parquet", "okex BTC-USDT 2024-08-08"),
            ("okex/quotes/2024-08-08/BTC-USDT.parquet", "okex BTC-USDT 2024-08-08"),
        ] {
            assert_eq!(said(path).as_deref(), Ok(expected), "{path}");
        }
    }

    #[test]
    fn other_paths_say_why_they_are_not_read() {
        let symbol = "exchange=okx/symbol=BTC#USDT";
        for (path, expected) in [
            ("a.parquet", NO_LAYOUT),
            ("notes/a.parquet", NO_LAYOUT),
            ("exchange=okx/a.parquet", NO_LAYOUT),
            ("exchange=okx/notes/a.parquet", NO_LAYOUT),
            ("exchange=okx/symbol=BTC#USDT/notes/a.parquet", NO_LAYOUT),
            ("exchange=okx/symbol=BTC#USDT/hour=00/a.parquet", NO_LAYOUT),
            ("data/trade_tick/BTCUSDT.OKX/a.parquet", NO_LAYOUT),
            ("exchange=okx/symbol=BTC#USDT/date=2024-08-08/side=bid/a.parquet", NO_LAYOUT),
            ("exchange=okx/symbol=BTC#USDT/date=2024-08-08/hour=00/more/a.parquet", NO_LAYOUT),
            ("exchange=okx/symbol=BTC#USDT/date=2024-08-08/hour=00/a.csv", NOT_PARQUET),
            ("exchange=okx/symbol=BTC#USDT/date=2024-08-08/parquet", NOT_PARQUET),
        ] {
            assert_eq!(said(path), Err(expected), "{path}");
        }
        for (folder, expected) in [
            ("date=20240808", "is not a date of the form YYYY-MM-DD"),
            ("date=2024-8-8", "is not a date of the form YYYY-MM-DD"),
            ("date=2023-02-29", "is not a date of the form YYYY-MM-DD"),
            ("date=2024-08-08T00:00", "is not a date of the form YYYY-MM-DD"),
            ("date=", "is not a date of the form YYYY-MM-DD"),
            ("date=2024-08-08/hour=24", "is not an hour from 00 to 23"),
            ("date=2024-08-08/hour=007", "is not an hour from 00 to 23"),
            ("date=2024-08-08/hour=+7", "is not an hour from 00 to 23"),
            ("year=24/month=08/day=08", "is not a year from 1970 on"),
            ("year=2024/month=13/day=08", "is not a month from 01 to 12"),
            ("year=2024/month=02/day=30", "is of a day that does not exist"),
            ("year=2024/month=02", "has a part of a date alone, so it is not read"),
            ("type=trades", "holds rows of another kind, so it is not read"),
        ] {
            assert_eq!(said(&format!("{symbol}/{folder}/a.parquet")), Err(expected), "{folder}");
        }
        let twice = said(&format!("{symbol}/date=2024-08-08/date=2024-08-09/a.parquet"));
        assert!(twice.unwrap_err().contains("says too"));
    }
}
