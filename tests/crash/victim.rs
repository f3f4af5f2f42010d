//! An engine in a process of its own that is killed: `spreadwire run` on a configuration for the
//! simulator's venues. This file only starts and ends it.

use crate::lake_rows::Names;
use exchange_sim::{INSTRUMENTS, ModelOptions, Options, Simulator, Source, VenueAt, venue_symbol};
use spreadwire_market::clock::{Clock, Nanos, SECOND};
use std::ffi::OsStr;
use std::fmt::Write;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;
use tempfile::TempDir;

/// Longest wait for anything; nothing takes longer unless the machine is broken.
const PATIENCE: Nanos = 300 * SECOND;
/// One venue that sends event times and one that sends none.
const VENUES: [&str; 2] = ["okx", "binance"];
/// Number of instruments of the simulator's model that it plays.
const PLAYED: usize = 1;
const SIZE_DECIMALS: u8 = 8;
/// The binary that CI builds. Cargo gives its path only to tests of its own package.
pub(crate) const ENGINE: &str = env!("CARGO_BIN_EXE_spreadwire");

/// The engine's lake and configuration.
pub(crate) struct Scene {
    pub(crate) home: PathBuf,
    pub(crate) lake: PathBuf,
    pub(crate) names: Names,
    pub(crate) clock: Clock,
    config: PathBuf,
}

impl Scene {
    /// Writes a configuration for what the simulator plays into `home`; a segment ends at the latest
    /// after `segment_records`.
    pub(crate) fn set(home: &Path, simulator: &Simulator, segment_records: u64) -> Scene {
        let played = &INSTRUMENTS[..PLAYED];
        let decimals = |i: &exchange_sim::Instrument| u8::try_from(i.price_decimals).unwrap();
        let names = Names {
            venues: simulator.venues().iter().map(|(name, _)| (*name).to_owned()).collect(),
            instruments: played
                .iter()
                .map(|i| (i.name.to_owned(), decimals(i), SIZE_DECIMALS))
                .collect(),
        };
        let (home, lake) = (home.to_owned(), home.join("lake"));
        let config = home.join("engine.toml");
        fs::write(&config, text(&names, simulator, &lake, segment_records)).unwrap();
        Scene { home, lake, names, clock: Clock::host(), config }
    }

    /// Starts an engine; its log goes to a file beside the lake.
    pub(crate) fn start(&self, arguments: &[&str]) -> Victim {
        let mut command = Command::new(ENGINE);
        command.args(self.run()).args(arguments);
        let child = command.stdout(self.log()).stderr(self.log()).spawn().unwrap();
        Victim { child }
    }

    /// Returns the engine's arguments.
    pub(crate) fn run(&self) -> [&OsStr; 3] {
        [OsStr::new("run"), OsStr::new("--config"), self.config.as_os_str()]
    }

    /// Opens the engine's log.
    pub(crate) fn log(&self) -> File {
        OpenOptions::new().create(true).append(true).open(self.home.join("engine.log")).unwrap()
    }
}

/// Segments so short that a kill hits every stage of their lives.
fn text(names: &Names, simulator: &Simulator, lake: &Path, segment_records: u64) -> String {
    let mut text = String::new();
    for name in &names.venues {
        let url = simulator.url(name);
        writeln!(text, "[[venues]]\nname = {name:?}\nurl = {url:?}\nmax_age_ms = 3600000").unwrap();
    }
    for (name, price_decimals, size_decimals) in &names.instruments {
        writeln!(text, "[[instruments]]\nname = {name:?}\nprice_decimals = {price_decimals}")
            .unwrap();
        let symbol = |venue: &String| Some(format!("{venue} = {:?}", venue_symbol(venue, name)?));
        let symbols: Vec<_> = names.venues.iter().filter_map(symbol).collect();
        let symbols = symbols.join(", ");
        writeln!(text, "size_decimals = {size_decimals}\nsymbols = {{ {symbols} }}").unwrap();
    }
    text + &format!(
        "[[threads]]\nname = \"all\"\nidle = \"backoff\"\nsleep_max_us = 500\n\
         agents = [\"feed\", \"calculator\", \"decision\", \"broadcast\", \"journal\"]\n\
         [broadcast]\naddress = \"127.0.0.1:0\"\n\
         [journal]\nlake = {lake:?}\nsegment_records = {segment_records}\nsegment_seconds = 1\n\
         flush_ms = 5\nsync_ms = 50\n"
    )
}

/// Returns a market that plays `rate` quotes a second.
pub(crate) fn market(seed: u64, rate: f64) -> Options {
    let mut model = ModelOptions { seed, rate, instruments: PLAYED, ..ModelOptions::default() };
    model.venues.retain(|venue| VENUES.contains(&venue.name.as_str()));
    let venues = VENUES.into_iter().map(VenueAt::any_port).collect();
    Options { venues, source: Source::Model(model), ..Options::default() }
}

/// A running engine. Dropping it kills it.
pub(crate) struct Victim {
    child: Child,
}

impl Victim {
    /// Returns whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Asks it to end in order (SIGTERM).
    pub(crate) fn ask_to_end(&self) {
        // Fails if it has ended in the meantime.
        let words = format!("kill -TERM {} 2>/dev/null || true", self.child.id());
        assert!(Command::new("sh").arg("-c").arg(words).status().unwrap().success());
    }

    /// Kills it (SIGKILL) and returns how it ended.
    pub(crate) fn kill(mut self) -> ExitStatus {
        // Refused if it has ended in the meantime.
        self.child.kill().unwrap_or_default();
        self.child.wait().unwrap()
    }

    /// Waits until it ends by itself.
    pub(crate) fn wait(mut self, clock: &Clock) -> ExitStatus {
        until(clock, "the engine to end", || self.has_ended())
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        // It has ended already, unless the test has failed.
        self.child.kill().and_then(|()| self.child.wait().map(drop)).unwrap_or_default();
    }
}

/// Polls for a condition that cannot be waited for otherwise.
pub(crate) fn until<T>(clock: &Clock, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = clock.now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(clock.now() < end, "waited {} s for {what}", PATIENCE / SECOND);
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

/// The folder of a test or a case. It is kept if the test fails.
pub(crate) struct Home(Option<TempDir>);

impl Home {
    pub(crate) fn new() -> Home {
        Home(Some(tempfile::tempdir().unwrap()))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.as_ref().unwrap().path()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Some(folder) = self.0.take().filter(|_| std::thread::panicking()) {
            println!("the lake and the engine's log are in {}", folder.keep().display());
        }
    }
}
