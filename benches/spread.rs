//! Measures a quote applied to the book, `Book::on_quote`, with 2, 4 and 8 venues that are all
//! live.
//!
//! A quote produces two spreads with every other venue. The venues quote in turn. Quantiles are
//! over batches of 64 quotes (`timing.rs`).

mod header;
mod results;
#[allow(dead_code, reason = "each bench uses a part")]
mod timing;

use bytemuck::Zeroable;
use spreadwire_market::book::{Book, Spreads};
use spreadwire_market::clock::SECOND;
use spreadwire_market::instrument::{
    Catalogue, Instrument, InstrumentId, Listing, VenueId, VenueInfo,
};
use spreadwire_market::record::{Quote, Spread, Status};
use spreadwire_market::state::State;
use std::hint::black_box;
use timing::Samples;

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

        ..Quote::zeroed()
    }
}

/// Returns a book whose legs are all live.
fn live_book(venues: u8) -> Book {
    let mut book = Book::new(&catalogue(venues));
    for venue in 0..venues {
        let state = State::Live as u8;
        book.on_status(&Status { state, venue: VenueId(venue), ..Status::zeroed() }, 0, &mut ());
        book.on_quote(&quote(venue), 0, &mut ());
    }
    book
}

fn main() {
    header::print("spread");
    for venues in [2, 4, 8] {
        let mut book = live_book(venues);
        let quotes: Vec<Quote> = (0..venues).map(quote).collect();
        let (mut spreads, mut sequence) = (0, 0);
        book.on_quote(&quotes[0], sequence, &mut Spreads(|_: &Spread| spreads += 1));
        assert_eq!(spreads, 2 * (venues - 1), "two with each other venue");
        let mut turn = quotes.iter().cycle();
        let times = Samples::take(timing::samples(100_000), 64, || {
            sequence += 1;
            let quote = turn.next().unwrap_or(&quotes[0]);
            let mut take = Spreads(|spread: &Spread| {
                black_box(spread);
            });
            book.on_quote(black_box(quote), sequence, &mut take);
        });
        times.tell(["spread", &format!("{venues} venues"), "book"], None);
    }
}
