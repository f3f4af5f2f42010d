//! A quote into the book: `Book::on_quote` with 2, 4 and 8 venues, all of them live.
//!
//! Group `spread/on_quote`; a quote leads to two spreads with every other venue. The quotes of the
//! venues come in turn.

mod header;

use bytemuck::Zeroable;
use criterion::{BenchmarkId, Criterion};
use spreadwire::book::Book;
use spreadwire::clock::SECOND;
use spreadwire::instrument::{Catalogue, Instrument, InstrumentId, Listing, VenueId, VenueInfo};
use spreadwire::integrity::State;
use spreadwire::record::{Kind, Quote, Status};
use std::hint::black_box;
use std::time::Duration;

fn catalogue(venues: u8) -> Catalogue {
    let instrument = Instrument { name: "A/B".to_owned(), price_scale: 2, size_scale: 2 };
    let info = |v: u8| VenueInfo { name: format!("v{v}"), taker_fee: 0.001, max_age: SECOND };
    let listing =
        |v| Listing { venue: VenueId(v), instrument: InstrumentId(0), symbol: "AB".to_owned() };
    Catalogue {
        instruments: vec![instrument],
        venues: (0..venues).map(info).collect(),
        listings: (0..venues).map(listing).collect(),
    }
}

fn quote(venue: u8) -> Quote {
    Quote {
        ts_recv: SECOND,
        bid_px: 6_183_763 + i64::from(venue),
        ask_px: 6_183_765 + i64::from(venue),
        bid_sz: 48,
        ask_sz: 120,
        venue: VenueId(venue),
        kind: Kind::Quote as u8,
        ..Quote::zeroed()
    }
}

/// A book whose legs are all live.
fn live_book(venues: u8) -> Book {
    let mut book = Book::new(&catalogue(venues));
    for venue in 0..venues {
        let (state, kind) = (State::Live as u8, Kind::Status as u8);
        book.on_status(&Status { state, venue: VenueId(venue), kind, ..Status::zeroed() });
        book.on_quote(&quote(venue), 0, |_| ());
    }
    book
}

fn venues(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("spread/on_quote");
    for venues in [2, 4, 8] {
        let mut book = live_book(venues);
        let quotes: Vec<Quote> = (0..venues).map(quote).collect();
        let (mut spreads, mut sequence) = (0, 0);
        book.on_quote(&quotes[0], sequence, |_| spreads += 1);
        assert_eq!(spreads, 2 * (venues - 1), "two with each other venue");
        let mut turn = quotes.iter().cycle();
        group.bench_function(BenchmarkId::from_parameter(venues), |bencher| {
            bencher.iter(|| {
                sequence += 1;
                let quote = turn.next().unwrap_or(&quotes[0]);
                book.on_quote(black_box(quote), sequence, |spread| {
                    black_box(spread);
                });
            });
        });
    }
    group.finish();
}

fn main() {
    header::print("spread");
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    venues(&mut criterion);
    criterion.final_summary();
}
