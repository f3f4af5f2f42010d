//! The trader as a process: it trades on paper, is killed and goes on, is halted and resumed, and reads
//! its configuration again.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod rig;

use rig::{Broadcast, Client, Home, Trader};
use serde_json::{Value, json};
use spreadwire_kit::approved::approved;
use spreadwire_market::clock::{Clock, SECOND};
use std::process::Command;

const BTC: &[&str] = &["BTC/USDT"];
/// Number of records after which a test gives up: more than half a minute.
const TURNS_MAX: usize = 2_000;

/// Runs the binary until it ends by itself; returns its exit code and stderr.
fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_trader")).args(arguments).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// Lets a deal begin, be filled on both legs and settle. `size` differs from that of the deal before, so
/// that there is something to be had.
fn deal(client: &mut Client, trader: &mut Trader, number: u64, size: &str) {
    begin(client, trader, number, size);
    client.spread(("100", size), ("101", size));
    client.spread(("100", size), ("101", size));
    trader.until(&format!("PAPER deal #{number} is over: done"));
    client.spread(("100", size), ("100", size));
    trader.until("PAPER closed #");
}

/// Lets a deal begin: its orders are on their way until the next record.
fn begin(client: &mut Client, trader: &mut Trader, number: u64, size: &str) {
    client.spread(("100", size), ("101", size));
    trader.until(&format!("of deal #{number}: sell"));
}

/// Returns balance by venue and asset, and the realised profit.
fn books(status: &Value) -> Vec<String> {
    let rows = status["balances"].as_array().unwrap().iter();
    let row = |row: &Value| format!("{} {} {}", row["venue"], row["asset"], row["balance"]);
    let mut books: Vec<String> = rows.map(row).collect();
    books.push(status["profit"]["realised"].to_string());
    books
}

#[test]
fn a_killed_trader_goes_on_with_its_balances_and_deals_exactly_once() {
    let (home, server) = (Home::new(), Broadcast::new());
    let mut trader = Trader::start(&home, &server);
    let mut client = server.accept(BTC);
    deal(&mut client, &mut trader, 1, "1");
    let before = home.status();
    // 100 for a bitcoin, 101 for another, and 1 bp of each.
    assert_eq!(before["profit"]["realised"], "0.9799");
    assert_eq!(before["mode"], "PAPER");
    assert!(books(&before).contains(&"\"binance\" \"USDT\" \"99899.99\"".to_owned()), "{before}");
    assert!(books(&before).contains(&"\"okx\" \"BTC\" \"9\"".to_owned()), "{before}");
    // Killed while two orders of the second deal are on their way.
    begin(&mut client, &mut trader, 2, "2");
    trader.kill();
    let report = home.report();
    assert_eq!(report["orders"]["placed"], 4);
    assert_eq!(report["profit"]["realised"], "0.9799");
    assert_eq!(report["profit"]["open_deals"], 1);

    let mut trader = Trader::start(&home, &server);
    trader.until("1 deals not over, 2 orders in flight");
    let mut client = server.accept(BTC);
    // The venue is asked on the clock of the records, which is that of the host here.
    for _ in 0..TURNS_MAX {
        if trader.has_said("PAPER deal #2 is over: missed") {
            break;
        }
        client.ts = Clock::host().now();
        client.spread(("100", "3"), ("100", "3"));
    }
    assert!(trader.has_said("PAPER deal #2 is over: missed"), "{:#?}", trader.printed);
    assert_eq!(books(&home.status()), books(&before), "nothing was bought or sold twice");
    // More than would be free if the two orders still held something there.
    deal(&mut client, &mut trader, 3, "8");
    let status = home.status();
    assert_eq!(status["counts"]["orders"], 6, "none was sent again: {status}");
    assert_ne!(books(&status), books(&before));
    let after = books(&status);
    trader.signal("-TERM");
    let (code, printed) = trader.end();
    assert_eq!(code, Some(0), "{printed}");
    assert!(printed.lines().all(|line| line.starts_with("PAPER ")), "{printed}");

    // A third life, and the report, see the same.
    let trader = Trader::start(&home, &server);
    let _client = server.accept(BTC);
    assert_eq!(books(&home.status()), after);
    let report = home.report();
    assert_eq!(report["profit"]["realised"], status["profit"]["realised"]);
    assert_eq!((&report["runs"], &report["deals"]["done"]), (&json!(3), &json!(2)));
    drop(trader);
    // Sold on okx, bought on binance: what would mend it is the way back.
    let btc = report["balances"].as_array().unwrap().iter().find(|it| it["asset"] == "BTC");
    let mend = &btc.unwrap()["transfers"][0];
    assert_eq!((&mend["from"], &mend["to"]), (&json!("binance"), &json!("okx")));
    let lines = std::fs::read_to_string(home.journal()).unwrap();
    assert_eq!(lines.matches("\"event\":\"funded\"").count(), 4, "once");
}

#[test]
fn a_torn_line_is_cut_off_and_damage_or_another_trader_keeps_one_from_starting() {
    let (home, server) = (Home::new(), Broadcast::new());
    let mut trader = Trader::start(&home, &server);
    let mut client = server.accept(BTC);
    deal(&mut client, &mut trader, 1, "1");
    let before = books(&home.status());
    let other = Trader::start(&home, &server);
    let (code, told) = other.end();
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("decisions.jsonl is in use by process "), "{told}");
    assert!(told.contains("add --watch to look on"), "{told}");
    trader.kill();

    let whole = std::fs::read(home.journal()).unwrap();
    let mut torn = whole.clone();
    torn.extend_from_slice(b"{\"mode\":\"PAPER\",\"ts\":17");
    std::fs::write(home.journal(), &torn).unwrap();
    let mut trader = Trader::start(&home, &server);
    trader.until("had no end (23 bytes) and was cut off; nothing was sent for it");
    let _client = server.accept(BTC);
    assert_eq!(books(&home.status()), before);
    trader.kill();

    let text = String::from_utf8(whole).unwrap();
    std::fs::write(home.journal(), text.replacen("\"px\":\"100\"", "\"px\":\"10\"", 1)).unwrap();
    let (code, told) = Trader::start(&home, &server).end();
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains(" is damaged: its checksum does not fit; nothing is traded"), "{told}");
    let (code, told) = run(&["report", home.journal().to_str().unwrap()]);
    assert_eq!((code, told.contains(" is damaged: ")), (Some(1), true), "{told}");
}

#[test]
fn file_signal_and_command_stop_all_orders_until_a_person_resumes() {
    for way in ["file", "signal", "command"] {
        let (home, server) = (Home::new(), Broadcast::new());
        let kill_file = home.path("trading/kill");
        let mut trader = Trader::start(&home, &server);
        let mut client = server.accept(BTC);
        trader.until("connected to");
        let orders = home.status()["counts"]["orders"].as_u64().unwrap();
        match way {
            "file" => std::fs::write(&kill_file, "").unwrap(),
            "signal" => trader.signal("-USR1"),
            _ => assert!(home.ask("kill").status.success()),
        }
        trader.until("PAPER HALTED: killed");
        client.spread(("100", "1"), ("101", "1"));
        trader.until("PAPER opened #1");
        client.spread(("100", "1"), ("101", "1"));
        let status = loop {
            let status = home.status();
            if status["why_not"]["above_threshold"].as_u64() == Some(2) {
                break status;
            }
        };
        assert_eq!(status["counts"]["orders"], orders, "{way}: {status}");
        let killed = json!([{"why": "killed", "count": 2}]);
        assert_eq!(status["why_not"]["reasons"], killed, "{way}");
        let pair = json!({
            "instrument": "BTC/USDT", "buy": "binance", "sell": "okx", "reasons": {"killed": 2},
        });
        assert_eq!(status["why_not"]["pairs"], json!([pair]), "{way}");
        assert_eq!((&status["killed"], &status["can_open"]), (&json!(true), &json!(false)));
        if way == "file" {
            let refused = home.ask("resume");
            let told = String::from_utf8(refused.stderr).unwrap();
            assert!(!refused.status.success() && told.contains("remove it first"), "{told}");
            std::fs::remove_file(&kill_file).unwrap();
        }
        // It holds beyond the end of the process.
        trader.kill();
        let mut trader = Trader::start(&home, &server);
        trader.until("HALTED by an earlier run: killed; look, then run `trader resume`");
        let mut client = server.accept(BTC);
        trader.until("connected to");
        assert!(home.ask("resume").status.success());
        client.spread(("100", "1"), ("101", "1"));
        trader.until("(entry)");
        trader.kill();
    }
    // Without a trader, the command makes the file.
    let (home, server) = (Home::new(), Broadcast::new());
    let kill_file = home.path("trading/kill");
    let output = home.ask("kill");
    assert!(output.status.success() && kill_file.exists());
    let mut trader = Trader::start(&home, &server);
    trader.until("PAPER KILLED: ");
    let _client = server.accept(BTC);
}

#[test]
fn a_new_configuration_is_taken_as_a_whole_or_not_at_all() {
    let (home, server) = (Home::new(), Broadcast::new());
    let mut trader = Trader::start(&home, &server);
    let mut client = server.accept(BTC);
    trader.until("connected to");
    for (from, to, told) in [
        ("entry_bps = 20.0", "entry_bps = 31.0", "the entry would move from 20.00 to 31.00 bp"),
        ("exit_bps = 5.0", "exit_bps = -6.0", "the exit would move from 5.00 to -6.00 bp"),
        ("exit_bps = 5.0", "exit_bps = 25.0", "the exit, 25 bp, is above the entry, 20 bp"),
        ("entry_bps = 20.0", "entry = 20.0", "no such key"),
        ("entry_bps = 20.0", "entry_bps = ", "line "),
        ("[trading]", "[trading]\nowner = \"other\"", "trading.owner cannot change"),
        ("latency_ms = 5.0", "latency_ms = 6.0", "of orders on paper cannot change"),
        ("\"trading\"", "\"elsewhere\"", "trading.journal and trading.kill_file cannot change"),
        ("size_decimals = 5", "size_decimals = 6", "venues and instruments cannot change"),
        ("latency_ms = 5.0", "latency_ms = 5.0\nhedge = \"pray\"", "\"pray\" is not known"),
    ] {
        let changed = home.text.replacen(from, to, 1);
        assert_ne!(changed, home.text);
        home.write(&changed);
        let socket = home.path("trading/trader.sock");
        let (code, errors) = run(&["reload", "--socket", socket.to_str().unwrap()]);
        assert_eq!((code, errors.contains(told)), (Some(1), true), "{told}: {errors}");
        trader.until("the new configuration is refused, and the old one stays:");
    }
    home.write(&home.text.replacen("entry_bps = 20.0", "entry_bps = 29.0", 1));
    trader.signal("-HUP");
    trader.until("PAPER the new configuration holds from now on");
    // 27 bp net: below the new threshold, above the old one.
    client.spread(("100", "1"), ("100.29", "1"));
    // Without a signal, a change is seen within a second or two.
    home.write(&home.text.replacen("entry_bps = 20.0", "entry_bps = 29.5", 1));
    trader.until("PAPER the new configuration holds from now on");
    client.spread(("100", "1"), ("100.32", "1"));
    trader.until("(entry)");
    let status = home.status();
    assert_eq!(status["why_not"]["above_threshold"], 1, "{status}");
    assert_eq!(status["reloads"]["taken"], 2, "{status}");
}

#[test]
fn only_what_is_wanted_is_subscribed_to_and_a_gap_of_the_engine_asks_for_a_snapshot() {
    let (home, server) = (Home::new(), Broadcast::new());
    let mut trader = Trader::start(&home, &server);
    let mut client = server.accept(&["ETH/USDT", "BTC/USDT"]);
    let subscribe = |number: u64| json!({"op": "subscribe", "id": format!("trader-{number}"), "instruments": ["BTC/USDT"]});
    assert_eq!(client.hear(), subscribe(1));
    client.say(&json!({"type": "subscribed", "id": "trader-1"}));
    client.snapshot("trader-1");
    // Numbers of other instruments are left out.
    client.skip(7);
    client.spread(("100", "1"), ("101", "1"));
    trader.until("of deal #1: sell");
    client.say(&json!({"type": "gap", "reason": "engine", "missed": 3, "ts_recv": client.ts}));
    trader.until(", gap");
    assert_eq!(client.hear(), json!({"op": "unsubscribe", "id": "trader-1"}));
    assert_eq!(client.hear(), subscribe(2));
    client.say(&json!({"type": "unsubscribed", "ids": ["trader-1"]}));
    client.say(&json!({"type": "subscribed", "id": "trader-2"}));
    // Before the snapshot nothing opens.
    client.spread(("100", "2"), ("101", "2"));
    client.snapshot("trader-2");
    client.spread(("100", "3"), ("101", "3"));
    let opened = trader.until("PAPER opened #2");
    assert!(opened.contains("100 x 3 -> 101 x 3"), "{opened}");
    let status = home.status();
    assert_eq!(status["why_not"]["reasons"][0]["why"], "not_in_step", "{status}");
    trader.kill();

    // Without a filter, only a new connection brings a snapshot.
    let mut trader = Trader::start(&home, &server);
    let mut client = server.accept(BTC);
    trader.until("connected to");
    client.say(&json!({"type": "gap", "reason": "engine", "missed": 3, "ts_recv": client.ts}));
    trader.until("the engine missed records; connecting again for a snapshot; retrying in");
    let mut client = server.accept(BTC);
    client.spread(("100", "1"), ("101", "1"));
    trader.until("PAPER opened #1");
}

#[test]
fn what_cannot_be_traded_by_is_refused_with_all_its_problems() {
    let home = Home::new();
    let config = home.path("engine.toml");
    let config = config.to_str().unwrap();
    let file = home.path("approved.toml");
    let with = |more: &[&str]| {
        run(&[&["--config", config, "--url", "ws://127.0.0.1:1", "--for", "0.1"][..], more]
            .concat())
    };
    let later = Clock::host().now() + 3600 * SECOND;
    let mut good = approved(1_700_000_000 * SECOND, 1_700_000_001 * SECOND);
    good.pairs.truncate(1);
    good.pairs[0].instrument = "BTC/USDT".to_owned();
    (good.pairs[0].buy, good.pairs[0].sell) = ("okx".to_owned(), "kraken".to_owned());
    std::fs::write(&file, good.to_toml()).unwrap();
    let by_approvals = ["--gateway", "paper", "--approved", file.to_str().unwrap()];
    let (code, errors) = with(&by_approvals);
    assert_eq!(code, Some(0), "what has expired may be unknown: {errors}");
    assert!(errors.contains("PAPER 0 pairs enabled: nothing will open"), "{errors}");
    good.pairs[0].expires = later;
    std::fs::write(&file, good.to_toml()).unwrap();
    let (code, errors) = with(&by_approvals);
    let told = "BTC/USDT buy okx sell kraken is not among the configured venues and instruments";
    assert_eq!((code, errors.contains(told)), (Some(2), true), "{errors}");
    good.pairs[0].size_quote = 2.0;
    std::fs::write(&file, good.to_toml()).unwrap();
    let (code, errors) = with(&by_approvals);
    assert_eq!((code, errors.contains("above size_quote_max, 1")), (Some(2), true), "{errors}");
    for (more, told) in [
        (&["--gateway", "live"][..], "add --live if that is what you want"),
        (&["--gateway", "live", "--live"], "needs --max-notional"),
        (&["--gateway", "paper", "--live"], "--live is for --gateway live alone"),
        (&["--gateway", "paper", "--max-notional", "a"], "not a decimal number"),
        (&["--gateway", "paper", "--entry-bps", "1"], "the exit, 5 bp, is above the entry, 1 bp"),
    ] {
        let (code, errors) = with(more);
        assert_eq!((code, errors.contains(told)), (Some(2), true), "{told}: {errors}");
    }
    home.write(&home.text.replace("[trading]", "[trading]\nexit = \"x\"\nowner = \"\""));
    let (code, errors) = with(&["--gateway", "paper"]);
    assert_eq!((code, errors.lines().count()), (Some(2), 2), "{errors}");
    assert!(!home.journal().exists() || !errors.contains("decisions"), "{errors}");
}
