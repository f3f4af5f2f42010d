//! Which quotes count, by the definitions of docs/metrics.md, evaluated slowly: every quote and
//! every time by itself.

use super::market::{Market, Row};
use analyzer::kernel::bounds::{
    AWAY, CHANGES, CONFIRMED, LEAST_MOVE, STILL, STILL_TIMES, STOOD, WIDTHS,
};
use analyzer::kernel::stillness::Frozen;

/// A market without the quotes that do not count, and what they were.
pub(crate) struct Served {
    /// Quotes that do not count are crossed, and so are those put in where a price freezes.
    pub(crate) market: Market,
    pub(crate) odd: Vec<u64>,
    pub(crate) frozen: Vec<Frozen>,
}

fn usable(row: &Row) -> bool {
    row.ticks[0] <= row.ticks[1]
}

fn mid(row: &Row) -> f64 {
    f64::midpoint(row.bid(), row.ask())
}

fn width(row: &Row) -> f64 {
    (row.ask() - row.bid()) / mid(row)
}

fn not_counting(row: &Row) -> Row {
    Row { ticks: [row.ticks[0], row.ticks[0] - 1], ..*row }
}

/// Returns the quotes of a venue with the one from before.
fn all(market: &Market, venue: usize) -> Vec<Row> {
    market.openings[venue].iter().chain(&market.rows[venue]).copied().collect()
}

/// Returns the last of these quotes at a time; the one from before stands from ever.
fn standing(market: &Market, venue: usize, time: i64) -> Option<Row> {
    let rows = market.rows[venue].iter().rev();
    rows.into_iter().find(|row| row.time <= time).or(market.openings[venue].as_ref()).copied()
}

/// Returns the numbers of the odd quotes of a venue, counted with the one from before.
fn odd(market: &Market, venue: usize) -> Vec<usize> {
    let bound = market.settings.outlier;
    let others = |time: i64| -> Vec<f64> {
        let others = (0..market.rows.len()).filter(|other| *other != venue);
        let standing = others.filter_map(|other| standing(market, other, time));
        let fresh = standing.filter(|row| usable(row) && time - row.time <= STOOD);
        fresh.map(|row| mid(&row)).collect()
    };
    let near = |a: f64, b: f64, bound: f64| (a / b - 1.0).abs() <= bound;
    let (mut level, mut pending, mut odd) = (None, None, Vec::new());
    for (place, row) in all(market, venue).iter().enumerate().filter(|(_, row)| usable(row)) {
        let (time, mid, others) = (row.time, mid(row), others(row.time));
        let counts = match level {
            None => others.is_empty() || others.iter().any(|other| near(mid, *other, bound)),
            Some(level) => {
                near(mid, level, bound) || others.iter().any(|other| near(mid, *other, CONFIRMED))
            }
        };
        let since = match pending {
            Some((since, at)) if near(mid, at, bound) => since,
            _ => time,
        };
        if counts || STOOD <= time - since {
            (level, pending) = (Some(mid), None);
        } else {
            pending = Some((since, mid));
            odd.push(place);
        }
    }
    odd
}

/// A stretch of a venue's quotes with one price: the first and the one after the last, counted with
/// the quote from before; and the times of the last changes.
struct Stretch {
    first: usize,
    next: usize,
    changes: Vec<i64>,
}

fn stretches(market: &Market, venue: usize) -> Vec<Stretch> {
    let rows = all(market, venue);
    let mut starts: Vec<usize> =
        (1..rows.len()).filter(|n| rows[*n].ticks != rows[n - 1].ticks).collect();
    if rows.is_empty() {
        return Vec::new();
    }
    starts.insert(0, 0);
    // The first quote is no change, unless it is from before.
    let skipped = usize::from(market.openings[venue].is_none());
    let stretch = |(number, first): (usize, &usize)| {
        let changes = starts[..=number].iter().skip(skipped).map(|row| rows[*row].time);
        let changes: Vec<i64> = changes.collect();
        let changes = changes[changes.len().saturating_sub(CHANGES)..].to_vec();
        Stretch { first: *first, next: *starts.get(number + 1).unwrap_or(&rows.len()), changes }
    };
    starts.iter().enumerate().map(stretch).collect()
}

fn bound(changes: &[i64]) -> i64 {
    let mut apart: Vec<i64> = changes.windows(2).map(|two| two[1] - two[0]).collect();
    apart.sort_unstable();
    apart.pop();
    if apart.is_empty() {
        return STILL;
    }
    let usual = apart.iter().sum::<i64>() / i64::try_from(apart.len()).unwrap();
    STILL.max(STILL_TIMES * usual)
}

/// Returns the time from which a stretch is frozen, and how far the others were away until its end.
fn onset(market: &Market, venue: usize, stretch: &Stretch, end: i64) -> Option<(i64, f64)> {
    let rows = all(market, venue);
    let quote = rows[stretch.next - 1];
    let since = rows[stretch.first].time;
    let until = rows.get(stretch.next).map_or(end + 1, |row| row.time);
    let due = since + bound(&stretch.changes) + 1;
    if !usable(&quote) {
        return None;
    }
    let others: Vec<(usize, f64)> = (0..market.rows.len())
        .filter(|other| *other != venue)
        .filter_map(|other| {
            let then = standing(market, other, since).filter(usable);
            let after = || market.rows[other].iter().find(|row| since < row.time && usable(row));
            Some((other, mid(&then.or_else(|| after().copied())?)))
        })
        .collect();
    let mut onset: Option<i64> = None;
    for (other, then) in &others {
        let is_away = |row: &Row| {
            let bound = LEAST_MOVE.max(WIDTHS * (width(&quote) + width(row)));
            bound < (mid(row) / then - 1.0).abs()
        };
        let during = market.rows[*other].iter().filter(|row| since < row.time && row.time < until);
        let mut states: Vec<(i64, bool)> = Vec::new();
        for time in during.map(|row| row.time) {
            let row = standing(market, *other, time).unwrap();
            if usable(&row) && states.last().is_none_or(|(last, _)| *last < time) {
                states.push((time, is_away(&row)));
            }
        }
        states.push((until, false));
        for stay in states.chunk_by(|one, two| one.1 == two.1).filter(|stay| stay[0].1) {
            let end = states.iter().find(|(time, is)| stay[0].0 < *time && !is).unwrap().0;
            let enough = (stay[0].0 + AWAY).max(due);
            onset = if enough < end { onset.into_iter().chain([enough]).min() } else { onset };
        }
    }
    let onset = onset?;
    let mut farthest = 0.0_f64;
    for (other, then) in &others {
        let of = |row: &Row| (mid(row) / then - 1.0).abs();
        let during = market.rows[*other].iter().filter(|row| onset < row.time && row.time < until);
        let during = during.copied().chain(standing(market, *other, onset)).filter(usable);
        farthest = during.map(|row| of(&row)).fold(farthest, f64::max);
    }
    Some((onset, farthest))
}

/// Takes out what does not count. `end` is the time of the unit's last row.
pub(crate) fn served(raw: &Market) -> Served {
    let end = raw.times().max().unwrap_or(0);
    let mut straight = raw.clone();
    let mut counts = Vec::new();
    for venue in 0..raw.rows.len() {
        let found = odd(raw, venue);
        let before = usize::from(raw.openings[venue].is_some());
        counts.push(found.iter().filter(|place| before <= **place).count() as u64);
        for place in found {
            match place.checked_sub(before) {
                Some(row) => straight.rows[venue][row] = not_counting(&raw.rows[venue][row]),
                None => {
                    straight.openings[venue] = raw.openings[venue].map(|row| not_counting(&row))
                }
            }
        }
    }
    let mut market = straight.clone();
    let max_age = raw.settings.max_age_ns;
    let mut frozen = vec![Frozen::default(); raw.rows.len()];
    for (venue, sums) in frozen.iter_mut().enumerate() {
        let before = usize::from(raw.openings[venue].is_some());
        let rows = all(&straight, venue);
        let mut put_in = Vec::new();
        for stretch in stretches(&straight, venue) {
            let Some((onset, away)) = onset(&straight, venue, &stretch, end) else { continue };
            let thaw = rows.get(stretch.next).map_or(end, |row| row.time);
            let mut is_there = false;
            for (place, row) in rows.iter().enumerate().take(stretch.next) {
                let next = rows.get(place + 1).map_or(end, |row| row.time).min(thaw);
                let fresh = next.min(row.time + max_age) - row.time.max(onset);
                sums.ns += fresh.max(0).unsigned_abs();
                if onset <= row.time && stretch.first <= place {
                    market.rows[venue][place - before] = not_counting(row);
                    is_there |= row.time == onset;
                }
            }
            sums.count += 1;
            sums.longest_ns = sums.longest_ns.max((thaw - rows[stretch.first].time).unsigned_abs());
            sums.moved = sums.moved.max(away);
            if !is_there {
                put_in.push(not_counting(&Row { time: onset, ..rows[stretch.first] }));
            }
        }
        market.rows[venue].extend(put_in);
        market.rows[venue].sort_by_key(|row| row.time);
    }
    Served { market, odd: counts, frozen }
}
