//! Every venue of the registry beside the engine: connection, greeting, subscription, compression,
//! contract sizes and heartbeats, up to the last row.

use exchange_sim::{ModelOptions, Simulator, Source, Speed, VenueAt};
use spreadwire_config::config;
use spreadwire_market::instrument::Market;
use spreadwire_rigs::pipeline::engine_under_test::{EngineUnderTest, PATIENCE};
use spreadwire_rigs::pipeline::listener::Listener;
use spreadwire_rigs::pipeline::scene::{Scene, configured, held, of_model};
use spreadwire_venues::venue::VenueSpec;
use spreadwire_venues::venues::VENUES;

const INSTRUMENTS: usize = 3;
/// Quotes of all venues together.
const QUOTES: u64 = 6_000;

/// Names the instruments in another currency. The simulator's symbols are those of its own.
fn in_currency(instruments: &mut [config::Instrument], quote: &str, venues: &[&VenueSpec]) {
    for instrument in instruments {
        let (base, usual) = instrument.name.split_once('/').unwrap();
        for venue in venues.iter().filter(|_| quote != usual) {
            let symbol = (venue.symbol)(base, usual);
            instrument.symbols.insert(venue.name.to_owned(), symbol);
        }
        instrument.name = format!("{base}/{quote}");
    }
}

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
    in_currency(&mut instruments, quote, venues);
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

/// A venue that ends the connection at a coin that it does not know.
#[test]
fn an_unknown_coin_costs_no_other_its_quotes() {
    let ends = VENUES.iter().find(|venue| venue.ends_on_unknown).unwrap();
    let quote = ends.quotes.unwrap()[0];
    let other = of_market(ends.market, quote).into_iter().find(|it| it.quotes.is_none()).unwrap();
    let venues = [ends, other];
    let options = exchange_sim::Options {
        venues: venues.iter().map(|venue| VenueAt::any_port(venue.name)).collect(),
        limit: Some(QUOTES),
        ..held(
            Source::Model(ModelOptions { instruments: INSTRUMENTS, ..ModelOptions::default() }),
            Speed::Max,
        )
    };
    let simulator = Simulator::start(options).unwrap();
    let mut instruments = of_model(INSTRUMENTS);
    let unheard = config::Instrument { name: "UNHEARD/USDT".to_owned(), ..instruments[0].clone() };
    // Among the others, so that some are asked for before it and some after it.
    instruments.insert(1, unheard);
    in_currency(&mut instruments, quote, &venues);
    let engine = EngineUnderTest::launch(configured(&simulator, instruments));
    let known = (INSTRUMENTS * venues.len()) as u64;
    let is_all = simulator.wait_until(PATIENCE, |stats| stats.subscriptions() == known);
    assert!(is_all, "{:?}", simulator.stats());
    let listener = Listener::join(engine.address(), &engine.plan.catalogue);
    let scene = Scene { simulator, engine, listener };
    scene.play_to_the_end();
    let outcome = scene.end();
    // On a slow machine the coin is asked for again meanwhile, and what comes until the next connection
    // is heard by nobody.
    assert!(QUOTES / 2 < outcome.rows.len() as u64, "{} rows", outcome.rows.len());
    let refused = outcome.sum(&format!("feed.{}.", ends.name), ".refused");
    assert!((1..=3).contains(&refused), "{refused}");
    let connects = outcome.sum(&format!("feed.{}.", ends.name), ".connects");
    assert_eq!(connects, refused + 1);
}
