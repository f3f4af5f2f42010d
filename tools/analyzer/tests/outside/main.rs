//! Tests that need something from outside the workspace: a browser, Python packages or real data.

#![allow(clippy::print_stdout, reason = "a test tells what it did")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod browser;
mod engines;
mod gaps;
#[path = "../statistics/half_lives.rs"]
mod half_lives;
#[path = "../lakes/kit.rs"]
mod kit;
#[path = "../lakes/random.rs"]
mod random;
#[path = "../html/kit.rs"]
mod reports;

use spreadwire_kit::needs::{Need, tests};

fn main() -> std::process::ExitCode {
    spreadwire_kit::needs::run(tests![
        browser::a_browser_draws_every_picture_for_a_phone_and_for_a_desk: [Need::Chromium],
        engines::on_random_lakes_the_compatible_columns_are_those_of_all_three_engines:
            engines::needs(),
        engines::on_the_recorded_tapes_the_compatible_columns_are_those_of_all_three_engines:
            engines::needs_of_tapes(),
        gaps::the_interval_holds_a_known_half_life_over_recorded_gaps: [Need::data(gaps::TAPE)],
    ])
}
