//! Ends of a connection that are announced, planned or sudden.

use crate::row::{Row, play};

const AN_END_THAT_IS_KNOWN_BEFORE_COSTS_NO_DATA: &[Row] = &[
    Row {
        report: "https://github.com/sieblyio/okx-api/issues/141",
        happened: "the notice 64008 that the connection will soon be closed was not recognised",
        right: "a new line is made and in step before the old one is closed; nothing is ever down",
        market: "BTC ETH on okx bybit",
        script: r#"
                okx > subscribe BTC-USDT ETH-USDT
                bybit BTC 100.50/100.52
                okx BTC 100.50/100.52
                okx ETH 10.50/10.52
                snapshot BTC okx>bybit | BTC bybit>okx
                okx < {"event":"notice","code":"64008","msg":"The connection will soon be closed for a service upgrade. Please reconnect.","connId":"a4d3ae55"}
                wait 100ms
                okx asks 1
                log replacing: the venue announced its end
                okx connects
                okx/1 BTC 100.60/100.62
                wait 1s
                okx > subscribe BTC-USDT ETH-USDT
                okx ETH 10.60/10.62
                okx/1 ETH 10.61/10.63
                wait 1s
                okx > close
                snapshot BTC okx>bybit | BTC bybit>okx
                = BTC bybit live quote | BTC bybit 100.50/100.52 | BTC okx live quote | BTC okx 100.50/100.52 | BTC okx>bybit | BTC bybit>okx | ETH okx live quote | ETH okx 10.50/10.52 | BTC okx 100.60/100.62 | ETH okx 10.60/10.62 | ETH okx 10.61/10.63
            "#,
    },
    Row {
        report: "https://github.com/yubing744/trading-gpt/issues/90",
        happened: "a count of connections was logged as an error, and the notice of the end too",
        right: "the count means nothing to us; and one notice, however often it comes, is one \
                    replacement",
        market: "BTC on okx",
        script: r#"
                okx BTC 100.50/100.52
                okx < {"event":"channel-conn-count","channel":"bbo-tbt","connCount":"2","connId":"abcd1234"}
                okx < {"event":"notice","code":"64008","msg":"The connection will soon be closed","connId":"a"}
                okx < {"event":"notice","code":"64008","msg":"The connection will soon be closed","connId":"a"}
                wait 1s
                okx asks 1
                log replacing: the venue announced its end
                count okx rejected.unknown_message 0
            "#,
    },
    Row {
        report: "https://github.com/c9s/bbgo/pull/2552",
        happened: "nobody knew Binance's announcement of a shutdown",
        right: "as for OKX; and if the old line ends before the new one is made, it is down until then",
        market: "BTC on binance",
        script: r#"
                binance BTC 100.50/100.52
                = BTC binance live quote | BTC binance 100.50/100.52
                binance < {"stream":"btcusdt@bookTicker","data":{"e":"serverShutdown","E":$now}}
                wait 100ms
                binance asks 1
                binance cut
                = BTC binance down disconnected
                binance connects
                binance/1 BTC 100.60/100.62
                wait 1m
                = BTC binance silent subscribed | BTC binance live quote | BTC binance 100.60/100.62 | BTC binance stale quiet
                binance asks 0
            "#,
    },
    Row {
        report: "Break before make",
        happened: "the end of each new line was announced after its first quote: 300 attempts in 3 s",
        right: "the first one is replaced at once, the next ones after waits that grow",
        market: "BTC on binance",
        script: r#"
                binance BTC 100.50/100.52
                binance < {"e":"serverShutdown","E":$now}
                wait 100ms
                log replacing: the venue announced its end
                binance connects
                binance/1 BTC 100.50/100.52
                wait 100ms
                binance/1 < {"e":"serverShutdown","E":$now}
                wait 14s
                log replacing: the venue announced its end | lost: replaced by a new line
                binance asks 0
                wait 1s
                binance asks 1
                binance connects
                binance BTC 100.50/100.52
                wait 100ms
                binance < {"e":"serverShutdown","E":$now}
                wait 29s
                binance asks 0
                wait 1s
                binance asks 1
            "#,
    },
    Row {
        report: "https://github.com/binance/binance-connector-rust/issues/26",
        happened: "nothing was done about the end of every connection after 24 h",
        right: "it is replaced in time",
        market: "BTC on binance-usdm",
        script: r#"
                keep binance-usdm BTC 100.50/100.52 4s
                wait 23h
                binance-usdm asks 1
                log replacing: its time is nearly over
            "#,
    },
    Row {
        report: "https://github.com/binance/binance-connector-rust/issues/96",
        happened: "the old connection, closed on purpose, was made again as well: each quote came twice",
        right: "a line that was closed on purpose is not made again",
        market: "BTC on binance",
        script: r#"
                binance BTC 100.50/100.52
                binance < {"e":"serverShutdown","E":$now}
                wait 100ms
                binance connects
                binance/1 BTC 100.60/100.62
                keep binance/1 BTC 100.60/100.62 2s
                wait 5m
                binance asks 0
                count binance connects 2
            "#,
    },
];

#[test]
fn an_end_that_is_known_before_costs_no_data() {
    play(AN_END_THAT_IS_KNOWN_BEFORE_COSTS_NO_DATA);
}

const A_SUDDEN_END_IS_TOLD_AND_MENDED: &[Row] = &[
    Row {
        report: "https://github.com/sammchardy/python-binance/issues/1608",
        happened: "a close with code 1001 ended the read loop for good",
        right: "every end, clean or not, takes the symbols down and is followed by a new line",
        market: "BTC on binance",
        script: r#"
                binance BTC 100.50/100.52
                binance cut
                = BTC binance live quote | BTC binance 100.50/100.52 | BTC binance down disconnected
                wait 1s
                binance connects
                binance BTC 100.50/100.52
                = BTC binance silent subscribed | BTC binance live quote
            "#,
    },
    Row {
        report: "https://github.com/binance/binance-connector-python/issues/442",
        happened: "a silent reconnect left a gap that nobody was told of",
        right: "the gap is visible from the cut to the first fresh message",
        market: "BTC on binance okx",
        script: r#"
                okx BTC 100.50/100.52
                binance BTC 100.50/100.52
                binance cut
                snapshot
                wait 1s
                binance connects
                wait 1s
                snapshot
                binance BTC 100.50/100.52
                snapshot BTC binance>okx | BTC okx>binance
            "#,
    },
    Row {
        report: "https://github.com/hummingbot/hummingbot/issues/8250",
        happened: "the log said re-subscribed after a close, but no data came",
        right: "a subscription makes nothing live",
        market: "BTC on okx",
        script: r#"
                okx BTC 100.50/100.52
                okx cut
                wait 1s
                okx connects
                wait 8s
                = BTC okx live quote | BTC okx 100.50/100.52 | BTC okx down disconnected | BTC okx silent subscribed
                wait 4s
                = BTC okx silent no_quote
            "#,
    },
    Row {
        report: "https://github.com/bmoscon/cryptofeed/issues/545",
        happened: "one connection that ended made the feeds of others stall",
        right: "the others go on",
        market: "BTC on okx binance bybit",
        script: r#"
                keep binance BTC 100.50/100.52 1s
                keep bybit BTC 100.50/100.52 1s
                okx BTC 100.50/100.52
                okx cut
                wait 1m
                okx asks 1
                snapshot BTC binance>bybit | BTC bybit>binance
            "#,
    },
];

#[test]
fn a_sudden_end_is_told_and_mended() {
    play(A_SUDDEN_END_IS_TOLD_AND_MENDED);
}
