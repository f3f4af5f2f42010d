//! The kinds of fault that were found here with servers of our own, one or more rows for each.

use crate::rig::Rig;
use crate::row::{Row, play};

const AN_UNREADABLE_QUOTE_ENDS_THE_OLD_ONE: &[Row] = &[
    Row {
        report: "An unreadable quote leaves the old one live",
        happened: "the tick was refined from two decimals to three; the old price stayed live",
        right: "the first quote that cannot be kept exactly ends the picture, the next that can \
                    begins it again, however they are mixed",
        market: "BTC on binance okx",
        script: r#"
                okx BTC 101.50/101.52
                binance BTC 5 100.50/100.52
                = BTC okx live quote | BTC okx 101.50/101.52 | BTC binance live quote | BTC binance 100.50/100.52 | BTC binance>okx | opened BTC binance>okx | BTC okx>binance
                binance < {"u":6,"s":"BTCUSDT","b":"90.505","B":"1","a":"90.525","A":"1"}
                = BTC binance unreadable unreadable | closed BTC binance>okx leg_not_live | ended BTC binance>okx leg_not_live | ended BTC okx>binance leg_not_live
                log BTC/USDT unreadable unreadable | rejected beyond_scale
                snapshot
                binance < {"u":7,"s":"BTCUSDT","b":"90.505","B":"1","a":"90.525","A":"1"}
                =
                log
                binance BTC 8 100.50/100.52
                = BTC binance live quote | BTC binance>okx | opened BTC binance>okx | BTC okx>binance
                binance < {"u":9,"s":"BTCUSDT","b":"100.505","B":"1","a":"100.525","A":"1"}
                = BTC binance unreadable unreadable | closed BTC binance>okx leg_not_live | ended BTC binance>okx leg_not_live | ended BTC okx>binance leg_not_live
                count binance unreadable 3
            "#,
    },
    Row {
        report: "An unreadable quote leaves the old one live",
        happened: "null, an empty text, NaN and a negative number in the place of a price",
        right: "each ends the picture of its own symbol and of no other",
        market: "BTC ETH on okx binance",
        script: r#"
                okx BTC 5 100.50/100.52
                okx ETH 5 10.50/10.52
                = BTC okx live quote | BTC okx 100.50/100.52 | ETH okx live quote | ETH okx 10.50/10.52
                okx < {"arg":{"channel":"bbo-tbt","instId":"BTC-USDT"},"data":[{"asks":[[null,"1","0","1"]],"bids":[["100.5","1","0","1"]],"ts":"$now","seqId":6}]}
                = BTC okx unreadable unreadable
                okx BTC 7 100.50/100.52
                okx < {"arg":{"channel":"bbo-tbt","instId":"BTC-USDT"},"data":[{"asks":[["","1","0","1"]],"bids":[["100.5","1","0","1"]],"ts":"$now","seqId":8}]}
                = BTC okx live quote | BTC okx unreadable unreadable
                okx BTC 9 100.50/100.52
                okx < {"arg":{"channel":"bbo-tbt","instId":"BTC-USDT"},"data":[{"asks":[["NaN","1","0","1"]],"bids":[["100.5","1","0","1"]],"ts":"$now","seqId":10}]}
                = BTC okx live quote | BTC okx unreadable unreadable
                okx BTC 11 100.50/100.52
                okx < {"arg":{"channel":"bbo-tbt","instId":"BTC-USDT"},"data":[{"asks":[["-100.6","1","0","1"]],"bids":[["100.5","1","0","1"]],"ts":"$now","seqId":12}]}
                = BTC okx live quote | BTC okx unreadable unreadable
                count okx rejected.bad_number 3
                count okx rejected.negative 1
            "#,
    },
    Row {
        report: "An unreadable quote leaves the old one live",
        happened: "event times came in microseconds instead of milliseconds",
        right: "such a time is none: the quote cannot be read, and the next one in ms can",
        market: "BTC on binance-usdm okx",
        script: r#"
                binance-usdm BTC 5 100.50/100.52
                = BTC binance-usdm live quote | BTC binance-usdm 100.50/100.52
                binance-usdm < {"e":"bookTicker","u":6,"E":$micros,"T":$micros,"s":"BTCUSDT","b":"100.5","B":"1","a":"100.6","A":"1"}
                = BTC binance-usdm unreadable unreadable
                binance-usdm BTC 7 100.50/100.52
                = BTC binance-usdm live quote
            "#,
    },
];

#[test]
fn an_unreadable_quote_ends_the_old_one() {
    play(AN_UNREADABLE_QUOTE_ENDS_THE_OLD_ONE);
}

const NO_QUOTE_TO_TRADE_ON_IS_AN_END: &[Row] = &[
    Row {
        report: "No output is taken for an end",
        happened: "a leg lost its ask, and then both sides; no message said so",
        right: "each is a state of its own that ends every pair, for clients that come later too",
        market: "BTC on okx bybit",
        script: r#"
                bybit BTC 101.50/101.52
                okx BTC 100.50/100.52
                = BTC bybit live quote | BTC bybit 101.50/101.52 | BTC okx live quote | BTC okx 100.50/100.52 | BTC okx>bybit | opened BTC okx>bybit | BTC bybit>okx
                snapshot BTC okx>bybit | BTC bybit>okx
                okx BTC 100.50/-
                = BTC okx one_sided one_sided | closed BTC okx>bybit leg_not_live | ended BTC okx>bybit leg_not_live | ended BTC bybit>okx leg_not_live | BTC okx 100.50/-
                snapshot
                okx BTC -/-
                = BTC okx one_sided empty | BTC okx -/-
                snapshot
                bybit BTC -/101.52
                bybit BTC -/-
                = BTC bybit one_sided one_sided | BTC bybit -/101.52 | BTC bybit one_sided empty | BTC bybit -/-
                okx BTC 100.50/100.52
                bybit BTC 101.50/101.52
                = BTC okx live quote | BTC okx 100.50/100.52 | BTC bybit live quote | BTC bybit 101.50/101.52 | BTC bybit>okx | BTC okx>bybit | opened BTC okx>bybit
            "#,
    },
    Row {
        report: "No output is taken for an end",
        happened: "a halted symbol was quoted as zeros each second",
        right: "a price of zero is no price",
        market: "BTC on binance okx",
        script: r#"
                okx BTC 101.50/101.52
                binance BTC 100.50/100.52
                = BTC okx live quote | BTC okx 101.50/101.52 | BTC binance live quote | BTC binance 100.50/100.52 | BTC binance>okx | opened BTC binance>okx | BTC okx>binance
                keep binance BTC -/- 1s
                = BTC binance one_sided empty | closed BTC binance>okx leg_not_live | ended BTC binance>okx leg_not_live | ended BTC okx>binance leg_not_live | BTC binance -/-
                wait 4s
                =
                snapshot
            "#,
    },
];

#[test]
fn no_quote_to_trade_on_is_an_end() {
    play(NO_QUOTE_TO_TRADE_ON_IS_AN_END);
}

const AGE_IS_NOT_JUDGED_BY_OUR_OWN_STAMP_ALONE: &[Row] = &[
    Row {
        report: "Age by our own stamp only",
        happened: "quotes with event times a minute old were live",
        right: "they lag, and no pair is made of them",
        market: "BTC on binance-usdm okx",
        script: r#"
                okx BTC 101.50/101.52
                binance-usdm BTC 100.50/100.52 -60s
                binance-usdm BTC 100.50/100.52 -60s
                = BTC okx live quote | BTC okx 101.50/101.52 | BTC binance-usdm lagging lag | BTC binance-usdm 100.50/100.52
                binance-usdm BTC 100.50/100.52
                = BTC binance-usdm live quote | BTC binance-usdm>okx | opened BTC binance-usdm>okx | BTC okx>binance-usdm
                binance-usdm BTC 100.50/100.52 -3s
                = BTC binance-usdm lagging lag | closed BTC binance-usdm>okx leg_not_live | ended BTC binance-usdm>okx leg_not_live | ended BTC okx>binance-usdm leg_not_live
            "#,
    },
    Row {
        report: "Age by our own stamp only",
        happened: "quotes that had waited while the hot thread was held up were read as fresh",
        right: "nothing is live until all that waited was read, and the last of it is the present",
        market: "BTC on okx binance",
        script: r#"
                binance BTC 101.50/101.52
                okx BTC 5 101.40/101.45
                = BTC binance live quote | BTC binance 101.50/101.52 | BTC okx live quote | BTC okx 101.40/101.45 | BTC okx>binance | BTC binance>okx
                queue okx BTC 6 98.00/98.02
                queue okx BTC 7 101.41/101.46
                held up
                = BTC okx lagging held_up | ended BTC okx>binance leg_not_live | ended BTC binance>okx leg_not_live | BTC okx 98.00/98.02 | BTC okx 101.41/101.46 | BTC okx live quote | BTC binance lagging held_up | BTC binance live quote
            "#,
    },
    Row {
        report: "Age by our own stamp only",
        happened: "a quote at 0.01 opened an opportunity at 59 million percent",
        right: "a jump is not believed until the next quotes confirm it; and two venues that are \
                    further apart than a spread can be are no pair",
        market: "BTC on okx binance",
        script: r#"
                binance BTC 100.50/100.52
                okx BTC 5 100.50/100.52
                = BTC binance live quote | BTC binance 100.50/100.52 | BTC okx live quote | BTC okx 100.50/100.52 | BTC okx>binance | BTC binance>okx
                okx BTC 6 0.01/0.02
                = BTC okx unreadable implausible | ended BTC okx>binance leg_not_live | ended BTC binance>okx leg_not_live | BTC okx 0.01/0.02
                okx BTC 7 100.50/100.52
                = BTC okx live quote | BTC okx 100.50/100.52 | BTC okx>binance | BTC binance>okx
                okx BTC 8 50.00/50.02
                wait 600ms
                okx BTC 9 50.00/50.02
                wait 600ms
                okx BTC 10 50.00/50.02
                = BTC okx unreadable implausible | ended BTC okx>binance leg_not_live | ended BTC binance>okx leg_not_live | BTC okx 50.00/50.02 | BTC okx live quote
                snapshot
            "#,
    },
];

#[test]
fn age_is_not_judged_by_our_own_stamp_alone() {
    play(AGE_IS_NOT_JUDGED_BY_OUR_OWN_STAMP_ALONE);
}

const A_DEAD_SYMBOL_IS_TOLD_AND_MENDED: &[Row] = &[
    Row {
        report: "A single dead symbol is neither told nor mended",
        happened: "a symbol was acknowledged and never sent",
        right: "it is silent, not down; it is told once with its name, and subscribed anew alone",
        market: "BTC XXX on binance",
        script: r#"
                binance > subscribe BTCUSDT XXXUSDT
                keep binance BTC 100.50/100.52 1s
                wait 58s
                = BTC binance live quote | BTC binance 100.50/100.52
                binance >
                wait 3s
                = XXX binance silent no_quote
                binance > unsubscribe XXXUSDT | subscribe XXXUSDT
                log XXX/USDT silent no_quote
                wait 50s
                =
                log
                binance XXX 1.00/1.01
                = XXX binance live quote | XXX binance 1.00/1.01
                wait 4s
                = 
                log
            "#,
    },
    Row {
        report: "A single dead symbol is neither told nor mended",
        happened: "a symbol was acknowledged and never sent, however often it was subscribed",
        right: "it costs few requests, and the line of the others is left alone",
        market: "BTC XXX on binance",
        script: r#"
                binance > subscribe BTCUSDT XXXUSDT
                keep binance BTC 100.50/100.52 1s
                wait 3m
                log XXX/USDT silent no_quote
                binance > unsubscribe XXXUSDT | subscribe XXXUSDT | unsubscribe XXXUSDT | subscribe XXXUSDT
                wait 40m
                log
                binance asks 0
                = BTC binance live quote | BTC binance 100.50/100.52 | XXX binance silent no_quote
            "#,
    },
    Row {
        report: "A single dead symbol is neither told nor mended",
        happened: "quotes of two of three symbols began 20 s after the subscription; they were \
                    unsubscribed and subscribed one by one, and it went on when they were live",
        right: "a new line is made instead, and no request is sent for a symbol that is quoted",
        market: "A B C on okx",
        script: r#"
                okx > subscribe A-USDT B-USDT C-USDT
                keep okx A 10.50/10.52 2s
                wait 10s
                = A okx live quote | A okx 10.50/10.52 | B okx silent no_quote | C okx silent no_quote
                wait 1s
                okx asks 1
                log B/USDT silent no_quote | C/USDT silent no_quote | replacing: 2 of 3 instruments give nothing on it: B/USDT, C/USDT
                keep okx B 10.50/10.52 2s
                keep okx C 10.50/10.52 2s
                wait 1m
                okx >
                = B okx live quote | B okx 10.50/10.52 | C okx live quote | C okx 10.50/10.52
            "#,
    },
    Row {
        report: "A single dead symbol is neither told nor mended",
        happened: "all symbols stopped at once and pings were answered; each was asked for again by \
                    itself, and the line given up after minutes",
        right: "the line is replaced before any symbol is asked for again",
        market: "A B C on binance",
        script: r#"
                binance > subscribe AUSDT BUSDT CUSDT
                keep binance A 10.50/10.52 250ms
                keep binance B 10.50/10.52 250ms
                keep binance C 10.50/10.52 250ms
                wait 12s
                stop binance A
                stop binance B
                stop binance C
                wait 24s
                binance asks 0
                wait 2s
                binance asks 1
                log replacing: alive, but no quote for 25 s
                binance >
            "#,
    },
    Row {
        report: "A single dead symbol is neither told nor mended",
        happened: "one of two symbols stopped, at a venue that repeats every 3 s",
        right: "it is stale, then told as dead and subscribed anew; the other goes on",
        market: "BTC ETH on bybit",
        script: r#"
                bybit > subscribe BTCUSDT ETHUSDT
                keep bybit BTC 100.50/100.52 3s
                bybit ETH 5 10.50/10.52
                = BTC bybit live quote | BTC bybit 100.50/100.52 | ETH bybit live quote | ETH bybit 10.50/10.52
                wait 6s
                = ETH bybit stale quiet
                bybit >
                wait 6s
                = ETH bybit stale no_quote
                bybit > unsubscribe ETHUSDT | subscribe ETHUSDT
                log ETH/USDT stale no_quote
                bybit ETH 5 10.50/10.52
                = ETH bybit live quote
            "#,
    },
    Row {
        report: "A single dead symbol is neither told nor mended",
        happened: "update numbers fell back on one connection; every quote was dropped for ever",
        right: "a gap at once, and a new numbering once the third number confirms it",
        market: "BTC on binance",
        script: r#"
                binance BTC 9000 100.50/100.52
                = BTC binance live quote | BTC binance 100.50/100.52
                binance BTC 5 100.60/100.62
                = BTC binance gap out_of_order
                binance BTC 6 100.61/100.63
                =
                binance BTC 7 100.64/100.66
                binance BTC 8 100.65/100.67
                = BTC binance live quote | BTC binance 100.64/100.66 | BTC binance 100.65/100.67
            "#,
    },
    Row {
        report: "A single dead symbol is neither told nor mended",
        happened: "data stopped while pings were answered",
        right: "the quotes grow stale within the limit of age, the symbols are subscribed anew, \
                    and the line is given up in the end",
        market: "BTC ETH on okx",
        script: r#"
                okx > subscribe BTC-USDT ETH-USDT
                okx BTC 100.50/100.52
                okx ETH 10.50/10.52
                wait 6s
                = BTC okx live quote | BTC okx 100.50/100.52 | ETH okx live quote | ETH okx 10.50/10.52 | BTC okx stale quiet | ETH okx stale quiet
                wait 140s
                okx pinged
                =
                log
                wait 10s
                = BTC okx down silent | ETH okx down silent
                log lost: alive, but no quote within the limit
            "#,
    },
];

#[test]
fn a_dead_symbol_is_told_and_mended() {
    play(A_DEAD_SYMBOL_IS_TOLD_AND_MENDED);
}

const A_REFUSED_SYMBOL_COSTS_FEW_REQUESTS_AND_NO_OTHER_SYMBOL: &[Row] = &[Row {
    report: "Venue limits written in comments, not enforced",
    happened: "one unknown symbol was asked for every 15 s for ever, and good ones again with it",
    right: "it alone is asked for again, after waits that grow to an hour",
    market: "BTC ETH XXX on okx",
    script: r#"
            okx > subscribe BTC-USDT ETH-USDT XXX-USDT
            okx refuses XXX-USDT
            okx cut
            wait 1s
            okx connects
            keep okx BTC 100.50/100.52 4s
            keep okx ETH 10.50/10.52 4s
            wait 1s
            okx > subscribe BTC-USDT ETH-USDT XXX-USDT
            log lost: Connection closed normally | refused XXX-USDT
            wait 14s
            okx >
            wait 3s
            okx > subscribe XXX-USDT
            wait 24s
            okx >
            wait 8s
            okx > subscribe XXX-USDT
            wait 1h
            okx > subscribe XXX-USDT | subscribe XXX-USDT | subscribe XXX-USDT | subscribe XXX-USDT | subscribe XXX-USDT
            wait 3h
            okx > subscribe XXX-USDT | subscribe XXX-USDT | subscribe XXX-USDT
        "#,
}];

#[test]
fn a_refused_symbol_costs_few_requests_and_no_other_symbol() {
    play(A_REFUSED_SYMBOL_COSTS_FEW_REQUESTS_AND_NO_OTHER_SYMBOL);
}

#[test]
fn many_symbols_with_bad_ones_among_them_stay_far_below_the_venues_limit() {
    const HOURLY: usize = 480;
    let bases: Vec<String> = (0..500).map(|n| format!("C{n}")).collect();
    let mut rig = Rig::new(&format!("{} on okx", bases.join(" ")));
    let refused = ["C7", "C77", "C177", "C277", "C477"];
    refused.iter().for_each(|base| rig.step(&format!("okx refuses {base}-USDT")));
    for step in ["okx cut", "wait 1s", "okx connects"] {
        rig.step(step);
    }
    rig.take_sent("okx");
    for base in bases.iter().filter(|base| !refused.contains(&base.as_str())) {
        rig.step(&format!("keep okx {base} 100.50/100.52 60s"));
    }
    rig.step("wait 1h");
    let sent = rig.take_sent("okx");
    println!("{} requests in an hour", sent.len());
    // Ten requests of 50 symbols each, then those that were refused, alone.
    assert_eq!(sent.iter().filter(|words| words.contains(" C7-USDT C")).count(), 0);
    assert!(10 + refused.len() <= sent.len() && sent.len() < HOURLY / 4, "{sent:#?}");
}

const AN_ANNOUNCED_END_COSTS_NO_DATA: &[Row] = &[
    Row {
        report: "Break before make",
        happened: "an announced shutdown was met by closing; data were missing until the next line",
        right: "the new line is made and heard before the old one is closed",
        market: "BTC on binance",
        script: r#"
                binance > subscribe BTCUSDT
                keep binance BTC 100.50/100.52 1s
                = BTC binance live quote | BTC binance 100.50/100.52
                binance < {"e":"serverShutdown","E":$now}
                wait 100ms
                log replacing: the venue announced its end
                binance connects
                binance/1 BTC 100.60/100.62
                wait 1s
                = BTC binance 100.60/100.62
                binance > subscribe BTCUSDT | close
                log lost: replaced by a new line
            "#,
    },
    Row {
        report: "Break before make",
        happened: "the venue ends every connection after 24 h, and nobody had planned for it",
        right: "the line is replaced before, in the same way",
        market: "BTC on binance",
        script: r#"
                binance > subscribe BTCUSDT
                keep binance BTC 100.50/100.52 4s
                wait 22h
                = BTC binance live quote | BTC binance 100.50/100.52
                log
                wait 2h
                log replacing: its time is nearly over
                binance connects
                keep binance BTC 100.50/100.52 4s
                wait 12s
                =
                binance > subscribe BTCUSDT | close
                log lost: replaced by a new line
            "#,
    },
];

#[test]
fn an_announced_end_costs_no_data() {
    play(AN_ANNOUNCED_END_COSTS_NO_DATA);
}
