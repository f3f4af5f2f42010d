//! The tables of `docs/venues.md` are made from the registry; `BLESS=1` writes them anew.

use super::{read, root};
use spreadwire_venues::instruments::InstrumentList;
use spreadwire_venues::venue::{
    HOUR, MILLI, MINUTE, Ping, Rate, SECOND, SequenceRule, Sizes, VenueSpec,
};
use spreadwire_venues::venues::VENUES;

/// A column: its head, and a venue's cell.
type Column = (&'static str, fn(&VenueSpec) -> String);

/// The tables, each by the name that its mark in the document bears. Every row begins with the venue.
const TABLES: &[(&str, &[Column])] = &[
    (
        "streams",
        &[
            ("market", |it| it.market.to_string()),
            ("address", |it| format!("`{}{}`", it.url, it.path)),
            ("channel", |it| format!("`{}`", it.channel())),
            ("sequence rule", numbering),
            ("our ping", |it| {
                let ping = match it.heartbeat.ping {
                    Ping::Frame => "frame".to_owned(),
                    Ping::Text(text) => format!("`{text}`"),
                    Ping::None => return "none: it pings".to_owned(),
                    Ping::Made(make) => format!("`{}`", make(1_790_000_000 * SECOND)),
                };
                format!("{ping}, {}", in_units(it.heartbeat.interval))
            }),
            ("dead after", |it| in_units(it.heartbeat.dead_after)),
            ("sizes", |it| match it.sizes {
                Sizes::Base => "base units".to_owned(),
                Sizes::Contracts => "contracts".to_owned(),
            }),
            ("event time", |it| it.about.event_time.to_owned()),
            ("taker fee", |it| format!("{} bps", it.taker_fee_bps)),
        ],
    ),
    (
        "limits",
        &[
            ("symbols per connection, per message", |it| {
                format!("{}, {}", it.symbols_per_connection, it.symbols_per_message)
            }),
            ("pause between messages", |it| in_units(it.message_interval)),
            ("repeats a quote within", |it| {
                it.repeats_within.map_or_else(|| "never".to_owned(), in_units)
            }),
            ("source", |it| it.about.source.to_owned()),
            ("as of", |it| it.about.as_of.to_owned()),
        ],
    ),
    (
        "rates",
        &[
            ("attempts to connect", |it| rates_in_words(it.connects)),
            ("requests on a connection", |it| rates_in_words(it.requests)),
            ("life of a connection", |it| it.lifetime.map(in_units).unwrap_or_default()),
        ],
    ),
    (
        "lists",
        &[
            ("request", |it| {
                let InstrumentList { url, path, post, .. } = it.instruments;
                let body = post.map(|body| format!(", POST `{body}`")).unwrap_or_default();
                format!("`{url}{path}`{body}")
            }),
            ("trades if", |it| it.about.trades_if.to_owned()),
            ("tick, lot", |it| it.about.steps.to_owned()),
        ],
    ),
    ("layouts", &[("layouts read by position", |it| it.about.layouts.to_owned())]),
];

#[test]
fn the_tables_of_the_document_are_the_registry() {
    let path = root().join("docs/venues.md");
    let is = String::from_utf8(read(&path)).unwrap();
    let should = TABLES.iter().fold(is.clone(), |text, (name, columns)| {
        let mark = format!("<!-- table: {name} -->\n");
        let (before, rest) = text.split_once(&mark).expect(name);
        let (_, behind) = rest.split_once("<!-- end -->").expect(name);
        format!("{before}{mark}{}<!-- end -->{behind}", table(columns))
    });
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &should).unwrap();
    }
    let is = String::from_utf8(read(&path)).unwrap();
    assert_eq!(is, should, "write the tables anew with BLESS=1");
}

fn table(columns: &[Column]) -> String {
    let heads = columns.iter().map(|(head, _)| (*head).to_owned());
    let rules = columns.iter().map(|_| "---".to_owned());
    let mut text = row("name", heads) + &row("---", rules);
    for spec in VENUES {
        text += &row(&format!("`{}`", spec.name), columns.iter().map(|(_, cell)| cell(spec)));
    }
    text
}

fn row(name: &str, cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<String> = cells.collect();
    format!("| {name} | {} |\n", cells.join(" | "))
}

/// Returns the sequence rule of a venue, with its field.
fn numbering(spec: &VenueSpec) -> String {
    match spec.about.numbering {
        "none" => "none sent: the order in which they come".to_owned(),
        field => format!("{}: {field}", rule_in_words(spec.sequence)),
    }
}

fn rule_in_words(rule: SequenceRule) -> &'static str {
    match rule {
        SequenceRule::Increasing => "increasing",
        SequenceRule::IncreasingWithRestarts => "increasing with restarts",
        SequenceRule::SnapshotsAndChanges => "snapshots and changes",
    }
}

fn rates_in_words(rates: &[Rate]) -> String {
    let words: Vec<String> =
        rates.iter().map(|rate| format!("{} in {}", rate.count, in_units(rate.per))).collect();
    words.join(", ")
}

/// Returns a time in the largest unit that divides it.
fn in_units(time: u64) -> String {
    let units = [(HOUR, "h"), (MINUTE, "min"), (SECOND, "s"), (MILLI, "ms")];
    let (unit, name) = units.into_iter().find(|(unit, _)| time.is_multiple_of(*unit)).unwrap();
    format!("{} {name}", time / unit)
}
