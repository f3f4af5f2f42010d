//! The command line: the arguments, their help, and the options that they stand for.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser;
use exchange_sim::{
    Fault, FramesOptions, Listing, Model, ModelOptions, Options, OrderFault, OrdersOptions, Source,
    Speed, StartingBalance, TapeOptions, VenueAt, duration_of, known_venue_names, read_keys,
    venue_names,
};

const ABOUT: &str = "\
Serves the native WebSocket protocols of crypto exchanges on loopback.

A client connects to a venue's URL and subscribes as it would at the real exchange: Binance spot, \
Binance USD-M futures, Bybit spot and OKX spot. The quotes come from one source: a seeded model of \
the market (the default), a tape of recorded quotes, or recorded frames. Failures can be scripted.

The URLs are printed first, then one status line a second, and a summary at the end. Ctrl-C or \
--for ends the simulator.";

const MANUAL: &str = "\
Examples:
  exchange-sim                                      play the model on four free ports
  exchange-sim --port-base 9101 --rate 20000        use ports 9101 to 9104, play 20,000 quotes/s
  exchange-sim --venues binance=9101,okx=9102       serve two venues on ports of your choice
  exchange-sim --tape data/tapes --speed x10 --loop play a folder of recorded quotes, ten times as
                                                    fast, again and again
  exchange-sim --frames binance=spot.frames.gz      send recorded frames, byte for byte
  exchange-sim --capture lake/capture               send what an engine received
  exchange-sim --fault binance:after=500:drop --fault bybit:each=10s:stall=3s
  exchange-sim --listing okx:BTC-USDT:halted        say that an instrument does not trade
  exchange-sim --orders                             take orders with the built-in test keys
  exchange-sim --orders --balance BTC=2 --order-fault bybit:order=3:silent
  exchange-sim --write-tape model.csv.gz --for 60   write one minute of the model as a tape

Faults:
  A fault is <venue>:<moment>:<kind>, for example bybit:every=500:skip=3. It affects every
  connection that the venue has at that moment.

  moment  after=N            once, after N quotes that the venue has sent
          every=N            after each N quotes
          at=TIME            once, at this time since the source began to play
          each=TIME          each time that this time has passed
  kind    drop               the connection ends by a TCP reset
          close              the connection ends by a WebSocket close
          stall=TIME         the connection stays open, but nothing is sent or answered
          garbage            a text message is sent that is not JSON
          truncated          a message is sent whose JSON breaks off
          cut                a WebSocket frame breaks off, and the connection ends
          oversized[=BYTES]  a very long JSON message is sent (1 MiB by default)
          unknown            JSON of no documented kind is sent
          skip=K             the next K quotes are not sent, but use up their update ids
          refuse             the next subscription gets an error reply
          crossed            a quote is sent whose bid is above its ask
          zero-size          a quote is sent whose bid size is 0
          negative           a quote is sent whose bid price is negative
          one-sided          a quote is sent without an ask
          empty              a quote is sent without a bid and an ask
          unreadable         a quote is sent whose bid price is no number
          drop-one           one connection of the venue ends by a TCP reset, the others stay
          lag=TIME           from now on the times in quotes are older by TIME; 0s ends it
          die=SYMBOL         from now on nothing is sent of this symbol
          refuse-for-ever=SYMBOL
                             from now on subscriptions of this symbol are refused
          shutdown           the venue announces the end of its connections, where it has such a
                             message (binance, binance-usdm, gate,
                             gate-perp, okx, okx-swap)

  A TIME is 250ms, 10s, 2m or 1h. A number without a unit is in seconds.

Orders:
  With --orders, binance, bybit and okx take orders by their own protocols, on the same ports. The
  paths are printed with the keys: WebSockets /ws-api/v3 of binance, /v5/trade and /v5/private of bybit
  and /ws/v5/private of okx, and the REST requests of bybit and okx about orders, fills and balances.
  Signatures, timestamps and filters are checked as the venues document them.

  An order fills against the venue's last quote of its symbol, up to the displayed size. What one order
  took is not there for the next one until the symbol has a new quote. An order that rests fills at its
  price when the quote reaches it. The account of each venue starts with 1,000,000 of each asset, or
  what --balance says. A trade costs 0.1 % of what it receives.

  Keys of a file (--key-file) replace the built-in ones. The file is a JSON list of objects with the
  members venue, key and secret, for okx also passphrase; an Ed25519 key of binance has ed25519, the
  public key as 64 hex digits, instead of secret.

  A fault of orders is <venue>:<moment>:<kind>, for example okx:cancel=1:late=2s.

  moment  order=N            at the N-th order, counted from 1
          cancel=N           at the N-th cancel
          amend=N            at the N-th amendment
          every-order=N      at each N-th order
          at=TIME            at the next order after this time since the source began to play
          each=TIME          at the next order, each time that this time has passed
  kind    late=TIME          the answer and the messages that follow come later
          late-fills=TIME    messages about fills of the order come later
          double-ack         the answer is sent twice
          double-fills       each message about a fill of the order is sent twice
          fills-first        messages about the order come before the answer
          fill-after-cancel  a cancel of the order is acknowledged, and then the order fills
          filled-twice       the venue says twice that the order is filled
          silent             the request is carried out, without answer and messages
          lost               the request is not carried out, without answer
          reject=CODE[:MESSAGE]
                             the request is refused with this code of the venue
          rate-limit[=TIME]  the request is refused because of a limit that ends after TIME (1s)
          disconnect         the request is carried out, and its connection ends by a TCP reset
          balance=ASSET:DIFFERENCE
                             a free balance changes without a trade; at and each need no order
          liquidation=SYMBOL:SIDE:SIZE, adl=SYMBOL:SIDE:SIZE
                             the venue trades for the account; at and each need no order

  On disconnect, orders are cancelled where the venue offers it: bybit after a private connection with
  the topic dcp.spot is gone (10 s, or POST /v5/order/disconnected-cancel-all), okx when the countdown
  of POST /api/v5/trade/cancel-all-after ends.

Lists of instruments:
  On the same port, each venue answers the REST request for its instruments, so that
  `spreadwire check --online` can be tried: GET /api/v3/exchangeInfo of binance,
  /fapi/v1/exchangeInfo of binance-usdm, /v5/market/instruments-info of bybit,
  /api/v5/public/instruments of okx, and so on. Recorded frames list no instruments.

  A listing is <venue>:<symbol>:<change>, for example binance:BTCUSDT:tick=0.001. It changes what
  the list says, and not the quotes.

  change  halted             the venue says that the instrument does not trade
          unlisted           the list does not have it
          renamed=SYMBOL     the list has its base and quote under this symbol
          tick=STEP          the step of its prices
          lot=STEP           the step of its sizes

Reading the output:
  The status line begins with waiting, playing or ended, for the state of the source. The summary
  has a line for each venue:

  connections WebSockets opened
  quotes      quotes or recorded frames sent to at least one client
  unheard     those that no client had subscribed
  withheld    those not sent because of a skip, or because all subscribed connections were stalled
              or ending
  lists       REST requests answered with the list of instruments
  snapshots   last quotes sent to clients that had just subscribed
  repeats     last quotes sent again after a silence
  heartbeats  clients' heartbeats answered, and pings sent to clients
  faults      scripted faults that happened
  orders      requests about orders that were signed and well-formed
  fills       trades of clients' orders
  errors      error replies sent
  stuck       connections cut off because the client did not read
  expelled    connections closed because the client broke a rule of the venue

Exit codes: 0 for a normal end, 1 if the simulator cannot start, 2 for wrong arguments.";

/// The arguments of the simulator.
#[derive(Debug, Parser)]
#[command(
    name = "exchange-sim",
    version,
    about = "Serves the native WebSocket protocols of crypto exchanges on loopback",
    long_about = ABOUT,
    after_help = "See --help for examples, faults and the meaning of the output.",
    after_long_help = MANUAL
)]
pub(crate) struct Arguments {
    /// Serve these venues, each given as NAME, NAME=PORT or NAME=ADDRESS:PORT [default: all].
    #[arg(long, value_delimiter = ',', value_name = "VENUE", help_heading = "Venues")]
    venues: Vec<String>,

    /// Give the venues consecutive ports from this one on [default: any free ports].
    ///
    /// The first venue gets this port, the second venue the next one, and so on. A venue that has
    /// its own port in --venues keeps that.
    #[arg(long, value_name = "PORT", help_heading = "Venues")]
    port_base: Option<u16>,

    /// Make Bybit send depth-1 deltas, as it did before 2025-03-20.
    #[arg(long, help_heading = "Venues")]
    bybit_deltas: bool,

    /// Serve wss:// with a self-signed certificate, made at the start.
    #[arg(long, help_heading = "Venues")]
    tls: bool,

    /// Write the certificate that clients must trust to this file.
    #[arg(long, value_name = "FILE", requires = "tls", help_heading = "Venues")]
    pub(crate) cert_out: Option<PathBuf>,

    /// Script a failure, given as <venue>:<moment>:<kind>; may be repeated.
    #[arg(long, value_name = "FAULT", help_heading = "Venues")]
    fault: Vec<Fault>,

    /// Change a venue's list of instruments, given as <venue>:<symbol>:<change>; may be repeated.
    #[arg(long, value_name = "LISTING", help_heading = "Venues")]
    listing: Vec<Listing>,

    /// Take orders on binance, bybit and okx; see Orders below.
    #[arg(long, conflicts_with_all = ["frames", "capture"], help_heading = "Orders")]
    orders: bool,

    /// Read API keys from this file instead of using the built-in ones.
    #[arg(long, value_name = "FILE", requires = "orders", help_heading = "Orders")]
    key_file: Option<PathBuf>,

    /// Start the accounts with this much of an asset, as in BTC=2 or okx:BTC=2; may be repeated.
    #[arg(long, value_name = "BALANCE", requires = "orders", help_heading = "Orders")]
    balance: Vec<StartingBalance>,

    /// Script a failure of orders, given as <venue>:<moment>:<kind>; may be repeated.
    #[arg(long, value_name = "FAULT", requires = "orders", help_heading = "Orders")]
    order_fault: Vec<OrderFault>,

    /// Play the seeded model of a market; this is the default source.
    #[arg(long, conflicts_with_all = ["tape", "frames"], help_heading = "Source: model")]
    model: bool,

    /// Seed of the model; the same seed gives the same quotes.
    #[arg(long, default_value_t = 1, help_heading = "Source: model")]
    seed: u64,

    /// Quotes per second of the model, over all venues.
    #[arg(long, default_value_t = 5000.0, help_heading = "Source: model")]
    rate: f64,

    /// Number of instruments of the model, most traded first.
    #[arg(long, default_value_t = 20, help_heading = "Source: model")]
    instruments: usize,

    /// Write the model's quotes as a tape instead of serving them; needs --for.
    ///
    /// The tape is CSV, compressed by gzip if the name of the file ends in .gz.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["tape", "frames"],
        requires = "lasting",
        help_heading = "Source: model"
    )]
    pub(crate) write_tape: Option<PathBuf>,

    /// Play recorded quotes: a CSV or CSV.gz file, or a folder of them.
    #[arg(long, value_name = "PATH", conflicts_with = "frames", help_heading = "Source: tape")]
    tape: Option<PathBuf>,

    /// Play a venue of the tape on a served venue, as in binance_coinm=bybit; may be repeated.
    ///
    /// Without --map, binance_spot, binance_usdm, bybit_spot and okx_spot are played by binance,
    /// binance-usdm, bybit and okx. With --map, only the mappings given are used.
    #[arg(
        long,
        value_name = "TAPE=VENUE",
        requires = "tape",
        value_parser = pair,
        help_heading = "Source: tape"
    )]
    map: Vec<(String, String)>,

    /// Name the instrument of a symbol of the tape, as in BTCUSD_PERP=BTC/USDT; may be repeated.
    ///
    /// This is needed only where the usual rule fails. It reads BTCUSDT, BTC-USDT and BTC_USDT as
    /// BTC/USDT, and cuts off _PERP.
    #[arg(
        long,
        value_name = "SYMBOL=INSTRUMENT",
        requires = "tape",
        value_parser = pair,
        help_heading = "Source: tape"
    )]
    instrument: Vec<(String, String)>,

    /// Size to send where the tape has none.
    #[arg(
        long,
        value_name = "SIZE",
        requires = "tape",
        default_value = "1",
        help_heading = "Source: tape"
    )]
    default_size: String,

    /// Send recorded frames of a venue unchanged; may be repeated.
    ///
    /// PATH is a file of lines `<ns> <frame>`, plain, gzip or zstd, or a folder of such files.
    #[arg(
        long,
        value_name = "VENUE=PATH",
        value_parser = pair,
        help_heading = "Source: recorded frames"
    )]
    frames: Vec<(String, String)>,

    /// Send the frames that an engine captured, from the `capture` folder of its lake.
    #[arg(
        long,
        value_name = "DIR",
        conflicts_with_all = ["model", "tape", "frames", "write_tape"],
        help_heading = "Source: recorded frames"
    )]
    capture: Option<PathBuf>,

    /// Play at this speed: x1, x10, 0.5, or max for as fast as the clients read.
    #[arg(long, default_value = "x1", value_parser = speed, help_heading = "Playing")]
    speed: Speed,

    /// Play a recording again from the start when it ends, with new times.
    #[arg(long = "loop", help_heading = "Playing")]
    looping: bool,

    /// End the source after this many quotes; the connections stay open.
    #[arg(long, value_name = "QUOTES", help_heading = "Playing")]
    limit: Option<u64>,

    /// Wait for this many subscriptions before the source begins to play.
    #[arg(long, value_name = "COUNT", default_value_t = 0, help_heading = "Playing")]
    wait_for: usize,

    /// Stop after this time, as in 250ms, 10s or 2m; with --write-tape, the length of the tape.
    #[arg(long = "for", value_name = "TIME", value_parser = time, help_heading = "Playing")]
    pub(crate) lasting: Option<Duration>,
}

impl Arguments {
    /// Returns whether orders are signed with the built-in keys.
    pub(crate) fn uses_test_keys(&self) -> bool {
        self.orders && self.key_file.is_none()
    }
}

/// Returns the options that the arguments stand for.
///
/// # Errors
///
/// If the arguments make no sense together.
pub(crate) fn options(arguments: &Arguments) -> Result<Options> {
    let venues = venues(&arguments.venues, arguments.port_base)?;
    for fault in &arguments.fault {
        let is_served = venues.iter().any(|venue| venue.name == fault.venue);
        anyhow::ensure!(
            is_served,
            "fault for {}: this venue is not served; add it to --venues",
            fault.venue
        );
    }
    for listing in &arguments.listing {
        let is_served = venues.iter().any(|venue| venue.name == listing.venue);
        anyhow::ensure!(
            is_served,
            "listing for {}: this venue is not served; add it to --venues",
            listing.venue
        );
    }
    Ok(Options {
        source: source(arguments, &venues)?,
        venues,
        speed: arguments.speed,
        looping: arguments.looping,
        limit: arguments.limit,
        faults: arguments.fault.clone(),
        listings: arguments.listing.clone(),
        orders: if arguments.orders { Some(orders(arguments)?) } else { None },
        tls: arguments.tls,
        wait_for_subscriptions: arguments.wait_for,
        bybit_deltas: arguments.bybit_deltas,
        ..Options::default()
    })
}

fn orders(arguments: &Arguments) -> Result<OrdersOptions> {
    let defaults = OrdersOptions::default();
    Ok(OrdersOptions {
        keys: match &arguments.key_file {
            Some(path) => read_keys(path)?,
            None => defaults.keys,
        },
        balances: arguments.balance.clone(),
        faults: arguments.order_fault.clone(),
        ..defaults
    })
}

fn venues(asked: &[String], port_base: Option<u16>) -> Result<Vec<VenueAt>> {
    let all: Vec<String> = venue_names().into_iter().map(str::to_owned).collect();
    let asked = if asked.is_empty() { &all } else { asked };
    let venue = |(index, text): (usize, &String)| venue(text, index, port_base);
    asked.iter().enumerate().map(venue).collect()
}

/// Parses the venue at position `index`, given as NAME, NAME=PORT or NAME=ADDRESS:PORT.
fn venue(text: &str, index: usize, port_base: Option<u16>) -> Result<VenueAt> {
    let (name, place) = match text.split_once('=') {
        Some((name, place)) => (name, Some(place)),
        None => (text, None),
    };
    let known = known_venue_names();
    let is_known = known.contains(&name);
    anyhow::ensure!(is_known, "venue {name:?} is not known; known are {}", known.join(", "));
    let Some(place) = place else {
        let port = port_base.map_or(0, |base| usize::from(base) + index);
        let port = u16::try_from(port)
            .with_context(|| format!("--port-base is too high: {name} would get port {port}"))?;
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
    let (left, right) = text.split_once('=').ok_or("expected two parts with = between them")?;
    Ok((left.to_owned(), right.to_owned()))
}

fn speed(text: &str) -> Result<Speed, String> {
    if text == "max" {
        return Ok(Speed::Max);
    }
    let number = text.trim_start_matches('x').parse::<f64>();
    match number {
        Ok(speed) if (1e-6..=1e6).contains(&speed) => Ok(Speed::Times(speed)),
        Ok(_) | Err(_) => Err("expected a factor such as x1, x10 or 0.5, or max".to_owned()),
    }
}

fn time(text: &str) -> Result<Duration, String> {
    let time = duration_of(text).filter(|time| !time.is_zero());
    time.ok_or_else(|| "expected a time such as 250ms, 10s or 2m".to_owned())
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
            &["--venues", "nowhere"][..],
            &["--venues", "okx=x"],
            &["--speed", "0"],
            &["--speed", "fast"],
            &["--fault", "okx:drop"],
            &["--venues", "okx", "--fault", "bybit:after=1:drop"],
            &["--listing", "okx:BTC-USDT:gone"],
            &["--venues", "okx", "--listing", "bybit:BTCUSDT:halted"],
            &["--tape", "a", "--frames", "okx=b"],
            &["--capture", "/nowhere"],
            &["--capture", ".", "--frames", "okx=b"],
            &["--map", "a=b"],
            &["--balance", "BTC=1"],
            &["--orders", "--balance", "BTC=-1"],
            &["--orders", "--frames", "okx=b"],
            &["--orders", "--order-fault", "okx:order=0:lost"],
            &["--orders", "--key-file", "/nowhere"],
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
