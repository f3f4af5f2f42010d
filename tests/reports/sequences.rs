//! Numbers that fall, repeat or have holes; snapshots; crossed books.

use crate::row::{Row, play};

const NUMBERS_THAT_FALL_ARE_A_RESTART_OR_AN_OLD_MESSAGE: &[Row] = &[
    Row {
        report: "https://github.com/thrasher-corp/gocryptotrader/pull/2337",
        happened: "a documented restart of the numbers was taken for an old message; the test had \
                       empty books, so it passed",
        right: "where the venue restarts its numbers, a lower one is the present picture",
        market: "BTC on okx",
        script: r#"
                okx BTC 10 100.50/100.52
                okx < {"arg":{"channel":"bbo-tbt","instId":"BTC-USDT"},"data":[{"asks":[["100.62","1","0","1"]],"bids":[["100.60","1","0","1"]],"ts":"$now","prevSeqId":10,"seqId":3}]}
                okx BTC 4 100.70/100.72
                = BTC okx live quote | BTC okx 100.50/100.52 | BTC okx 100.60/100.62 | BTC okx 100.70/100.72
            "#,
    },
    Row {
        report: "https://github.com/bmoscon/cryptostore/issues/23",
        happened: "a new session began with number 2, where 406241931 was expected; all of it was \
                       dropped as old",
        right: "a new line has a numbering of its own",
        market: "BTC on binance",
        script: r#"
                binance BTC 406241930 100.50/100.52
                binance cut
                wait 1s
                binance connects
                binance BTC 2 100.60/100.62
                = BTC binance live quote | BTC binance 100.50/100.52 | BTC binance down disconnected | BTC binance silent subscribed | BTC binance live quote | BTC binance 100.60/100.62
            "#,
    },
    Row {
        report: "https://github.com/Bittrex/bittrex.github.io/issues/240",
        happened: "the sequence rolled over from a high number to 1",
        right: "unknown until the third number confirms it, and then live",
        market: "BTC on binance",
        script: r#"
                binance BTC 4294967295 100.50/100.52
                binance BTC 1 100.60/100.62
                = BTC binance live quote | BTC binance 100.50/100.52 | BTC binance gap out_of_order
                binance BTC 2 100.60/100.62
                binance BTC 3 100.70/100.72
                = BTC binance live quote | BTC binance 100.70/100.72
            "#,
    },
    Row {
        report: "https://github.com/binance/binance-public-data/issues/305",
        happened: "quotes came interleaved with others of far higher numbers",
        right: "an older number never replaces a newer one",
        market: "BTC on binance",
        script: r#"
                binance BTC 310013 100.50/100.52
                binance BTC 5812359996 100.60/100.62
                binance BTC 310668 100.51/100.53
                binance BTC 5812359997 100.61/100.63
                = BTC binance live quote | BTC binance 100.50/100.52 | BTC binance 100.60/100.62 | BTC binance gap out_of_order | BTC binance live quote | BTC binance 100.61/100.63
            "#,
    },
    Row {
        report: "https://github.com/bmoscon/cryptofeed/issues/20",
        happened: "only numbers below the last were checked, not the last again",
        right: "a repeat is dropped and counted, where the venue does not repeat",
        market: "BTC on binance",
        script: r#"
                binance BTC 10 100.50/100.52
                binance BTC 10 100.60/100.62
                = BTC binance live quote | BTC binance 100.50/100.52
                count binance discarded.out_of_order 1
            "#,
    },
];

#[test]
fn numbers_that_fall_are_a_restart_or_an_old_message() {
    play(NUMBERS_THAT_FALL_ARE_A_RESTART_OR_AN_OLD_MESSAGE);
}

const A_HOLE_CONCERNS_ONE_SYMBOL_UNTIL_ITS_NEXT_SNAPSHOT: &[Row] = &[
    Row {
        report: "https://github.com/bmoscon/cryptofeed/issues/1016",
        happened: "updates were missing between the snapshot and the stream: plausible, but wrong",
        right: "a hole is a gap at once, until the next snapshot",
        market: "BTC on bybit",
        script: r#"
                bybit BTC 5 100.50/100.52
                bybit < {"topic":"orderbook.1.BTCUSDT","ts":$now,"type":"delta","data":{"s":"BTCUSDT","b":[],"a":[["100.60","1"]],"u":8,"seq":8},"cts":$now}
                bybit < {"topic":"orderbook.1.BTCUSDT","ts":$now,"type":"delta","data":{"s":"BTCUSDT","b":[],"a":[["100.61","1"]],"u":9,"seq":9},"cts":$now}
                = BTC bybit live quote | BTC bybit 100.50/100.52 | BTC bybit gap sequence_gap
                bybit BTC 10 100.60/100.62
                = BTC bybit live quote | BTC bybit 100.60/100.62
            "#,
    },
    Row {
        report: "https://github.com/bmoscon/cryptofeed/issues/291",
        happened: "a gap in one pair reset all pairs",
        right: "the others are left as they are",
        market: "BTC ETH on bybit okx",
        script: r#"
                okx BTC 100.50/100.52
                okx ETH 10.50/10.52
                bybit BTC 5 100.50/100.52
                bybit ETH 5 10.50/10.52
                bybit < {"topic":"orderbook.1.BTCUSDT","ts":$now,"type":"delta","data":{"s":"BTCUSDT","b":[],"a":[["100.60","1"]],"u":8,"seq":8},"cts":$now}
                snapshot ETH bybit>okx | ETH okx>bybit
                bybit > subscribe BTCUSDT ETHUSDT
            "#,
    },
    Row {
        report: "https://github.com/ccxt/ccxt/issues/29210",
        happened: "the snapshot after a reconnect was merged into the old book: levels of the past",
        right: "a snapshot replaces; a side that it lacks is gone",
        market: "BTC on bybit",
        script: r#"
                bybit BTC 5 100.50/100.52
                bybit cut
                wait 1s
                bybit connects
                bybit BTC 1 -/100.62
                = BTC bybit live quote | BTC bybit 100.50/100.52 | BTC bybit down disconnected | BTC bybit silent subscribed | BTC bybit one_sided one_sided | BTC bybit -/100.62
            "#,
    },
    Row {
        report: "https://github.com/DigitalRuby/ExchangeSharp/pull/844",
        happened: "the venue sent a snapshot of its own accord, and the cached book was not reset",
        right: "any snapshot replaces, with numbers that begin again",
        market: "BTC on bybit",
        script: r#"
                bybit BTC 500 100.50/100.52
                bybit BTC 1 100.60/-
                bybit BTC 2 100.60/100.62
                = BTC bybit live quote | BTC bybit 100.50/100.52 | BTC bybit one_sided one_sided | BTC bybit 100.60/- | BTC bybit live quote | BTC bybit 100.60/100.62
            "#,
    },
    Row {
        report: "https://github.com/JKorf/Binance.Net/issues/501",
        happened: "after two losses within 10 ms prices were wrong, in one process of two",
        right: "after a reconnect there is no quote until one comes on the new line",
        market: "BTC on binance okx",
        script: r#"
                okx BTC 29.70/29.72
                binance BTC 29.70/29.72
                binance cut
                wait 1s
                binance connects
                binance cut
                wait 1s
                binance connects
                wait 2s
                snapshot
                binance BTC 30.30/30.32
                snapshot BTC binance>okx | BTC okx>binance
            "#,
    },
];

#[test]
fn a_hole_concerns_one_symbol_until_its_next_snapshot() {
    play(A_HOLE_CONCERNS_ONE_SYMBOL_UNTIL_ITS_NEXT_SNAPSHOT);
}

const A_CROSSED_BOOK_IS_NOT_QUOTABLE: &[Row] = &[
    Row {
        report: "https://github.com/ccxt/ccxt/issues/20836",
        happened: "a book stood still with its bid above its ask",
        right: "it is crossed and takes part in nothing, until it is in order again",
        market: "BTC on okx bybit",
        script: r#"
                bybit BTC 100.50/100.52
                okx BTC 100.50/100.52
                snapshot BTC okx>bybit | BTC bybit>okx
                okx BTC 100.70/100.60
                snapshot
                log BTC/USDT crossed crossed
                okx BTC 100.50/100.52
                snapshot BTC okx>bybit | BTC bybit>okx
            "#,
    },
    Row {
        report: "https://github.com/nautechsystems/nautilus_trader/issues/2075",
        happened: "crossed quotes were delivered like any other",
        right: "no pair is ever made of one, not even where it comes first",
        market: "BTC on okx bybit",
        script: r#"
                bybit BTC 3460.00/3461.00
                okx BTC 3465.30/3459.30
                = BTC bybit live quote | BTC bybit 3460.00/3461.00 | BTC okx crossed crossed | BTC okx 3465.30/3459.30
            "#,
    },
    Row {
        report: "https://github.com/bitfinexcom/api_docs/issues/9",
        happened: "crossing orders are forwarded for a moment, then removed",
        right: "it is unknown for that moment, and nothing else happens",
        market: "BTC on okx",
        script: r#"
                okx BTC 100.50/100.52
                okx BTC 100.53/100.52
                okx BTC 100.53/100.54
                = BTC okx live quote | BTC okx 100.50/100.52 | BTC okx crossed crossed | BTC okx 100.53/100.52 | BTC okx live quote | BTC okx 100.53/100.54
                okx > subscribe BTC-USDT
                okx asks 0
            "#,
    },
];

#[test]
fn a_crossed_book_is_not_quotable() {
    play(A_CROSSED_BOOK_IS_NOT_QUOTABLE);
}
