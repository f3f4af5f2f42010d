//! Tests of the engine that need Python, a command or real data; see `tests/kit/src/needs.rs`.

#![allow(clippy::print_stdout, reason = "a test tells what it did")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod examples;
mod lake;
mod pipeline;

use spreadwire_kit::needs::{Need, tests};

const PYTHON: Need = Need::Python(&[]);
const WEBSOCKETS: Need = Need::Python(&["websockets"]);
/// Requirements of the tests that read lakes.
const READERS: Need = Need::Python(&["numpy", "pyarrow", "polars", "duckdb"]);

fn main() -> std::process::ExitCode {
    spreadwire_kit::needs::run(tests![
        examples::the_example_in_python_reads_the_same_values_that_json_has: [WEBSOCKETS],
        examples::the_short_example_prints_the_spreads_that_json_has: [WEBSOCKETS],
        examples::the_careful_example_refuses_what_cannot_be_and_tells_every_end: [PYTHON],
        examples::the_examples_end_where_the_server_does_not_speak_the_protocol: [WEBSOCKETS],
        examples::the_careful_example_tells_how_a_connection_ended: [WEBSOCKETS],
        lake::polars_duckdb_and_pyarrow_read_every_row: [READERS],
        lake::the_analysts_script_reads_a_real_tape_from_the_lake_unchanged:
            [READERS, Need::data(lake::SCRIPT), Need::data(pipeline::BTC_TAPE)],
        pipeline::a_client_in_python_hears_what_the_engine_counts: [WEBSOCKETS],
        pipeline::btc_tape_of_three_markets_comes_through_to_the_last_row: [Need::data(pipeline::BTC_TAPE)],
        pipeline::captured_frames_are_those_written: [Need::Command("zstd")],
        pipeline::polars_duckdb_and_pyarrow_read_what_the_simulator_wrote:
            [READERS],
    ])
}
