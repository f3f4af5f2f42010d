//! Random lakes, their compatible columns by plain loops over rows, and the comparison with those of
//! the analyzer.

use crate::kit::{
    self, Chance, HOUR, Home, MIDNIGHT, Pairs, Row, SECOND, Style, Unit, cents, pairs,
};
use std::collections::BTreeMap;
use std::path::Path;

/// Number of random instruments; each is a case of its own.
const CASES: u64 = 24;
/// Names that SQL accepts unquoted.
const NAMES: [&str; 4] = ["alpha", "beta", "delta", "gamma"];
/// Levels in percent, in the order of the columns.
const LEVELS: [(f64, &str); 3] = [(0.3, "030bp"), (0.5, "050bp"), (0.4, "040bp")];
/// Columns that hold whole numbers, flags or names.
const EXACT: [&str; 12] = [
    "symbol",
    "exchange1",
    "exchange2",
    "zero_crossings",
    "opportunity_cycles_030bp",
    "opportunity_cycles_050bp",
    "opportunity_cycles_040bp",
    "pattern_break_030bp",
    "pattern_break_050bp",
    "pattern_break_040bp",
    "data_points",
    "rows",
];

/// Rows by instrument and venue, in the order of the paths of their files.
pub(crate) type Quotes = BTreeMap<String, BTreeMap<&'static str, Vec<Row>>>;

/// Writes one instrument on two to four venues and one to four days. Times often coincide, within a
/// venue and between venues. Some venues start late, lack a day, or have days that no other has.
pub(crate) fn random_instrument(
    lake: &Path,
    symbol: &str,
    seed: u64,
) -> BTreeMap<&'static str, Vec<Row>> {
    let mut chance = Chance(seed);
    let days = 1 + chance.below(4);
    let venues = usize::try_from(2 + chance.below(3)).unwrap();
    let units = [Unit::Micros, Unit::Nanos, Unit::NanosUtc];
    let unit = units[usize::try_from(chance.below(3)).unwrap()];
    // Coarse times coincide, fine ones do not.
    let grain = [SECOND, 50 * SECOND, 1_000][usize::try_from(chance.below(3)).unwrap()];
    let (swing, orderly) =
        ([6, 40, 90][usize::try_from(chance.below(3)).unwrap()], chance.one_in(2));
    let mut quotes = BTreeMap::new();
    for venue in &NAMES[..venues] {
        let style = Style { unit, decimal: chance.one_in(2) };
        let first_day = if chance.one_in(4) { chance.below(days) } else { 0 };
        let mut of_venue = Vec::new();
        for day in 0..days {
            let must = day + 1 == days && of_venue.is_empty();
            if !must && (day < first_day || chance.one_in(5)) {
                continue;
            }
            for hour in [0, 1, 11, 23] {
                if hour != 11 && chance.one_in(2) {
                    continue;
                }
                let files = 1 + usize::try_from(chance.below(3)).unwrap();
                let begin = MIDNIGHT + (day * 24 + hour) * HOUR;
                for name in &["a", "b", "c"][..files] {
                    let mut rows = random_rows(&mut chance, begin, grain, swing);
                    if orderly {
                        rows.sort_by_key(|row| row.time);
                    }
                    kit::write_hours(lake, venue, symbol, name, &rows, style);
                    of_venue.append(&mut rows);
                }
            }
        }
        quotes.insert(*venue, of_venue);
    }
    quotes
}

fn random_rows(chance: &mut Chance, begin: i64, grain: i64, swing: i64) -> Vec<Row> {
    let reach = 3_000 * SECOND / grain;
    let from = chance.below(reach / 2 + 1);
    let mut apart = chance.below(swing + 1) - swing / 2;
    let rows = (0..20 + chance.below(100)).map(|_| {
        let time = begin + (from + chance.below(reach - from)) * grain;
        apart = (apart + chance.below(15) - 7).clamp(-swing, swing);
        let nothing = |chance: &mut Chance| chance.one_in(30);
        let (bid, ask) = (cents(10_000 + apart), cents(10_002 + apart));
        let bid = (!nothing(chance)).then_some(bid);
        Row { time, bid, ask: (!nothing(chance)).then_some(ask) }
    });
    let mut rows: Vec<Row> = rows.collect();
    // Every file has a quote.
    rows[0] = kit::quote(rows[0].time, 100.0);
    rows
}

pub(crate) fn random_lake(lake: &Path, seed: u64) -> Quotes {
    println!("seed {seed}");
    let case = |case| {
        let symbol = format!("C{case:02}/USDT");
        let quotes = random_instrument(lake, &symbol, seed.wrapping_mul(1_000).wrapping_add(case));
        (symbol, quotes)
    };
    (0..CASES).map(case).collect()
}

/// Returns the bid and time of the rows that are quotes, in time order.
fn sound(rows: &[Row]) -> Vec<(i64, f64)> {
    let mut sound: Vec<(i64, f64)> =
        rows.iter().filter_map(|row| row.ask.and(row.bid).map(|bid| (row.time, bid))).collect();
    sound.sort_by_key(|quote| quote.0);
    sound
}

/// Returns the metrics by their definitions, as text; `None` if no row has a deviation.
fn by_loops(left: &[(i64, f64)], right: &[(i64, f64)]) -> Option<Vec<(String, String)>> {
    let mut deviations = Vec::new();
    for (time, bid) in left {
        let mut last = None;
        for (at, other) in right {
            if at <= time {
                last = Some(other);
            }
        }
        deviations.push(last.map(|other| (bid / other - 1.0) * 100.0));
    }
    let known: Vec<f64> = deviations.iter().flatten().copied().collect();
    let count = |of: usize| f64::from(u32::try_from(of).unwrap());
    #[expect(clippy::cast_precision_loss, reason = "a few days")]
    let hours = (left.last()?.0 - left.first()?.0) as f64 / 3.6e12;
    let per = |of: usize| if hours == 0.0 { 0.0 } else { count(of) / hours };
    let mut crossings = 0;
    for pair in deviations.windows(2) {
        if let [Some(a), Some(b)] = pair {
            crossings += usize::from(a * b < 0.0);
        }
    }
    let mut cells: Vec<(String, String)> = Vec::new();
    let mut tell = |name: &str, value: String| cells.push((name.to_owned(), value));
    tell("max_deviation_pct", known.iter().copied().reduce(f64::max)?.to_string());
    tell("min_deviation_pct", known.iter().copied().reduce(f64::min)?.to_string());
    tell("deviation_asymmetry", (known.iter().sum::<f64>() / count(known.len())).to_string());
    tell("zero_crossings", crossings.to_string());
    tell("zero_crossings_per_hour", per(crossings).to_string());
    tell("zero_crossings_per_minute", (per(crossings) / 60.0).to_string());
    for (level, tag) in LEVELS {
        let (mut above, mut cycles, mut was) = (0, 0, false);
        for deviation in &known {
            if level < deviation.abs() {
                above += 1;
                was = true;
            } else if deviation.abs() < 0.05 && was {
                cycles += 1;
                was = false;
            }
        }
        let share = count(above) / count(known.len()) * 100.0;
        let lasts = if cycles == 0 { 0.0 } else { hours * 36.0 * share / count(cycles) };
        let breaks = deviations.last()?.is_some_and(|last| level < last.abs());
        tell(&format!("opportunity_cycles_{tag}"), cycles.to_string());
        tell(&format!("cycles_{tag}_per_hour"), per(cycles).to_string());
        tell(&format!("pct_time_above_{tag}"), share.to_string());
        tell(&format!("avg_cycle_duration_{tag}_sec"), lasts.to_string());
        tell(&format!("pattern_break_{tag}"), breaks.to_string());
    }
    tell("data_points", left.len().to_string());
    tell("duration_hours", hours.to_string());
    Some(cells)
}

/// Returns all pairs of a lake that have a deviation.
pub(crate) fn all_by_loops(quotes: &Quotes) -> Pairs {
    let mut pairs = Pairs::new();
    for (symbol, venues) in quotes {
        for (one, left) in venues {
            for (two, right) in venues.iter().filter(|(two, _)| one < *two) {
                let names = [symbol.as_str(), one, two].map(str::to_owned);
                let Some(mut cells) = by_loops(&sound(left), &sound(right)) else { continue };
                let heads = ["symbol", "exchange1", "exchange2"].map(str::to_owned);
                cells.splice(0..0, heads.into_iter().zip(names.clone()));
                pairs.insert(names, cells);
            }
        }
    }
    pairs
}

/// Returns what the analyzer prints about a lake: header and pairs.
pub(crate) fn analysed(home: &Home, options: &[&str], code: Option<i32>) -> (Vec<String>, Pairs) {
    let outcome = home.run(&[&["--no-partials", "--format", "csv,json"], options].concat());
    assert_eq!(outcome.code, code, "{}{}", outcome.text, outcome.errors);
    pairs(&home.file("out/ranking.csv"))
}

/// Compares names, order and values. `clock` is the shortest time that is told apart, in s.
pub(crate) fn assert_equal(ours: &Pairs, theirs: &Pairs, clock: f64, who: &str) {
    let keys = |pairs: &Pairs| pairs.keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(ours), keys(theirs), "{who}: pairs");
    let mut wrong = Vec::new();
    for (names, theirs) in theirs {
        let ours = &ours[names];
        assert_eq!(ours.len(), theirs.len(), "{who}");
        let seconds = ours.last().unwrap().1.parse::<f64>().unwrap() * 3_600.0;
        for ((name, our), (their_name, their)) in ours.iter().zip(theirs) {
            assert_eq!(name, their_name, "{who}");
            let is_timed = ["_per_", "_sec", "_hours"].iter().any(|part| name.contains(part));
            let more = if is_timed { clock / seconds.max(clock) } else { 0.0 };
            if !agree(name, our, their, 1e-9 + more) {
                wrong.push(format!("{names:?} {name}: {our}, {who} has {their}"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(20)].join("\n")
    );
}

fn agree(name: &str, our: &str, their: &str, relative: f64) -> bool {
    if EXACT.contains(&name) || our.is_empty() || their.is_empty() {
        return our == their.to_lowercase() || our == their;
    }
    let (our, their): (f64, f64) = (our.parse().unwrap(), their.parse().unwrap());
    (our - their).abs() <= 1e-12 + relative * their.abs()
}
