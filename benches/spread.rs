//! Measures a quote applied to the book, `Book::on_quote`, with 2, 4 and 8 venues that are all
//! live.
//!
//! A quote produces two spreads with every other venue. The venues quote in turn. Quantiles are
//! over batches of 64 quotes (`timing.rs`).

use benches::timing::Samples;
use benches::{header, timing};
use spreadwire_kit::{catalogue, quotes};
use spreadwire_market::book::{Book, Spreads};
use spreadwire_market::clock::SECOND;
use spreadwire_market::instrument::Catalogue;
use spreadwire_market::record::{Quote, Spread};
use spreadwire_market::state::State;
use std::hint::black_box;

fn catalogue(venues: u8) -> Catalogue {
    let names = (0..venues).map(|venue| format!("v{venue}"));
    catalogue::of(["A/B"], names).fee(0.001).max_age(SECOND).listed().build()
}

fn quote(venue: u8) -> Quote {
    let bid_px = 6_183_763 + i64::from(venue);
    Quote { bid_px, ask_px: bid_px + 2, ..quotes::quote(venue, 0, SECOND) }
}

/// Returns a book whose legs are all live.
fn live_book(venues: u8) -> Book {
    let mut book = Book::new(&catalogue(venues));
    for venue in 0..venues {
        book.on_status(&quotes::status(venue, 0, State::Live, 0), 0, &mut ());
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
        book.on_quote(&quotes[0], sequence, &mut Spreads(|_: Spread| spreads += 1));
        assert_eq!(spreads, 2 * (venues - 1), "two with each other venue");
        let mut turn = quotes.iter().cycle();
        let times = Samples::take(timing::samples(100_000), 64, || {
            sequence += 1;
            let quote = turn.next().unwrap_or(&quotes[0]);
            let mut take = Spreads(|spread: Spread| {
                black_box(spread);
            });
            book.on_quote(black_box(quote), sequence, &mut take);
        });
        times.tell(["spread", &format!("{venues} venues"), "book"], None);
    }
}
