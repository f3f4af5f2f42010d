//! An engine that trades on paper, as a process: the kill switch by file and by signal, thresholds that change
//! while it runs, and its books after `kill -9`.

#![allow(clippy::unwrap_used, reason = "a test that cannot prepare its files has failed")]

use exchange_sim::Simulator;
use serde_json::Value;
use spreadwire_rigs::running::{self, Running, until};
use spreadwire_trading::amount::Amount;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use tempfile::TempDir;

const ENGINE: &str = env!("CARGO_BIN_EXE_spreadwire");

/// A market without fees, in which a deal is worth it now and then, and an engine's configuration.
struct Scene {
    home: TempDir,
    simulator: Simulator,
}

impl Scene {
    fn new() -> Scene {
        let scene =
            Scene { home: tempfile::tempdir().unwrap(), simulator: running::simulator(500.0) };
        scene.configure(1.0);
        scene
    }

    fn configure(&self, entry_bps: f64) {
        let head = running::configuration(&self.simulator);
        let head = head.replace("max_age_ms", "taker_fee_bps = 0.0\nmax_age_ms");
        let balances = "balances = { USDT = 10000000, BTC = 1000 }\norders_per_second = 1000\n";
        let text = format!(
            "{head}[journal]\nlake = \"lake\"\ndisk_reserve_mb = 0\n\
             [decision]\nentry_bps = {entry_bps}\nexit_bps = 0.5\ncooldown_ms = 0\n\
             [trading]\nmode = \"paper\"\nlatency_ms = 1.0\n\
             [trading.limits]\nfailures = 1000000\nloss_per_day = 1000000\ndrawdown = 1000000\n\
             [[trading.venues]]\nname = \"okx\"\n{balances}\
             [[trading.venues]]\nname = \"binance\"\n{balances}"
        );
        fs::write(self.path("engine.toml"), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn start(&self) -> Running {
        let words = format!("exec {ENGINE} run --config engine.toml 2>> log");
        let mut command = Command::new("sh");
        command.current_dir(&self.home).args(["-c", &words]).stdin(Stdio::null());
        let running = Running(command.stdout(Stdio::null()).spawn().unwrap());
        self.simulator.release();
        running
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    fn status(&self) -> Option<Value> {
        serde_json::from_str(&fs::read_to_string(self.path("lake/trading/status.json")).ok()?).ok()
    }

    /// Waits until the status has more than so many deals.
    fn deals_beyond(&self, count: u64) -> u64 {
        let mut looks = 0;
        until("more deals", || {
            looks += 1;
            assert!(looks < 2_000, "{:#} {}", self.status()?, self.log());
            let deals = self.status()?["deals"]["decided"].as_u64()?;
            (count < deals).then_some(deals)
        })
    }

    fn told(&self, what: &str) {
        until(what, || self.log().contains(what).then_some(()));
    }

    fn entries(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.path("lake/trading/decisions.jsonl")).unwrap();
        // A line that is being written has no end yet.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits for a status that is written after a moment in which nothing is sent any more, and returns the
    /// number of orders.
    fn orders_at_rest(&self) -> u64 {
        let mut before = u64::MAX;
        until("orders at rest", || {
            let status = self.status()?;
            let orders = status["orders"]["placed"].as_u64()?;
            let is_killed = status["killed"] == true;
            let at_rest = is_killed && orders == before && status["orders"]["in_flight"] == 0;
            before = orders;
            at_rest.then_some(orders)
        })
    }
}

fn count(entries: &[Value], event: &str) -> u64 {
    entries.iter().filter(|entry| entry["event"] == event).count() as u64
}

/// Adds up the balances that the entries lead to, by venue and asset.
fn balances(entries: &[Value]) -> BTreeMap<(String, String), Amount> {
    let mut balances: BTreeMap<(String, String), Amount> = BTreeMap::new();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let amount = |value: &Value| Amount::parse(value.as_str().unwrap()).unwrap();
    for entry in entries {
        let mut add = |asset: &str, by: Amount| {
            *balances.entry((text(&entry["venue"]), asset.to_owned())).or_default() += by;
        };
        if entry["event"] == "funded" {
            add(entry["asset"].as_str().unwrap(), amount(&entry["amount"]));
        }
        if entry["event"] == "filled" {
            let (px, sz) = (amount(&entry["px"]), amount(&entry["sz"]));
            // Both have few decimals here, so that the product is exact.
            let notional =
                Amount::of_units(px.units() / 1_000_000_000 * (sz.units() / 1_000_000_000));
            let (base, quote) =
                if entry["side"] == "buy" { (sz, -notional) } else { (-sz, notional) };
            add("BTC", base);
            add("USDT", quote);
            add(entry["fee_asset"].as_str().unwrap(), -amount(&entry["fee"]));
        }
    }
    balances
}

fn told_balances(status: &Value) -> BTreeMap<(String, String), Amount> {
    let rows = status["balances"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let of = |row: &Value| {
        let amount = Amount::parse(row["balance"].as_str().unwrap()).unwrap();
        ((text(&row["venue"]), text(&row["asset"])), amount)
    };
    rows.map(of).collect()
}

#[test]
fn while_the_kill_file_exists_no_order_is_sent_and_after_a_signal_none_either() {
    let scene = Scene::new();
    let mut running = scene.start();
    let deals = scene.deals_beyond(2);
    let kill = scene.path("lake/trading/kill");
    fs::write(&kill, "").unwrap();
    scene.told("turns the kill switch on");
    let orders = scene.orders_at_rest();
    // Spreads go on, and are counted as not acted on because of it.
    let killed = |status: &Value| status["why_not"]["killed"].as_u64().unwrap_or_default();
    let before = killed(&scene.status().unwrap());
    until("spreads that are not acted on", || (before < killed(&scene.status()?)).then_some(()));
    assert_eq!(scene.status().unwrap()["orders"]["placed"], orders);
    fs::remove_file(&kill).unwrap();
    scene.told("turns the kill switch off");
    scene.deals_beyond(deals.max(orders / 2));
    // A file that cannot be seen may well be there; also root may not follow a loop of links.
    std::os::unix::fs::symlink("kill", &kill).unwrap();
    let turned =
        |state: &str| scene.log().matches(&format!("turns the kill switch {state}")).count();
    until("the switch to be on again", || (turned("on") == 2).then_some(()));
    fs::remove_file(&kill).unwrap();
    until("the switch to be off again", || (turned("off") == 2).then_some(()));
    running.signal("USR1");
    scene.told("no order is sent any more");
    let orders = scene.orders_at_rest();
    running.signal("TERM");
    until("the end", || running.has_ended());
    assert_eq!(count(&scene.entries(), "placed"), orders);
}

#[test]
fn thresholds_change_while_it_runs_and_a_leap_or_a_mistake_is_refused_whole() {
    let scene = Scene::new();
    let mut running = scene.start();
    scene.deals_beyond(0);
    // Nothing is worth 10 bp: from here on nothing opens.
    scene.configure(10.0);
    scene.told("goes by the configuration as it is now");
    scene.configure(100.0);
    scene.told("the old configuration stays: BTC/USDT buy okx sell binance: the entry would move");
    fs::write(scene.path("engine.toml"), "[decision]\nentry_bps = \"many\"\n").unwrap();
    scene.told("the old configuration stays: ");
    scene.configure(1.0);
    until("the second change", || {
        (scene.log().matches("goes by the configuration as it is now").count() == 2).then_some(())
    });
    let deals = scene.status().unwrap()["deals"]["decided"].as_u64().unwrap();
    scene.deals_beyond(deals);
    running.signal("HUP");
    until("the third time", || {
        (scene.log().matches("goes by the configuration as it is now").count() == 3).then_some(())
    });
    assert!(running.has_ended().is_none());
    running.signal("TERM");
    until("the end", || running.has_ended());
}

#[test]
fn books_and_orders_go_on_exactly_after_a_kill() {
    let scene = Scene::new();
    for round in 0..3 {
        let deals = scene.entries_or_none().map_or(0, |entries| count(&entries, "decided"));
        let running = scene.start();
        scene.deals_beyond(deals + 2);
        running.signal("KILL");
        drop(running);
        let entries = scene.entries();
        assert_eq!(count(&entries, "began"), round + 1);
    }
    let mut running = scene.start();
    let deals = count(&scene.entries(), "decided");
    scene.told("PAPER: restored");
    scene.deals_beyond(deals);
    running.signal("TERM");
    until("the end", || running.has_ended());
    let entries = scene.entries();
    let status = scene.status().unwrap();
    assert_eq!(balances(&entries), told_balances(&status), "{status:#}");
    let settled = entries.iter().filter(|entry| entry["event"] == "settled");
    let profit: Amount =
        settled.map(|entry| Amount::parse(entry["profit"].as_str().unwrap()).unwrap()).sum();
    assert_eq!(status["profit"], profit.to_string());
    for key in ["order", "id"] {
        let placed = entries.iter().filter(|entry| entry["event"] == "placed");
        let ids: Vec<u64> = placed.filter_map(|entry| entry[key].as_u64()).collect();
        let distinct: BTreeSet<u64> = ids.iter().copied().collect();
        assert_eq!(ids.len(), distinct.len(), "an order was sent twice");
    }
    assert_eq!(count(&entries, "funded"), 4, "the books begin once");
    let words = ["replay", "lake", "--config", "engine.toml", "--compare"];
    let output = Command::new(ENGINE).current_dir(&scene.home).args(words).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(
        told.matches("the same lines as the live run, as far as both go").count(),
        3,
        "{told}"
    );
    assert_eq!(told.matches("the same lines as the live run\n").count(), 1, "{told}");
    let serials = entries.iter().map(|entry| entry["serial"].as_u64().unwrap());
    assert!(serials.eq(1..=entries.len() as u64), "the lines are numbered without a hole");
}

#[test]
fn without_its_journal_nothing_is_sent_and_the_end_is_a_failure() {
    let scene = Scene::new();
    let mut running = scene.start();
    scene.deals_beyond(0);
    fs::rename(scene.path("lake/trading"), scene.path("elsewhere")).unwrap();
    scene.told("no order is sent any more");
    running.signal("TERM");
    let ended = until("the end", || running.has_ended());
    assert_eq!(ended.code(), Some(1), "{}", scene.log());
}

impl Scene {
    fn entries_or_none(&self) -> Option<Vec<Value>> {
        self.path("lake/trading/decisions.jsonl").exists().then(|| self.entries())
    }
}
