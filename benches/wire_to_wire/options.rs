//! The command line. Its help text is the manual.

use clap::Parser;
use std::path::PathBuf;

/// Measures the time from a frame on one socket to the resulting spread on another.
///
/// One core sends WebSocket frames of a simulated Binance at their scheduled times and reads the
/// broadcast's answers. The other core runs the engine's library from a configuration file, with
/// feeds, calculator, decision and broadcast on one spinning thread. A frame's latency counts from
/// the time at which it was due, so a stall makes every later frame late (no coordinated omission).
///
/// The yardstick is a relay on the engine's core. It reads from one socket and writes as many bytes
/// as an answer has to another. Relay and engine take turns, block by block, because the speed of a
/// virtual machine drifts. Compare only figures of the same run.
///
/// How to read it: the difference between `engine` and `relay` at p50 is the engine's own time. If
/// both have the same tail, the tail is the machine's. `missing` counts frames that were not
/// answered: beyond saturation the broadcast conflates, and those rows are no longer latencies.
/// `lag` is how late the generator itself was; it adds to every row alike.
///
/// The machine must have two CPUs that nothing else uses. Results are appended as JSON lines to the
/// file in SPREADWIRE_RESULTS; plots go to the folder --out.
#[derive(Clone, Debug, Parser)]
#[command(name = "wire-to-wire", verbatim_doc_comment)]
pub(crate) struct Options {
    /// Frames a second; the list ends at the first rate that the engine does not sustain.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "1000,10000,50000,100000,200000,400000,800000"
    )]
    pub(crate) rates: Vec<u32>,
    /// Duration of a block in seconds, 1 to 10; its first 0.2 s are not counted.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=10))]
    pub(crate) block_seconds: u64,
    /// Number of blocks of each contender in each case.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) blocks: u32,
    /// Skip the case with 182 frames in a millisecond, 50 times a second.
    #[arg(long)]
    pub(crate) no_bursts: bool,
    /// Skip the case with the gaps of the recorded tape (SPREADWIRE_REAL_DATA, default ../shared;
    /// synthetic if absent).
    #[arg(long)]
    pub(crate) no_tape: bool,
    /// Compare with common clients instead of rates: tokio-tungstenite with serde_json, and the
    /// installed ones of websockets, cryptofeed and ccxt pro, run with PYTHON (default python3).
    #[arg(long)]
    pub(crate) peer: bool,
    /// Frames a second when comparing with common clients.
    #[arg(long, default_value_t = 1000)]
    pub(crate) peer_rate: u32,
    /// CPU of the engine, the relay and the peers; the last one by default.
    #[arg(long)]
    pub(crate) engine_cpu: Option<usize>,
    /// CPU of the generator and the client; by default the one before the engine's.
    #[arg(long)]
    pub(crate) load_cpu: Option<usize>,
    /// Folder for the plots; created if it does not exist.
    #[arg(long, default_value = "target/wire-to-wire")]
    pub(crate) out: PathBuf,
    /// Print the rows as JSON lines instead of tables.
    #[arg(long)]
    pub(crate) json: bool,
    /// Set by `cargo bench`.
    #[arg(long, hide = true)]
    pub(crate) bench: bool,
}
