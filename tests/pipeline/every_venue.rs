//! Every venue of the registry beside the engine: connection, greeting, subscription, compression,
//! contract sizes and heartbeats, up to the last row.

use exchange_sim::{ModelOptions, Source, Speed, VenueAt};
use spreadwire_market::instrument::Market;
use spreadwire_rigs::pipeline::scene::{Scene, held, of_model};
use spreadwire_venues::venue::VenueSpec;
use spreadwire_venues::venues::VENUES;

const INSTRUMENTS: usize = 3;
/// Quotes of all venues together.
const QUOTES: u64 = 6_000;

/// Plays a market on these venues. Every quote written must be a row.
fn play(venues: &[&VenueSpec], quote: &str) {
    let names = venues.iter().map(|venue| VenueAt::any_port(venue.name)).collect();
    let model = ModelOptions { instruments: INSTRUMENTS, ..ModelOptions::default() };
    let options = exchange_sim::Options {
        venues: names,
        limit: Some(QUOTES),
        wait_for_subscriptions: INSTRUMENTS * venues.len(),
        ..held(Source::Model(model), Speed::Max)
    };
    let mut instruments = of_model(INSTRUMENTS);
    for instrument in &mut instruments {
        let (base, usual) = instrument.name.split_once('/').unwrap();
        for venue in venues.iter().filter(|_| quote != usual) {
            // The simulator's symbols are those of its own quote currency.
            let symbol = (venue.symbol)(base, usual);
            instrument.symbols.insert(venue.name.to_owned(), symbol);
        }
        instrument.name = format!("{base}/{quote}");
    }
    let scene = Scene::set(options, instruments, |_| {});
    scene.play_to_the_end();
    let outcome = scene.end();
    assert_eq!(outcome.rows.len() as u64, QUOTES);
    assert_eq!(outcome.stories().len(), INSTRUMENTS * venues.len());
    assert_eq!(outcome.sum("feed.", ".refused"), 0);
    outcome.check();
}

fn of_market(market: Market, quote: &str) -> Vec<&'static VenueSpec> {
    VENUES.iter().filter(|venue| venue.market == market && venue.quotes_in(quote)).collect()
}

#[test]
fn every_spot_venue_comes_through_to_the_last_row() {
    play(&of_market(Market::Spot, "USDT"), "USDT");
}

#[test]
fn every_perpetual_venue_comes_through_to_the_last_row() {
    play(&of_market(Market::LinearPerpetual, "USDT"), "USDT");
}

#[test]
fn a_venue_of_another_quote_currency_comes_through_to_the_last_row() {
    let others = VENUES.iter().filter(|venue| !venue.quotes_in("USDT"));
    for venue in others {
        let quote = venue.quotes.unwrap()[0];
        let one = of_market(venue.market, quote).into_iter().find(|it| it.quotes.is_none());
        play(&[venue, one.unwrap()], quote);
    }
}
