//! The command line, which is also the manual.

use clap::Parser;
use std::path::PathBuf;

/// From a frame on one socket to the spread that it leads to on another.
///
/// One core sends WebSocket frames of a simulated Binance at their scheduled times and reads what the
/// broadcast answers; on the other core the engine's library runs from a configuration file: feeds,
/// calculator, decision and broadcast as one spinning thread. A frame's latency counts from the time at
/// which it was due, so that a stall makes every frame behind it late (no coordinated omission).
///
/// The yardstick is a relay on the engine's core that reads from one socket and writes as many bytes as
/// an answer has to another. It and the engine take turns, block by block, because a virtual machine's
/// speed drifts; compare only what one run measured.
///
/// How to read it: `engine` above `relay` at p50 is what the engine takes. Where both have the same tail,
/// the tail is the machine's. `missing` counts frames that were not answered: beyond saturation the
/// broadcast conflates, and those rows are no latencies any more. `lag` is how late the generator itself
/// was; what it adds is in every row alike.
///
/// The machine must have two CPUs that nothing else uses. Results are appended as JSON lines to the file
/// that SPREADWIRE_RESULTS names; plots go to the folder --out.
#[derive(Clone, Debug, Parser)]
#[command(name = "wire-to-wire", verbatim_doc_comment)]
pub(crate) struct Options {
    /// Frames a second; the engine's first rate that it does not keep up with ends the list.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "1000,10000,50000,100000,200000,400000,800000"
    )]
    pub(crate) rates: Vec<u32>,
    /// Seconds that a block sends for, 1 to 10; its first 0.2 s are not counted.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=10))]
    pub(crate) block_seconds: u64,
    /// Blocks of each contender in each case.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) blocks: u32,
    /// Leave out 182 frames in a millisecond, 50 times a second.
    #[arg(long)]
    pub(crate) no_bursts: bool,
    /// Leave out the gaps of the recorded tape (SPREADWIRE_REAL_DATA, default ../shared; made where absent).
    #[arg(long)]
    pub(crate) no_tape: bool,
    /// Compare with customary clients instead of rates: tokio-tungstenite with serde_json, and by PYTHON
    /// (default python3) websockets, cryptofeed and ccxt pro, those that are installed.
    #[arg(long)]
    pub(crate) peer: bool,
    /// Frames a second beside customary clients.
    #[arg(long, default_value_t = 1000)]
    pub(crate) peer_rate: u32,
    /// CPU of the engine, the relay and the peers; default is the last.
    #[arg(long)]
    pub(crate) engine_cpu: Option<usize>,
    /// CPU of the generator and the client; default is the one before it.
    #[arg(long)]
    pub(crate) load_cpu: Option<usize>,
    /// Folder for the plots; made if it does not exist.
    #[arg(long, default_value = "target/wire-to-wire")]
    pub(crate) out: PathBuf,
    /// Print the rows as JSON lines instead of tables.
    #[arg(long)]
    pub(crate) json: bool,
    /// What `cargo bench` adds.
    #[arg(long, hide = true)]
    pub(crate) bench: bool,
}
