//! The binary as a process of its own, the market that it watches, and waiting for what it does.

use exchange_sim::{ModelOptions, Options, Simulator, Source, VenueAt, venue_symbol};
use std::fs;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

/// Number of looks, 10 ms apart, after which a test gives up. Nothing takes as long.
const LOOKS_MAX: usize = 6_000;
/// Venues that the simulator plays.
const VENUES: [&str; 2] = ["okx", "binance"];

/// A running engine. Dropping it kills it.
pub struct Running(pub Child);

impl Running {
    /// Sends it a signal, by its name without SIG. It may have ended in the meantime.
    pub fn signal(&self, name: &str) {
        let words = format!("kill -{name} {} 2>/dev/null || true", self.0.id());
        assert!(Command::new("sh").arg("-c").arg(words).status().unwrap().success());
    }

    /// Returns how it ended, if it has.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().unwrap()
    }

    /// Returns a figure of the kernel's about its memory, such as `VmHWM:`, bytes.
    #[must_use]
    pub fn memory(&self, row: &str) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let row = text.lines().find_map(|line| line.strip_prefix(row)).unwrap();
        let kib: u64 = row.trim().strip_suffix("kB").unwrap().trim().parse().unwrap();
        kib << 10
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already, unless the test has failed.
        self.0.kill().and_then(|()| self.0.wait().map(drop)).unwrap_or_default();
    }
}

/// Looks for a condition that cannot be waited for otherwise.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..LOOKS_MAX {
        if let Some(found) = look() {
            return found;
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    panic!("waited in vain: {what}");
}

/// Returns two venues with one instrument, held until they are released, that play `rate` quotes a
/// second.
#[must_use]
pub fn simulator(rate: f64) -> Simulator {
    let mut model = ModelOptions { instruments: 1, rate, ..ModelOptions::default() };
    model.venues.retain(|venue| VENUES.contains(&venue.name.as_str()));
    let venues = VENUES.into_iter().map(VenueAt::any_port).collect();
    Simulator::start(Options { venues, source: Source::Model(model), ..Options::default() })
        .unwrap()
}

/// Returns the configuration of an engine that watches those on one thread. It ends with the section
/// `[broadcast]`, so that more of its keys may follow.
#[must_use]
pub fn configuration(simulator: &Simulator) -> String {
    let venue = |name: &str| {
        let url = simulator.url(name);
        format!("[[venues]]\nname = {name:?}\nurl = {url:?}\nmax_age_ms = 3600000\n")
    };
    let instrument = &exchange_sim::INSTRUMENTS[0];
    let symbol =
        |name: &&str| format!("{name} = {:?}", venue_symbol(name, instrument.name).unwrap());
    let symbols: Vec<String> = VENUES.iter().map(symbol).collect();
    let venues: String = VENUES.into_iter().map(venue).collect();
    format!(
        "{venues}[[instruments]]\nname = {:?}\nprice_decimals = {}\nsize_decimals = 8\n\
         symbols = {{ {} }}\n\
         [[threads]]\nname = \"all\"\nidle = \"backoff\"\n\
         agents = [\"feed\", \"calculator\", \"decision\", \"broadcast\", \"journal\"]\n\
         [broadcast]\naddress = \"127.0.0.1:0\"\n",
        instrument.name,
        instrument.price_decimals,
        symbols.join(", ")
    )
}
