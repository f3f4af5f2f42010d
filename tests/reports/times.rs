//! Event times in other units, clocks that differ, and quotes that come late.

use crate::row::{Row, play};

const A_TIME_IN_ANOTHER_UNIT_IS_NONE: &[Row] = &[
    Row {
        report: "https://github.com/altangent/ccxws/issues/72",
        happened: "a time in ms was multiplied by 1000 and read as microseconds",
        right: "a time that cannot be is none: the quote cannot be read",
        market: "BTC on okx",
        script: r#"
                okx BTC 7 100.50/100.52
                okx < {"arg":{"channel":"bbo-tbt","instId":"BTC-USDT"},"data":[{"asks":[["100.7","1","0","1"]],"bids":[["100.6","1","0","1"]],"ts":"$micros","seqId":8}]}
                = BTC okx live quote | BTC okx 100.50/100.52 | BTC okx unreadable unreadable
            "#,
    },
    Row {
        report: "https://github.com/Kucoin/kucoin-api-docs/issues/33",
        happened: "a time changed from 13 digits to 19 between two versions of the interface",
        right: "as before: it is no age of 50,000 years, and no negative one that looks fresh",
        market: "BTC on bybit",
        script: r#"
                bybit BTC 7 100.50/100.52
                bybit < {"topic":"orderbook.1.BTCUSDT","ts":$now,"type":"snapshot","data":{"s":"BTCUSDT","b":[["100.6","1"]],"a":[["100.7","1"]],"u":8,"seq":8},"cts":$nanos}
                = BTC bybit live quote | BTC bybit 100.50/100.52 | BTC bybit unreadable unreadable
            "#,
    },
    Row {
        report: "https://github.com/sammchardy/python-binance/pull/1519",
        happened: "the venue lets clients choose the unit of times",
        right: "a time in seconds is of another day, and so is none",
        market: "BTC on binance-usdm",
        script: r#"
                binance-usdm BTC 7 100.50/100.52
                binance-usdm < {"e":"bookTicker","u":8,"E":$seconds,"T":$seconds,"s":"BTCUSDT","b":"100.6","B":"1","a":"100.7","A":"1"}
                = BTC binance-usdm live quote | BTC binance-usdm 100.50/100.52 | BTC binance-usdm unreadable implausible | BTC binance-usdm 100.60/100.70
                binance-usdm BTC 9 100.60/100.70
                = BTC binance-usdm live quote
            "#,
    },
];

#[test]
fn a_time_in_another_unit_is_none() {
    play(A_TIME_IN_ANOTHER_UNIT_IS_NONE);
}

const THE_DIFFERENCE_OF_TWO_CLOCKS_IS_NO_LAG: &[Row] = &[
    Row {
        report: "https://github.com/JKorf/Binance.Net/issues/423",
        happened: "a latency of 2.5 s was measured with a clock that was 8 s off",
        right: "a difference of some seconds cancels out; what exceeds it is lag; beyond what clocks \
                    may differ by, nothing is called fresh",
        market: "BTC ETH on binance-usdm okx",
        script: r#"
                binance-usdm BTC 100.50/100.52 -4s
                binance-usdm BTC 100.60/100.62 -5s
                = BTC binance-usdm live quote | BTC binance-usdm 100.50/100.52 | BTC binance-usdm 100.60/100.62
                binance-usdm BTC 100.70/100.72 -8s
                = BTC binance-usdm lagging lag | BTC binance-usdm 100.70/100.72
                binance-usdm BTC 100.70/100.72 -4s
                = BTC binance-usdm live quote
                binance-usdm cut
                wait 1s
                binance-usdm connects
                binance-usdm ETH 10.50/10.52 -8s
                binance-usdm ETH 10.50/10.52 -8s
                = BTC binance-usdm down disconnected | ETH binance-usdm down disconnected | BTC binance-usdm silent subscribed | ETH binance-usdm silent subscribed | ETH binance-usdm lagging lag | ETH binance-usdm 10.50/10.52
            "#,
    },
    Row {
        report: "https://github.com/freqtrade/freqtrade/pull/13528",
        happened: "the host's clock was behind that of the venue by more than a second and a half",
        right: "quotes that seem to come from the future are compared with each other all the same",
        market: "BTC on binance-usdm",
        script: r#"
                binance-usdm BTC 100.50/100.52 +3s
                binance-usdm BTC 100.55/100.57 +3s
                binance-usdm BTC 100.60/100.62 +3s
                binance-usdm BTC 100.70/100.72
                = BTC binance-usdm live quote | BTC binance-usdm 100.50/100.52 | BTC binance-usdm 100.55/100.57 | BTC binance-usdm 100.60/100.62 | BTC binance-usdm lagging lag | BTC binance-usdm 100.70/100.72
                log BTC/USDT:SPOT-PERP lagging lag
            "#,
    },
];

#[test]
fn the_difference_of_two_clocks_is_no_lag() {
    play(THE_DIFFERENCE_OF_TWO_CLOCKS_IS_NO_LAG);
}

const WHAT_COMES_LATE_IS_NOT_LIVE: &[Row] = &[
    Row {
        report: "https://github.com/BitMEX/api-connectors/issues/250",
        happened: "quotes were routinely 5 to 15 s behind, and kept coming",
        right: "not live while they are late, and told once; live as soon as they are in time",
        market: "BTC on binance-usdm okx",
        script: r#"
                okx BTC 101.50/101.52
                binance-usdm BTC 100.50/100.52
                snapshot BTC binance-usdm>okx | BTC okx>binance-usdm
                binance-usdm BTC 100.51/100.53 -5s
                snapshot
                binance-usdm BTC 100.52/100.54 -15s
                binance-usdm BTC 100.53/100.55 -9s
                snapshot
                log BTC/USDT:SPOT-PERP lagging lag
                binance-usdm BTC 100.54/100.56 -1s
                snapshot BTC binance-usdm>okx | BTC okx>binance-usdm
            "#,
    },
    Row {
        report: "https://github.com/ccxt/ccxt/issues/23214",
        happened: "after hours a book was returned again and again with a time stuck in the past",
        right: "messages whose time does not advance keep nothing fresh",
        market: "BTC on binance-usdm",
        script: r#"
                binance-usdm BTC 100.50/100.52
                wait 1s
                binance-usdm BTC 100.50/100.52 -1s
                wait 1s
                binance-usdm BTC 100.50/100.52 -2s
                = BTC binance-usdm live quote | BTC binance-usdm 100.50/100.52
                wait 1s
                binance-usdm BTC 100.50/100.52 -3s
                = BTC binance-usdm lagging lag
            "#,
    },
    Row {
        report: "https://github.com/ccxt/ccxt/issues/11331",
        happened: "prices more than an hour old came amid new ones, in chaotic order",
        right: "a number below the last replaces nothing, and shows that the picture is not known",
        market: "BTC on binance",
        script: r#"
                binance BTC 5000 100.50/100.52
                binance BTC 4000 90.50/90.52
                = BTC binance live quote | BTC binance 100.50/100.52 | BTC binance gap out_of_order
                binance BTC 5001 100.51/100.53
                = BTC binance live quote | BTC binance 100.51/100.53
                count binance discarded.out_of_order 1
            "#,
    },
    Row {
        report: "https://github.com/sammchardy/python-binance/issues/1016",
        happened: "a queue of messages overflowed behind a slow reader, and old ones were delivered",
        right: "what had waited is read to its end before anything is live, and no pair is made of it",
        market: "BTC on binance okx",
        script: r#"
                okx BTC 100.90/100.95
                binance BTC 100.50/100.52
                snapshot BTC binance>okx | BTC okx>binance
                queue binance BTC 99.00/99.02
                queue binance BTC 99.10/99.12
                queue binance BTC 99.20/99.22
                queue binance BTC 100.80/100.82
                held up
                snapshot
                = BTC okx live quote | BTC okx 100.90/100.95 | BTC binance live quote | BTC binance 100.50/100.52 | BTC binance>okx | opened BTC binance>okx | BTC okx>binance | BTC binance lagging held_up | closed BTC binance>okx leg_not_live | ended BTC binance>okx leg_not_live | ended BTC okx>binance leg_not_live | BTC binance 99.00/99.02 | BTC binance 99.10/99.12 | BTC binance 99.20/99.22 | BTC binance 100.80/100.82 | BTC binance live quote | BTC okx lagging held_up | BTC okx live quote
                binance BTC 100.80/100.82
                snapshot BTC binance>okx | BTC okx>binance
            "#,
    },
];

#[test]
fn what_comes_late_is_not_live() {
    play(WHAT_COMES_LATE_IS_NOT_LIVE);
}
