//! `spreadwire demo`: runs the engine against simulated exchanges on loopback, over real
//! WebSockets.
//!
//! This is the only module that uses the simulator. It writes a configuration for the simulated
//! venues, runs the engine on it as `run` would, and watches the result as a client of the
//! broadcast.

use clap::Args;
use exchange_sim::{
    INSTRUMENTS, ModelOptions, Options, SimError, Simulator, Source, Speed, TapeOptions, VenueAt,
};
use spreadwire_config::config::{self, Config};
use spreadwire_engine::plan::{Host, Plan};
use spreadwire_engine::process;
use spreadwire_engine::runtime::{cpu, descriptors};
use spreadwire_lake::run::Provenance;
use spreadwire_market::clock::Clock;
use spreadwire_market::counters::Counters;
use spreadwire_market::decimal;
use spreadwire_market::problem;
use spreadwire_output::{Stream, err, offer, out};
use spreadwire_venues::venue::{Sizes, VenueSpec};
use spreadwire_venues::venues::VENUES;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

mod paper;
mod view;

/// Number of decimals that fits every size of the model and the tapes.
const SIZE_DECIMALS: u8 = 8;
/// Decimals added to those of a tape, so that its prices fit the grid of any venue.
const SPARE_DECIMALS: u8 = 2;
/// Rate at which an opportunity opens every few seconds.
const SHOCKS_PER_MINUTE: f64 = 40.0;
/// Maximum wait for all subscriptions; then the market opens without the missing ones.
const SUBSCRIBE_LIMIT: Duration = Duration::from_secs(10);
/// With fewer descriptors than this, the demo takes only so many clients.
const DESCRIPTORS_FEW: u64 = 4_096;
const CLIENTS_FEW: usize = 50;

/// Arguments of the demo.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Stop after this many seconds, instead of at Ctrl-C or at the end of a tape.
    #[arg(long = "for", value_name = "SECONDS", value_parser = crate::seconds)]
    limit: Option<Duration>,
    /// Folder of the lake that quotes are recorded into; one with real quotes is refused.
    #[arg(long, value_name = "DIR", default_value = "demo-lake")]
    lake: PathBuf,
    /// Multiple of real speed; `max` plays as fast as the engine accepts quotes.
    #[arg(long, value_name = "N", default_value = "1", value_parser = speed)]
    speed: Speed,
    /// Play recorded quotes instead of the market model: a CSV file, plain or gzip, or a folder.
    #[arg(long, value_name = "PATH")]
    tape: Option<PathBuf>,
    /// Play a venue of the tape on a simulated one, as in binance_coinm=bybit; may be given several
    /// times. binance_spot, binance_usdm, bybit_spot and okx_spot are mapped already.
    #[arg(long, value_name = "TAPE=VENUE", value_parser = pair, requires = "tape")]
    map: Vec<(String, String)>,
    /// Name the instrument of a symbol in the tape, as in BTCUSD_PERP=BTC/USDT; may be given
    /// several times.
    #[arg(long, value_name = "SYMBOL=NAME", value_parser = pair, requires = "tape")]
    instrument: Vec<(String, String)>,
    /// Take threads, broadcast, decision and rings from this file; venues and instruments come from
    /// the simulator.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Simulated venues, as in gate,okx-swap, or `all` on which the model's instruments can be listed; the
    /// usual ones are binance, binance-usdm, bybit and okx.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', conflicts_with = "tape")]
    venues: Vec<String>,
    /// Address of the broadcast, `ip:port`; port 0 takes any free port.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Seed of the market model.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Quotes a second of the market model, for all venues together.
    #[arg(long, default_value_t = 5_000.0)]
    rate: f64,
    /// Record every frame as received into the lake's `capture` folder.
    #[arg(long)]
    capture: bool,
    /// Write the closing summary to this file as JSON.
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
    /// Write latencies by stage and venue into this folder: an interval log each second, and
    /// distributions and plots at the end (HdrHistogram's formats).
    #[arg(long, value_name = "DIR")]
    hist: Option<PathBuf>,
    /// Write the configuration that the demo runs by to this file: `spreadwire replay` takes it.
    #[arg(long, value_name = "FILE")]
    save_config: Option<PathBuf>,
}

/// Runs the demo and returns its exit code.
pub(crate) fn run(demo: &Demo) -> anyhow::Result<ExitCode> {
    process::check_summary(demo.summary.as_deref())?;
    let simulator = match Simulator::start(options(demo)) {
        Ok(simulator) => simulator,
        Err(error) => return Ok(crate::refuse(&[unplayable(&error)])),
    };
    let plan = match planned(demo, &simulator) {
        Ok(plan) => plan,
        Err(problems) => return Ok(crate::refuse(&problems)),
    };
    let engine = match crate::start(&plan, Path::new("spreadwire demo"))? {
        Ok(engine) => engine,
        Err(problem) => return Ok(crate::refuse(&[problem])),
    };
    let view = view::View::start(&engine)?;
    let wanted = plan.catalogue.listings.len() as u64;
    if !simulator.wait_until(SUBSCRIBE_LIMIT, |stats| wanted <= stats.subscriptions()) {
        tracing::warn!("not all of {wanted} subscriptions were made; continuing with the others");
    }
    simulator.release();
    let mut screen = Screen::new(demo, &plan);
    let summary = engine.supervise(demo.limit, |counters, stop| {
        screen.show(&view, counters)?;
        let is_over = demo.tape.is_some() && simulator.finished() && screen.is_quiet(counters);
        if is_over || spreadwire_output::has_reader_left() {
            stop.request();
        }
        Ok(())
    })?;
    let summary = view.finish(summary);
    let outcome = simulator.stop();
    out!("simulator: {} quotes sent", outcome.stats.quotes());
    crate::conclude(&plan, &summary, demo.summary.as_deref())
}

/// Parses a speed: a multiple of real time, or `max`.
fn speed(text: &str) -> Result<Speed, String> {
    if text == "max" {
        return Ok(Speed::Max);
    }
    text.parse().map(Speed::Times).map_err(|_| "expected a number or max".to_owned())
}

/// Converts the simulator's error to a problem.
fn unplayable(error: &SimError) -> problem::Problem {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    problem::Problem {
        file: PathBuf::from("spreadwire demo"),
        key: String::new(),
        reason: format!("the simulator did not start: {error}{}", cause.unwrap_or_default()),
        remedy: "see spreadwire demo --help; data/README.md describes tapes".to_owned(),
    }
}

/// Splits `LEFT=RIGHT` into its parts.
fn pair(text: &str) -> Result<(String, String), String> {
    let (left, right) = text.split_once('=').ok_or("expected LEFT=RIGHT")?;
    Ok((left.to_owned(), right.to_owned()))
}

/// Returns the simulator's tape options, extended by the arguments.
fn tape_options(demo: &Demo, path: &Path) -> TapeOptions {
    let mut options = TapeOptions { path: path.to_owned(), ..TapeOptions::default() };
    options.venues.extend(demo.map.iter().cloned());
    options.instruments.extend(demo.instrument.iter().cloned());
    options
}

fn options(demo: &Demo) -> Options {
    let source = match &demo.tape {
        Some(path) => Source::Tape(tape_options(demo, path)),
        None => Source::Model(ModelOptions {
            seed: demo.seed,
            rate: demo.rate,
            shocks_per_minute: SHOCKS_PER_MINUTE,
            ..ModelOptions::default()
        }),
    };
    let usual = Options { source, speed: demo.speed, hold: true, ..Options::default() };
    let venues = match demo.venues.as_slice() {
        [] => usual.venues,
        [all] if all == "all" => {
            let fits = |venue: &&VenueSpec| in_model().iter().all(|it| may_list(venue, it));
            VENUES.iter().filter(fits).map(|venue| VenueAt::any_port(venue.name)).collect()
        }
        names => names.iter().map(|name| VenueAt::any_port(name)).collect(),
    };
    Options { venues, ..usual }
}

/// Makes the plan for the simulated venues.
fn planned(demo: &Demo, simulator: &Simulator) -> Result<Plan, Vec<problem::Problem>> {
    let mut problems = Vec::new();
    let (file, config) = match &demo.config {
        Some(path) => (path.clone(), config::read(path, &mut problems)),
        None => (PathBuf::from("spreadwire demo"), Some(built_in(descriptors::limit()))),
    };
    let Some(mut config) = config else { return Err(problems) };
    let mut instruments = match &demo.tape {
        Some(path) => on_tape(&tape_options(demo, path), simulator)
            .map_err(|error| vec![unplayable(&error)])?,
        None => in_model(),
    };
    let is_simulated = |name: &String| simulator.venues().iter().any(|(venue, _)| venue == name);
    for instrument in &mut instruments {
        instrument.contract_sizes.retain(|name, _| is_simulated(name));
    }
    let played = |name: &str| instruments.iter().any(|i| plays(i, name));
    config.venues = simulator
        .venues()
        .iter()
        .filter(|(name, _)| played(name))
        .map(|(name, _)| config::Venue::at(name, &simulator.url(name)))
        .collect();
    (config.instruments, config.across_markets) = (Vec::new(), Vec::new());
    // The simulator plays one price on spot and perpetual venues alike.
    spreadwire_catalogue::add_by_market(&mut config, instruments);
    if demo.config.is_none() {
        config.trading = paper::trading(&config);
    }
    config.journal.lake.clone_from(&demo.lake);
    config.run.provenance = Some(Provenance::Simulated.name().to_owned());
    config.capture.enabled |= demo.capture;
    if demo.hist.is_some() {
        config.telemetry.hist.clone_from(&demo.hist);
    }
    if let Some(address) = &demo.listen {
        config.broadcast.address.clone_from(address);
    }
    if let Some(path) = &demo.save_config
        && let Some(problem) = save(&config, path)
    {
        problems.push(problem);
    }
    Plan::new(
        config,
        &file,
        &Host {
            cpus: cpu::available(),
            descriptors: descriptors::limit(),
            now: Clock::host().now(),
        },
        problems,
    )
}

/// Writes a configuration to a file; a problem if that cannot be done.
fn save(config: &Config, path: &Path) -> Option<problem::Problem> {
    let written = toml::to_string(config)
        .map_err(std::io::Error::other)
        .and_then(|text| std::fs::write(path, text));
    written.err().map(|error| problem::Problem {
        file: path.to_owned(),
        key: String::new(),
        reason: format!("cannot be written: {error}"),
        remedy: "name a file in a folder that exists".to_owned(),
    })
}

/// Returns whether a venue has instruments in the currency of this one.
fn may_list(venue: &VenueSpec, instrument: &config::Instrument) -> bool {
    instrument.name.split_once('/').is_some_and(|(_, quote)| venue.quotes_in(quote))
}

fn plays(instrument: &config::Instrument, venue: &str) -> bool {
    instrument.venues.as_ref().is_none_or(|venues| venues.iter().any(|v| v == venue))
}

/// Returns the default configuration: one spinning thread does everything from the socket to the
/// decision and the broadcast. The journal runs on another thread, because the operating system may
/// delay its writes. A host that gives few file descriptors gets fewer clients, not an error.
fn built_in(descriptors: u64) -> Config {
    let mut broadcast = config::Broadcast::default();
    if descriptors < DESCRIPTORS_FEW {
        broadcast.clients_max = CLIENTS_FEW;
    }
    let thread = |name: &str, idle: &str, agents: &[&str]| config::Thread {
        name: name.to_owned(),
        cpu: None,
        idle: idle.to_owned(),
        sleep_max_us: None,
        agents: agents.iter().map(|agent| (*agent).to_owned()).collect(),
    };
    Config {
        threads: vec![
            thread("hot", "spin", &["feed", "calculator", "decision", "broadcast"]),
            thread("journal", "backoff", &["journal"]),
        ],
        broadcast,
        ..Config::default()
    }
}

fn in_model() -> Vec<config::Instrument> {
    let instrument = |i: &exchange_sim::Instrument| config::Instrument {
        place: config::Place::default(),
        name: i.name.to_owned(),
        price_decimals: decimals(i.price_decimals, 0),
        size_decimals: SIZE_DECIMALS,
        venues: None,
        // The simulator spells symbols as its venues do.
        symbols: BTreeMap::new(),
        contract_sizes: of_one_lot(i.size_decimals),
    };
    INSTRUMENTS.iter().map(instrument).collect()
}

/// Returns the contract sizes of an instrument: the simulator's contracts are one unit of the last decimal.
fn of_one_lot(size_decimals: usize) -> BTreeMap<String, String> {
    let size = decimal::to_text(1, decimals(size_decimals, 0));
    let in_contracts = VENUES.iter().filter(|venue| venue.sizes == Sizes::Contracts);
    in_contracts.map(|venue| (venue.name.to_owned(), size.clone())).collect()
}

fn on_tape(
    options: &TapeOptions,
    simulator: &Simulator,
) -> Result<Vec<config::Instrument>, SimError> {
    let venues: Vec<&str> = simulator.venues().iter().map(|(name, _)| *name).collect();
    let survey = exchange_sim::survey(options, &venues)?;
    let skipped = survey.unmapped + survey.incomplete;
    if skipped > 0 {
        err!(
            "{skipped} rows of the tape were NOT played, {} of them from venues that are not \
             simulated: see --map",
            survey.unmapped
        );
    }
    let instrument = |i: exchange_sim::TapeInstrument| config::Instrument {
        place: config::Place::default(),
        name: i.name,
        price_decimals: decimals(i.price_decimals, SPARE_DECIMALS),
        size_decimals: decimals(i.size_decimals, 0).max(SIZE_DECIMALS),
        venues: Some(i.venues.iter().map(|(venue, _)| venue.clone()).collect()),
        symbols: i.venues.into_iter().collect(),
        contract_sizes: BTreeMap::new(),
    };
    Ok(survey.instruments.into_iter().map(instrument).collect())
}

fn decimals(own: usize, spare: u8) -> u8 {
    u8::try_from(own).unwrap_or(u8::MAX).saturating_add(spare)
}

/// Shows progress: a table on a terminal, otherwise one line a second.
struct Screen {
    table: bool,
    status: process::StatusLine,
    /// Where the status of the trading on paper is, if there is any.
    paper: Option<PathBuf>,
    quotes: u64,
}

impl Screen {
    fn new(demo: &Demo, plan: &Plan) -> Screen {
        let table = Stream::Out.is_terminal();
        if !table {
            let instruments = plan.catalogue.instruments.len();
            let venues = plan.catalogue.venues.len();
            out!(
                "instruments: {instruments}, simulated venues: {venues}, speed: {}, lake: {}",
                match demo.speed {
                    Speed::Times(times) => format!("x{times}"),
                    Speed::Max => "as fast as the engine accepts".to_owned(),
                },
                demo.lake.display()
            );
        }
        let paper = plan.trading.as_ref().map(|trading| plan.status(trading));
        Screen { table, status: process::StatusLine::new(&plan.catalogue), paper, quotes: 0 }
    }

    fn show(&mut self, view: &view::View, counters: &Counters) -> anyhow::Result<()> {
        let mut line = self.status.line(counters)?;
        if let Some(paper) = self.paper.as_deref().and_then(crate::paper::line) {
            line = format!("{line}  {paper}");
        }
        if self.table {
            view.draw(&line);
        } else {
            offer(Stream::Out, &line);
        }
        Ok(())
    }

    /// Returns whether no quote has arrived since the last call.
    fn is_quiet(&mut self, counters: &Counters) -> bool {
        let quotes = counters.sum("feed.", ".quotes");
        std::mem::replace(&mut self.quotes, quotes) == quotes
    }
}
