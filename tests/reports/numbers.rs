//! Prices and sizes that are no numbers, or not those that were expected; sides that are missing.

use crate::row::{Row, play};

const NUMBERS_THAT_CANNOT_BE_KEPT_EXACTLY_END_THE_PICTURE: &[Row] = &[
    Row {
        report: "https://github.com/nautechsystems/nautilus_trader/issues/2980",
        happened: "the tick changed: one message had a bid of two decimals and an ask of three, and \
                       no quote came of it until both sides had moved",
        right: "the message ends the old picture at once, and nothing of it is guessed",
        market: "BTC on bybit",
        script: r#"
                bybit BTC 7 0.93/0.95
                = BTC bybit live quote | BTC bybit 0.93/0.95
                bybit < {"topic":"orderbook.1.BTCUSDT","ts":$now,"type":"snapshot","data":{"s":"BTCUSDT","b":[["0.94","10"]],"a":[["0.999","10"]],"u":8,"seq":8},"cts":$now}
                = BTC bybit unreadable unreadable
                bybit BTC 9 0.94/0.95
                = BTC bybit live quote | BTC bybit 0.94/0.95
                count bybit rejected.beyond_scale 1
            "#,
    },
    Row {
        report: "https://github.com/nautechsystems/nautilus_trader/issues/2644",
        happened: "a size below the configured precision was rounded to zero",
        right: "a size that cannot be kept is no zero: the quote cannot be read",
        market: "DOGE on bybit",
        script: r#"
                bybit DOGE 7 0.93/0.95
                bybit < {"topic":"orderbook.1.DOGEUSDT","ts":$now,"type":"snapshot","data":{"s":"DOGEUSDT","b":[["0.94","0.00001"]],"a":[["0.95","10"]],"u":8,"seq":8},"cts":$now}
                = DOGE bybit live quote | DOGE bybit 0.93/0.95 | DOGE bybit unreadable unreadable
            "#,
    },
    Row {
        report: "https://github.com/ftexchange/ftx/issues/63",
        happened: "small prices came with an exponent, which parsers refused",
        right: "such a number is read exactly, or its symbol is unreadable; it is never skipped",
        market: "BTC on binance",
        script: r#"
                binance BTC 7 100.50/100.52
                binance < {"u":8,"s":"BTCUSDT","b":"1.0060E+2","B":"1","a":"1.0062E2","A":"1"}
                = BTC binance live quote | BTC binance 100.50/100.52 | BTC binance 100.60/100.62
                binance < {"u":9,"s":"BTCUSDT","b":"9.669E-05","B":"1","a":"9.670E-05","A":"1"}
                = BTC binance unreadable unreadable
                count binance rejected.beyond_scale 1
            "#,
    },
    Row {
        report: "https://github.com/bitrich-info/xchange-stream/issues/361",
        happened: "zeros at the end of a price became an exponent, and only the first side of a \
                       message was applied",
        right: "zeros at the end change nothing, and both sides are applied or none",
        market: "BTC on okx",
        script: r#"
                okx < {"arg":{"channel":"bbo-tbt","instId":"BTC-USDT"},"data":[{"asks":[["8750.0000","1","0","1"]],"bids":[["8740.000000","1","0","1"]],"ts":"$now","seqId":7}]}
                = BTC okx live quote | BTC okx 8740.00/8750.00
                okx < {"arg":{"channel":"bbo-tbt","instId":"BTC-USDT"},"data":[{"asks":[["8751","1","0","1"]],"bids":[["87x1","1","0","1"]],"ts":"$now","seqId":8}]}
                = BTC okx unreadable unreadable
            "#,
    },
    Row {
        report: "https://github.com/glitch100/BinanceDotNet/issues/133",
        happened: "a price came in another JSON type than the decoder's, and every message threw",
        right: "a number is the same as a text of its digits",
        market: "BTC on binance",
        script: r#"
                binance < {"u":7,"s":"BTCUSDT","b":100.50,"B":1,"a":100.52,"A":1.5}
                = BTC binance live quote | BTC binance 100.50/100.52
            "#,
    },
    Row {
        report: "https://github.com/nautechsystems/nautilus_trader/issues/1184",
        happened: "an undocumented value in a field that nobody needs made the whole message fail",
        right: "the quote is read",
        market: "BTC on binance-usdm",
        script: r#"
                binance-usdm < {"e":"bookTicker","u":7,"E":$now,"T":$now,"X":"INSURANCE_FUND","s":"BTCUSDT","b":"100.50","B":"1","a":"100.52","A":"1"}
                = BTC binance-usdm live quote | BTC binance-usdm 100.50/100.52
            "#,
    },
];

#[test]
fn numbers_that_cannot_be_kept_exactly_end_the_picture() {
    play(NUMBERS_THAT_CANNOT_BE_KEPT_EXACTLY_END_THE_PICTURE);
}

const WHAT_IS_NO_NUMBER_IS_NO_PRICE: &[Row] = &[
    Row {
        report: "https://github.com/bmoscon/cryptofeed/issues/203",
        happened: "a bid of null tore the whole connection down",
        right: "it ends the picture of its symbol; the connection and the others go on",
        market: "BTC ETH on binance okx",
        script: r#"
                okx BTC 101.50/101.52
                binance BTC 7 100.50/100.52
                binance ETH 7 10.50/10.52
                = BTC okx live quote | BTC okx 101.50/101.52 | BTC binance live quote | BTC binance 100.50/100.52 | BTC binance>okx | opened BTC binance>okx | BTC okx>binance | ETH binance live quote | ETH binance 10.50/10.52
                binance < {"u":8,"s":"BTCUSDT","b":null,"B":"1","a":"100.52","A":"1"}
                = BTC binance unreadable unreadable | closed BTC binance>okx leg_not_live | ended BTC binance>okx leg_not_live | ended BTC okx>binance leg_not_live
                binance ETH 8 10.51/10.53
                = ETH binance 10.51/10.53
                binance asks 0
            "#,
    },
    Row {
        report: "https://github.com/bmoscon/cryptofeed/issues/207",
        happened: "an absent side was passed on as nothing, and the next consumer crashed on it",
        right: "the absence is a state to the very end: a client that comes later hears no spread",
        market: "BTC on okx bybit",
        script: r#"
                bybit BTC 101.50/101.52
                okx BTC 100.50/100.52
                snapshot BTC okx>bybit | BTC bybit>okx
                okx < {"arg":{"channel":"bbo-tbt","instId":"BTC-USDT"},"data":[{"asks":[["100.52","1","0","1"]],"bids":null,"ts":"$now","seqId":9000}]}
                snapshot
                okx BTC 9001 100.50/100.52
                snapshot BTC okx>bybit | BTC bybit>okx
            "#,
    },
    Row {
        report: "https://github.com/ccxt/ccxt/pull/14612",
        happened: "the text `nan` stood in the place of a price of a market that was not traded",
        right: "it is no number",
        market: "BTC on binance",
        script: r#"
                binance BTC 7 100.50/100.52
                binance < {"u":8,"s":"BTCUSDT","b":"nan","B":"1","a":"100.52","A":"1"}
                binance BTC 9 100.50/100.52
                binance < {"u":10,"s":"BTCUSDT","b":"100.50","B":"1","a":"inf","A":"1"}
                = BTC binance live quote | BTC binance 100.50/100.52 | BTC binance unreadable unreadable | BTC binance live quote | BTC binance unreadable unreadable
            "#,
    },
    Row {
        report: "https://github.com/ccxt/ccxt/issues/11",
        happened: "0.0 was sent for a missing bid and passed on as a price",
        right: "zero is no price: the book has one side",
        market: "BTC on binance",
        script: r#"
                binance < {"u":8,"s":"BTCUSDT","b":"0.0","B":"0.0","a":"100.52","A":"1"}
                = BTC binance one_sided one_sided | BTC binance -/100.52
            "#,
    },
    Row {
        report: "https://github.com/xLydianSoftware/Qubx/pull/215",
        happened: "quotes of zero prices were skipped, which left the quote before them live",
        right: "such a quote ends the one before it",
        market: "BTC on binance okx",
        script: r#"
                okx BTC 100.50/100.52
                binance BTC 100.50/100.52
                binance BTC -/-
                = BTC okx live quote | BTC okx 100.50/100.52 | BTC binance live quote | BTC binance 100.50/100.52 | BTC binance>okx | BTC okx>binance | BTC binance one_sided empty | ended BTC binance>okx leg_not_live | ended BTC okx>binance leg_not_live | BTC binance -/-
            "#,
    },
    Row {
        report: "https://github.com/ccxt/ccxt/pull/22591",
        happened: "the field of the event time disappeared, and times were undefined",
        right: "where the venue promises a time, a quote without one cannot be read",
        market: "BTC on bybit",
        script: r#"
                bybit BTC 7 100.50/100.52
                bybit < {"topic":"orderbook.1.BTCUSDT","type":"snapshot","data":{"s":"BTCUSDT","b":[["100.6","1"]],"a":[["100.7","1"]],"u":8,"seq":8}}
                = BTC bybit live quote | BTC bybit 100.50/100.52 | BTC bybit unreadable unreadable
                count bybit rejected.missing_field 1
            "#,
    },
];

#[test]
fn what_is_no_number_is_no_price() {
    play(WHAT_IS_NO_NUMBER_IS_NO_PRICE);
}

const ABSENT_ZERO_AND_UNCHANGED_ARE_THREE_THINGS: &[Row] = &[
    Row {
        report: "https://github.com/ccxt/ccxt/issues/21450",
        happened: "the venue began to send changes with the changed fields only; the rest was undefined",
        right: "a change applies to the snapshot of the same connection; before one there is no quote",
        market: "BTC on bybit",
        script: r#"
                bybit < {"topic":"orderbook.1.BTCUSDT","ts":$now,"type":"delta","data":{"s":"BTCUSDT","b":[],"a":[["111.17","1"]],"u":6,"seq":6},"cts":$now}
                =
                bybit BTC 7 100.50/100.52
                bybit < {"topic":"orderbook.1.BTCUSDT","ts":$now,"type":"delta","data":{"s":"BTCUSDT","b":[],"a":[["100.60","1"]],"u":8,"seq":8},"cts":$now}
                = BTC bybit live quote | BTC bybit 100.50/100.52 | BTC bybit 100.50/100.60
                count bybit discarded.awaiting_snapshot 1
            "#,
    },
    Row {
        report: "https://github.com/nautechsystems/nautilus_trader/pull/2465",
        happened: "an incomplete quote was completed from a cached one",
        right: "only within one unbroken chain: after a reconnect nothing is cached",
        market: "BTC on bybit",
        script: r#"
                bybit BTC 7 100.50/100.52
                bybit cut
                wait 1s
                bybit connects
                = BTC bybit live quote | BTC bybit 100.50/100.52 | BTC bybit down disconnected | BTC bybit silent subscribed
                bybit < {"topic":"orderbook.1.BTCUSDT","ts":$now,"type":"delta","data":{"s":"BTCUSDT","b":[],"a":[["100.60","1"]],"u":8,"seq":8},"cts":$now}
                =
                bybit BTC 9 100.50/100.70
                = BTC bybit live quote | BTC bybit 100.50/100.70
            "#,
    },
    Row {
        report: "https://github.com/thrasher-corp/gocryptotrader/pull/2312",
        happened: "a figure that was sent as zero was taken for one that was left out",
        right: "a size of zero removes the side",
        market: "BTC on bybit",
        script: r#"
                bybit BTC 7 100.50/100.52
                bybit < {"topic":"orderbook.1.BTCUSDT","ts":$now,"type":"delta","data":{"s":"BTCUSDT","b":[["100.50","0"]],"a":[],"u":8,"seq":8},"cts":$now}
                = BTC bybit live quote | BTC bybit 100.50/100.52 | BTC bybit one_sided one_sided | BTC bybit -/100.52
            "#,
    },
    Row {
        report: "https://github.com/okcoin-okex/API-docs-OKEx.com/issues/213",
        happened: "a change came with two empty lists, which support called normal",
        right: "an empty change changes nothing; an empty snapshot is an empty book",
        market: "BTC on bybit",
        script: r#"
                bybit BTC 7 100.50/100.52
                wait 4s
                bybit < {"topic":"orderbook.1.BTCUSDT","ts":$now,"type":"delta","data":{"s":"BTCUSDT","b":[],"a":[],"u":8,"seq":8},"cts":$now}
                wait 4s
                = BTC bybit live quote | BTC bybit 100.50/100.52
                bybit < {"topic":"orderbook.1.BTCUSDT","ts":$now,"type":"snapshot","data":{"s":"BTCUSDT","b":[],"a":[],"u":9,"seq":9},"cts":$now}
                = BTC bybit one_sided empty | BTC bybit -/-
            "#,
    },
];

#[test]
fn absent_zero_and_unchanged_are_three_things() {
    play(ABSENT_ZERO_AND_UNCHANGED_ARE_THREE_THINGS);
}

const A_BOOK_WITHOUT_A_SIDE_IS_NOT_QUOTABLE: &[Row] = &[
    Row {
        report: "https://github.com/ccxt/ccxt/issues/8205",
        happened: "the list of asks, or of bids, was empty now and then, and consumers crashed",
        right: "not quotable then, and live again on the next book with two sides; nothing else happens",
        market: "BTC on okx",
        script: r#"
                okx BTC 100.50/100.52
                okx BTC 100.50/-
                okx BTC 100.50/100.52
                okx BTC -/100.52
                okx BTC 100.50/100.52
                = BTC okx live quote | BTC okx 100.50/100.52 | BTC okx one_sided one_sided | BTC okx 100.50/- | BTC okx live quote | BTC okx 100.50/100.52 | BTC okx one_sided one_sided | BTC okx -/100.52 | BTC okx live quote | BTC okx 100.50/100.52
                okx > subscribe BTC-USDT
            "#,
    },
    Row {
        report: "https://github.com/freqtrade/freqtrade/issues/3367",
        happened: "a book with one side only killed the program",
        right: "that instrument alone is not quotable",
        market: "BTC ETH on okx bybit",
        script: r#"
                okx BTC 100.50/100.52
                okx ETH 10.50/10.52
                bybit BTC 100.50/100.52
                bybit ETH 10.50/10.52
                okx ETH 10.50/-
                snapshot BTC okx>bybit | BTC bybit>okx
            "#,
    },
    Row {
        report: "https://github.com/askmike/gekko/issues/334",
        happened: "trading was suspended, and a massive move followed when it was opened again",
        right: "no quote during the halt; the first one after it is a new price, and is believed",
        market: "BTC on okx",
        script: r#"
                okx BTC 100.50/100.52
                keep okx BTC -/- 5s
                wait 2m
                = BTC okx live quote | BTC okx 100.50/100.52 | BTC okx one_sided empty | BTC okx -/-
                stop okx BTC
                okx BTC 70.00/70.02
                = BTC okx live quote | BTC okx 70.00/70.02
            "#,
    },
];

#[test]
fn a_book_without_a_side_is_not_quotable() {
    play(A_BOOK_WITHOUT_A_SIDE_IS_NOT_QUOTABLE);
}
