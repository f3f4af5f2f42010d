//! What venues answer to an attempt to connect, and how they end a connection.
//!
//! Whole engines meet a scripted server. Time is measured by what another venue does meanwhile: it
//! cuts its line again and again, and each time the engine comes back to it. What the engine says of
//! the strange venue is read from the ledger of its lake.

use crate::far_venue::{self, FarVenue, Wanted};
use crate::rig::{configuration, instrument};
use exchange_sim::scripted::{Script, Scripted, Seen, Step, Upgrade, What};
use spreadwire_config::config;
use spreadwire_engine::feed::Said;
use spreadwire_lake::ledger::{self, EntryKind};
use spreadwire_market::clock::{Clock, MILLI};
use spreadwire_rigs::pipeline::engine_under_test::{EngineUnderTest, PATIENCE};
use spreadwire_rigs::pipeline::listener::Listener;
use std::time::Duration;

/// How often the other venue cuts its line. The engine's waits grow to some seconds meanwhile.
const CUTS: usize = 4;

/// A report about connecting.
struct Row {
    /// Address of the public report, or the kind of fault.
    report: &'static str,
    /// What happened.
    happened: &'static str,
    /// What is right.
    right: &'static str,
    /// How the venue answers every attempt.
    script: Script,
    /// Texts that the ledger must have as the cause.
    causes: &'static [&'static str],
    /// Most attempts while the other venue is cut [`CUTS`] times and reached again.
    attempts_max: usize,
}

fn now_ms() -> u64 {
    Clock::host().now() / MILLI
}

/// A venue that answers requests, quotes each symbol once it is subscribed, and does these steps.
fn at_work(name: &'static str, steps: impl IntoIterator<Item = Step>) -> Script {
    Script::of(steps).answering(move |text| answers_and_quotes(name, text))
}

/// Returns the answers to a text, and a quote of each symbol that it subscribes.
fn answers_and_quotes(name: &'static str, text: &str) -> Vec<String> {
    let (mut far, said) = (FarVenue::new(name), Said::Text(text.to_owned()));
    let mut texts: Vec<String> = far.answers(&said).into_iter().filter_map(text_of).collect();
    let words = far_venue::in_words(&said).unwrap_or_default();
    for symbol in words.strip_prefix("subscribe ").into_iter().flat_map(|list| list.split(' ')) {
        let (symbol, prices) = (symbol.to_owned(), ("100.50".to_owned(), "100.52".to_owned()));
        texts.push(far.quote(&Wanted { symbol, number: None, prices, event_ms: now_ms() }));
    }
    texts
}

fn text_of(said: Said) -> Option<String> {
    match said {
        Said::Text(text) => Some(text),
        Said::Binary(_) | Said::Beat | Said::Close => None,
    }
}

fn at(name: &str, server: &Scripted) -> config::Venue {
    config::Venue::at(name, &server.url())
}

fn asked(seen: &[Seen]) -> usize {
    seen.iter().filter(|seen| matches!(seen.what, What::Asked(_))).count()
}

fn is_subscribed(seen: &[Seen], connection: usize) -> bool {
    let text = |seen: &&Seen| matches!(seen.what, What::Text(_));
    seen.iter().filter(text).any(|seen| seen.connection == connection)
}

/// Lets an engine meet the venue of a row beside one that is cut and comes back.
fn meet(row: &Row) {
    let script = row.script.clone();
    let strange = Scripted::start(move |_| script.clone()).unwrap();
    let other = Scripted::start(|connection| {
        let steps = [Step::Word(format!("cut {connection}")), Step::Reset];
        at_work("binance", steps)
    });
    let other = other.unwrap();
    let venues = vec![at("okx", &strange), at("binance", &other)];
    let engine =
        EngineUnderTest::launch(configuration(venues, [instrument("BTC", None)].into_iter()));
    assert!(strange.wait_until(PATIENCE, |seen| 1 <= asked(seen)), "{}", row.report);
    for connection in 0..=CUTS {
        let back = other.wait_until(PATIENCE, |seen| is_subscribed(seen, connection));
        assert!(back, "the other venue is reached again");
        if connection < CUTS {
            other.give(&format!("cut {connection}"));
        }
    }
    engine.wait_for("the end of an attempt or a line", PATIENCE, |engine| {
        let ends = ["connect_failures", "disconnects"];
        0 < ends.map(|end| engine.count(&format!("feed.okx.0.{end}"))).iter().sum::<u64>()
    });
    let attempts = asked(&strange.seen());
    let ended = engine.end();
    assert!(attempts <= row.attempts_max, "{}: {attempts} attempts", row.report);
    let (entries, errors) = ledger::read(&ended.plan.lake);
    assert!(errors.is_empty(), "{errors:?}");
    let of_it = entries.iter().filter(|entry| entry.venue.as_deref() == Some("okx"));
    let lost = of_it.filter(|entry| entry.kind == EntryKind::Disconnected);
    let causes: Vec<&str> = lost.filter_map(|entry| entry.cause.as_deref()).collect();
    for wanted in row.causes {
        assert!(causes.iter().any(|cause| cause.contains(wanted)), "{wanted:?} in {causes:?}");
    }
}

fn meet_each(rows: &[Row]) {
    for row in rows {
        println!("{}: {}. Right is: {}", row.report, row.happened, row.right);
        meet(row);
    }
}

#[test]
fn a_refusal_is_told_with_its_reason_and_not_repeated_before_its_time() {
    let in_two_minutes = (now_ms() / 1_000 + 120).to_string();
    meet_each(&[
        Row {
            report: "https://github.com/bitrich-info/xchange-stream/issues/199",
            happened: "429 at the upgrade was tried again in a tight loop",
            right: "Retry-After is obeyed, and the ledger has status and body",
            script: Script::refusing(429, &[("Retry-After", "120")], "slow down"),
            causes: &["429", "slow down"],
            attempts_max: 1,
        },
        Row {
            report: "https://github.com/maicoin/max-websocket-docs/pull/56",
            happened: "Retry-After is a time since 1970 there, and coming back early resets the penalty",
            right: "the number is read by its size",
            script: Script::refusing(429, &[("Retry-After", &in_two_minutes)], ""),
            causes: &["429"],
            attempts_max: 1,
        },
        Row {
            report: "https://github.com/hummingbot/hummingbot/issues/1291",
            happened: "attempts went on after 429, and led to 418, a ban",
            right: "minutes pass after a 418, whatever its headers say",
            script: Script::refusing(
                418,
                &[],
                r#"{"code":-1003,"msg":"Way too many requests; IP banned"}"#,
            ),
            causes: &["418", "IP banned"],
            attempts_max: 1,
        },
        Row {
            report: "https://github.com/binance/binance-connector-python/issues/201",
            happened: "451 at the upgrade surfaced only as close 1006",
            right: "the ledger has the status, and minutes pass",
            script: Script::refusing(451, &[], "Service unavailable from a restricted location"),
            causes: &["451", "restricted location"],
            attempts_max: 1,
        },
        Row {
            report: "https://github.com/delta-exchange/python-rest-client/issues/53",
            happened: "403 by a distribution network from a cloud's address",
            right: "as for 451",
            script: Script::refusing(403, &[], "Request blocked by CloudFront"),
            causes: &["403", "CloudFront"],
            attempts_max: 1,
        },
        Row {
            report: "The venue's reason is thrown away",
            happened: "503 with Retry-After: 60: eight attempts in 15 s",
            right: "one attempt in that time",
            script: Script::refusing(503, &[("Retry-After", "60")], "maintenance"),
            causes: &["503", "maintenance"],
            attempts_max: 1,
        },
    ]);
}

#[test]
fn a_refusal_without_a_time_is_told_with_its_reason() {
    meet_each(&[
        Row {
            report: "The venue's reason is thrown away",
            happened: "302: the new address was not shown",
            right: "the ledger has it",
            script: Script::refusing(302, &[("Location", "wss://elsewhere.example/ws")], ""),
            causes: &["302", "wss://elsewhere.example/ws"],
            attempts_max: usize::MAX,
        },
        Row {
            report: "https://github.com/BitMEX/api-connectors/issues/275",
            happened: "429 came without the documented Retry-After",
            right: "a wait of our own that is longer than after a cut line",
            script: Script::refusing(429, &[], ""),
            causes: &["429"],
            attempts_max: 2,
        },
    ]);
}

#[test]
fn a_close_is_told_with_its_code_and_reason() {
    let closing = |code: u16, reason: &str| {
        at_work("okx", [Step::Received("subscribe".into()), Step::Close(code, reason.into())])
    };
    meet_each(&[
        Row {
            report: "https://github.com/nautechsystems/nautilus_trader/issues/5012",
            happened: "1008 `Too many requests`: the client came back and did the same for minutes",
            right: "code and reason are in the ledger",
            script: closing(1008, "Too many requests"),
            causes: &["1008", "Too many requests"],
            attempts_max: usize::MAX,
        },
        Row {
            report: "The venue's reason is thrown away",
            happened: "4004 was logged as `Connection closed normally`",
            right: "code and reason are in the ledger",
            script: closing(4004, "unknown stream"),
            causes: &["4004", "unknown stream"],
            attempts_max: usize::MAX,
        },
        Row {
            report: "https://github.com/sammchardy/python-binance/issues/1589",
            happened: "1001 after some days was not handled",
            right: "it is an end like any other, with its code",
            script: closing(1001, "going away"),
            causes: &["1001", "going away"],
            attempts_max: usize::MAX,
        },
    ]);
}

/// <https://github.com/tardis-dev/tardis-machine/issues/27>: an opening handshake that timed out, after
/// which no exchange could be reached; here an upgrade that trickles on as many lines as a feed had
/// connectors. Right is that the others go live, come and go meanwhile, and that nothing waits for it.
#[test]
fn a_slow_venue_holds_up_no_other() {
    let trickle = Upgrade::Trickle(Duration::from_secs(2));
    let slow = Scripted::start(move |_| Script::of([]).upgrading(trickle.clone())).unwrap();
    let names = ["binance", "binance-usdm", "bybit"];
    let good = names.map(|name| (name, Scripted::start(move |_| at_work(name, [])).unwrap()));
    let mut venues = vec![config::Venue { lines: Some(2), ..at("okx", &slow) }];
    venues.extend(good.iter().map(|(name, server)| at(name, server)));
    // Two connections of 500 symbols, with two lines each.
    let many = (0..501).map(|n| instrument(&format!("C{n}"), Some(&["okx", "bybit"])));
    let few = instrument("BTC", Some(&names));
    let engine = EngineUnderTest::launch(configuration(venues, many.chain([few])));
    let listener = Listener::join(engine.address(), &engine.plan.catalogue);
    listener.wait_for("the other venues to be live", |ear| {
        let names = &engine.plan.catalogue;
        let is_live =
            |story: &Vec<(String, String)>| story.iter().any(|(state, _)| state == "live");
        let live = ear.stories.iter().filter(|(_, story)| is_live(story));
        let of_few = live.filter(|((_, id), _)| names.instrument(*id).name.starts_with("BTC"));
        of_few.count() == 3
    });
    assert!(!slow.seen().iter().any(|seen| matches!(seen.what, What::Text(_))));
    drop(engine.end());
}
