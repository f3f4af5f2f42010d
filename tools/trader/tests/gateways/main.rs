//! The trader as a process, with gateways to simulated venues over sockets: deals, a kill between the legs,
//! and what it refuses to begin with.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[allow(dead_code, reason = "what else it can do is for trading on paper")]
#[path = "../trading/rig.rs"]
mod rig;
mod wires;

use exchange_sim::{Options, OrdersOptions, Simulator, Source, Speed, VenueAt};
use rig::{Broadcast, Client, Home, Trader};
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);
/// Buy at one venue, sell at the other: what both display.
const BUY: (&str, &str) = ("100.00", "0.50000");
const SELL: (&str, &str) = ("101.00", "0.50000");
/// The simulator's number of the first instrument of OKX.
const CODE: u64 = 211_001;

/// The venues in the order of the configuration.
const VENUES: [&str; 3] = ["binance", "okx", "bybit"];

/// Venues that have shown one quote each: one can be bought at 100, the others sold at 101, or bought.
fn simulator(home: &Home, faults: &[&str]) -> Simulator {
    let mut tape = "recv_ts_ns,exch_ts_ns,venue,symbol,bid,bid_qty,ask,ask_qty\n".to_owned();
    for (venue, quote) in [
        ("binance_spot,BTCUSDT", "99.91,50.00001,100.00,50.00001"),
        ("okx_spot,BTC-USDT", "101.00,50.00001,101.11,50.00001"),
        ("bybit_spot,BTCUSDT", "99.91,50.00001,100.00,50.00001"),
    ] {
        writeln!(tape, "1711001595000000000,1711001595000000000,{venue},{quote}").unwrap();
    }
    std::fs::write(home.path("tape.csv"), tape).unwrap();
    let faults = faults.iter().map(|text| text.parse().unwrap()).collect();
    let simulator = Simulator::start(Options {
        venues: VENUES.map(VenueAt::any_port).to_vec(),
        source: Source::tape(home.path("tape.csv")),
        speed: Speed::Max,
        orders: Some(OrdersOptions { faults, ..OrdersOptions::default() }),
        ..Options::default()
    });
    let simulator = simulator.unwrap();
    assert!(simulator.wait_finished(LONG));
    simulator
}

fn key(venue: &str) -> String {
    let passphrase = if venue == "okx" { ", \"passphrase\": \"sim-okx-passphrase\"" } else { "" };
    format!("{{\"api_key\": \"sim-{venue}-key\", \"secret\": \"sim-{venue}-secret\"{passphrase}}}")
}

/// Writes a configuration with keys for these addresses: of both venues, by WebSocket and by REST.
fn configure(home: &Home, addresses: &[String], mode: u32) -> String {
    let venues = VENUES[..addresses.len()].iter();
    let mut text: String = venues.map(|it| format!("[[venues]]\nname = \"{it}\"\n")).collect();
    text += "[[instruments]]\nname = \"BTC/USDT\"\nprice_decimals = 2\nsize_decimals = 5\n\
        [decision]\nentry_bps = 20.0\nexit_bps = 5.0\ncooldown_ms = 0\n\
        [trading]\njournal = \"trading\"\nanswer_timeout_ms = 30000\n";
    for (venue, address) in VENUES.into_iter().zip(addresses) {
        let file = home.path(&format!("{venue}.json"));
        std::fs::write(&file, key(venue)).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        write!(
            text,
            "[[trading.venues]]\nname = \"{venue}\"\nfee_tiers = [{{ from = 0, bps = 10.0 }}]\n\
             order_url = \"ws://{address}\"\norder_rest_url = \"http://{address}\"\n\
             key_file = \"{venue}.json\"\n"
        )
        .unwrap();
    }
    write!(
        text,
        "[[trading.markets]]\nvenue = \"okx\"\ninstrument = \"BTC/USDT\"\ncode = {CODE}\n"
    )
    .unwrap();
    home.write(&text);
    text
}

struct Stage {
    home: Home,
    server: Broadcast,
    simulator: Simulator,
}

impl Stage {
    fn new(faults: &[&str]) -> Stage {
        let (home, server) = (Home::new(), Broadcast::new());
        let simulator = simulator(&home, faults);
        let address = |venue: &str| {
            let venues = simulator.venues();
            venues.iter().find(|(name, _)| *name == venue).unwrap().1.to_string()
        };
        configure(&home, &[address("binance"), address("okx")], 0o600);
        Stage { home, server, simulator }
    }

    fn start(&self) -> (Trader, Client) {
        let config = self.home.path("engine.toml");
        let trader = Trader::start_by("sim", &config, &self.server, &[]);
        (trader, self.server.accept(&["BTC/USDT"]))
    }

    fn ask(&self, request: &str) {
        let output = self.home.ask(request);
        assert!(output.status.success(), "{output:?}");
    }

    /// Ends both; returns the numbers of orders and trades at the venues.
    fn end(self, trader: Trader) -> [(u64, u64); 2] {
        trader.kill();
        let stats = self.simulator.stop().stats;
        ["binance", "okx"].map(|venue| {
            let venue = stats.venue(venue);
            (venue.orders, venue.fills)
        })
    }
}

/// Shows the spread until the trader says something.
fn show_until(trader: &mut Trader, client: &mut Client, wanted: &str) {
    for _ in 0..500 {
        client.spread(BUY, SELL);
        if trader.has_said(wanted) {
            return;
        }
    }
    panic!("no line with {wanted:?} in {:#?}", trader.printed);
}

/// Waits for a line, unless it was there already.
fn wait_for(trader: &mut Trader, wanted: &str) {
    if !trader.has_said(wanted) {
        trader.until(wanted);
    }
}

fn halts(stage: &Stage) -> String {
    stage.home.status()["halts"].to_string()
}

#[test]
fn a_deal_is_made_of_two_fills_and_every_line_says_sim() {
    let stage = Stage::new(&[]);
    let (mut trader, mut client) = stage.start();
    show_until(&mut trader, &mut client, "deal #1 is over: done");
    assert!(trader.printed.iter().all(|line| line.starts_with("SIM ")), "{:#?}", trader.printed);
    for secret in ["secret", "passphrase", "sim-binance-key", "sim-okx-key"] {
        assert!(!trader.printed.iter().any(|line| line.contains(secret)), "{secret}");
    }
    assert_eq!(halts(&stage), "[]");
    // What is traded on paper has a journal of its own.
    let config = stage.home.path("engine.toml");
    trader.kill();
    let paper = Trader::start_with(&config, &stage.server, &[]);
    let (code, printed) = paper.end();
    assert_eq!(code, Some(1), "{printed}");
    assert!(printed.contains("SIM") && printed.contains("PAPER"), "{printed}");
    let (trader, _client) = stage.start();
    assert_eq!(stage.end(trader), [(1, 1), (1, 1)]);
}

#[test]
fn a_kill_between_the_legs_is_reconciled_and_no_order_is_doubled() {
    for fault in ["silent", "late=5s"] {
        let stage = Stage::new(&[&format!("binance:order=1:{fault}")]);
        let (mut trader, mut client) = stage.start();
        show_until(&mut trader, &mut client, "deal #1 on");
        // The other leg is filled, and of this one nothing is heard.
        wait_for(&mut trader, "101 on okx, fee");
        trader.kill();
        let (mut trader, mut client) = stage.start();
        wait_for(&mut trader, "1 deals not over, 1 orders in flight");
        wait_for(&mut trader, "deal #1 is over: done");
        assert_eq!(halts(&stage), "[]", "{fault}");
        client.spread(BUY, SELL);
        show_until(&mut trader, &mut client, "deal #2 is over: done");
        assert_eq!(stage.end(trader), [(2, 2), (2, 2)], "{fault}");
    }
}

#[test]
fn an_order_whose_connection_is_lost_is_asked_for_on_the_next_one() {
    let stage = Stage::new(&["binance:order=1:disconnect", "okx:order=1:disconnect"]);
    let (mut trader, mut client) = stage.start();
    show_until(&mut trader, &mut client, "deal #1 on");
    for venue in ["binance", "okx"] {
        wait_for(&mut trader, &format!("SIM {venue}: connection lost (orders)"));
    }
    wait_for(&mut trader, "deal #1 is over: done");
    assert_eq!(halts(&stage), "[]");
    assert_eq!(stage.end(trader), [(1, 1), (1, 1)]);
}

#[test]
fn a_balance_that_differs_stops_trading_until_a_person_adopts_it() {
    let stage = Stage::new(&["binance:order=1:balance=USDT:-12.5"]);
    let (mut trader, mut client) = stage.start();
    show_until(&mut trader, &mut client, "deal #1 is over: done");
    trader.kill();
    let (mut trader, mut client) = stage.start();
    show_until(&mut trader, &mut client, "balance");
    for _ in 0..10 {
        client.spread(BUY, SELL);
        assert!(!trader.has_said("deal #2"), "{:#?}", trader.printed);
    }
    assert_eq!(halts(&stage), "[\"balance\"]");
    stage.ask("adopt");
    show_until(&mut trader, &mut client, "deal #2 is over: done");
    assert_eq!(halts(&stage), "[]");
    assert_eq!(stage.end(trader), [(2, 2), (2, 2)]);
}

fn refused(home: &Home, more: &[&str]) -> String {
    let config = home.path("engine.toml");
    let output = Command::new(env!("CARGO_BIN_EXE_trader"))
        .args(["--url", "ws://127.0.0.1:9", "--for", "1", "--config", config.to_str().unwrap()])
        .args(more)
        .output()
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{more:?}: {told}");
    assert!(!home.path("trading").exists(), "nothing was begun");
    told
}

#[test]
fn what_is_not_safe_is_refused_with_key_and_remedy() {
    let home = Home::new();
    let here = &["127.0.0.1:9", "127.0.0.1:9"].map(str::to_owned);
    let text = configure(&home, here, 0o600);
    let sim = ["--gateway", "sim"];
    let live = ["--gateway", "live", "--live", "--max-notional", "100"];
    assert!(refused(&home, &["--gateway", "live"]).contains("add --live"));
    assert!(refused(&home, &live[..3]).contains("--max-notional"));
    assert!(refused(&home, &["--gateway", "sim", "--live"]).contains("--live is for"));
    let told = refused(&home, &live);
    for key in ["trading.venues[0].order_url", "trading.venues[1].order_url", "encryption"] {
        assert!(told.contains(key), "{told}");
    }
    for (from, to, words) in [
        ("ws://127.0.0.1:9", "ws://example.org:9", "trading.venues[0].order_url"),
        ("http://127.0.0.1:9", "http://10.0.0.1:9", "trading.venues[1].order_rest_url"),
        ("order_url = \"ws://127.0.0.1:9\"\n", "", "needs the simulator's address"),
        ("key_file = \"okx.json\"\n", "", "no key to an account at okx"),
        ("key_file = \"okx.json\"\n", "key_env = \"SPREADWIRE_NO_KEY\"\n", "SPREADWIRE_NO_KEY"),
        ("key_file = \"okx.json\"\n", "key_file = \"none.json\"\n", "none.json"),
        ("code = 211001\n", "", "instIdCode"),
        ("order_url = \"ws://127.0.0.1:9\"", "order_url = \"ws://127.0.0.1:9/x\"", "has a path"),
    ] {
        home.write(&text.replace(from, to));
        let told = refused(&home, &sim);
        assert!(told.contains(words), "{to:?}: {told}");
    }
    let perpetual = text.replace("\"okx\"", "\"binance-usdm\"");
    let perpetual = perpetual.replace(
        "[[instruments]]\nname = \"BTC/USDT\"",
        "[[across_markets]]\nname = \"BTC/USDT:SPOT-PERP\"",
    );
    let perpetual =
        perpetual.replace("instrument = \"BTC/USDT\"", "instrument = \"BTC/USDT:SPOT-PERP\"");
    home.write(&perpetual);
    let told = refused(&home, &sim);
    assert!(told.contains("no orders can be placed at binance-usdm"), "{told}");
    configure(&home, here, 0o644);
    let told = refused(&home, &sim);
    assert!(
        told.contains("binance.json has the mode 0644") && told.contains("chmod 0600"),
        "{told}"
    );
    configure(&home, here, 0o600);
    std::fs::write(home.path("okx.json"), "{\"api_key\": \"hidden\", \"secret\": 7}").unwrap();
    let told = refused(&home, &sim);
    assert!(told.contains("\"passphrase\" for OKX") && !told.contains("hidden"), "{told}");
}
