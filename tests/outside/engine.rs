//! Tests of the engine that need Python, a command or real data; see `needs.rs`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../pipeline/capture.rs"]
#[allow(dead_code, unused_imports, reason = "its tests are of the other binary")]
mod capture;
#[path = "../pipeline/engine_under_test.rs"]
#[allow(dead_code, reason = "these tests need a part of it")]
mod engine_under_test;
mod examples;
#[path = "../broadcast/fake_network.rs"]
#[allow(dead_code, reason = "these tests are over real sockets")]
mod fake_network;
#[path = "../broadcast/flattened.rs"]
mod flattened;
#[path = "../broadcast/kit.rs"]
#[allow(dead_code, reason = "these tests need a part of it")]
mod kit;
#[path = "lake.rs"]
mod lake_readers;
#[path = "../pipeline/lake_rows.rs"]
#[allow(dead_code, reason = "these tests need a part of it")]
mod lake_rows;
#[path = "../pipeline/listener.rs"]
#[allow(dead_code, reason = "these tests need a part of it")]
mod listener;
#[path = "../pipeline/market.rs"]
#[allow(dead_code, unused_imports, reason = "its tests are of the other binary")]
mod market;
#[path = "../broadcast/model.rs"]
#[allow(dead_code, reason = "these tests need a part of it")]
mod model;
#[path = "../pipeline/naive.rs"]
#[allow(dead_code, reason = "these tests need a part of it")]
mod naive;
#[path = "../pipeline/outcome.rs"]
#[allow(dead_code, reason = "these tests need a part of it")]
mod outcome;
mod pipeline;
#[path = "../lake/records.rs"]
#[allow(dead_code, reason = "these tests need a part of it")]
mod records;
#[path = "../lake/rig.rs"]
#[allow(dead_code, reason = "these tests need a part of it")]
mod rig;
#[path = "../lake/rows.rs"]
#[allow(dead_code, reason = "these tests need a part of it")]
mod rows;
#[path = "../pipeline/surroundings.rs"]
#[allow(dead_code, unused_imports, reason = "its tests are of the other binary")]
mod surroundings;

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
        lake_readers::polars_duckdb_and_pyarrow_read_every_row: [READERS],
        lake_readers::the_analysts_script_reads_a_real_tape_from_the_lake_unchanged:
            [READERS, Need::data(lake_readers::SCRIPT), Need::data(pipeline::BTC_TAPE)],
        pipeline::a_client_in_python_hears_what_the_engine_counts: [WEBSOCKETS],
        pipeline::btc_tape_of_three_markets_comes_through_to_the_last_row: [Need::data(pipeline::BTC_TAPE)],
        pipeline::captured_frames_are_those_written: [Need::Command("zstd")],
        pipeline::polars_duckdb_and_pyarrow_read_what_the_simulator_wrote:
            [READERS],
    ])
}
