//! Property tests of the spread arithmetic over random sequences of quotes and statuses, compared
//! with a naive version in exact fractions.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its input has failed")]

use num_bigint::BigInt;
use num_rational::BigRational;
use proptest::prelude::*;
use spreadwire_kit::catalogue;
use spreadwire_kit::quotes::{quote, status};
use spreadwire_market::book::{Book, Results, Spreads};
use spreadwire_market::clock::Nanos;
use spreadwire_market::instrument::{Catalogue, InstrumentId, VenueId};
use spreadwire_market::record::{Ended, Kind, Quote, Record, Spread, Status, flags};
use spreadwire_market::state::{EndReason, State};
use std::collections::{BTreeMap, BTreeSet};

const VENUES: u8 = 4;
const INSTRUMENTS: u32 = 2;
const MAX_AGE: Nanos = 1_000;
/// Taker fees by venue, in units of a hundredth of a basis point.
const FEES: [i64; VENUES as usize] = [1_000, 500, 750, 0];

fn catalogue() -> Catalogue {
    let instruments = (0..INSTRUMENTS).map(|n| format!("I{n}/Q"));
    let draft = catalogue::of(instruments, (0..VENUES).map(|n| format!("v{n}"))).scales(2, 2);
    draft.fees(FEES.map(|fee| fee as f64 / 1e6)).max_age(MAX_AGE).listed().build()
}

/// One step: time passes, then a quote or a change of state follows.
#[derive(Clone, Debug)]
struct Step {
    wait: Nanos,
    instrument: u32,
    venue: u8,
    event: Event,
}

#[derive(Clone, Debug)]
enum Event {
    Quote { bid: i64, width: i64, sizes: (i64, i64) },
    State(State),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let quote = (0..2_000_000_i64, -3..50_i64, (0..9_i64, 0..9_i64))
        .prop_map(|(bid, width, sizes)| Event::Quote { bid, width, sizes });
    let state = proptest::sample::select(State::ALL.to_vec()).prop_map(Event::State);
    let event = prop_oneof![6 => quote, 1 => state, 1 => Just(Event::State(State::Live))];
    let step = (0..400_u64, 0..INSTRUMENTS, 0..VENUES, event)
        .prop_map(|(wait, instrument, venue, event)| Step { wait, instrument, venue, event });
    proptest::collection::vec(step, 1..120)
}

/// Returns records as a feed would send them: everything is live at first, and crossed quotes are
/// marked.
fn records(steps: &[Step]) -> Vec<Record> {
    let mut now = 1;
    let all = (0..INSTRUMENTS).flat_map(|i| (0..VENUES).map(move |v| (i, v)));
    let mut records: Vec<Record> = all.map(|(i, v)| status(v, i, State::Live, 1).into()).collect();
    for step in steps {
        now += step.wait;
        records.push(match step.event {
            Event::State(state) => status(step.venue, step.instrument, state, now).into(),
            Event::Quote { bid, width, sizes: (bid_sz, ask_sz) } => {
                let ask = (bid + width).max(0);
                let (bid_px, ask_px) =
                    (if bid_sz == 0 { 0 } else { bid }, if ask_sz == 0 { 0 } else { ask });
                let crossed = 0 < ask_px && ask_px < bid_px;
                Quote {
                    bid_px,
                    ask_px,
                    bid_sz,
                    ask_sz,
                    flags: if crossed { flags::CROSSED } else { 0 },
                    ..quote(step.venue, step.instrument, now)
                }
                .into()
            }
        });
    }
    records
}

fn spreads(records: &[Record]) -> Vec<Spread> {
    let mut book = Book::new(&catalogue());
    let mut spreads = Vec::new();
    for (sequence, record) in records.iter().enumerate() {
        match record.kind() {
            Some(Kind::Quote) => {
                let mut keep = Spreads(|spread: Spread| spreads.push(spread));
                book.on_quote(record.view(), sequence as u64, &mut keep);
            }
            _ => book.on_status(record.view(), sequence as u64, &mut ()),
        }
    }
    spreads
}

/// A spread of the naive version: its venues, and exact gross and net.
type Naive = (u64, u32, u8, u8, BigRational, BigRational);

/// The definition, word for word, over maps and exact fractions.
fn naive(records: &[Record]) -> Vec<Naive> {
    let mut quotes: BTreeMap<(u32, u8), Quote> = BTreeMap::new();
    let mut live: BTreeMap<(u32, u8), bool> = BTreeMap::new();
    let mut out = Vec::new();
    for (sequence, record) in records.iter().enumerate() {
        if record.kind() == Some(Kind::Status) {
            let status: &Status = record.view();
            live.insert((status.instrument.0, status.venue.0), status.state == State::Live as u8);
            continue;
        }
        let quote: &Quote = record.view();
        let instrument = quote.instrument.0;
        quotes.insert((instrument, quote.venue.0), *quote);
        for other in (0..VENUES).filter(|other| *other != quote.venue.0) {
            for (buy, sell) in [(quote.venue.0, other), (other, quote.venue.0)] {
                let usable = |venue: u8| {
                    let quote_of = quotes.get(&(instrument, venue))?;
                    let is_live = live.get(&(instrument, venue)).copied().unwrap_or(false);
                    let fresh = quote.ts_recv - quote_of.ts_recv <= MAX_AGE;
                    let good = is_live && fresh && quote_of.flags & flags::CROSSED == 0;
                    good.then_some(quote_of)
                };
                let (Some(at), Some(to)) = (usable(buy), usable(sell)) else { continue };
                if at.ask_px == 0 || to.bid_px == 0 {
                    continue;
                }
                let whole = |n: i64| BigRational::from(BigInt::from(n));
                let fee = |venue: u8| whole(FEES[usize::from(venue)]) / whole(1_000_000);
                let ratio = whole(to.bid_px) / whole(at.ask_px);
                let net = ratio.clone() * (whole(1) - fee(sell)) / (whole(1) + fee(buy)) - whole(1);
                out.push((sequence as u64, instrument, buy, sell, ratio - whole(1), net));
            }
        }
    }
    out
}

/// What the naive version knows of each pair: its venues, and whether it stands.
type Standing = BTreeSet<(u32, u8, u8)>;

/// The ends that should be said, by the definition: a pair that has had a spread ends at the first
/// quote of one of its venues that does not form it again, and at the first status of one of them
/// that is not live. Returns (number of the input, instrument, buy venue, sell venue).
fn naive_ends(records: &[Record], spreads: &[Spread]) -> BTreeSet<(u64, u32, u8, u8)> {
    let mut standing = Standing::new();
    let mut ends = BTreeSet::new();
    for (sequence, record) in (0_u64..).zip(records) {
        let (instrument, venue) = (record.instrument.0, record.venue.0);
        let touched =
            |pair: &(u32, u8, u8)| pair.0 == instrument && (pair.1 == venue || pair.2 == venue);
        let is_live =
            record.get::<Status>().is_some_and(|status| status.state == State::Live as u8);
        if is_live {
            continue;
        }
        let formed: Standing = spreads
            .iter()
            .filter(|spread| spread.sequence == sequence)
            .map(|s| (s.instrument.0, s.buy_venue.0, s.sell_venue.0))
            .collect();
        let over: Standing = standing
            .iter()
            .filter(|pair| touched(pair) && !formed.contains(pair))
            .copied()
            .collect();
        ends.extend(over.iter().map(|(i, buy, sell)| (sequence, *i, *buy, *sell)));
        standing = &standing - &over;
        standing.extend(formed);
    }
    ends
}

/// Returns every spread and every end, in order.
fn results(records: &[Record], max_net: f64) -> Vec<Record> {
    let mut book = Book::new(&catalogue()).believing(max_net);
    let mut results: Vec<Record> = Vec::new();
    for (sequence, record) in (0_u64..).zip(records) {
        match record.kind() {
            Some(Kind::Quote) => book.on_quote(record.view(), sequence, &mut results),
            _ => book.on_status(record.view(), sequence, &mut results),
        }
    }
    results
}

/// What a book says of one pair: whether it has a spread or its net is withheld, and whether that
/// was news.
#[derive(Default)]
struct Sayings(Vec<((u32, u8, u8), Saying)>);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Saying {
    Spread,
    Withheld { is_new: bool },
    Believed,
}

impl Results for Sayings {
    fn spread(&mut self, s: Spread) {
        self.0.push(((s.instrument.0, s.buy_venue.0, s.sell_venue.0), Saying::Spread));
    }

    fn ended(&mut self, _: &Ended) {}

    fn withheld(&mut self, s: &Spread, is_new: bool) {
        let pair = (s.instrument.0, s.buy_venue.0, s.sell_venue.0);
        self.0.push((pair, Saying::Withheld { is_new }));
    }

    fn believed(&mut self, instrument: InstrumentId, buy: VenueId, sell: VenueId) {
        self.0.push(((instrument.0, buy.0, sell.0), Saying::Believed));
    }
}

fn to_f64(exact: &BigRational) -> f64 {
    // Both parts are small here, so the quotient is within one rounding of the exact value.
    let part = |n: &BigInt| n.to_string().parse::<f64>().unwrap();
    part(exact.numer()) / part(exact.denom())
}

fn renamed(record: &Record) -> Record {
    let mut record = *record;
    record.venue = VenueId(VENUES - 1 - record.venue.0);
    record
}

proptest! {
    #[test]
    fn equals_the_naive_version_in_exact_fractions(steps in steps()) {
        let records = records(&steps);
        let (got, expected) = (spreads(&records), naive(&records));
        let key = |s: &Spread| (s.sequence, s.instrument.0, s.buy_venue.0, s.sell_venue.0);
        let keys: Vec<_> = got.iter().map(key).collect();
        let expected_keys: Vec<_> = expected.iter().map(|n| (n.0, n.1, n.2, n.3)).collect();
        prop_assert_eq!(keys, expected_keys);
        for spread in &got {
            let quote: &Quote = records[usize::try_from(spread.sequence).unwrap()].view();
            prop_assert_eq!(spread.leader(), quote.venue);
        }
        for (spread, (.., gross, net)) in got.iter().zip(&expected) {
            let (gross, net) = (to_f64(gross), to_f64(net));
            // Errors of f64 are relative to the ratio, which is 1 + spread, and to the difference.
            prop_assert!((spread.gross() - gross).abs() <= (2.0 + gross) * 1e-15);
            prop_assert!((spread.net - net).abs() <= (2.0 + net) * 1e-15);
        }
    }

    #[test]
    fn each_spread_that_was_said_ends_once_when_it_can_no_longer_be_traded(
        steps in steps(), max_net in prop_oneof![Just(f64::INFINITY), 0.01..3.0_f64],
    ) {
        let records = records(&steps);
        let results = results(&records, max_net);
        let spreads: Vec<Spread> =
            results.iter().filter_map(|r| r.get::<Spread>().copied()).collect();
        prop_assert!(spreads.iter().all(|spread| spread.net.abs() <= max_net));
        let ends: Vec<&Ended> = results.iter().filter_map(Record::get).collect();
        let told: BTreeSet<_> = ends
            .iter()
            .map(|e| (e.sequence, e.instrument.0, e.buy_venue.0, e.sell_venue.0))
            .collect();
        prop_assert_eq!(told.len(), ends.len(), "an end is said once");
        prop_assert_eq!(told, naive_ends(&records, &spreads));
        for end in ends {
            let cause = &records[usize::try_from(end.sequence).unwrap()];
            prop_assert_eq!(end.ts_recv, cause.ts_recv());
            let reason = EndReason::of_code(end.flags).unwrap();
            prop_assert!(cause.is::<Quote>() || reason == EndReason::LegNotLive);
            prop_assert!(max_net.is_finite() || reason != EndReason::Implausible);
        }
    }

    #[test]
    fn what_is_believed_does_not_depend_on_what_is_not(steps in steps()) {
        // The bound drops spreads, and changes none of the others.
        let records = records(&steps);
        let spreads = |max_net| -> Vec<Record> {
            results(&records, max_net).into_iter().filter(Record::is::<Spread>).collect()
        };
        let kept: Vec<Record> = spreads(f64::INFINITY)
            .into_iter()
            .filter(|record| record.view::<Spread>().net.abs() <= 0.5)
            .collect();
        prop_assert_eq!(spreads(0.5), kept);
    }

    #[test]
    fn what_is_withheld_is_news_until_the_pair_has_a_spread(steps in steps()) {
        let mut book = Book::new(&catalogue()).believing(0.5);
        let mut withheld = BTreeSet::new();
        for (sequence, record) in (0_u64..).zip(records(&steps)) {
            let mut said = Sayings::default();
            match record.kind() {
                Some(Kind::Quote) => book.on_quote(record.view(), sequence, &mut said),
                _ => book.on_status(record.view(), sequence, &mut said),
            }
            let of = |wanted: Saying| -> BTreeSet<_> {
                said.0.iter().filter(|(_, said)| *said == wanted).map(|(pair, _)| *pair).collect()
            };
            let spreads = of(Saying::Spread);
            prop_assert_eq!(of(Saying::Believed), &spreads & &withheld);
            let again = of(Saying::Withheld { is_new: false });
            let first = of(Saying::Withheld { is_new: true });
            prop_assert!(again.is_subset(&withheld) && first.is_disjoint(&withheld));
            withheld = &(&withheld | &first) - &spreads;
        }
    }

    #[test]
    fn never_buys_the_dear_side(steps in steps()) {
        // The price paid is an ask and the price received a bid of the current quotes, never the
        // reverse.
        let records = records(&steps);
        let mut quotes: BTreeMap<(u32, u8), Quote> = BTreeMap::new();
        let mut spreads = spreads(&records).into_iter().peekable();
        for (sequence, record) in records.iter().enumerate() {
            if record.kind() == Some(Kind::Quote) {
                let quote: &Quote = record.view();
                quotes.insert((quote.instrument.0, quote.venue.0), *quote);
            }
            while let Some(spread) = spreads.next_if(|s| s.sequence == sequence as u64) {
                let buy = quotes[&(spread.instrument.0, spread.buy_venue.0)];
                let sell = quotes[&(spread.instrument.0, spread.sell_venue.0)];
                prop_assert_eq!((spread.buy_px, spread.buy_sz), (buy.ask_px, buy.ask_sz));
                prop_assert_eq!((spread.sell_px, spread.sell_sz), (sell.bid_px, sell.bid_sz));
                prop_assert!(spread.buy_venue != spread.sell_venue);
                prop_assert!(buy.bid_px <= spread.buy_px, "a crossed leg takes part in nothing");
            }
        }
        prop_assert!(spreads.next().is_none());
    }

    #[test]
    fn net_is_never_above_gross(steps in steps()) {
        for spread in spreads(&records(&steps)) {
            prop_assert!(spread.net <= spread.gross(), "{spread:?}");
        }
    }

    #[test]
    fn a_leg_that_is_stale_or_not_live_gives_nothing(steps in steps()) {
        let records = records(&steps);
        let mut state: BTreeMap<(u32, u8), (bool, Nanos)> = BTreeMap::new();
        let mut spreads = spreads(&records).into_iter().peekable();
        for (sequence, record) in records.iter().enumerate() {
            let key = (record.instrument.0, record.venue.0);
            let entry = state.entry(key).or_default();
            match record.kind() {
                Some(Kind::Status) => entry.0 = record.view::<Status>().state == State::Live as u8,
                _ => entry.1 = record.ts_recv(),
            }
            while let Some(spread) = spreads.next_if(|s| s.sequence == sequence as u64) {
                for venue in [spread.buy_venue, spread.sell_venue] {
                    let (live, ts) = state[&(spread.instrument.0, venue.0)];
                    prop_assert!(live && spread.ts_recv - ts <= MAX_AGE);
                }
            }
        }
    }

    #[test]
    fn renaming_the_venues_renames_the_spreads_and_changes_nothing_else(steps in steps()) {
        // Equal fees for this test: venue v becomes venue 3 - v.
        let mut even = catalogue();
        even.venues.iter_mut().for_each(|v| v.taker_fee = 0.001);
        let original = records(&steps);
        let renamed: Vec<Record> = original
            .iter()
            .map(renamed)
            .collect();
        let all = |records: &[Record], flip: bool| {
            let mut book = Book::new(&even);
            let mut seen = Vec::new();
            for (sequence, record) in records.iter().enumerate() {
                if record.kind() == Some(Kind::Status) {
                    book.on_status(record.view(), sequence as u64, &mut ());
                    continue;
                }
                book.on_quote(record.view(), sequence as u64, &mut Spreads(|s: Spread| {
                    let name = |v: VenueId| if flip { VENUES - 1 - v.0 } else { v.0 };
                    seen.push((sequence, name(s.buy_venue), name(s.sell_venue), s.net.to_bits()));
                }));
            }
            seen.sort_unstable();
            seen
        };
        prop_assert_eq!(all(&original, false), all(&renamed, true));
    }
}
