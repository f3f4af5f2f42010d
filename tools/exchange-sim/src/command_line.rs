//! The command line: its arguments, their help, and the options they stand for.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser;
use exchange_sim::{
    Fault, FramesOptions, Model, ModelOptions, Options, Source, Speed, TapeOptions, VenueAt,
    duration_of, venue_names,
};

const EXAMPLES: &str = "\
Examples:
  exchange-sim                                      the model on four free ports, until Ctrl-C
  exchange-sim --port-base 9101 --rate 20000        ports 9101 to 9104, 20,000 quotes/s
  exchange-sim --venues binance=9101,okx=9102       two venues on ports of your choice
  exchange-sim --tape data/tapes --speed x10 --loop a folder of recorded quotes, ten times as fast
  exchange-sim --frames binance=spot.frames.gz      recorded frames, byte for byte
  exchange-sim --capture lake/capture               what an engine received
  exchange-sim --fault binance:after=500:drop --fault bybit:each=10s:stall=3s
  exchange-sim --write-tape model.csv.gz --for 60   one minute of the model as a tape

Faults are <venue>:<moment>:<kind>.
  moment  after=N or every=N (quotes sent by the venue), at=TIME or each=TIME (since the start)
  kind    drop               the connection ends by a TCP reset
          close              it ends by a WebSocket close
          stall=TIME         it stays open, nothing is sent or answered
          garbage            a text message that is not JSON
          truncated          a message whose JSON breaks off
          cut                a WebSocket frame that breaks off, then the end
          oversized[=BYTES]  a very long message
          unknown            JSON of no documented kind
          skip=K             the next K quotes are not sent, their sequence numbers are used up
          refuse             an error reply to the next subscription
          crossed, zero-size, negative   a wrong quote in a well-formed message
A TIME is 250ms, 10s or 2m; a bare number is seconds.";

/// Serves the native WebSocket protocols of crypto exchanges on loopback.
#[derive(Debug, Parser)]
#[command(name = "exchange-sim", version, after_long_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Venues to serve, each as NAME, NAME=PORT or NAME=ADDRESS:PORT. Default: all.
    #[arg(long, value_delimiter = ',', value_name = "VENUE")]
    venues: Vec<String>,

    /// Gives the venues the ports from this one on, in order. Default: any free ports.
    #[arg(long, value_name = "PORT")]
    port_base: Option<u16>,

    /// Plays the seeded model of a market. This is the default source.
    #[arg(long, conflicts_with_all = ["tape", "frames"])]
    model: bool,

    /// Plays recorded quotes: a CSV or CSV.gz file, or a folder of them.
    #[arg(long, value_name = "PATH", conflicts_with = "frames")]
    tape: Option<PathBuf>,

    /// Maps a venue of the tape to a served one, as in binance_coinm=bybit. May be repeated; then
    /// only the given mappings hold.
    #[arg(long, value_name = "TAPE=VENUE", requires = "tape", value_parser = pair)]
    map: Vec<(String, String)>,

    /// Says which instrument a symbol of the tape is, as in BTCUSD_PERP=BTC/USDT.
    #[arg(long, value_name = "SYMBOL=INSTRUMENT", requires = "tape", value_parser = pair)]
    instrument: Vec<(String, String)>,

    /// The size sent where the tape has none.
    #[arg(long, value_name = "SIZE", requires = "tape", default_value = "1")]
    default_size: String,

    /// Sends recorded frames as they are: a venue and a file of `<ns> <frame>` lines, plain, gzip
    /// or zstd, or a folder of them.
    #[arg(long, value_name = "VENUE=PATH", value_parser = pair)]
    frames: Vec<(String, String)>,

    /// Sends the frames that an engine captured: its lake's `capture` folder.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["model", "tape", "frames", "write_tape"])]
    capture: Option<PathBuf>,

    /// How fast the source is played: x1, x10, 0.5, or max.
    #[arg(long, default_value = "x1", value_parser = speed)]
    speed: Speed,

    /// Begins a recording again at its end, with fresh times.
    #[arg(long = "loop")]
    looping: bool,

    /// The model's seed. The same seed gives the same quotes.
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// The model's quotes per second, over all venues.
    #[arg(long, default_value_t = 5000.0)]
    rate: f64,

    /// The model's number of instruments, most traded first.
    #[arg(long, default_value_t = 20)]
    instruments: usize,

    /// Ends the source after this many quotes; the connections stay open.
    #[arg(long, value_name = "QUOTES")]
    limit: Option<u64>,

    /// Scripts a failure; see the end of this help. May be repeated.
    #[arg(long, value_name = "FAULT")]
    fault: Vec<Fault>,

    /// Makes Bybit send the depth-1 deltas of before 2025-03-20.
    #[arg(long)]
    bybit_deltas: bool,

    /// Does not play before this many subscriptions exist.
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    wait_for: usize,

    /// Serves wss:// with a certificate made at the start.
    #[arg(long)]
    tls: bool,

    /// Writes the certificate that clients must trust to this file.
    #[arg(long, value_name = "FILE", requires = "tls")]
    pub(crate) cert_out: Option<PathBuf>,

    /// Stops after this time; with --write-tape, the length of the tape.
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    pub(crate) lasting: Option<Duration>,

    /// Writes the model's quotes as a tape (CSV, or CSV.gz by its name) instead of serving them.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["tape", "frames"], requires = "lasting")]
    pub(crate) write_tape: Option<PathBuf>,
}

pub(crate) fn options(arguments: &Arguments) -> Result<Options> {
    let venues = venues(&arguments.venues, arguments.port_base)?;
    for fault in &arguments.fault {
        let is_served = venues.iter().any(|venue| venue.name == fault.venue);
        anyhow::ensure!(is_served, "fault: {} is not among the venues served", fault.venue);
    }
    Ok(Options {
        source: source(arguments, &venues)?,
        venues,
        speed: arguments.speed,
        looping: arguments.looping,
        limit: arguments.limit,
        faults: arguments.fault.clone(),
        tls: arguments.tls,
        wait_for_subscriptions: arguments.wait_for,
        bybit_deltas: arguments.bybit_deltas,
        ..Options::default()
    })
}

fn venues(asked: &[String], port_base: Option<u16>) -> Result<Vec<VenueAt>> {
    let all: Vec<String> = venue_names().into_iter().map(str::to_owned).collect();
    let asked = if asked.is_empty() { &all } else { asked };
    let venue = |(index, text): (usize, &String)| venue(text, index, port_base);
    asked.iter().enumerate().map(venue).collect()
}

/// Reads the venue at position `index`: NAME, NAME=PORT or NAME=ADDRESS:PORT.
fn venue(text: &str, index: usize, port_base: Option<u16>) -> Result<VenueAt> {
    let (name, place) = match text.split_once('=') {
        Some((name, place)) => (name, Some(place)),
        None => (text, None),
    };
    let known = venue_names();
    anyhow::ensure!(known.contains(&name), "venue {name:?}: known are {}", known.join(", "));
    let Some(place) = place else {
        let port = port_base.map_or(0, |base| usize::from(base) + index);
        let port = u16::try_from(port).context("--port-base is too high")?;
        return Ok(VenueAt::port(name, port));
    };
    match (place.parse::<u16>(), place.parse::<SocketAddr>()) {
        (Ok(port), _) => Ok(VenueAt::port(name, port)),
        (_, Ok(bind)) => Ok(VenueAt { name: name.to_owned(), bind }),
        (Err(_), Err(_)) => {
            anyhow::bail!("venue {name}: {place:?} is neither a port nor ADDRESS:PORT")
        }
    }
}

fn source(arguments: &Arguments, venues: &[VenueAt]) -> Result<Source> {
    if let Some(path) = &arguments.tape {
        return Ok(Source::Tape(tape(arguments, path)));
    }
    if let Some(folder) = &arguments.capture {
        let venues: Vec<&str> = venues.iter().map(|at| at.name.as_str()).collect();
        return Ok(Source::Frames(FramesOptions::captured(folder, &venues)?));
    }
    if !arguments.frames.is_empty() {
        let files = arguments.frames.iter();
        let files = files.map(|(venue, path)| (venue.clone(), PathBuf::from(path))).collect();
        return Ok(Source::Frames(FramesOptions { files }));
    }
    model(arguments, venues)
}

fn tape(arguments: &Arguments, path: &Path) -> TapeOptions {
    let defaults = TapeOptions::default();
    let is_mapped = !arguments.map.is_empty();
    TapeOptions {
        path: path.to_owned(),
        venues: if is_mapped { arguments.map.clone() } else { defaults.venues },
        instruments: arguments.instrument.clone(),
        symbols: defaults.symbols,
        default_size: arguments.default_size.clone(),
    }
}

fn model(arguments: &Arguments, venues: &[VenueAt]) -> Result<Source> {
    let mut model = ModelOptions {
        seed: arguments.seed,
        rate: arguments.rate,
        instruments: arguments.instruments,
        ..ModelOptions::default()
    };
    model.venues.retain(|it| venues.iter().any(|at| at.name == it.name));
    Model::new(&model)?;
    Ok(Source::Model(model))
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (left, right) = text.split_once('=').ok_or("expected LEFT=RIGHT")?;
    Ok((left.to_owned(), right.to_owned()))
}

fn speed(text: &str) -> Result<Speed, String> {
    if text == "max" {
        return Ok(Speed::Max);
    }
    let number = text.trim_start_matches('x').parse::<f64>();
    match number {
        Ok(speed) if (1e-6..=1e6).contains(&speed) => Ok(Speed::Times(speed)),
        Ok(_) | Err(_) => Err("expected x1, x10, 0.5 or max".to_owned()),
    }
}

fn time(text: &str) -> Result<Duration, String> {
    let time = duration_of(text).filter(|time| !time.is_zero());
    time.ok_or_else(|| "expected 250ms, 10s or 2m".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn read(arguments: &[&str]) -> Result<Options> {
        let all = ["exchange-sim"].iter().chain(arguments);
        options(&Arguments::try_parse_from(all)?)
    }

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn venues_get_their_ports() {
        let options =
            read(&["--venues", "okx,bybit=9000,binance=127.0.0.2:5", "--port-base", "70"])
                .expect("good arguments");
        let places: Vec<String> = options.venues.iter().map(|it| it.bind.to_string()).collect();
        assert_eq!(places, ["127.0.0.1:70", "127.0.0.1:9000", "127.0.0.2:5"]);
    }

    #[test]
    fn bad_arguments_are_refused() {
        for bad in [
            &["--venues", "kraken"][..],
            &["--venues", "okx=x"],
            &["--speed", "0"],
            &["--speed", "fast"],
            &["--fault", "okx:drop"],
            &["--venues", "okx", "--fault", "bybit:after=1:drop"],
            &["--tape", "a", "--frames", "okx=b"],
            &["--capture", "/nowhere"],
            &["--capture", ".", "--frames", "okx=b"],
            &["--map", "a=b"],
            &["--cert-out", "a"],
            &["--write-tape", "a"],
            &["--rate", "0"],
            &["--instruments", "99"],
            &["--for", "0"],
        ] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }
}
