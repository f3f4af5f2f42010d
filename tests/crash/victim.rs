//! An engine in a process of its own that is killed: `spreadwire run` on a configuration for the
//! simulator's venues. This file only starts and ends it.

use crate::lake_rows::Names;
use exchange_sim::{INSTRUMENTS, Simulator, venue_symbol};
use spreadwire_market::clock::{Clock, Nanos, SECOND};
use std::fmt::Write;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

/// Longest wait for anything; nothing takes longer unless the machine is broken.
const PATIENCE: Nanos = 300 * SECOND;
const SIZE_DECIMALS: u8 = 8;
/// The binary that CI builds. Cargo gives its path only to tests of its own package.
const ENGINE: &str = env!("CARGO_BIN_EXE_spreadwire");

/// The engine's lake and configuration.
pub(crate) struct Scene {
    pub(crate) home: PathBuf,
    pub(crate) lake: PathBuf,
    pub(crate) names: Names,
    pub(crate) clock: Clock,
    config: PathBuf,
}

impl Scene {
    /// Writes the configuration for the first `instruments` of the simulator's model into `home`.
    pub(crate) fn set(home: &Path, simulator: &Simulator, instruments: usize) -> Scene {
        let played = &INSTRUMENTS[..instruments];
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
        fs::write(&config, text(&names, simulator, &lake)).unwrap();
        Scene { home, lake, names, clock: Clock::host(), config }
    }

    /// Starts an engine; its log goes to a file beside the lake.
    pub(crate) fn start(&self, arguments: &[&str]) -> Victim {
        let log = self.home.join("engine.log");
        let log = || OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let mut command = Command::new(ENGINE);
        command.arg("run").arg("--config").arg(&self.config).args(arguments);
        let child = command.stdout(log()).stderr(log()).spawn().unwrap();
        Victim { child }
    }
}

/// Segments so short that a kill hits every stage of their lives.
fn text(names: &Names, simulator: &Simulator, lake: &Path) -> String {
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
         [journal]\nlake = {lake:?}\nsegment_records = 700\nsegment_seconds = 1\n\
         flush_ms = 5\nsync_ms = 50\n"
    )
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
