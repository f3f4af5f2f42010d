//! Checks that what is played arrives: hold and release, tapes, recorded frames, slow clients and
//! faults.

mod kit;

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use exchange_sim::{
    FramesOptions, ModelOptions, Occasion, Options, Outcome, Simulator, Source, Speed, TapeOptions,
    VenueAt, Written, venue_names, venue_symbol,
};
use kit::{Client, open, open_path};

/// Time limit of every wait. A test that waits this long has failed.
const LONG: Duration = Duration::from_secs(60);

const INSTRUMENTS: [&str; 3] = ["BTC/USDT", "ETH/USDT", "SOL/USDT"];

/// Returns options that play the first three instruments of the model, held, at unlimited speed,
/// and remember the quotes.
fn held(venues: &[&str], limit: u64) -> Options {
    Options {
        venues: venues.iter().map(|name| VenueAt::any_port(name)).collect(),
        source: Source::Model(ModelOptions { instruments: 3, ..ModelOptions::default() }),
        speed: Speed::Max,
        limit: Some(limit),
        hold: true,
        record: true,
        ..Options::default()
    }
}

fn start(options: Options) -> Simulator {
    Simulator::start(options).expect("the simulator starts")
}

/// Subscribes all instruments by one message and waits for the acknowledgements.
fn subscribe(simulator: &Simulator, venue: &str, client: &mut Client) {
    let before = simulator.stats().venue(venue).subscriptions;
    let symbol = |name: &str| venue_symbol(venue, name).expect("a known venue");
    let list = |each: &dyn Fn(&str) -> String| {
        INSTRUMENTS.iter().map(|name| each(&symbol(name))).collect::<Vec<_>>().join(",")
    };
    let (request, acks) = match venue {
        "bybit" => {
            let args = list(&|symbol| format!("\"orderbook.1.{symbol}\""));
            (format!(r#"{{"op":"subscribe","args":[{args}]}}"#), 1)
        }
        "okx" => {
            let args = list(&|symbol| format!(r#"{{"channel":"bbo-tbt","instId":"{symbol}"}}"#));
            (format!(r#"{{"op":"subscribe","args":[{args}]}}"#), 3)
        }
        _ => {
            let args = list(&|symbol| format!("\"{}@bookTicker\"", symbol.to_lowercase()));
            (format!(r#"{{"method":"SUBSCRIBE","params":[{args}],"id":1}}"#), 1)
        }
    };
    client.say(&request);
    for _ in 0..acks {
        client.hear();
    }
    let done = simulator.wait_until(LONG, |stats| stats.venue(venue).subscriptions == before + 3);
    assert!(done, "{venue}");
}

fn ms(ns: u64) -> u64 {
    ns / 1_000_000
}

/// Returns the frame of a quote by the venues' documentation. Bybit's `seq` and OKX's numbers of
/// orders are not remembered; they are taken from the frame itself.
fn expected(it: &Written, frame: &str) -> String {
    let Written { symbol: s, bid: b, bid_qty, ask: a, ask_qty, sequence: u, .. } = it;
    let cut = |from: &str, to: &str| {
        let rest = frame.split(from).nth(1).unwrap_or_default();
        rest.split(to).next().unwrap_or_default().to_owned()
    };
    match it.venue {
        "binance" => {
            format!(r#"{{"u":{u},"s":"{s}","b":"{b}","B":"{bid_qty}","a":"{a}","A":"{ask_qty}"}}"#)
        }
        "binance-usdm" => format!(
            r#"{{"e":"bookTicker","u":{u},"s":"{s}","ps":"{s}","b":"{b}","B":"{bid_qty}","a":"{a}","A":"{ask_qty}","T":{},"E":{},"st":1}}"#,
            ms(it.event_ns),
            ms(it.push_ns)
        ),
        "bybit" => format!(
            r#"{{"topic":"orderbook.1.{s}","ts":{},"type":"snapshot","data":{{"s":"{s}","b":[["{b}","{bid_qty}"]],"a":[["{a}","{ask_qty}"]],"u":{u},"seq":{}}},"cts":{}}}"#,
            ms(it.push_ns),
            cut("\"seq\":", "}"),
            ms(it.event_ns)
        ),
        _ => {
            let asks = cut(r#""0",""#, "\"");
            let bids = frame.split(r#""0",""#).nth(2).unwrap_or_default();
            let bids = bids.split('"').next().unwrap_or_default();
            format!(
                r#"{{"arg":{{"channel":"bbo-tbt","instId":"{s}"}},"data":[{{"asks":[["{a}","{ask_qty}","0","{asks}"]],"bids":[["{b}","{bid_qty}","0","{bids}"]],"ts":"{}","seqId":{u}}}]}}"#,
                ms(it.event_ns)
            )
        }
    }
}

#[test]
fn after_release_every_quote_recorded_arrives_in_order_byte_for_byte() {
    let names = venue_names();
    let simulator = start(Options { wait_for_subscriptions: 12, ..held(&names, 4_000) });
    let mut clients: Vec<Client> = names.iter().map(|venue| open(&simulator, venue)).collect();
    simulator.release();
    for (venue, client) in names.iter().zip(&mut clients) {
        assert!(!simulator.stats().playing);
        subscribe(&simulator, venue, client);
    }
    assert!(simulator.wait_finished(LONG));
    let Outcome { stats, written } = simulator.stop();
    assert_eq!((stats.produced, stats.quotes(), written.len()), (4_000, 4_000, 4_000));
    for (venue, client) in names.iter().zip(&mut clients) {
        let (frames, was_closed) = client.drain();
        let own: Vec<&Written> = written.iter().filter(|it| it.venue == *venue).collect();
        assert!(was_closed && 300 < own.len());
        assert_eq!(frames.len(), own.len());
        let mut last = HashMap::new();
        for (frame, it) in frames.iter().zip(own) {
            assert_eq!(*frame, expected(it, frame));
            assert_eq!((it.occasion, it.receivers), (Occasion::Change, 1));
            let before = last.insert(it.symbol.clone(), it.sequence);
            assert!(before.is_none_or(|before| before < it.sequence));
        }
    }
}

#[test]
fn a_slow_client_loses_nothing() {
    let simulator = start(held(&["binance"], 60_000));
    let mut clients = [open(&simulator, "binance"), open(&simulator, "binance")];
    for client in &mut clients {
        subscribe(&simulator, "binance", client);
    }
    simulator.release();
    // The source plays no faster than the slower of the two clients reads.
    let [mut slow, mut fast] = clients;
    let reader = std::thread::Builder::new()
        .spawn(move || {
            let frames: Vec<String> = (0..60_000).map(|_| fast.hear()).collect();
            (frames, fast)
        })
        .expect("a thread");
    let frames: Vec<String> = (0..60_000).map(|_| slow.hear()).collect();
    let (others, _fast) = reader.join().expect("the reader");
    assert_eq!(frames, others);
    assert!(simulator.wait_finished(LONG));
    let outcome = simulator.stop();
    assert_eq!(outcome.written.len(), 60_000);
    assert_eq!(outcome.stats.venue("binance").frames, 120_000);
    assert!(outcome.written.iter().all(|it| it.receivers == 2));
}

#[test]
fn a_stuck_client_is_cut_off_and_counted() {
    let stuck_after = Duration::from_millis(100);
    let simulator = start(Options { limit: None, stuck_after, ..held(&["binance"], 0) });
    let mut client = open(&simulator, "binance");
    subscribe(&simulator, "binance", &mut client);
    simulator.release();
    assert!(simulator.wait_until(LONG, |stats| stats.venue("binance").stuck == 1));
    assert_eq!(simulator.stats().venue("binance").connections, 0);
}

const TAPE: &str = "\
recv_ts_ns,exch_ts_ns,venue,symbol,bid,bid_qty,ask,ask_qty
1000000000,990000000,binance_spot,BTCUSDT,61837.63,3.78826,61837.640,1.5
1000000000,,binance_usdm,BTCUSDT,61800.2,2.507,61800.3,2.51
1001000000,,bybit_spot,BTCUSDT,61837.60,0.10,61837.70,
1002000000,,okx_spot,BTC-USDT,61837.6,0.00001198,61900,100
1003000000,,kraken,XBTUSD,1,1,2,2
1004000000,,binance_spot,ETHUSDT,3120.10,1,3120.11,2
";

fn tape(folder: &Path) -> Source {
    std::fs::write(folder.join("tape.csv"), TAPE).expect("temporary file");
    Source::Tape(TapeOptions {
        path: folder.to_owned(),
        default_size: "0.25".to_owned(),
        ..TapeOptions::default()
    })
}

#[test]
fn a_tape_is_written_in_each_venues_form_with_exact_digits() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let names = venue_names();
    let simulator = start(Options {
        source: tape(folder.path()),
        speed: Speed::Times(10.0),
        limit: None,
        ..held(&names, 0)
    });
    let mut binance = open_path(&simulator, "binance", "/ws/btcusdt@bookTicker/ethusdt@bookTicker");
    let mut usdm = open_path(&simulator, "binance-usdm", "/public/ws/btcusdt@bookTicker");
    let mut bybit = open(&simulator, "bybit");
    bybit.subscribe_bybit(&["orderbook.1.BTCUSDT"]);
    bybit.hear();
    let mut okx = open(&simulator, "okx");
    okx.say(r#"{"op":"subscribe","args":[{"channel":"bbo-tbt","instId":"BTC-USDT"}]}"#);
    okx.hear();
    assert!(simulator.wait_until(LONG, |stats| stats.subscriptions() == 5));
    simulator.release();
    let spot = binance.hear();
    let numbers = r#""s":"BTCUSDT","b":"61837.63000000","B":"3.78826000","a":"61837.64000000","A":"1.50000000"}"#;
    assert!(spot.ends_with(numbers), "{spot}");
    assert!(usdm.hear().contains(r#""b":"61800.20","B":"2.50700000","a":"61800.30","A":"2.51"#));
    let quote = bybit.hear();
    assert!(quote.contains(r#""b":[["61837.6","0.1"]],"a":[["61837.7","0.25"]]"#), "{quote}");
    let quote = okx.hear();
    assert!(quote.contains(r#""asks":[["61900","100","0","#), "{quote}");
    assert!(quote.contains(r#""bids":[["61837.6","0.00001198","0","#), "{quote}");
    assert!(binance.hear().contains("3120.10000000"));
    assert!(simulator.wait_finished(LONG));
    let written = simulator.stop().written;
    // At ten times the speed, the 10 ms by which the first row's venue time is older are 1 ms.
    let early = written[1].event_ns - written[0].event_ns;
    assert!((0..=2_000_000).contains(&early), "{early}");
    assert_eq!(written.iter().filter(|it| it.venue == "binance").count(), 2);
}

#[test]
fn a_tape_loops_with_growing_times_and_sequences() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let simulator = start(Options {
        source: tape(folder.path()),
        speed: Speed::Times(1.0),
        looping: true,
        limit: Some(50),
        ..held(&["binance", "okx"], 0)
    });
    let mut client = open_path(&simulator, "binance", "/ws/btcusdt@bookTicker");
    assert!(simulator.wait_until(LONG, |stats| stats.subscriptions() == 1));
    simulator.release();
    client.hear();
    assert!(simulator.wait_finished(LONG));
    let outcome = simulator.stop();
    // Three rows of the tape belong to these two venues, and one of them is subscribed.
    assert_eq!(outcome.stats.produced, 50);
    assert_eq!(outcome.written.len(), 17);
    let grows = |pair: &[Written]| {
        pair[0].sequence < pair[1].sequence && pair[0].event_ns < pair[1].event_ns
    };
    assert!(outcome.written.windows(2).all(grows));
}

#[test]
fn recorded_frames_pass_untouched() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("a.frames");
    let wrapped = r#"{"stream":"btcusdt@trade","data":{"e":"trade", "x" : [1,2 ]}}"#;
    let bare = r#"{"u":7,"s":"BTCUSDT","b":"1","B":"2","a":"3","A":"4"}"#;
    std::fs::write(&path, format!("5 {wrapped}\n6 {bare}\n7 {wrapped}\n")).expect("written");
    let files = vec![("binance".to_owned(), path)];
    let source = Source::Frames(FramesOptions { files });
    let simulator = start(Options { source, limit: None, ..held(&["binance"], 0) });
    let streams = "btcusdt@trade/btcusdt@bookTicker";
    let mut whole = open_path(&simulator, "binance", &format!("/stream?streams={streams}"));
    let mut parts = open_path(&simulator, "binance", &format!("/ws/{streams}"));
    assert!(simulator.wait_until(LONG, |stats| stats.subscriptions() == 4));
    simulator.release();
    let ticker = format!(r#"{{"stream":"btcusdt@bookTicker","data":{bare}}}"#);
    assert_eq!([whole.hear(), whole.hear(), whole.hear()], [wrapped, &ticker, wrapped]);
    let data = r#"{"e":"trade", "x" : [1,2 ]}"#;
    assert_eq!([parts.hear(), parts.hear(), parts.hear()], [data, bare, data]);
    assert!(simulator.wait_finished(LONG));
    assert_eq!(simulator.stats().venue("binance").quotes, 3);
}

/// Plays 60 quotes of one venue with a fault after the 20th. Returns the texts before the end,
/// whether the end was a close, and the outcome.
fn with_fault(venue: &str, kind: &str, deltas: bool) -> (Vec<String>, bool, Outcome) {
    let fault = format!("{venue}:after=20:{kind}").parse().expect("a fault");
    let simulator =
        start(Options { faults: vec![fault], bybit_deltas: deltas, ..held(&[venue], 60) });
    let mut client = open(&simulator, venue);
    subscribe(&simulator, venue, &mut client);
    simulator.release();
    assert!(simulator.wait_finished(LONG));
    let outcome = simulator.stop();
    assert_eq!(outcome.stats.venue(venue).faults, 1);
    let (texts, was_closed) = client.drain();
    (texts, was_closed, outcome)
}

#[test]
fn connections_end_after_exactly_the_quotes_before() {
    for venue in venue_names() {
        for (kind, closes) in [("drop", false), ("cut", false), ("close", true)] {
            let (texts, was_closed, outcome) = with_fault(venue, kind, false);
            assert_eq!((texts.len(), was_closed), (20, closes), "{venue} {kind}");
            assert_eq!(outcome.stats.venue(venue).quotes, 20, "{venue} {kind}");
        }
    }
}

#[test]
fn wrong_messages_come_between_good_ones() {
    let is_json = |text: &str| serde_json::from_str::<serde_json::Value>(text).is_ok();
    for venue in venue_names() {
        for (kind, valid) in [
            ("garbage", false),
            ("truncated", false),
            ("oversized=300000", true),
            ("unknown", true),
            ("crossed", true),
            ("zero-size", true),
            ("negative", true),
            ("one-sided", true),
            ("empty", true),
            ("unreadable", true),
        ] {
            let (texts, was_closed, outcome) = with_fault(venue, kind, false);
            assert_eq!((texts.len(), was_closed), (61, true), "{venue} {kind}");
            for (index, text) in texts.iter().enumerate() {
                assert_eq!(is_json(text), valid || index != 20, "{venue} {kind} {index} {text}");
            }
            let faulty = outcome.written.iter().filter(|it| it.occasion == Occasion::Faulty);
            let faulty: Vec<&Written> = faulty.collect();
            match kind {
                "oversized=300000" => assert!(300_000 < texts[20].len()),
                "crossed" => assert_eq!(texts[20], expected(faulty[0], &texts[20])),
                "zero-size" => assert_eq!(faulty[0].bid_qty.trim_matches(['0', '.']), ""),
                "one-sided" => assert_eq!((&*faulty[0].ask, &*faulty[0].ask_qty), ("0", "0")),
                "empty" => assert_eq!((&*faulty[0].bid, &*faulty[0].ask), ("0", "0")),
                "unreadable" => assert!(texts[20].contains("\"NaN\""), "{}", texts[20]),
                "negative" => assert!(texts[20].contains(&format!("\"{}\"", faulty[0].bid))),
                _ => assert!(faulty.is_empty()),
            }
        }
    }
}

#[test]
fn an_end_is_announced_where_the_venue_has_words_for_it() {
    for (venue, words) in
        [("binance", "serverShutdown"), ("binance-usdm", "serverShutdown"), ("okx", "64008")]
    {
        let (texts, _, _) = with_fault(venue, "shutdown", false);
        let said = texts.iter().filter(|text| text.contains(words)).count();
        assert_eq!((said, texts.len()), (1, 61), "{venue}");
    }
    let faults = vec!["bybit:after=20:shutdown".parse().expect("a fault")];
    let problem = Simulator::start(Options { faults, ..held(&["bybit"], 60) });
    let problem = problem.expect_err("bybit has no words for it").to_string();
    assert!(problem.contains("use close"), "{problem}");
}

#[test]
fn times_lag_from_the_fault_on() {
    const LAG_NS: u64 = 60_000_000_000;
    for venue in venue_names() {
        let (_, _, outcome) = with_fault(venue, "lag=60s", false);
        let times: Vec<u64> = outcome.written.iter().map(|it| it.event_ns).collect();
        assert!(times[20] + LAG_NS / 2 < times[19], "{venue}");
        assert!(times[20..].is_sorted() && times[..20].is_sorted(), "{venue}");
    }
}

#[test]
fn skipped_quotes_leave_a_hole_in_the_sequence() {
    let (texts, _, outcome) = with_fault("bybit", "skip=9", true);
    let stats = outcome.stats.venue("bybit");
    assert_eq!((texts.len(), stats.quotes, stats.withheld), (51, 51, 9));
    let mut last: HashMap<&str, u64> = HashMap::new();
    let mut skipped = 0;
    for it in &outcome.written {
        if let Some(before) = last.insert(&it.symbol, it.sequence) {
            skipped += it.sequence - before - 1;
        }
    }
    assert_eq!(skipped, 9);
    let deltas = texts.iter().filter(|text| text.contains(r#""type":"delta""#)).count();
    assert_eq!(deltas, 48);
    assert!(texts.iter().all(|text| !text.contains("cts")));
}

#[test]
fn a_refused_subscription_has_no_effect() {
    for venue in ["binance", "bybit", "okx"] {
        let fault = format!("{venue}:after=0:refuse").parse().expect("a fault");
        let options =
            Options { hold: false, limit: Some(0), faults: vec![fault], ..held(&[venue], 0) };
        let simulator = start(options);
        assert!(simulator.wait_until(LONG, |stats| stats.venue(venue).faults == 1));
        let mut client = open(&simulator, venue);
        client.say(match venue {
            "bybit" => r#"{"op":"subscribe","args":["orderbook.1.BTCUSDT"]}"#,
            "okx" => r#"{"op":"subscribe","args":[{"channel":"bbo-tbt","instId":"BTC-USDT"}]}"#,
            _ => r#"{"method":"SUBSCRIBE","params":["btcusdt@bookTicker"],"id":1}"#,
        });
        let reply = client.hear();
        assert!(["error", "\"success\":false"].iter().any(|sign| reply.contains(sign)), "{reply}");
        assert_eq!(simulator.stats().subscriptions(), 0);
        subscribe(&simulator, venue, &mut client);
    }
}

#[test]
fn a_symbol_that_is_refused_for_ever_is_refused_each_time_and_no_other() {
    for venue in venue_names() {
        let symbol = venue_symbol(venue, "BTC/USDT").expect("a known venue");
        let fault = format!("{venue}:after=0:refuse-for-ever={symbol}").parse().expect("a fault");
        let options =
            Options { hold: false, limit: Some(0), faults: vec![fault], ..held(&[venue], 0) };
        let simulator = start(options);
        assert!(simulator.wait_until(LONG, |stats| stats.venue(venue).faults == 1));
        let mut client = open(&simulator, venue);
        let mut ask = |coin: &str| {
            let request = match venue {
                "bybit" => r#"{"op":"subscribe","args":["orderbook.1.COINUSDT"]}"#,
                "okx" => {
                    r#"{"op":"subscribe","args":[{"channel":"bbo-tbt","instId":"COIN-USDT"}]}"#
                }
                _ => r#"{"method":"SUBSCRIBE","params":["coinusdt@bookTicker"],"id":1}"#,
            };
            client.say(&request.replace("COIN", coin).replace("coin", &coin.to_lowercase()));
            let reply = client.hear();
            ["\"error\"", "\"success\":false"].iter().any(|sign| reply.contains(sign))
        };
        assert_eq!(["BTC", "BTC", "ETH"].map(&mut ask), [true, true, false], "{venue}");
        assert!(simulator.wait_until(LONG, |stats| stats.subscriptions() == 1), "{venue}");
    }
}

#[test]
fn a_stalled_connection_is_silent_and_then_answers() {
    let fault = "okx:after=20:stall=300ms".parse().expect("a fault");
    let simulator = start(Options { faults: vec![fault], ..held(&["okx"], 60) });
    let mut client = open(&simulator, "okx");
    subscribe(&simulator, "okx", &mut client);
    simulator.release();
    assert!(simulator.wait_finished(LONG));
    let stats = simulator.stats().venue("okx");
    assert_eq!((stats.quotes, stats.withheld, stats.connections), (20, 40, 1));
    client.say("ping");
    for _ in 0..20 {
        assert!(client.hear().starts_with(r#"{"arg""#));
    }
    // The ping is answered when the stall is over.
    assert_eq!(client.hear(), "pong");
}

#[test]
fn repeated_faults_come_each_time() {
    let fault = "binance:every=10:unknown".parse().expect("a fault");
    let simulator = start(Options { faults: vec![fault], ..held(&["binance"], 100) });
    let mut client = open(&simulator, "binance");
    subscribe(&simulator, "binance", &mut client);
    simulator.release();
    assert!(simulator.wait_finished(LONG));
    let _outcome = simulator.stop();
    let (texts, _) = client.drain();
    let at = |text: &&String| text.contains("unheardOf");
    assert_eq!(texts.len(), 110);
    assert_eq!(texts.iter().filter(at).count(), 10);
    assert!(texts[10].contains("unheardOf") && texts[21].contains("unheardOf"));
}
