//! What an opportunity was worth after a time, and where prices went after fills.

use crate::entry::{Capturable, Entry, Event, Markout};
use crate::order::{Fill, Side};
use crate::settings::Settings;
use crate::tally::{CAPTURES, MARKOUTS};
use crate::timers::Timers;
use crate::view::View;
use spreadwire_market::clock::Nanos;
use spreadwire_market::instrument::{InstrumentId, VenueId};
use spreadwire_market::record::Spread;

/// Number of looks that may wait before memory is allocated.
const WAITING: usize = 1 << 14;

/// Something to look at later.
#[derive(Clone, Copy, Debug)]
enum Look {
    Capture { opportunity: u64, after: Nanos, spread: Spread },
    Mark { order: u64, after: Nanos, instrument: InstrumentId, venue: VenueId, side: Side, px: i64 },
}

/// Looks that wait for their time.
#[derive(Clone, Debug)]
pub struct Measures {
    looks: Timers<Look>,
}

impl Default for Measures {
    fn default() -> Measures {
        Measures { looks: Timers::with_capacity(WAITING) }
    }
}

impl Measures {
    /// Notes an opportunity that opened. `latency` is the time that an order takes to the slower of both
    /// venues, ns.
    pub fn opened(&mut self, opportunity: u64, spread: &Spread, latency: Nanos) {
        for after in CAPTURES {
            let wait = if after == 0 { latency } else { after };
            let look = Look::Capture { opportunity, after, spread: *spread };
            self.looks.add(spread.ts_recv.saturating_add(wait), look);
        }
    }

    /// Notes a fill at `ts`.
    pub fn filled(&mut self, fill: &Fill, ts: Nanos) {
        let Fill { instrument, venue, side, px, .. } = *fill;
        let order = fill.order.map_or(0, |id| id.0);
        for after in MARKOUTS {
            let look = Look::Mark { order, after, instrument, venue, side, px };
            self.looks.add(ts.saturating_add(after), look);
        }
    }

    /// Returns when the next look is due, ns since 1970 UTC.
    #[must_use]
    #[inline]
    pub fn next_due(&self) -> Nanos {
        self.looks.next_due()
    }

    /// Looks at what was due before `ts`.
    pub fn look(&mut self, ts: Nanos, settings: &Settings, view: &View) -> Option<Entry> {
        let (due, look) = self.looks.before(ts)?;
        Some(Entry { ts: due, event: seen(&look, due, settings, view) })
    }

    /// Ends all looks that wait, at `ts`: their books are not seen any more.
    pub fn end(&mut self, ts: Nanos, entries: &mut Vec<Entry>) {
        for (_, look) in self.looks.take_all() {
            let event = match look {
                Look::Capture { opportunity, after, spread } => {
                    let displayed = spread.buy_sz.min(spread.sell_sz);
                    Event::Capturable(Capturable { opportunity, after, displayed, sz: None })
                }
                Look::Mark { order, after, .. } => {
                    Event::Markout(Markout { order, after, gain: None })
                }
            };
            entries.push(Entry { ts, event });
        }
    }
}

fn seen(look: &Look, now: Nanos, settings: &Settings, view: &View) -> Event {
    match *look {
        Look::Capture { opportunity, after, spread } => {
            let Spread { instrument, buy_venue, sell_venue, buy_px, sell_px, .. } = spread;
            let displayed = spread.buy_sz.min(spread.sell_sz);
            let had = |venue: VenueId, side, is_better: &dyn Fn(i64) -> bool| {
                let level = view.level(instrument, venue, side);
                let max_age = settings.venues[venue.index()].max_age;
                let is_seen = level.is_good && now.saturating_sub(level.ts) <= max_age;
                is_seen.then(|| if is_better(level.px) { level.sz } else { 0 })
            };
            let bought = had(buy_venue, Side::Buy, &|px| px <= buy_px);
            let sold = had(sell_venue, Side::Sell, &|px| sell_px <= px);
            let sz = bought.zip(sold).map(|(bought, sold)| bought.min(sold));
            Event::Capturable(Capturable { opportunity, after, displayed, sz })
        }
        Look::Mark { order, after, instrument, venue, side, px } => {
            let max_age = settings.venues[venue.index()].max_age;
            let mid = view.mid(instrument, venue, now, max_age);
            Event::Markout(Markout { order, after, gain: mid.map(|mid| gain(side, px, mid)) })
        }
    }
}

/// Returns how far the middle is from the price of a fill, in our favour, a fraction.
#[expect(clippy::cast_precision_loss, reason = "a relative error of 2^-53 is nothing here")]
fn gain(side: Side, px: i64, mid: f64) -> f64 {
    (mid / px as f64 - 1.0) * side.sign() as f64
}
