//! `spreadwire check --online` against the simulator's REST APIs and against a server of bad answers.

#![allow(clippy::unwrap_used, reason = "a test that cannot prepare its files has failed")]

mod answers;
mod server;

use exchange_sim::{ModelOptions, Options, Simulator, Source, VenueAt};
use serde_json::Value;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output};

/// Instruments that the model plays.
const INSTRUMENTS: usize = 4;

/// Three spot venues, two of which have symbols of one spelling.
const SPOT: [&str; 3] = ["binance", "bybit", "okx"];

/// A simulator whose lists are changed.
fn simulator(venues: &[&str], listings: &[&str]) -> Simulator {
    let source =
        Source::Model(ModelOptions { instruments: INSTRUMENTS, ..ModelOptions::default() });
    let venues = venues.iter().map(|name| VenueAt::any_port(name)).collect();
    let listings = listings.iter().map(|text| text.parse().unwrap()).collect();
    let options = Options { venues, source, listings, hold: true, ..Options::default() };
    Simulator::start(options).unwrap()
}

/// A folder with a configuration in it.
struct Rig {
    folder: tempfile::TempDir,
    /// Seconds for each venue.
    timeout: &'static str,
}

/// The part of a configuration that has nothing to do with venues.
const THREADS: &str = "[[threads]]\nname = \"all\"\nidle = \"backoff\"\n\
    agents = [\"feed\", \"calculator\", \"decision\", \"broadcast\", \"journal\"]\n";

/// Venues at these REST addresses.
fn venues_at(venues: &[(&str, String)]) -> String {
    let mut text = String::new();
    for (name, rest_url) in venues {
        writeln!(text, "[[venues]]\nname = {name:?}\nrest_url = {rest_url:?}").unwrap();
    }
    text
}

fn rest_of(simulator: &Simulator) -> Vec<(&'static str, String)> {
    let venues = simulator.venues().iter();
    venues.map(|(name, _)| (*name, simulator.url(name).replacen("ws", "http", 1))).collect()
}

/// An instrument with these decimals and other lines.
fn instrument(name: &str, decimals: [u8; 2], rest: &str) -> String {
    let [price, size] = decimals;
    format!(
        "[[instruments]]\nname = {name:?}\nprice_decimals = {price}\nsize_decimals = {size}\n{rest}\n"
    )
}

impl Rig {
    fn new(config: &str) -> Rig {
        let rig = Rig { folder: tempfile::tempdir().unwrap(), timeout: "20" };
        rig.write("engine.toml", config);
        rig
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn check(&self, arguments: &[&str]) -> Told {
        let config = self.path("engine.toml");
        let mut command = Command::new(env!("CARGO_BIN_EXE_spreadwire"));
        for proxy in ["http_proxy", "https_proxy", "all_proxy"] {
            command.env_remove(proxy).env_remove(proxy.to_uppercase());
        }
        command.args(["check", "--online", "--config"]).arg(config);
        if !arguments.contains(&"--timeout") {
            command.args(["--timeout", self.timeout]);
        }
        command.args(arguments).current_dir(self.folder.path());
        Told::of(command.output().unwrap())
    }
}

/// What the program told.
#[derive(Debug)]
struct Told {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Told {
    fn of(output: Output) -> Told {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Told { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Checks the exit code and that each part was told, on whichever stream.
    fn expect(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:#?}");
        for part in parts {
            assert!(self.out.contains(part) || self.err.contains(part), "{part}\n{self:#?}");
        }
    }
}

fn good(simulator: &Simulator) -> String {
    venues_at(&rest_of(simulator))
        + &instrument("BTC/USDT", [2, 5], "")
        + &instrument("ETH/USDT", [2, 4], "")
        + THREADS
}

#[test]
fn a_configuration_that_fits_its_venues_has_no_problem() {
    let simulator = simulator(&SPOT, &[]);
    let told = Rig::new(&good(&simulator)).check(&[]);
    told.expect(
        0,
        &[
            "feed > calculator",
            "4 instruments, http://127.0.0.1:",
            "BTC-USDT",
            "trades",
            "0.00001",
            "Fees were not compared",
            "okx 10 bp (the venue's lowest tier, not asked)",
        ],
    );
    assert_eq!(told.err, "", "a table and no progress where there is no terminal");
}

#[test]
fn all_problems_are_told_at_once_each_with_its_key_and_remedy() {
    let simulator = simulator(
        &SPOT,
        &[
            "binance:BTCUSDT:halted",
            "bybit:BTCUSDT:unlisted",
            "okx:ETH-USDT:renamed=ETH2-USDT",
            "binance:ETHUSDT:tick=0.00100",
            "bybit:ETHUSDT:tick=1e-5",
            "bybit:ETHUSDT:lot=0.00000001",
        ],
    );
    let config =
        good(&simulator) + &instrument("SOL/USDT", [6, 3], "symbols = { okx = \"SOLUSDT\" }");
    let told = Rig::new(&config).check(&[]);
    told.expect(
        2,
        &[
            "engine.toml: instruments[0].venues: binance does not trade BTCUSDT now (HALT); wait until \
             it does, or leave binance out: venues = [\"okx\"]",
            "instruments[0].symbols: bybit does not list BTCUSDT; leave bybit out: venues = [\"okx\"]",
            "instruments[1].symbols: okx does not trade ETH-USDT; its symbol for ETH/USDT is \
             ETH2-USDT; write symbols = { okx = \"ETH2-USDT\" }",
            "instruments[1].price_decimals: 2 decimals do not hold the tick of binance (0.001), bybit \
             (0.00001); set price_decimals = 5",
            "instruments[1].size_decimals: 4 decimals do not hold the lot of bybit (0.00000001); set \
             size_decimals = 8",
            "instruments[2].symbols: okx does not trade SOLUSDT; its symbol for SOL/USDT is SOL-USDT; \
             remove okx from `symbols`",
            "note: ",
            "instruments[2].price_decimals: 6 decimals are more than any tick needs; 2 would do",
            "6 problems of the configuration; 0 venues could not be asked",
        ],
    );
}

#[test]
fn a_symbol_that_is_spelt_wrong_is_told_with_the_nearest() {
    let simulator = simulator(&SPOT, &["okx:BTC-USDT:renamed=BTC-USDTX"]);
    // Base and quote are other ones, so that only the spelling is near.
    let config = venues_at(&rest_of(&simulator))
        + &instrument(
            "XBT/USDT",
            [2, 5],
            "symbols = { binance = \"BTCUSDD\", bybit = \"BTCUSDT\" }",
        )
        + THREADS;
    Rig::new(&config).check(&[]).expect(
        2,
        &[
            "binance does not list BTCUSDD; did you mean BTCUSDT? Else leave binance out: venues = \
             [\"bybit\"]",
            "okx does not list XBT-USDT; did you mean ",
            "note: ",
            "bybit says that BTCUSDT is BTC/USDT, not XBT/USDT; check that it is the same thing",
        ],
    );
}

#[test]
fn a_step_that_is_none_is_noted_and_not_compared() {
    let simulator = simulator(
        &SPOT,
        &["binance:BTCUSDT:tick=0", "bybit:BTCUSDT:lot=-1", "okx:BTC-USDT:tick=1e-30"],
    );
    Rig::new(&good(&simulator)).check(&[]).expect(
        0,
        &[
            "price_decimals: the tick of BTCUSDT on binance is 0, which is no step; price_decimals was \
             not compared with it",
            "size_decimals: the lot of BTCUSDT on bybit is -1, which is no step",
            "the tick of BTC-USDT on okx is 1e-30, which has more than 18 decimals or is too large",
        ],
    );
}

#[test]
fn problems_of_the_file_itself_are_told_beside_those_of_the_venues() {
    let simulator = simulator(&SPOT, &["okx:BTC-USDT:unlisted"]);
    let rig = Rig::new(&(good(&simulator) + "[rings]\nfeed = 1\n"));
    rig.check(&[])
        .expect(2, &["rings.feed: 1 is out of range", "okx does not list BTC-USDT", "2 problems"]);
    // What is wrong by itself is compared with nothing.
    rig.write("engine.toml", &good(&simulator).replace("\"okx\"", "\"okks\""));
    let told = rig.check(&[]);
    told.expect(2, &["no venue is called \"okks\"", "1 problem of the configuration"]);
    assert!(!told.out.contains("asked"), "{told:?}");
}

#[test]
fn the_written_file_can_be_included_and_has_no_problem() {
    let simulator = simulator(
        &SPOT,
        &[
            "okx:BTC-USDT:renamed=XBT-USDT",
            "binance:BTCUSDT:tick=0.00001",
            "bybit:ETHUSDT:halted",
            "okx:SOL-USDT:unlisted",
            "bybit:SOLUSDT:lot=1e-8",
            "bybit:XRPUSDT:halted",
            "okx:XRP-USDT:unlisted",
        ],
    );
    let rig = Rig::new(&good(&simulator));
    let told = rig.check(&["--write", "instruments.toml", "--all", "usdt"]);
    told.expect(2, &["3 instruments written to instruments.toml", "set price_decimals = 5"]);
    let text = std::fs::read_to_string(rig.path("instruments.toml")).unwrap();
    let expected = "\n[[instruments]]\nname = \"BTC/USDT\"\nprice_decimals = 5\nsize_decimals = 5\n\
         symbols = { okx = \"XBT-USDT\" }\n\
         \n# bybit does not trade ETHUSDT now\n[[instruments]]\nname = \"ETH/USDT\"\n\
         price_decimals = 2\nsize_decimals = 4\nvenues = [\"binance\", \"okx\"]\n\
         \n[[instruments]]\nname = \"SOL/USDT\"\nprice_decimals = 2\nsize_decimals = 8\n\
         venues = [\"binance\", \"bybit\"]\n";
    assert!(text.ends_with(expected), "XRP trades on one venue alone: {text}");
    let venues = venues_at(&rest_of(&simulator));
    rig.write("engine.toml", &format!("include = [\"instruments.toml\"]\n{venues}{THREADS}"));
    // It is checked, and written again over itself.
    rig.check(&["--write", "instruments.toml"]).expect(0, &["3 instruments written"]);
    let again = std::fs::read_to_string(rig.path("instruments.toml")).unwrap();
    assert_eq!(again, text.replace("# bybit does not trade ETHUSDT now\n", ""));
    assert!(!rig.path("instruments.toml.new").exists());
}

#[test]
fn venues_alone_are_enough_to_write_instruments() {
    let simulator = simulator(&["binance", "okx", "binance-usdm"], &[]);
    let rig = Rig::new(&(venues_at(&rest_of(&simulator)) + THREADS));
    rig.check(&["--write", "all.toml", "--all", "USDT"]).expect(0, &["4 instruments written"]);
    let text = std::fs::read_to_string(rig.path("all.toml")).unwrap();
    assert!(!text.contains("venues = [\"b") && !text.contains("PERP"), "{text}");
    rig.check(&[]).expect(2, &["instruments: there is none"]);
}

#[test]
fn a_file_of_somebody_else_is_not_replaced() {
    let simulator = simulator(&SPOT, &[]);
    let rig = Rig::new(&good(&simulator));
    rig.write("mine.toml", "# by hand\n");
    rig.check(&["--write", "mine.toml"]).expect(
        1,
        &["mine.toml was not written by `spreadwire check --online`, so it is not replaced"],
    );
    assert_eq!(std::fs::read_to_string(rig.path("mine.toml")).unwrap(), "# by hand\n");
    rig.check(&["--write", "no/such/folder.toml"]).expect(1, &["cannot write no/such/folder.toml"]);
}

#[test]
fn an_instrument_that_nobody_trades_is_left_out_with_the_reason() {
    let simulator = simulator(&SPOT[..2], &["binance:BTCUSDT:halted", "bybit:BTCUSDT:unlisted"]);
    let rig = Rig::new(&good(&simulator));
    let told = rig.check(&["--write", "instruments.toml"]);
    told.expect(2, &["remove the instrument: no other venue trades it", "1 instrument written"]);
    let text = std::fs::read_to_string(rig.path("instruments.toml")).unwrap();
    let expected = "# BTC/USDT is left out: no spot venue trades it (binance does not trade BTCUSDT \
                    now, bybit does not list BTCUSDT)\n";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn the_json_has_what_the_text_has() {
    let simulator = simulator(&SPOT, &["okx:BTC-USDT:unlisted"]);
    let rig = Rig::new(&good(&simulator));
    let told = rig.check(&["--json", "--write", "instruments.toml"]);
    assert_eq!((told.code, told.err.as_str()), (Some(2), ""));
    let object: Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!(object["format"], 1);
    assert_eq!(object["exit_code"], 2);
    assert_eq!(object["problems"][0]["key"], "instruments[0].symbols");
    assert_eq!(object["venues"][2]["instruments"], 3);
    assert_eq!(object["venues"][0]["taker_fee_bps"], 10.0);
    assert_eq!(object["instruments"].as_array().unwrap().len(), 6);
    assert_eq!(object["instruments"][2]["state"], "unknown");
    assert_eq!(object["instruments"][0]["tick"], "0.01");
    assert_eq!(object["written"], "instruments.toml");
    rig.write("engine.toml", "[venues]\n");
    let told = rig.check(&["--json"]);
    let object: Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!((told.code, object["problems"].as_array().unwrap().len()), (Some(2), 1));
}

#[test]
fn the_certificate_of_a_venue_is_checked_and_its_own_authority_trusted() {
    let source =
        Source::Model(ModelOptions { instruments: INSTRUMENTS, ..ModelOptions::default() });
    let venues = ["binance", "okx"].map(VenueAt::any_port).to_vec();
    let simulator =
        Simulator::start(Options { venues, source, tls: true, hold: true, ..Options::default() });
    let simulator = simulator.unwrap();
    let rig = Rig::new(&good(&simulator));
    rig.check(&[]).expect(3, &["the connection failed", "ertificate"]);
    rig.write("ca.pem", simulator.certificate_pem().unwrap());
    let trusting = good(&simulator).replace("rest_url", "ca_file = \"ca.pem\"\nrest_url");
    rig.write("engine.toml", &trusting);
    rig.check(&[]).expect(0, &["4 instruments, https://127.0.0.1:"]);
}

#[test]
fn a_host_of_another_region_is_noted_if_its_rest_address_is_not_set() {
    let simulator = simulator(&SPOT, &[]);
    let config = good(&simulator).replacen("rest_url", "url = \"ws://127.0.0.1:9\"\nrest_url", 1);
    let told = Rig::new(&config).check(&[]);
    assert!(!told.out.contains("url is not the venue's own"), "{told:?}");
}

#[test]
fn help_teaches_the_states_the_exit_codes_and_the_simulator() {
    let help = Command::new(env!("CARGO_BIN_EXE_spreadwire")).args(["check", "--help"]).output();
    let told = Told::of(help.unwrap());
    told.expect(
        0,
        &[
            "--online",
            "--write",
            "--all",
            "renamed",
            "3 no problem was found",
            "exchange-sim",
            "rest_url",
        ],
    );
    for arguments in [&["--all", "USDT"][..], &["--timeout", "0"], &["--timeout", "x"]] {
        assert_eq!(Rig::new("").check(arguments).code, Some(2), "{arguments:?}");
    }
}

#[test]
fn a_running_engine_tells_the_number_that_does_not_fit_and_the_decimals_to_set() {
    let source = Source::Model(ModelOptions { instruments: 1, ..ModelOptions::default() });
    let venues = ["binance", "okx"].map(VenueAt::any_port).to_vec();
    let simulator = Simulator::start(Options { venues, source, ..Options::default() }).unwrap();
    let mut config = instrument("BTC/USDT", [0, 5], "") + THREADS;
    config.push_str("[broadcast]\naddress = \"127.0.0.1:0\"\n");
    for (name, _) in simulator.venues() {
        writeln!(config, "[[venues]]\nname = {name:?}\nurl = {:?}", simulator.url(name)).unwrap();
    }
    let rig = Rig::new(&config);
    let mut command = Command::new(env!("CARGO_BIN_EXE_spreadwire"));
    command.args(["run", "--for", "3", "--config", "engine.toml"]).current_dir(rig.folder.path());
    let told = Told::of(command.output().unwrap());
    for (venue, symbol) in [("binance", "BTCUSDT"), ("okx", "BTC-USDT")] {
        let begin = format!("{venue}: frame rejected, beyond_scale: BTC/USDT ({symbol}): price ");
        let line = told.err.lines().find(|line| line.contains(&begin));
        let line = line.unwrap_or_else(|| panic!("{begin}: {told:#?}"));
        assert!(
            line.contains(" has more decimals than the configured 0; set price_decimals = "),
            "{line}"
        );
    }
}
