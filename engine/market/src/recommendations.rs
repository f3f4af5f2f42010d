//! The analyzer's `recommendations.toml`: the pairs of venues worth opening, with their thresholds,
//! bounds, reasons and expiry. `docs/recommendations.md` is the manual.
//!
//! This is the only definition of the file. `analyzer` writes it, `analyzer diff` compares it, and
//! the engine and `trader` decide by it. Nothing in it is enabled until a person enables it.
//! [`read`] reports all problems at once. The caller supplies the time.

use crate::clock::Nanos;
use crate::decision::{PairRule, PairRules};
use crate::instrument::Catalogue;
use crate::problem::{Faults, Form, Problem};
use crate::spread::BPS;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// Version of the file format that is read and written.
pub const FORMAT: u32 = 1;

/// Contents of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recommendations {
    /// Version of the file format: [`FORMAT`].
    pub format: u32,
    /// Time of the analysis, ns since 1970 UTC. In the file it is an RFC 3339 date-time.
    #[serde(with = "moment")]
    pub generated: Nanos,
    /// Expiry, ns since 1970 UTC. At or after this time nothing opens by this file.
    #[serde(with = "moment")]
    pub expires: Nanos,
    /// First day that was analysed, `YYYY-MM-DD`, UTC.
    #[serde(with = "day")]
    pub from: String,
    /// Last day that was analysed, inclusive.
    #[serde(with = "day")]
    pub to: String,
    /// Path of the lake, as the user gave it.
    pub lake: String,
    /// Recommended pairs, best first.
    #[serde(default)]
    pub pairs: Vec<Pair>,
}

/// A recommended pair: one instrument, bought on one venue and sold on another.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// Canonical name: `BTC/USDT`.
    pub instrument: String,
    /// Name of the venue to buy on.
    pub buy: String,
    /// Name of the venue to sell on.
    pub sell: String,
    /// Whether the pair may open. The analyzer writes `false`; a person changes it to `true`.
    pub enabled: bool,
    /// Entry threshold: the pair opens at this net spread or above, basis points. Must be within
    /// the bounds below.
    pub entry_bps: f64,
    /// Lower bound of `entry_bps`.
    pub entry_bps_min: f64,
    /// Upper bound of `entry_bps`.
    pub entry_bps_max: f64,
    /// Exit threshold: the pair closes below this net spread, basis points; not above `entry_bps`.
    pub exit_bps: f64,
    /// Maximum order size, quote currency; above 0. The decision itself ignores sizes.
    pub size_quote: f64,
    /// Profit that the analyzer expects, quote currency per day.
    pub capture_per_day: f64,
    /// Why the pair is recommended, in one sentence.
    pub reason: String,
    /// Figures that support the recommendation, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub evidence: BTreeMap<String, f64>,
}

const FORM: Form = Form { start: "`analyzer` writes one", document: "docs/recommendations.md" };

/// Comment at the top of every file that is written.
const HEAD: &str = "\
# Recommendations of the analyzer. Nothing here opens anything until a person has enabled it.
#
# Review:  analyzer diff OLD NEW        what changed since the file that is in use
# Enable:  set `enabled = true` for each pair that may open. `entry_bps` may be moved within
#          `entry_bps_min` and `entry_bps_max`, `exit_bps` up to the entry, `size_quote` down.
# Use:     trader --recommendations FILE, or in the engine's configuration
#          [decision] recommendations = \"FILE\"; `spreadwire check` tells what is enabled.
#
# Only enabled pairs open, and none from `expires` on. docs/recommendations.md explains every key.

";

/// Reads a file and checks it as of `now`, ns since 1970 UTC. If `now` is 0, the expiry is not
/// checked.
///
/// # Errors
/// Every problem found, each with its key and a remedy.
pub fn read(path: &Path, now: Nanos) -> Result<Recommendations, Vec<Problem>> {
    let mut problems = Vec::new();
    let Some(text) = FORM.text(path, &mut problems) else { return Err(problems) };
    if let Some(format) = format_of(&text).filter(|format| *format != i64::from(FORMAT)) {
        // The meaning of the other keys of an unknown format is unknown too.
        return Err(vec![unknown_format(path, format)]);
    }
    let Some(read) = FORM.parse::<Recommendations>(path, &text, &mut problems) else {
        return Err(problems);
    };
    problems.extend(read.check(path, now));
    if problems.is_empty() { Ok(read) } else { Err(problems) }
}

/// Returns the format number of a file, if the file is TOML and has one.
fn format_of(text: &str) -> Option<i64> {
    let table: toml::Table = text.parse().ok()?;
    table.get("format")?.as_integer()
}

fn unknown_format(path: &Path, format: i64) -> Problem {
    Problem {
        file: path.to_owned(),
        key: "format".to_owned(),
        reason: format!("format {format} is unknown"),
        remedy: format!("this version reads format {FORMAT}: use an analyzer of the same version"),
    }
}

impl Recommendations {
    /// Returns every problem as of `now`, ns since 1970 UTC. The problems name `file`.
    #[must_use]
    pub fn check(&self, file: &Path, now: Nanos) -> Vec<Problem> {
        if self.format != FORMAT {
            return vec![unknown_format(file, i64::from(self.format))];
        }
        let mut faults = Faults::new(file, Vec::new());
        times(self, now, &mut faults);
        let mut seen = HashMap::new();
        for (number, pair) in self.pairs.iter().enumerate() {
            let key = |field: &str| format!("pairs[{number}].{field}");
            names(pair, &key, &mut faults);
            figures(pair, &key, &mut faults);
            let names = (&pair.instrument, &pair.buy, &pair.sell);
            if let Some(first) = seen.insert(names, number) {
                let reason = format!("{} appears twice, see pairs[{first}]", pair.name());
                faults.add(&key("instrument"), reason, "keep one of them");
            }
        }
        faults.into_list()
    }

    /// Returns the text of the file, with a comment at the top that explains how to review it.
    /// Reading the text gives an equal value.
    ///
    /// # Panics
    /// If `from` or `to` is not a day, which [`check`](Self::check) reports.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let text = toml::to_string(self).expect("days and plain fields can be written");
        format!("{HEAD}{text}")
    }

    /// Returns the pairs that a person has enabled, with their indexes in the file.
    pub fn enabled(&self) -> impl Iterator<Item = (usize, &Pair)> {
        self.pairs.iter().enumerate().filter(|(_, pair)| pair.enabled)
    }

    /// Returns the decision's rules for a catalogue, and the indexes of enabled pairs that the
    /// catalogue does not have: an instrument or venue is missing, or the venue does not list the
    /// instrument.
    #[must_use]
    pub fn rules(&self, catalogue: &Catalogue) -> (PairRules, Vec<usize>) {
        let mut rules = PairRules { pairs: Vec::new(), expires: self.expires };
        let mut unlisted = Vec::new();
        for (number, pair) in self.enabled() {
            match pair.rule(catalogue) {
                Some(rule) => rules.pairs.push(rule),
                None => unlisted.push(number),
            }
        }
        (rules, unlisted)
    }

    /// Describes how many pairs are enabled, and until when.
    #[must_use]
    pub fn describe(&self) -> String {
        let (enabled, all) = (self.enabled().count(), self.pairs.len());
        let until = time_to_text(self.expires);
        let warning = if enabled == 0 { ": nothing will open" } else { "" };
        format!("{enabled} of {all} recommended pairs are enabled, until {until}{warning}")
    }
}

impl Pair {
    /// Returns the figures of the pair by key.
    #[must_use]
    pub fn figures(&self) -> [(&'static str, f64); 6] {
        [
            ("entry_bps", self.entry_bps),
            ("entry_bps_min", self.entry_bps_min),
            ("entry_bps_max", self.entry_bps_max),
            ("exit_bps", self.exit_bps),
            ("size_quote", self.size_quote),
            ("capture_per_day", self.capture_per_day),
        ]
    }

    /// Returns the name of the pair as users see it: `BTC/USDT buy okx sell binance`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} buy {} sell {}", self.instrument, self.buy, self.sell)
    }

    /// Converts the pair to ids of a catalogue; `None` unless both venues list the instrument.
    fn rule(&self, catalogue: &Catalogue) -> Option<PairRule> {
        let instrument = catalogue.instrument_named(&self.instrument)?;
        let listed = catalogue.venues_of(instrument);
        let venue = |name: &str| catalogue.venue_named(name).filter(|id| listed.contains(id));
        Some(PairRule {
            instrument,
            buy_venue: venue(&self.buy)?,
            sell_venue: venue(&self.sell)?,
            entry: self.entry_bps / BPS,
            exit: self.exit_bps / BPS,
        })
    }
}

fn times(all: &Recommendations, now: Nanos, faults: &mut Faults) {
    let expires = time_to_text(all.expires);
    if all.expires <= all.generated {
        let reason = format!("{expires} is not after generated, {}", time_to_text(all.generated));
        faults.add("expires", reason, "set it to a time after generated");
    } else if all.expires <= now {
        let reason = format!("it expired at {expires}");
        faults.add("expires", reason, "run the analyzer again, then review and enable its file");
    }
    for (key, day) in [("from", &all.from), ("to", &all.to)] {
        if !day.parse().is_ok_and(|date| day::only_date(&date)) {
            faults.add(key, format!("{day:?} is not a day"), "write it as 2026-11-24");
        }
    }
    if all.to < all.from {
        let reason = format!("{} is before from, {}", all.to, all.from);
        faults.add("to", reason, "name the last day of the period");
    }
}

fn names(pair: &Pair, key: &impl Fn(&str) -> String, faults: &mut Faults) {
    let plain = |c: char| !c.is_whitespace() && !c.is_control();
    if pair.instrument.is_empty() || !pair.instrument.chars().all(plain) {
        let reason = format!("{:?} is not an instrument", pair.instrument);
        faults.add(&key("instrument"), reason, "write the canonical name, such as BTC/USDT");
    }
    for (field, name) in [("buy", &pair.buy), ("sell", &pair.sell)] {
        let known = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if name.is_empty() || !name.chars().all(known) {
            let remedy = "write the name as `spreadwire venues` lists it";
            faults.add(&key(field), format!("{name:?} is not a venue name"), remedy);
        }
    }
    if pair.buy == pair.sell {
        let reason = format!("it buys and sells on {:?}", pair.buy);
        faults.add(&key("sell"), reason, "name two different venues");
    }
    if pair.reason.trim().is_empty() {
        faults.add(&key("reason"), "it is empty", "say in one sentence why");
    }
}

fn figures(pair: &Pair, key: &impl Fn(&str) -> String, faults: &mut Faults) {
    let figures = pair.figures();
    let evidence = pair.evidence.iter().map(|(name, value)| (format!("evidence.{name}"), *value));
    for (field, value) in figures.map(|(f, v)| (f.to_owned(), v)).into_iter().chain(evidence) {
        if !value.is_finite() {
            faults.add(
                &key(&field),
                format!("{value} is not a finite number"),
                "correct the figure",
            );
        }
    }
    let Pair { entry_bps, entry_bps_min, entry_bps_max, exit_bps, size_quote, .. } = *pair;
    // Values that are not finite are reported above; comparing them would add nothing.
    let above = |a: f64, b: f64| a.is_finite() && b.is_finite() && b < a;
    if above(entry_bps_min, entry_bps_max) {
        let reason = format!("{entry_bps_min} is above entry_bps_max, {entry_bps_max}");
        faults.add(&key("entry_bps_min"), reason, "set it to entry_bps_max or below");
    } else if above(entry_bps_min, entry_bps) || above(entry_bps, entry_bps_max) {
        let reason = format!("{entry_bps} is outside its bounds");
        let remedy = format!("choose {entry_bps_min} to {entry_bps_max}");
        faults.add(&key("entry_bps"), reason, remedy);
    }
    if above(exit_bps, entry_bps) {
        let reason = format!("{exit_bps} is above entry_bps, {entry_bps}");
        faults.add(&key("exit_bps"), reason, "set it to entry_bps or below");
    }
    if size_quote.is_finite() && size_quote <= 0.0 {
        let reason = format!("{size_quote} is not a valid size");
        faults.add(&key("size_quote"), reason, "write an amount of quote currency above 0");
    }
}

/// Formats a time as RFC 3339 in UTC: `2026-11-24T02:10:00Z`.
#[must_use]
pub fn time_to_text(time: Nanos) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(time)).unwrap_or_default().to_string()
}

/// Parses an RFC 3339 time with an offset; `None` if the text is malformed or the time is before
/// 1970.
#[must_use]
pub fn time_of_text(text: &str) -> Option<Nanos> {
    u64::try_from(text.parse::<jiff::Timestamp>().ok()?.as_nanosecond()).ok()
}

/// Serde module: [`Nanos`] as a TOML date-time.
mod moment {
    use super::{time_of_text, time_to_text};
    use crate::clock::Nanos;
    use serde::de::Error as _;
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use toml::value::Datetime;

    pub(super) fn serialize<S: Serializer>(time: &Nanos, to: S) -> Result<S::Ok, S::Error> {
        time_to_text(*time).parse::<Datetime>().map_err(S::Error::custom)?.serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Nanos, D::Error> {
        let text = Datetime::deserialize(from)?.to_string();
        let none = || format!("{text} is not a time with an offset like 2026-11-24T02:10:00Z");
        time_of_text(&text).ok_or_else(|| D::Error::custom(none()))
    }
}

/// Serde module: a day as a TOML local date.
mod day {
    use serde::de::Error as _;
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use toml::value::Datetime;

    pub(super) fn only_date(date: &Datetime) -> bool {
        date.date.is_some() && date.time.is_none() && date.offset.is_none()
    }

    pub(super) fn serialize<S: Serializer>(day: &str, to: S) -> Result<S::Ok, S::Error> {
        let date = day.parse::<Datetime>().map_err(S::Error::custom)?;
        if only_date(&date) {
            date.serialize(to)
        } else {
            Err(S::Error::custom(format!("{day:?} is not a day")))
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
        let date = Datetime::deserialize(from)?;
        if only_date(&date) {
            Ok(date.to_string())
        } else {
            Err(D::Error::custom(format!("{date} is not a day like 2026-11-24")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::known_keys::KnownKeys;

    /// A valid file that tests modify.
    const GOOD: &str = r#"format = 1
generated = 2026-11-24T02:10:00Z
expires = 2026-12-01T02:10:00Z
from = 2026-11-17
to = 2026-11-23
lake = "lake"
[[pairs]]
instrument = "BTC/USDT"
buy = "okx"
sell = "binance"
enabled = true
entry_bps = 4.0
entry_bps_min = 3.0
entry_bps_max = 8.0
exit_bps = 0.5
size_quote = 5000.0
capture_per_day = 12.5
reason = "It opened 40 times a day and paid after fees."
[pairs.evidence]
episodes_per_day = 40
[[pairs]]
instrument = "ETH/USDT"
buy = "okx"
sell = "binance"
enabled = false
entry_bps = 6
entry_bps_min = 6
entry_bps_max = 6
exit_bps = -1
size_quote = 1
capture_per_day = 0
reason = "Another."
"#;
    const NOW: &str = "2026-11-25T00:00:00Z";

    fn read_at(text: &str, now: &str) -> Result<Recommendations, Vec<Problem>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("recommendations.toml");
        std::fs::write(&path, text).unwrap();
        read(&path, time_of_text(now).unwrap())
    }

    /// Returns the problems of `text`, formatted as `key: reason; remedy`.
    fn told(text: &str) -> Vec<String> {
        let problems = read_at(text, NOW).unwrap_err();
        problems.iter().map(|p| format!("{}: {}; {}", p.key, p.reason, p.remedy)).collect()
    }

    fn with(from: &str, to: &str) -> String {
        assert!(GOOD.contains(from), "{from}");
        GOOD.replacen(from, to, 1)
    }

    /// Replacements in the valid file, each as (old text, new text, the one problem that results).
    const PROBLEMS: &[(&str, &str, &str)] = &[
        (
            "format = 1",
            "format = 2\nmood = 1",
            "format: format 2 is unknown; this version reads format 1: use an analyzer of \
                 the same version",
        ),
        (
            "expires = 2026-12-01T02:10:00Z",
            "expires = 2026-11-24T23:59:59+00:00",
            "expires: it expired at 2026-11-24T23:59:59Z; run the analyzer again, then \
                 review and enable its file",
        ),
        (
            "expires = 2026-12-01",
            "expires = 2026-11-24",
            "expires: 2026-11-24T02:10:00Z is not after generated, 2026-11-24T02:10:00Z; \
                 set it to a time after generated",
        ),
        (
            "to = 2026-11-23",
            "to = 2026-11-16",
            "to: 2026-11-16 is before from, 2026-11-17; name the last day of the period",
        ),
        (
            "BTC/USDT",
            "BTC USDT",
            "pairs[0].instrument: \"BTC USDT\" is not an instrument; write the canonical name, \
                 such as BTC/USDT",
        ),
        (
            "\"okx\"",
            "\"o k x\"",
            "pairs[0].buy: \"o k x\" is not a venue name; write the name as `spreadwire \
                 venues` lists it",
        ),
        (
            "\"binance\"",
            "\"okx\"",
            "pairs[0].sell: it buys and sells on \"okx\"; name two different venues",
        ),
        (
            "ETH/USDT",
            "BTC/USDT",
            "pairs[1].instrument: BTC/USDT buy okx sell binance appears twice, see pairs[0]; \
                 keep one of them",
        ),
        (
            "entry_bps = 4.0",
            "entry_bps = 2.5",
            "pairs[0].entry_bps: 2.5 is outside its bounds; choose 3 to 8",
        ),
        (
            "entry_bps = 4.0",
            "entry_bps = 8.5",
            "pairs[0].entry_bps: 8.5 is outside its bounds; choose 3 to 8",
        ),
        (
            "entry_bps = 4.0",
            "entry_bps = nan",
            "pairs[0].entry_bps: NaN is not a finite number; correct the figure",
        ),
        (
            "entry_bps_max = 8.0",
            "entry_bps_max = inf",
            "pairs[0].entry_bps_max: inf is not a finite number; correct the figure",
        ),
        (
            "entry_bps_min = 3.0",
            "entry_bps_min = 9.0",
            "pairs[0].entry_bps_min: 9 is above entry_bps_max, 8; set it to entry_bps_max or below",
        ),
        (
            "exit_bps = 0.5",
            "exit_bps = 4.5",
            "pairs[0].exit_bps: 4.5 is above entry_bps, 4; set it to entry_bps or below",
        ),
        (
            "size_quote = 5000.0",
            "size_quote = 0",
            "pairs[0].size_quote: 0 is not a valid size; write an amount of quote currency above 0",
        ),
        (
            "capture_per_day = 12.5",
            "capture_per_day = -inf",
            "pairs[0].capture_per_day: -inf is not a finite number; correct the figure",
        ),
        (
            "episodes_per_day = 40",
            "episodes_per_day = nan",
            "pairs[0].evidence.episodes_per_day: NaN is not a finite number; correct the figure",
        ),
        ("\"Another.\"", "\" \"", "pairs[1].reason: it is empty; say in one sentence why"),
        ("lake = \"lake\"", "lake = \"lake\"\nleak = 1", "leak: no such key; did you mean `lake`?"),
        (
            "reason = \"Another.\"",
            "reason = \"Another.\"\nweather = 1",
            "pairs[1].weather: no such key; remove it; docs/recommendations.md has every key",
        ),
        (
            "expires = 2026-12-01T02:10:00Z",
            "expires = 2026-12-01T02:10:00",
            "line 3: 2026-12-01T02:10:00 is not a time with an offset like 2026-11-24T02:10:00Z; \
                 correct the line; docs/recommendations.md has every key",
        ),
        (
            "from = 2026-11-17",
            "from = 2026-11-17T00:00:00Z",
            "line 4: 2026-11-17T00:00:00Z is not a day like 2026-11-24; correct the line; \
                 docs/recommendations.md has every key",
        ),
        (
            "enabled = true",
            "enabled = \"yes\"",
            "line 11: invalid type: string \"yes\", expected a boolean; correct the line; \
                 docs/recommendations.md has every key",
        ),
    ];

    #[test]
    fn each_problem_is_told_with_its_key_reason_and_remedy() {
        for (from, to, expected) in PROBLEMS {
            assert_eq!(told(&with(from, to)), [*expected]);
        }
    }
    #[test]
    fn all_problems_are_told_at_once() {
        let text = with("entry_bps = 4.0", "entry_bps = 9")
            .replace("size_quote = 1\n", "size_quote = -1\n")
            + "[pears]\n";
        let keys: Vec<_> = read_at(&text, "2027-01-01T00:00:00Z").unwrap_err();
        let keys: Vec<_> = keys.into_iter().map(|p| p.key).collect();
        assert_eq!(keys, ["pears", "expires", "pairs[0].entry_bps", "pairs[1].size_quote"]);
    }

    #[test]
    fn a_misspelt_key_is_named_though_the_right_one_is_missing() {
        let told = told(&with("exit_bps", "exit_bp"));
        assert_eq!(told[0], "pairs[0].exit_bp: no such key; did you mean `exit_bps`?");
        assert!(told[1].contains("missing field `exit_bps`"), "{told:?}");
        assert_eq!(told.len(), 2);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_a_problem_with_its_name() {
        let problems = read(Path::new("no/such.toml"), 0).unwrap_err();
        assert_eq!(problems.len(), 1);
        let told = problems[0].to_string();
        assert!(told.starts_with("no/such.toml: cannot be read: "), "{told}");
        assert!(told.ends_with("; name a readable TOML file; `analyzer` writes one"), "{told}");
    }

    #[test]
    fn what_is_written_is_read_the_same() {
        let mut all = read_at(GOOD, NOW).unwrap();
        assert_eq!(all.pairs[0].evidence, BTreeMap::from([("episodes_per_day".into(), 40.0)]));
        all.pairs[1].reason = "Quotes \"\" and\nlines, \u{1f600} # no comment".to_owned();
        all.pairs[1].entry_bps_max = 6.100_000_000_000_001;
        all.generated += 123_456_789;
        assert_eq!(read_at(&all.to_toml(), NOW).unwrap(), all);
        let wrong =
            Recommendations { from: "2026-13-01".into(), to: "today".into(), ..all.clone() };
        let told: Vec<String> =
            wrong.check(Path::new("f"), 0).iter().map(ToString::to_string).collect();
        let expected = [
            "f: from: \"2026-13-01\" is not a day; write it as 2026-11-24",
            "f: to: \"today\" is not a day; write it as 2026-11-24",
        ];
        assert_eq!(told, expected);
        let none = Recommendations { pairs: Vec::new(), ..all };
        assert_eq!(read_at(&none.to_toml(), NOW).unwrap(), none);
    }

    #[test]
    fn the_example_of_the_document_is_a_file_and_has_every_key_that_it_explains() {
        let document = include_str!("../../../docs/recommendations.md");
        let example = document.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
        let read = read_at(example, NOW).unwrap();
        assert_eq!(read.to_toml(), example);
        let rows = document.lines().filter_map(|line| line.strip_prefix("| `"));
        let mut explained: Vec<&str> = rows.filter_map(|row| row.split('`').next()).collect();
        explained.push("pairs");
        explained.sort_unstable();
        let keys = KnownKeys::of::<Recommendations>();
        assert!(keys.is_free("pairs.evidence"));
        let mut known: Vec<&str> =
            keys.paths().filter_map(|path| path.rsplit('.').next()).collect();
        known.sort_unstable();
        assert_eq!(explained, known);
        for key in known {
            let set = |line: &str| {
                line.starts_with(&format!("{key} = ")) || line.ends_with(&format!("{key}]"))
            };
            assert!(example.contains(&format!("[[{key}]]")) || example.lines().any(set), "{key}");
        }
    }
}
