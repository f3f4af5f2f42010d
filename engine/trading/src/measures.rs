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

/// Number of looks that may wait in a queue before memory is allocated.
const WAITING: usize = 1 << 12;
/// The queue of the first of [`MARKOUTS`], after those of [`CAPTURES`].
const MARKS: usize = CAPTURES.len();
/// The queue of the first venue, after those: what waits as long as an order to it.
const VENUES: usize = MARKS + MARKOUTS.len();

/// What an opportunity offered when it opened: of its [`Spread`], only what is looked at again, because many
/// wait.
#[derive(Clone, Copy, Debug)]
struct Offer {
    opportunity: u64,
    instrument: InstrumentId,
    buy_venue: VenueId,
    sell_venue: VenueId,
    buy_px: i64,
    sell_px: i64,
    /// The smaller size of both sides, mantissa.
    displayed: i64,
}

/// Something to look at later.
#[derive(Clone, Copy, Debug)]
enum Look {
    Capture { after: Nanos, offer: Offer },
    Mark { order: u64, after: Nanos, instrument: InstrumentId, venue: VenueId, side: Side, px: i64 },
}

/// Looks that wait for their time.
#[derive(Clone, Debug)]
pub struct Measures {
    looks: Timers<Look>,
}

impl Measures {
    /// Creates one for so many venues. All memory is allocated here.
    #[must_use]
    pub fn new(venues: usize) -> Measures {
        Measures { looks: Timers::new(VENUES + venues, WAITING) }
    }

    /// Notes an opportunity that opened. `latencies` are the times that an order takes, ns, by venue: the
    /// slower of both counts.
    pub fn opened(&mut self, opportunity: u64, spread: &Spread, latencies: &[Nanos]) {
        let Spread { instrument, buy_venue, sell_venue, buy_px, sell_px, .. } = *spread;
        let displayed = spread.buy_sz.min(spread.sell_sz);
        let offer =
            Offer { opportunity, instrument, buy_venue, sell_venue, buy_px, sell_px, displayed };
        let [buy, sell] = [buy_venue, sell_venue].map(VenueId::index);
        let slower = if latencies[buy] < latencies[sell] { sell } else { buy };
        for (place, after) in CAPTURES.into_iter().enumerate() {
            let (queue, wait) =
                if after == 0 { (VENUES + slower, latencies[slower]) } else { (place, after) };
            let due = spread.ts_recv.saturating_add(wait);
            self.looks.add(queue, due, Look::Capture { after, offer });
        }
    }

    /// Notes a fill at `ts`.
    pub fn filled(&mut self, fill: &Fill, ts: Nanos) {
        let Fill { instrument, venue, side, px, .. } = *fill;
        let order = fill.order.map_or(0, |id| id.0);
        for (place, after) in MARKOUTS.into_iter().enumerate() {
            let look = Look::Mark { order, after, instrument, venue, side, px };
            self.looks.add(MARKS + place, ts.saturating_add(after), look);
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
                Look::Capture { after, offer } => {
                    let Offer { opportunity, displayed, .. } = offer;
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
        Look::Capture { after, offer } => {
            let Offer { opportunity, instrument, displayed, .. } = offer;
            let had = |venue: VenueId, side, is_better: &dyn Fn(i64) -> bool| {
                let level = view.level(instrument, venue, side);
                let max_age = settings.venues[venue.index()].max_age;
                let is_seen = level.is_good && now.saturating_sub(level.ts) <= max_age;
                is_seen.then(|| if is_better(level.px) { level.sz } else { 0 })
            };
            let bought = had(offer.buy_venue, Side::Buy, &|px| px <= offer.buy_px);
            let sold = had(offer.sell_venue, Side::Sell, &|px| offer.sell_px <= px);
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
