//! A whole market at full speed: the model on all venues.

use spreadwire_rigs::pipeline::scene::frames;
use spreadwire_rigs::pipeline::whole_market::{QUOTES, model};

#[test]
fn market_model_comes_through_to_the_last_row() {
    let outcome = model(QUOTES);
    assert_eq!(frames(&outcome.simulated.stats), QUOTES);
    assert_eq!(outcome.rows.len() as u64, QUOTES);
    assert_eq!(outcome.stories().len(), 80, "20 instruments on 4 venues");
    outcome.check();
    let lines = outcome.opportunities();
    let closed_by = |reason: &str| lines.iter().filter(|line| line["reason"] == reason).count();
    println!("{} messages, {} lines of opportunities", outcome.heard.len(), lines.len());
    assert!(20 < lines.len(), "the market must lead to decisions, not {}", lines.len());
    assert!(0 < closed_by("exit"), "some close by themselves");
    // Spot against perpetual is compared under a name that says so, in decisions and in the lake.
    let spans =
        |line: &serde_json::Value| line["instrument"].as_str().unwrap().ends_with(":SPOT-PERP");
    assert!(lines.iter().all(spans));
    for venue in ["binance", "binance_usdm"] {
        let folder = format!("exchange={venue}/symbol=BTC#USDT:SPOT-PERP");
        assert!(outcome.ended.plan.lake.join(&folder).is_dir(), "{folder}");
    }
}
