//! `approved.toml`: the pairs of venues that a person has approved of the analyzer's recommendations.
//! It is the only file that the engine and the trader open pairs by. `docs/recommendations.md` is
//! the manual.
//!
//! `analyzer approve` and `analyzer revoke` write it; no analysis does. A person may move an entry
//! within its bounds, an exit up to the entry, and a size down. Each approval expires by itself:
//! from then on its pair opens nothing, and what is open closes as usual. [`read`] reports all
//! problems at once.

use crate::clock::Nanos;
use crate::decision::{PairRule, PairRules};
use crate::execution::Exit;
use crate::instrument::Catalogue;
use crate::moment::{date_time, time_to_text};
use crate::problem::{Faults, Form, Problem};
use crate::recommendations::{Pair, Terms, finite, format_of, is_hex, name_of, unknown_format};
use crate::spread::BPS;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// Usual name of the file.
pub const FILE: &str = "approved.toml";
/// Version of the file format that is read and written.
pub const FORMAT: u32 = 2;

/// Contents of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Approved {
    /// Version of the file format: [`FORMAT`].
    pub format: u32,
    /// Approved pairs, in the order in which they were approved first.
    #[serde(default)]
    pub pairs: Vec<Approval>,
}

impl Default for Approved {
    fn default() -> Approved {
        Approved { format: FORMAT, pairs: Vec::new() }
    }
}

/// An approved pair: one instrument, bought on one venue and sold on another.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    /// Canonical name: `BTC/USDT`.
    pub instrument: String,
    /// Name of the venue to buy on.
    pub buy: String,
    /// Name of the venue to sell on.
    pub sell: String,
    /// How the pair is traded, which is how the promise below was computed.
    pub model: Exit,
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
    /// Upper bound of `size_quote`.
    pub size_quote_max: f64,
    /// Profit that was promised, quote currency per day of recorded time. What was not known is
    /// absent, here and below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_day: Option<f64>,
    /// Lower end of its 90 % interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_day_low: Option<f64>,
    /// Upper end of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_day_high: Option<f64>,
    /// Lower end of the 90 % interval of the profit of one day to come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_day_low: Option<f64>,
    /// Upper end of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_day_high: Option<f64>,
    /// Why the pair was recommended.
    pub reason: String,
    /// Who approved it.
    pub approved_by: String,
    /// When, ns since 1970 UTC.
    #[serde(with = "date_time")]
    pub approved_at: Nanos,
    /// Expiry, ns since 1970 UTC. At or after this time the pair opens nothing.
    #[serde(with = "date_time")]
    pub expires: Nanos,
    /// Digest of the recommendation that was approved ([`Pair::digest`]).
    pub evidence: String,
}

/// Hint for a user who has no such file, or the wrong one.
const START: &str = "`analyzer approve PAIR...` writes one";
const FORM: Form = Form { start: START, document: "docs/recommendations.md", gone: &[] };

/// Comment at the top of every file that is written.
const HEAD: &str = "\
# Pairs that a person has approved. Engine and trader open these pairs and no others.
#
# Approve:  analyzer approve PAIR...     List:  analyzer approved     Revoke:  analyzer revoke PAIR...
# Edit:     `entry_bps` within its bounds, `exit_bps` up to the entry, `size_quote` down. Approving
#           and revoking write the file anew, without the comments of others.
# Use:      [decision] approved = \"FILE\" in the engine's configuration, or trader --approved FILE.
#
# From its `expires` on, a pair opens nothing. docs/recommendations.md explains every key.

";

/// Reads a file and checks it. An approval that has expired is no problem.
///
/// # Errors
/// Every problem found, each with its key and a remedy.
pub fn read(path: &Path) -> Result<Approved, Vec<Problem>> {
    let mut problems = Vec::new();
    let Some(text) = FORM.text(path, &mut problems) else { return Err(problems) };
    if let Some(other) = other_file(path, &text) {
        // The meaning of its keys is another one, or unknown.
        return Err(vec![other]);
    }
    let Some(read) = FORM.parse::<Approved>(path, &text, &mut problems) else {
        return Err(problems);
    };
    problems.extend(read.check(path));
    if problems.is_empty() { Ok(read) } else { Err(problems) }
}

/// Returns what is wrong with a file that is not one of approvals, or of another format.
fn other_file(path: &Path, text: &str) -> Option<Problem> {
    let table: toml::Table = text.parse().ok()?;
    if table.contains_key("generated") {
        let reason = "it is a file of recommendations, which opens nothing".to_owned();
        let remedy = format!("{START}; name that one");
        return Some(Problem { file: path.to_owned(), key: String::new(), reason, remedy });
    }
    let format = format_of(&table).filter(|format| *format != i64::from(FORMAT))?;
    Some(unknown_format(path, format, FORMAT))
}

impl Approved {
    /// Returns every problem. The problems name `file`.
    #[must_use]
    pub fn check(&self, file: &Path) -> Vec<Problem> {
        if self.format != FORMAT {
            return vec![unknown_format(file, i64::from(self.format), FORMAT)];
        }
        let mut faults = Faults::new(file, Vec::new());
        let mut seen = HashMap::new();
        for (number, pair) in self.pairs.iter().enumerate() {
            let key = |field: &str| format!("pairs[{number}].{field}");
            pair.check(&key, &mut faults);
            if let Some(first) = seen.insert(pair.key(), number) {
                let reason = format!("{} appears twice, see pairs[{first}]", pair.name());
                faults.add(&key("instrument"), reason, "keep one of them");
            }
        }
        faults.into_list()
    }

    /// Returns the text of the file, with a comment at the top that explains how to use it. Reading
    /// the text gives an equal value.
    ///
    /// # Panics
    /// Never: plain fields can be written.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let text = toml::to_string(self).expect("plain fields can be written");
        format!("{HEAD}{text}")
    }

    /// Returns the approvals that have not expired at `now`, ns since 1970 UTC, with their indexes in
    /// the file.
    pub fn live(&self, now: Nanos) -> impl Iterator<Item = (usize, &Approval)> {
        self.pairs.iter().enumerate().filter(move |(_, pair)| now < pair.expires)
    }

    /// Returns the decision's rules for a catalogue, and the indexes of approvals that the catalogue
    /// does not have: an instrument or venue is missing, or the venue does not list the instrument.
    /// Approvals that have expired at `now`, ns since 1970 UTC, are in neither.
    #[must_use]
    pub fn rules(&self, catalogue: &Catalogue, now: Nanos) -> (PairRules, Vec<usize>) {
        let mut rules = PairRules::default();
        let mut unlisted = Vec::new();
        for (number, pair) in self.live(now) {
            match pair.rule(catalogue) {
                Some(rule) => rules.pairs.push(rule),
                None => unlisted.push(number),
            }
        }
        (rules, unlisted)
    }

    /// Describes how many pairs may open at `now`, ns since 1970 UTC, and until when.
    #[must_use]
    pub fn describe(&self, now: Nanos) -> String {
        let (live, all) = (self.live(now).count(), self.pairs.len());
        let next = self.live(now).map(|(_, pair)| pair.expires).min();
        let Some(next) = next else { return nothing_opens(all) };
        let expired = match all - live {
            0 => String::new(),
            1 => ", 1 has expired".to_owned(),
            more => format!(", {more} have expired"),
        };
        let s = if all == 1 { "" } else { "s" };
        let until = time_to_text(next);
        format!("{live} of {all} approved pair{s} enabled, the first until {until}{expired}")
    }

    /// Returns a warning if nothing may open at `now`, ns since 1970 UTC.
    #[must_use]
    pub fn warning(&self, now: Nanos) -> Option<String> {
        self.live(now).next().is_none().then(|| nothing_opens(self.pairs.len()))
    }
}

/// Says that nothing opens, because there are no approvals or all of them have expired.
fn nothing_opens(approvals: usize) -> String {
    let why = match approvals {
        0 => "no pair is approved".to_owned(),
        1 => "the one approval has expired".to_owned(),
        all => format!("all {all} approvals have expired"),
    };
    format!("0 pairs enabled: nothing will open ({why}; `analyzer approve` approves pairs)")
}

impl Approval {
    /// Approves a recommended pair: its own thresholds, until `expires`, ns since 1970 UTC.
    #[must_use]
    pub fn of(pair: &Pair, by: &str, now: Nanos, expires: Nanos) -> Approval {
        Approval {
            instrument: pair.instrument.clone(),
            buy: pair.buy.clone(),
            sell: pair.sell.clone(),
            model: pair.model,
            entry_bps: pair.entry_bps,
            entry_bps_min: pair.entry_bps_min,
            entry_bps_max: pair.entry_bps_max,
            exit_bps: pair.exit_bps,
            size_quote: pair.size_quote,
            size_quote_max: pair.size_quote,
            per_day: pair.per_day,
            per_day_low: pair.per_day_low,
            per_day_high: pair.per_day_high,
            next_day_low: pair.next_day_low,
            next_day_high: pair.next_day_high,
            reason: pair.reason.clone(),
            approved_by: by.to_owned(),
            approved_at: now,
            expires,
            evidence: pair.digest.clone(),
        }
    }

    /// Returns the instrument, the venue to buy on and the venue to sell on.
    #[must_use]
    pub fn key(&self) -> (&str, &str, &str) {
        (&self.instrument, &self.buy, &self.sell)
    }

    /// Returns the name of the pair as users see it: `BTC/USDT buy okx sell binance`.
    #[must_use]
    pub fn name(&self) -> String {
        name_of(self.key())
    }

    fn check(&self, key: &impl Fn(&str) -> String, faults: &mut Faults) {
        let terms = Terms {
            key: self.key(),
            entry_bps: self.entry_bps,
            bounds_bps: (self.entry_bps_min, self.entry_bps_max),
            exit_bps: self.exit_bps,
            size_quote: self.size_quote,
            per_day: (self.per_day_low, self.per_day_high),
            next_day: (self.next_day_low, self.next_day_high),
            reason: &self.reason,
        };
        terms.check(key, faults);
        finite(self.figures(), &BTreeMap::new(), key, faults);
        let (size, most) = (self.size_quote, self.size_quote_max);
        if size.is_finite() && most.is_finite() && most < size {
            let reason = format!("{size} is above size_quote_max, {most}");
            faults.add(&key("size_quote"), reason, format!("choose {most} or less"));
        }
        if self.approved_by.trim().is_empty() {
            faults.add(&key("approved_by"), "it is empty", "name who approved the pair");
        }
        if self.expires <= self.approved_at {
            let (expires, at) = (time_to_text(self.expires), time_to_text(self.approved_at));
            let reason = format!("{expires} is not after approved_at, {at}");
            faults.add(&key("expires"), reason, "set it to a later time");
        }
        if !is_hex(&self.evidence) {
            let reason = format!("{:?} is no digest", self.evidence);
            faults.add(&key("evidence"), reason, "approve the pair with `analyzer approve`");
        }
    }

    /// Returns the figures by key; `None` if one is unknown.
    fn figures(&self) -> [(&'static str, Option<f64>); 11] {
        [
            ("entry_bps", Some(self.entry_bps)),
            ("entry_bps_min", Some(self.entry_bps_min)),
            ("entry_bps_max", Some(self.entry_bps_max)),
            ("exit_bps", Some(self.exit_bps)),
            ("size_quote", Some(self.size_quote)),
            ("size_quote_max", Some(self.size_quote_max)),
            ("per_day", self.per_day),
            ("per_day_low", self.per_day_low),
            ("per_day_high", self.per_day_high),
            ("next_day_low", self.next_day_low),
            ("next_day_high", self.next_day_high),
        ]
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
            expires: self.expires,
        })
    }
}

/// Tells when approvals expire, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expiries {
    /// Expiry and name of the approvals that have not expired yet, the first one last.
    coming: Vec<(Nanos, String)>,
    /// Number of approvals.
    all: usize,
}

impl Expiries {
    /// Returns those of the approvals that have not expired at `now`, ns since 1970 UTC.
    #[must_use]
    pub fn after(approved: &Approved, now: Nanos) -> Expiries {
        let coming = approved.live(now).map(|(_, pair)| (pair.expires, pair.name()));
        let mut coming: Vec<_> = coming.collect();
        coming.sort_unstable_by(|a, b| b.cmp(a));
        Expiries { coming, all: approved.pairs.len() }
    }

    /// Returns whether no approval is left that has not expired.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.coming.is_empty()
    }

    /// Returns what has expired by `now`, ns since 1970 UTC, and was not told before: a sentence for
    /// each pair, and one more if none is left.
    pub fn pass(&mut self, now: Nanos) -> Vec<String> {
        let mut told = Vec::new();
        while let Some((_, name)) = self.coming.pop_if(|(expires, _)| *expires <= now) {
            told.push(format!("the approval of {name} has expired: it opens nothing any more"));
        }
        if !told.is_empty() && self.is_over() {
            told.push(nothing_opens(self.all));
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instrument::{Instrument, Listing, VenueId, VenueInfo};
    use crate::known_keys::KnownKeys;
    use crate::moment::time_of_text;

    /// A valid file that tests modify.
    const GOOD: &str = r#"format = 2
[[pairs]]
instrument = "BTC/USDT"
buy = "okx"
sell = "binance"
model = "convergence"
entry_bps = 4.0
entry_bps_min = 3.0
entry_bps_max = 8.0
exit_bps = 0.5
size_quote = 2000.0
size_quote_max = 5000.0
per_day = 12.5
per_day_low = 7.5
per_day_high = 18
next_day_low = 1.5
next_day_high = 23.5
reason = "It opened 40 times a day and paid after fees."
approved_by = "ada"
approved_at = 2026-11-24T08:00:00Z
expires = 2026-12-01T02:10:00Z
evidence = "c0ffee"
[[pairs]]
instrument = "ETH/USDT"
buy = "okx"
sell = "binance"
model = "inventory"
entry_bps = 6
entry_bps_min = 6
entry_bps_max = 6
exit_bps = -1
size_quote = 1
size_quote_max = 1
reason = "Another."
approved_by = "bob"
approved_at = 2026-11-24T08:00:00Z
expires = 2026-11-30T02:10:00Z
evidence = "c0ffef"
"#;

    fn read_text(text: &str) -> Result<Approved, Vec<Problem>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("approved.toml");
        std::fs::write(&path, text).unwrap();
        read(&path)
    }

    /// Returns the problems of the valid file with a replacement, formatted as `key: reason; remedy`.
    fn told(from: &str, to: &str) -> Vec<String> {
        assert!(GOOD.contains(from), "{from}");
        let problems = read_text(&GOOD.replacen(from, to, 1)).unwrap_err();
        problems.iter().map(|p| format!("{}: {}; {}", p.key, p.reason, p.remedy)).collect()
    }

    fn at(text: &str) -> Nanos {
        time_of_text(text).unwrap()
    }

    const PROBLEMS: &[(&str, &str, &str)] = &[
        (
            "format = 2",
            "format = 7",
            "format: format 7 is unknown; this version reads format 2: use an analyzer of the same \
                 version",
        ),
        (
            "format = 2",
            "format = 1\ngenerated = 2026-11-24T02:10:00Z",
            ": it is a file of recommendations, which opens nothing; `analyzer approve PAIR...` \
                 writes one; name that one",
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
            "exit_bps = 0.5",
            "exit_bps = 4.5",
            "pairs[0].exit_bps: 4.5 is above entry_bps, 4; set it to entry_bps or below",
        ),
        (
            "size_quote = 2000.0",
            "size_quote = 5000.5",
            "pairs[0].size_quote: 5000.5 is above size_quote_max, 5000; choose 5000 or less",
        ),
        (
            "size_quote = 2000.0",
            "size_quote = -2",
            "pairs[0].size_quote: -2 is not a valid size; write an amount of quote currency above 0",
        ),
        (
            "size_quote_max = 5000.0",
            "size_quote_max = inf",
            "pairs[0].size_quote_max: inf is not a finite number; correct the figure",
        ),
        (
            "per_day_low = 7.5",
            "per_day_low = 20",
            "pairs[0].per_day_low: 20 is above per_day_high, 18; write the lower end of the interval",
        ),
        (
            "next_day_low = 1.5",
            "next_day_low = 30",
            "pairs[0].next_day_low: 30 is above next_day_high, 23.5; write the lower end of the interval",
        ),
        ("\"ada\"", "\"\"", "pairs[0].approved_by: it is empty; name who approved the pair"),
        (
            "expires = 2026-12-01T02:10:00Z",
            "expires = 2026-11-24T08:00:00Z",
            "pairs[0].expires: 2026-11-24T08:00:00Z is not after approved_at, \
                 2026-11-24T08:00:00Z; set it to a later time",
        ),
        (
            "\"c0ffee\"",
            "\"\"",
            "pairs[0].evidence: \"\" is no digest; approve the pair with `analyzer approve`",
        ),
        (
            "ETH/USDT",
            "BTC/USDT",
            "pairs[1].instrument: BTC/USDT buy okx sell binance appears twice, see pairs[0]; keep \
                 one of them",
        ),
        (
            "reason = \"Another.\"",
            "reason = \"Another.\"\nenabled = true",
            "pairs[1].enabled: no such key; remove it; docs/recommendations.md has every key",
        ),
    ];

    #[test]
    fn each_problem_is_told_with_its_key_reason_and_remedy() {
        for (from, to, expected) in PROBLEMS {
            assert_eq!(told(from, to), [*expected]);
        }
        let text = GOOD.replace("entry_bps = 4.0", "entry_bps = 9").replace("\"bob\"", "\"\"");
        assert_eq!(read_text(&text).unwrap_err().len(), 2, "all problems at once");
        let missing = read(Path::new("no/such.toml")).unwrap_err()[0].to_string();
        assert!(missing.ends_with("; `analyzer approve PAIR...` writes one"), "{missing}");
    }

    #[test]
    fn edits_within_the_bounds_are_taken() {
        for (from, to) in [
            ("entry_bps = 4.0", "entry_bps = 3"),
            ("entry_bps = 4.0", "entry_bps = 8"),
            ("exit_bps = 0.5", "exit_bps = 4.0"),
            ("exit_bps = 0.5", "exit_bps = -90"),
            ("size_quote = 2000.0", "size_quote = 5000"),
            ("size_quote = 2000.0", "size_quote = 0.01"),
        ] {
            read_text(&GOOD.replacen(from, to, 1)).unwrap();
        }
    }

    #[test]
    fn what_is_written_is_read_the_same() {
        let mut all = read_text(GOOD).unwrap();
        all.pairs[1].approved_by = "Quotes \"\" and\nlines".to_owned();
        all.pairs[0].approved_at += 123_456_789;
        assert_eq!(read_text(&all.to_toml()).unwrap(), all);
        let none = Approved::default();
        assert_eq!(read_text(&none.to_toml()).unwrap(), none);
        // An empty file says nothing, not that nothing is approved.
        assert!(read_text("").unwrap_err()[0].reason.contains("missing field `format`"));
    }

    #[test]
    fn an_approval_is_of_the_figures_of_the_recommendation() {
        let pair = Pair {
            instrument: "A/B".to_owned(),
            size_quote: 7.0,
            per_day_low: Some(2.0),
            digest: "aa".to_owned(),
            ..Pair::default()
        };
        let approval = Approval::of(&pair, "ada", 5, 9);
        assert_eq!((approval.size_quote, approval.size_quote_max), (7.0, 7.0));
        assert_eq!((approval.per_day_low, approval.per_day), (Some(2.0), None));
        assert_eq!((approval.approved_at, approval.expires, &*approval.evidence), (5, 9, "aa"));
    }

    #[test]
    fn each_approval_expires_by_itself_and_it_is_said_when_nothing_is_left() {
        let all = read_text(GOOD).unwrap();
        let (first, last) = (at("2026-11-30T02:10:00Z"), at("2026-12-01T02:10:00Z"));
        for (now, described) in [
            (0, "2 of 2 approved pairs enabled, the first until 2026-11-30T02:10:00Z"),
            (
                first,
                "1 of 2 approved pairs enabled, the first until 2026-12-01T02:10:00Z, 1 has expired",
            ),
            (
                last,
                "0 pairs enabled: nothing will open (all 2 approvals have expired; `analyzer \
                 approve` approves pairs)",
            ),
        ] {
            assert_eq!(all.describe(now), described);
            assert_eq!(all.warning(now).is_some(), now == last);
        }
        let none = Approved::default();
        assert!(
            none.warning(0).unwrap().starts_with("0 pairs enabled: nothing will open (no pair")
        );
        let mut expiries = Expiries::after(&all, 0);
        assert!(expiries.pass(first - 1).is_empty());
        let told = expiries.pass(first);
        let expected = "the approval of ETH/USDT buy okx sell binance has expired: it opens nothing \
                        any more";
        assert_eq!(told, [expected]);
        assert!(expiries.pass(first).is_empty() && !expiries.is_over());
        let told = expiries.pass(last + 1);
        assert_eq!(told.len(), 2);
        assert!(told[1].starts_with("0 pairs enabled: nothing will open"), "{told:?}");
        assert!(expiries.is_over() && expiries.pass(Nanos::MAX).is_empty());
        assert!(Expiries::after(&all, last).is_over());
    }

    #[test]
    fn rules_are_those_of_the_catalogue_that_have_not_expired() {
        let all = read_text(GOOD).unwrap();
        let venue = |name: &str| VenueInfo { name: name.into(), taker_fee: 0.0, max_age: 1 };
        let instrument =
            |name: &str| Instrument { name: name.into(), price_scale: 2, size_scale: 2 };
        let listing = |instrument, venue, symbol: &str| Listing {
            instrument: crate::instrument::InstrumentId(instrument),
            venue: VenueId(venue),
            symbol: symbol.into(),
        };
        let catalogue = Catalogue {
            instruments: vec![instrument("BTC/USDT"), instrument("ETH/USDT")],
            venues: vec![venue("binance"), venue("okx")],
            listings: vec![listing(0, 0, "a"), listing(0, 1, "b"), listing(1, 0, "c")],
        };
        let (rules, unlisted) = all.rules(&catalogue, 0);
        assert_eq!(unlisted, [1], "okx does not list ETH/USDT");
        assert_eq!(rules.pairs.len(), 1);
        let PairRule { buy_venue, sell_venue, entry, exit, expires, .. } = rules.pairs[0];
        assert_eq!((buy_venue, sell_venue), (VenueId(1), VenueId(0)));
        assert_eq!((entry, exit, expires), (0.0004, 0.00005, at("2026-12-01T02:10:00Z")));
        let (rules, unlisted) = all.rules(&catalogue, at("2026-12-01T02:10:00Z"));
        assert!(rules.pairs.is_empty() && unlisted.is_empty());
    }

    #[test]
    fn the_example_of_the_document_is_a_file_and_has_every_key_that_it_explains() {
        let document = include_str!("../../../docs/recommendations.md");
        let document = document.split("\n## ").find(|part| part.starts_with("approved.toml"));
        let document = document.unwrap();
        let example = document.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
        assert_eq!(read_text(example).unwrap().to_toml(), example);
        let rows = document.lines().filter_map(|line| line.strip_prefix("| `"));
        let mut explained: Vec<&str> = rows.filter_map(|row| row.split('`').next()).collect();
        explained.push("pairs");
        explained.sort_unstable();
        let keys = KnownKeys::of::<Approved>();
        let mut known: Vec<&str> =
            keys.paths().filter_map(|path| path.rsplit('.').next()).collect();
        known.sort_unstable();
        assert_eq!(explained, known);
    }
}
