//! The command line.

use clap::{Args, Parser, Subcommand, ValueEnum};
use spreadwire_trading::amount::Amount;
use std::path::PathBuf;
use trader::sweep;

const EXIT_CODES: &str = "\
Exit codes:
  0  stopped by Ctrl-C, SIGTERM or --for
  1  something failed
  2  wrong arguments or configuration
  3  the server speaks another version of the protocol; trying again is useless";

/// Follows the engine's broadcast, decides as the engine does, and executes on paper or through a gateway.
///
/// Without a command it runs: it watches and reports when opportunities open and close, or trades with
/// --gateway.
#[derive(Debug, Parser)]
#[command(version, after_help = EXIT_CODES, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// What a run takes.
    #[command(flatten)]
    pub(crate) run: RunArguments,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Watches or trades, as without a command.
    Run(Box<RunArguments>),
    /// Shows what a running trader does: state, deals, balances, profit, ages, and why it does not act.
    Status(Ask),
    /// Shows why spreads above their thresholds were not acted on, by reason and by pair.
    Explain(Ask),
    /// Stops all orders of a running trader at once. If none answers and --config is given, makes the kill
    /// file, which stops one that does not answer.
    Kill(Ask),
    /// Ends all halts: a person has looked. The kill file must be removed first.
    Resume(Ask),
    /// Takes what the venues say of balances for true and ends deals whose residual was kept: a person has
    /// looked.
    Adopt(Ask),
    /// Makes a running trader read configuration and approved pairs again; problems are shown, and the
    /// old ones stay.
    Reload(Ask),
    /// Reports the profits in a journal of decisions: by pair and venue, what could be captured, where
    /// prices went after fills, balances, and transfers that would mend their skew.
    Report(Report),
    /// Runs a grid of thresholds, sizes and latencies over a lake on paper, on all cores: profit, deals,
    /// drawdown and capture of each, as a table and a page with pictures, and walk-forward.
    Sweep(Box<sweep::Arguments>),
}

/// Which trader to ask.
#[derive(Debug, Args)]
pub(crate) struct Ask {
    /// Control socket of the trader: `trader.sock` in the folder of its journal.
    #[arg(long, value_name = "PATH", required_unless_present_any = ["config", "journal"])]
    pub(crate) socket: Option<PathBuf>,
    /// The configuration that the trader runs by, which says where that is.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Folder of the journal of decisions, where the socket is; overrides the configuration.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) journal: Option<PathBuf>,
    /// Prints JSON instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which journal to report on.
#[derive(Debug, Args)]
pub(crate) struct Report {
    /// The journal: `decisions.jsonl`, or the folder that it is in.
    pub(crate) file: PathBuf,
    /// Prints JSON instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Who executes orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum GatewayKind {
    /// Nobody: they are filled by the books that were seen.
    Paper,
    /// A simulator that speaks the venues' protocols.
    Sim,
    /// The venues, with real money.
    Live,
}

/// What a run takes.
#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// Address of the broadcast server: ws://host:port, wss://host:port, or unix:/path.
    #[arg(long, default_value = "ws://127.0.0.1:8181")]
    pub(crate) url: String,
    /// File that holds the token to bring, which only its owner may read.
    #[arg(long, value_name = "FILE", group = "token")]
    pub(crate) token_file: Option<PathBuf>,
    /// Environment variable that holds it.
    #[arg(long, value_name = "NAME", group = "token")]
    pub(crate) token_env: Option<String>,
    /// systemd credential that holds it.
    #[arg(long, value_name = "NAME", group = "token")]
    pub(crate) token_credential: Option<String>,
    /// PEM file of a certificate authority to trust for wss://, in addition to the public ones.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// The engine's configuration; its section [decision] and its calculator.max_net_bps are used, and
    /// for trading its venues, instruments and section [trading] too.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The file of approved pairs, which `analyzer approve` writes. Only they open, each at its own
    /// thresholds until it expires. Replaces the one in the configuration.
    #[arg(long, value_name = "FILE")]
    pub(crate) approved: Option<PathBuf>,
    /// An option of earlier versions, which is refused with what to do instead.
    #[arg(long, value_name = "FILE", hide = true)]
    pub(crate) recommendations: Option<PathBuf>,
    /// Entry threshold of the net spread, overrides the configuration.
    #[arg(long, value_name = "BPS", allow_negative_numbers = true)]
    pub(crate) entry_bps: Option<f64>,
    /// Exit threshold of the net spread, overrides the configuration.
    #[arg(long, value_name = "BPS", allow_negative_numbers = true)]
    pub(crate) exit_bps: Option<f64>,
    /// Time after a close in which the pair opens nothing, overrides the configuration.
    #[arg(long, value_name = "MS")]
    pub(crate) cooldown_ms: Option<u64>,
    /// Maximum age of a spread that is acted on. It includes the difference between the clocks of
    /// this host and the engine's.
    #[arg(long, value_name = "MS", default_value_t = 1000)]
    pub(crate) max_age_ms: u64,
    /// A net spread further from zero than this is taken for a mistake and not acted on; 0 for no
    /// limit. Overrides the configuration's `calculator.max_net_bps`.
    #[arg(long, value_name = "BPS")]
    pub(crate) max_net_bps: Option<f64>,
    /// Instruments to decide on, overrides the configuration; may be given several times.
    #[arg(long = "instrument", value_name = "NAME")]
    pub(crate) instruments: Vec<String>,
    /// Stop after this many seconds instead of at Ctrl-C.
    #[arg(long = "for", value_name = "SECONDS")]
    pub(crate) seconds: Option<f64>,
    /// Print one JSON object per line instead of text.
    #[arg(long)]
    pub(crate) json: bool,
    /// Trades instead of watching, by the section [trading] of --config: on paper, against a simulator, or
    /// at the venues. Without it, the trader trades on paper if trading.mode is "paper", and else watches.
    #[arg(long, value_name = "KIND", requires = "config")]
    pub(crate) gateway: Option<GatewayKind>,
    /// Watches, whatever the configuration says of trading.
    #[arg(long, conflicts_with = "gateway")]
    pub(crate) watch: bool,
    /// Sends real orders: needed beside --gateway live.
    #[arg(long)]
    pub(crate) live: bool,
    /// Largest notional of an order, in trading.currency; needed beside --gateway live.
    #[arg(long, value_name = "AMOUNT", value_parser = Amount::parse)]
    pub(crate) max_notional: Option<Amount>,
    /// Folder of the journal of decisions, overrides the configuration.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) journal: Option<PathBuf>,
}
