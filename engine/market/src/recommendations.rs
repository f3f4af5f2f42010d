//! The analyzer's `recommendations.toml`: the pairs of venues worth opening, with their thresholds,
//! bounds, expected profits, reasons and evidence. `docs/recommendations.md` is the manual.
//!
//! This is the only definition of the file. `analyzer` writes it anew every night, and nobody edits
//! it: each pair carries a digest of its own figures and of the data behind them. What a person
//! approves of it goes to another file ([`crate::approved`]), which alone opens anything. [`read`]
//! reports all problems at once. The caller supplies the time.

use crate::clock::Nanos;
use crate::execution::Exit;
use crate::moment::{date, date_time, time_to_text};
use crate::problem::{Faults, Form, Problem};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// Version of the file format that is read and written.
pub const FORMAT: u32 = 2;

/// Contents of the file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recommendations {
    /// Version of the file format: [`FORMAT`].
    pub format: u32,
    /// Time of the analysis, ns since 1970 UTC. In the file it is an RFC 3339 date-time.
    #[serde(with = "date_time")]
    pub generated: Nanos,
    /// Expiry, ns since 1970 UTC. At or after this time nothing of it can be approved.
    #[serde(with = "date_time")]
    pub expires: Nanos,
    /// First day that was analysed, `YYYY-MM-DD`, UTC.
    #[serde(with = "date")]
    pub from: String,
    /// Last day that was analysed, inclusive.
    #[serde(with = "date")]
    pub to: String,
    /// Path of the lake, as the user gave it.
    pub lake: String,
    /// Time of the period that was recorded, hours; absent if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded_hours: Option<f64>,
    /// Digest of the data that was analysed, as hexadecimal text.
    pub data_digest: String,
    /// Recommended pairs, best first: all of them.
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
    /// What becomes of its legs, which decides what its expected profit is.
    pub model: Exit,
    /// Entry threshold: the pair opens at this net spread or above, basis points. Within the bounds
    /// below.
    pub entry_bps: f64,
    /// Lower bound of the entry that may be approved.
    pub entry_bps_min: f64,
    /// Upper bound of it.
    pub entry_bps_max: f64,
    /// Exit threshold: the pair closes below this net spread, basis points; not above `entry_bps`.
    pub exit_bps: f64,
    /// Maximum order size, quote currency; above 0.
    pub size_quote: f64,
    /// Expected profit after fees, quote currency per day of recorded time. What is unknown is absent,
    /// here and below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_day: Option<f64>,
    /// Lower end of the 90 % interval of `per_day`; pairs are ranked by it.
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
    /// Profit per day in the part of the period that nothing was chosen by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_out_per_day: Option<f64>,
    /// Independent events in that part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_out_events: Option<u64>,
    /// Independent events in the whole period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<u64>,
    /// Time in which both venues gave usable quotes, hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live_hours: Option<f64>,
    /// Why the pair is recommended, in one sentence.
    pub reason: String,
    /// Digest of all the above and of the file's head, which has that of the data ([`Pair::digest_of`]).
    pub digest: String,
    /// Figures that support the recommendation, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub evidence: BTreeMap<String, f64>,
}

const FORM: Form = Form {
    start: "`analyzer` writes one",
    document: "docs/recommendations.md",
    gone: &[("pairs.enabled", "approve the pair with `analyzer approve`")],
};

/// Comment at the top of every file that is written.
const HEAD: &str = "\
# Recommendations of the analyzer, written anew by every analysis. Do not edit: the digest of an
# edited pair does not match, and it cannot be approved. Nothing here opens anything.
#
# Review:   analyzer diff OLD NEW          what changed between two analyses
# Approve:  analyzer approve PAIR...       writes approved.toml, which engine and trader read
#
# docs/recommendations.md explains every key.

";

/// Reads a file and checks it as of `now`, ns since 1970 UTC. If `now` is 0, the expiry is not
/// checked.
///
/// # Errors
/// Every problem found, each with its key and a remedy.
pub fn read(path: &Path, now: Nanos) -> Result<Recommendations, Vec<Problem>> {
    let mut problems = Vec::new();
    let Some(text) = FORM.text(path, &mut problems) else { return Err(problems) };
    let table = text.parse().unwrap_or_default();
    if let Some(format) = format_of(&table).filter(|format| *format != i64::from(FORMAT)) {
        // The meaning of the other keys of an unknown format is unknown too.
        return Err(vec![other_format(path, format)]);
    }
    let Some(read) = FORM.parse::<Recommendations>(path, &text, &mut problems) else {
        return Err(problems);
    };
    problems.extend(read.check(path, now));
    if problems.is_empty() { Ok(read) } else { Err(problems) }
}

/// Returns the format number of a file, if it has one.
pub(crate) fn format_of(file: &toml::Table) -> Option<i64> {
    file.get("format")?.as_integer()
}

/// Says that a file is of another format than `ours`.
pub(crate) fn unknown_format(path: &Path, format: i64, ours: u32) -> Problem {
    Problem {
        file: path.to_owned(),
        key: "format".to_owned(),
        reason: format!("format {format} is unknown"),
        remedy: format!("this version reads format {ours}: use an analyzer of the same version"),
    }
}

fn other_format(path: &Path, format: i64) -> Problem {
    let unknown = unknown_format(path, format, FORMAT);
    if format != 1 {
        return unknown;
    }
    let remedy = format!(
        "it was written by an earlier version: run the analyzer again, which writes format \
         {FORMAT}, then approve pairs with `analyzer approve`"
    );
    Problem { reason: "format 1 is not read any more".to_owned(), remedy, ..unknown }
}

impl Recommendations {
    /// Returns every problem as of `now`, ns since 1970 UTC. The problems name `file`.
    #[must_use]
    pub fn check(&self, file: &Path, now: Nanos) -> Vec<Problem> {
        if self.format != FORMAT {
            return vec![other_format(file, i64::from(self.format))];
        }
        let mut faults = Faults::new(file, Vec::new());
        times(self, now, &mut faults);
        if !is_hex(&self.data_digest) {
            let reason = format!("{:?} is no digest", self.data_digest);
            faults.add("data_digest", reason, "run the analyzer again, and do not edit its file");
        }
        let (mut seen, head) = (HashMap::new(), self.head());
        for (number, pair) in self.pairs.iter().enumerate() {
            let key = |field: &str| format!("pairs[{number}].{field}");
            let terms = pair.terms();
            let before = faults.len();
            terms.check(&key, &mut faults);
            finite(pair.figures(), &pair.evidence, &key, &mut faults);
            if before == faults.len() && pair.digest != pair.digest_of(&head) {
                let reason = "it does not match the pair's figures and the head of the file";
                let remedy = "run the analyzer again, and do not edit its file";
                faults.add(&key("digest"), reason, remedy);
            }
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
    /// If `from` or `to` is not a day, which [`check`](Self::check) reports.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let text = toml::to_string(self).expect("days and plain fields can be written");
        format!("{HEAD}{text}")
    }

    /// Sets the digest of every pair.
    #[must_use]
    pub fn sealed(mut self) -> Recommendations {
        let head = self.head();
        for pair in &mut self.pairs {
            pair.digest = pair.digest_of(&head);
        }
        self
    }

    /// Returns what stands before the pairs, a value a line, times in ns since 1970 UTC.
    #[must_use]
    pub fn head(&self) -> String {
        let Recommendations { format, generated, expires, from, to, lake, data_digest, .. } = self;
        let hours = self.recorded_hours.map(|hours| hours.to_string()).unwrap_or_default();
        format!("{format}\n{generated}\n{expires}\n{from}\n{to}\n{lake}\n{hours}\n{data_digest}")
    }

    /// Returns the pair of these names.
    #[must_use]
    pub fn pair(&self, (instrument, buy, sell): (&str, &str, &str)) -> Option<&Pair> {
        self.pairs.iter().find(|pair| pair.key() == (instrument, buy, sell))
    }
}

impl Pair {
    /// Returns the figures of the pair by key; `None` if one is unknown.
    #[must_use]
    pub fn figures(&self) -> [(&'static str, Option<f64>); 14] {
        #[expect(clippy::cast_precision_loss, reason = "counts of events, far below 2^53")]
        let count = |count: Option<u64>| count.map(|count| count as f64);
        [
            ("entry_bps", Some(self.entry_bps)),
            ("entry_bps_min", Some(self.entry_bps_min)),
            ("entry_bps_max", Some(self.entry_bps_max)),
            ("exit_bps", Some(self.exit_bps)),
            ("size_quote", Some(self.size_quote)),
            ("per_day", self.per_day),
            ("per_day_low", self.per_day_low),
            ("per_day_high", self.per_day_high),
            ("next_day_low", self.next_day_low),
            ("next_day_high", self.next_day_high),
            ("held_out_per_day", self.held_out_per_day),
            ("held_out_events", count(self.held_out_events)),
            ("events", count(self.events)),
            ("live_hours", self.live_hours),
        ]
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

    /// Returns the digest of the pair, which is the SHA-256 of its text in the file without the
    /// digest, a line feed, and [`Recommendations::head`]; in hexadecimal.
    ///
    /// # Panics
    /// Never: plain fields can be written.
    #[must_use]
    pub fn digest_of(&self, head: &str) -> String {
        let bare = Pair { digest: String::new(), ..self.clone() };
        let text = toml::to_string(&bare).expect("plain fields can be written");
        let sum = Sha256::new().chain_update(text).chain_update("\n").chain_update(head);
        sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Returns what a pair is opened by, to be checked.
    fn terms(&self) -> Terms<'_> {
        Terms {
            key: self.key(),
            entry_bps: self.entry_bps,
            bounds_bps: (self.entry_bps_min, self.entry_bps_max),
            exit_bps: self.exit_bps,
            size_quote: self.size_quote,
            per_day: (self.per_day_low, self.per_day_high),
            next_day: (self.next_day_low, self.next_day_high),
            reason: &self.reason,
        }
    }
}

/// Returns the name of a pair as users see it: `BTC/USDT buy okx sell binance`.
#[must_use]
pub fn name_of((instrument, buy, sell): (&str, &str, &str)) -> String {
    format!("{instrument} buy {buy} sell {sell}")
}

/// Returns whether a text is a digest.
pub(crate) fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What is the same in a recommended pair and in an approved one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms<'a> {
    pub(crate) key: (&'a str, &'a str, &'a str),
    pub(crate) entry_bps: f64,
    pub(crate) bounds_bps: (f64, f64),
    pub(crate) exit_bps: f64,
    pub(crate) size_quote: f64,
    /// Both ends of the interval of the profit per day.
    pub(crate) per_day: (Option<f64>, Option<f64>),
    /// Both ends of that of the profit of one day to come.
    pub(crate) next_day: (Option<f64>, Option<f64>),
    pub(crate) reason: &'a str,
}

impl Terms<'_> {
    /// Reports everything that is wrong; figures that are not finite are left to [`finite`].
    pub(crate) fn check(&self, key: &impl Fn(&str) -> String, faults: &mut Faults) {
        self.names(key, faults);
        self.thresholds(key, faults);
    }

    fn names(&self, key: &impl Fn(&str) -> String, faults: &mut Faults) {
        let (instrument, buy, sell) = self.key;
        let plain = |c: char| !c.is_whitespace() && !c.is_control();
        if instrument.is_empty() || !instrument.chars().all(plain) {
            let reason = format!("{instrument:?} is not an instrument");
            faults.add(&key("instrument"), reason, "write the canonical name, such as BTC/USDT");
        }
        for (field, name) in [("buy", buy), ("sell", sell)] {
            let known = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            if name.is_empty() || !name.chars().all(known) {
                let remedy = "write the name as `spreadwire venues` lists it";
                faults.add(&key(field), format!("{name:?} is not a venue name"), remedy);
            }
        }
        if buy == sell {
            let reason = format!("it buys and sells on {buy:?}");
            faults.add(&key("sell"), reason, "name two different venues");
        }
        if self.reason.trim().is_empty() {
            faults.add(&key("reason"), "it is empty", "say in one sentence why");
        }
    }

    fn thresholds(&self, key: &impl Fn(&str) -> String, faults: &mut Faults) {
        let Terms { entry_bps, bounds_bps: (min, max), exit_bps, size_quote, .. } = *self;
        // Values that are not finite are reported elsewhere; comparing them would add nothing.
        let above = |a: f64, b: f64| a.is_finite() && b.is_finite() && b < a;
        if above(min, max) {
            let reason = format!("{min} is above entry_bps_max, {max}");
            faults.add(&key("entry_bps_min"), reason, "set it to entry_bps_max or below");
        } else if above(min, entry_bps) || above(entry_bps, max) {
            let reason = format!("{entry_bps} is outside its bounds");
            faults.add(&key("entry_bps"), reason, format!("choose {min} to {max}"));
        }
        if above(exit_bps, entry_bps) {
            let reason = format!("{exit_bps} is above entry_bps, {entry_bps}");
            faults.add(&key("exit_bps"), reason, "set it to entry_bps or below");
        }
        if size_quote.is_finite() && size_quote <= 0.0 {
            let reason = format!("{size_quote} is not a valid size");
            faults.add(&key("size_quote"), reason, "write an amount of quote currency above 0");
        }
        for (name, ends) in [("per_day", self.per_day), ("next_day", self.next_day)] {
            if let (Some(low), Some(high)) = ends
                && above(low, high)
            {
                let reason = format!("{low} is above {name}_high, {high}");
                let remedy = "write the lower end of the interval";
                faults.add(&key(&format!("{name}_low")), reason, remedy);
            }
        }
    }
}

/// Reports every figure that is not finite.
pub(crate) fn finite(
    figures: impl IntoIterator<Item = (&'static str, Option<f64>)>,
    evidence: &BTreeMap<String, f64>,
    key: &impl Fn(&str) -> String,
    faults: &mut Faults,
) {
    let evidence = evidence.iter().map(|(name, value)| (format!("evidence.{name}"), *value));
    let figures = figures.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    for (field, value) in figures.chain(evidence).filter(|(_, value)| !value.is_finite()) {
        let reason = format!("{value} is not a finite number");
        faults.add(&key(&field), reason, "correct the figure");
    }
}

fn times(all: &Recommendations, now: Nanos, faults: &mut Faults) {
    let expires = time_to_text(all.expires);
    if all.expires <= all.generated {
        let reason = format!("{expires} is not after generated, {}", time_to_text(all.generated));
        faults.add("expires", reason, "set it to a time after generated");
    } else if all.expires <= now {
        let reason = format!("it expired at {expires}");
        faults.add("expires", reason, "run the analyzer again");
    }
    for (key, day) in [("from", &all.from), ("to", &all.to)] {
        if !day.parse().is_ok_and(|day| date::only_date(&day)) {
            faults.add(key, format!("{day:?} is not a day"), "write it as 2026-11-24");
        }
    }
    if all.to < all.from {
        let reason = format!("{} is before from, {}", all.to, all.from);
        faults.add("to", reason, "name the last day of the period");
    }
    if let Some(hours) = all.recorded_hours.filter(|hours| !(0.0..).contains(hours)) {
        let reason = format!("{hours} is no time");
        faults.add("recorded_hours", reason, "write hours, 0 or more");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::known_keys::KnownKeys;
    use crate::moment::time_of_text;

    /// A valid file that tests modify, but for the digests of its pairs.
    const GOOD: &str = r#"format = 2
generated = 2026-11-24T02:10:00Z
expires = 2026-12-01T02:10:00Z
from = 2026-11-17
to = 2026-11-23
lake = "lake"
recorded_hours = 167.5
data_digest = "c0ffee"
[[pairs]]
instrument = "BTC/USDT"
buy = "okx"
sell = "binance"
model = "convergence"
entry_bps = 4.0
entry_bps_min = 3.0
entry_bps_max = 8.0
exit_bps = 0.5
size_quote = 5000.0
per_day = 12.5
per_day_low = 7.5
per_day_high = 18
next_day_low = 1.5
next_day_high = 23.5
held_out_per_day = 11
held_out_events = 80
events = 280
live_hours = 160.25
reason = "It opened 40 times a day and paid after fees."
digest = "DIGEST"
[pairs.evidence]
episodes_per_day = 40
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
reason = "Another."
digest = "DIGEST"
"#;
    const NOW: &str = "2026-11-25T00:00:00Z";

    /// Puts the digests in that belong there, if the text is a file.
    fn sealed(text: &str) -> String {
        let Ok((all, _)) = crate::problem::parse::<Recommendations>(text) else {
            return text.to_owned();
        };
        let mut text = text.to_owned();
        for pair in &all.pairs {
            text = text.replacen("DIGEST", &pair.digest_of(&all.head()), 1);
        }
        text
    }

    fn read_at(text: &str, now: &str) -> Result<Recommendations, Vec<Problem>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("recommendations.toml");
        std::fs::write(&path, text).unwrap();
        read(&path, time_of_text(now).unwrap())
    }

    /// Returns the problems of `text`, formatted as `key: reason; remedy`.
    fn told(text: &str) -> Vec<String> {
        let problems = read_at(&sealed(text), NOW).unwrap_err();
        problems.iter().map(|p| format!("{}: {}; {}", p.key, p.reason, p.remedy)).collect()
    }

    fn with(from: &str, to: &str) -> String {
        assert!(GOOD.contains(from), "{from}");
        GOOD.replacen(from, to, 1)
    }

    /// Replacements in the valid file, each as (old text, new text, the one problem that results).
    const PROBLEMS: &[(&str, &str, &str)] = &[
        (
            "format = 2",
            "format = 3\nmood = 1",
            "format: format 3 is unknown; this version reads format 2: use an analyzer of \
                 the same version",
        ),
        (
            "format = 2",
            "format = 1\nmood = 1",
            "format: format 1 is not read any more; it was written by an earlier version: run the \
                 analyzer again, which writes format 2, then approve pairs with `analyzer approve`",
        ),
        (
            "expires = 2026-12-01T02:10:00Z",
            "expires = 2026-11-24T23:59:59+00:00",
            "expires: it expired at 2026-11-24T23:59:59Z; run the analyzer again",
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
            "recorded_hours = 167.5",
            "recorded_hours = -1",
            "recorded_hours: -1 is no time; write hours, 0 or more",
        ),
        (
            "\"c0ffee\"",
            "\"coffee\"",
            "data_digest: \"coffee\" is no digest; run the analyzer again, and do not edit its file",
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
            "per_day = 12.5",
            "per_day = -inf",
            "pairs[0].per_day: -inf is not a finite number; correct the figure",
        ),
        (
            "per_day_low = 7.5",
            "per_day_low = 18.5",
            "pairs[0].per_day_low: 18.5 is above per_day_high, 18; write the lower end of the \
                 interval",
        ),
        (
            "next_day_low = 1.5",
            "next_day_low = 24",
            "pairs[0].next_day_low: 24 is above next_day_high, 23.5; write the lower end of the \
                 interval",
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
            "reason = \"Another.\"",
            "reason = \"Another.\"\nenabled = true",
            "pairs[1].enabled: there is no such key any more; approve the pair with `analyzer \
                 approve`",
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
            "model = \"convergence\"",
            "model = \"hope\"",
            "line 13: unknown variant `hope`, expected `inventory` or `convergence`; correct the \
                 line; docs/recommendations.md has every key",
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
        let problems = read_at(&sealed(&text), "2027-01-01T00:00:00Z").unwrap_err();
        let keys: Vec<_> = problems.into_iter().map(|p| p.key).collect();
        assert_eq!(keys, ["pears", "expires", "pairs[0].entry_bps", "pairs[1].size_quote"]);
    }

    #[test]
    fn any_edit_of_a_pair_or_of_the_head_is_told() {
        let good = sealed(GOOD);
        read_at(&good, NOW).unwrap();
        for (from, to, places) in [
            ("entry_bps_max = 8.0", "entry_bps_max = 80.0", &[0][..]),
            ("size_quote = 1\n", "size_quote = 1000\n", &[1]),
            ("events = 280", "events = 281", &[0]),
            ("per_day_low = 7.5", "per_day_low = 7.500000000000001", &[0]),
            ("next_day_low = 1.5", "next_day_low = 1.6", &[0]),
            ("\"inventory\"", "\"convergence\"", &[1]),
            ("episodes_per_day = 40", "episodes_per_day = 41", &[0]),
            ("\"c0ffee\"", "\"c0ffef\"", &[0, 1]),
            ("expires = 2026-12-01T02:10:00Z", "expires = 2036-12-01T02:10:00Z", &[0, 1]),
            ("from = 2026-11-17", "from = 2026-10-17", &[0, 1]),
            ("lake = ", "lake = \"other\" #", &[0, 1]),
        ] {
            assert!(good.contains(from), "{from}");
            let problems = read_at(&good.replacen(from, to, 1), NOW).unwrap_err();
            let keys: Vec<String> = problems.iter().map(|problem| problem.key.clone()).collect();
            let expected = places.iter().map(|place| format!("pairs[{place}].digest"));
            assert_eq!(keys, expected.collect::<Vec<_>>(), "{from}");
            assert!(problems[0].remedy.contains("do not edit its file"));
        }
        // Written another way it says the same.
        let other = good.replacen("= 4.0\n", "= 4 # as is\n", 1);
        assert_eq!(read_at(&other, NOW).unwrap(), read_at(&good, NOW).unwrap());
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
        let mut all = read_at(&sealed(GOOD), NOW).unwrap();
        assert_eq!(all.pairs[0].evidence, BTreeMap::from([("episodes_per_day".into(), 40.0)]));
        assert_eq!((all.pairs[0].events, all.pairs[1].events), (Some(280), None));
        all.pairs[1].reason = "Quotes \"\" and\nlines, \u{1f600} # no comment".to_owned();
        all.pairs[1].entry_bps_max = 6.100_000_000_000_001;
        all.generated += 123_456_789;
        let all = all.sealed();
        assert_eq!(read_at(&all.to_toml(), NOW).unwrap(), all);
        let wrong =
            Recommendations { from: "2026-13-01".into(), to: "today".into(), ..all.clone() };
        let told: Vec<String> =
            wrong.sealed().check(Path::new("f"), 0).iter().map(ToString::to_string).collect();
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
        let document =
            document.split("\n## ").find(|part| part.starts_with("recommendations.toml"));
        let document = document.unwrap();
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
