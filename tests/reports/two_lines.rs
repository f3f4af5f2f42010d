//! Two lines that carry the same symbols.

use crate::row::{Row, play};

const THE_FIRST_COPY_OF_EACH_UPDATE_WINS: &[Row] = &[
    Row {
        report: "Two lines for one venue",
        happened: "both lines bring each update, now one first and now the other",
        right: "each is passed on once, and which line was first is counted",
        market: "BTC on binance*2",
        script: r#"
                binance/0 BTC 5 100.50/100.52
                binance/1 BTC 5 100.50/100.52
                binance/1 BTC 6 100.60/100.62
                binance/0 BTC 6 100.60/100.62
                binance/0 BTC 7 100.70/100.72
                binance/0 BTC 8 100.80/100.82
                binance/1 BTC 7 100.70/100.72
                binance/1 BTC 8 100.80/100.82
                = BTC binance live quote | BTC binance 100.50/100.52 | BTC binance 100.60/100.62 | BTC binance 100.70/100.72 | BTC binance 100.80/100.82
                count binance quotes 4
                count binance line.0.won 3
                count binance line.1.won 1
                count binance discarded.copy 4
            "#,
    },
    Row {
        report: "Two lines for one venue",
        happened: "a line ended, and came back",
        right: "nothing is down while the other carries the symbol, and no quote is lost",
        market: "BTC on bybit*2 okx",
        script: r#"
                okx BTC 100.50/100.52
                bybit/0 BTC 5 100.50/100.52
                bybit/1 BTC 5 100.50/100.52
                snapshot BTC bybit>okx | BTC okx>bybit
                bybit/0 cut
                snapshot BTC bybit>okx | BTC okx>bybit
                bybit/1 BTC 6 100.60/100.62
                wait 1s
                bybit connects
                bybit/0 BTC 6 100.60/100.62
                bybit/0 BTC 7 100.70/100.72
                bybit/1 cut
                bybit/0 BTC 8 100.80/100.82
                count bybit quotes 4
                bybit/0 cut
                snapshot
                = BTC okx live quote | BTC okx 100.50/100.52 | BTC bybit live quote | BTC bybit 100.50/100.52 | BTC bybit>okx | BTC okx>bybit | BTC bybit 100.60/100.62 | BTC bybit 100.70/100.72 | BTC bybit 100.80/100.82 | opened BTC okx>bybit | BTC bybit down disconnected | closed BTC okx>bybit leg_not_live | ended BTC bybit>okx leg_not_live | ended BTC okx>bybit leg_not_live
            "#,
    },
    Row {
        report: "Two lines for one venue",
        happened: "the last quotes of a line came after newer ones of the other",
        right: "they never overtake",
        market: "BTC on binance*2",
        script: r#"
                binance/1 BTC 5 100.50/100.52
                binance/0 BTC 5 100.50/100.52
                queue binance/0 BTC 6 100.60/100.62
                queue binance/1 BTC 9 100.90/100.92
                queue binance/0 BTC 7 100.70/100.72
                binance/0 cut
                binance/1 BTC 10 101.00/101.02
                = BTC binance live quote | BTC binance 100.50/100.52 | BTC binance 100.60/100.62 | BTC binance 100.70/100.72 | BTC binance 100.90/100.92 | BTC binance 101.00/101.02
                queue binance/1 BTC 12 101.20/101.22
                wait 1s
                binance connects
                binance/0 BTC 11 101.10/101.12
                = BTC binance 101.20/101.22
                count binance discarded.copy 2
            "#,
    },
    Row {
        report: "Two lines for one venue",
        happened: "one line lost a change that the other brought",
        right: "there is no gap",
        market: "BTC on bybit*2",
        script: r#"
                bybit/0 BTC 5 100.50/100.52
                bybit/1 BTC 5 100.50/100.52
                bybit/0 < {"topic":"orderbook.1.BTCUSDT","ts":$now,"type":"delta","data":{"s":"BTCUSDT","b":[],"a":[["100.60","1"]],"u":6,"seq":6},"cts":$now}
                bybit/1 < {"topic":"orderbook.1.BTCUSDT","ts":$now,"type":"delta","data":{"s":"BTCUSDT","b":[],"a":[["100.70","1"]],"u":7,"seq":7},"cts":$now}
                bybit/0 < {"topic":"orderbook.1.BTCUSDT","ts":$now,"type":"delta","data":{"s":"BTCUSDT","b":[],"a":[["100.80","1"]],"u":8,"seq":8},"cts":$now}
                = BTC bybit live quote | BTC bybit 100.50/100.52 | BTC bybit 100.50/100.60 | BTC bybit 100.50/100.70 | BTC bybit 100.50/100.80
            "#,
    },
    Row {
        report: "Two lines for one venue",
        happened: "quotes without numbers, as OKX sent them in 2022",
        right: "the content and its time tell a copy",
        market: "BTC on okx*2",
        script: r#"
                okx/0 < {"arg":{"channel":"bbo-tbt","instId":"BTC-USDT"},"data":[{"asks":[["100.52","1","0","1"]],"bids":[["100.50","1","0","1"]],"ts":"$now-500"}]}
                okx/1 < {"arg":{"channel":"bbo-tbt","instId":"BTC-USDT"},"data":[{"asks":[["100.52","1","0","1"]],"bids":[["100.50","1","0","1"]],"ts":"$now-500"}]}
                okx/1 < {"arg":{"channel":"bbo-tbt","instId":"BTC-USDT"},"data":[{"asks":[["100.62","1","0","1"]],"bids":[["100.60","1","0","1"]],"ts":"$now-400"}]}
                okx/0 < {"arg":{"channel":"bbo-tbt","instId":"BTC-USDT"},"data":[{"asks":[["100.57","1","0","1"]],"bids":[["100.55","1","0","1"]],"ts":"$now-450"}]}
                = BTC okx live quote | BTC okx 100.50/100.52 | BTC okx 100.60/100.62
                count okx discarded.copy 2
            "#,
    },
    Row {
        report: "Two lines for one venue",
        happened: "one line announced its end while two were up",
        right: "it is replaced like a single one; there are two lines again",
        market: "BTC on okx*2",
        script: r#"
                okx/0 BTC 5 100.50/100.52
                okx/1 BTC 5 100.50/100.52
                okx/0 < {"event":"notice","code":"64008","msg":"soon","connId":"a"}
                wait 100ms
                okx asks 1
                okx connects
                okx/1 BTC 6 100.60/100.62
                okx/2 BTC 6 100.60/100.62
                wait 100ms
                okx asks 0
                okx/1 cut
                okx/2 BTC 7 100.70/100.72
                = BTC okx live quote | BTC okx 100.50/100.52 | BTC okx 100.60/100.62 | BTC okx 100.70/100.72
                wait 1s
                okx asks 1
            "#,
    },
    Row {
        report: "Two lines for one venue",
        happened: "one line is a minute behind, the other in time",
        right: "the one behind wins nothing",
        market: "BTC on binance-usdm*2 okx",
        script: r#"
                binance-usdm/0 BTC 50 100.50/100.52
                okx BTC 100.50/100.52
                binance-usdm/1 BTC 5 90.50/90.52 -60s
                binance-usdm/1 BTC 6 90.60/90.62 -60s
                binance-usdm/0 BTC 51 100.60/100.62
                snapshot BTC binance-usdm>okx | BTC okx>binance-usdm
                = BTC binance-usdm live quote | BTC binance-usdm 100.50/100.52 | BTC okx live quote | BTC okx 100.50/100.52 | BTC okx>binance-usdm | BTC binance-usdm>okx | BTC binance-usdm 100.60/100.62
            "#,
    },
];

#[test]
fn the_first_copy_of_each_update_wins() {
    play(THE_FIRST_COPY_OF_EACH_UPDATE_WINS);
}

const A_SYMBOL_THAT_ONE_LINE_CANNOT_READ_OR_LOSES_IS_JUDGED_BY_BOTH: &[Row] = &[Row {
    report: "Two lines for one venue",
    happened: "both lines bring a quote that cannot be read",
    right: "the picture has ended, and the next readable quote of either line begins it again",
    market: "BTC on binance*2",
    script: r#"
            binance/0 BTC 5 100.50/100.52
            binance/1 BTC 5 100.50/100.52
            binance/0 < {"u":6,"s":"BTCUSDT","b":"90.505","B":"1","a":"90.525","A":"1"}
            binance/1 < {"u":6,"s":"BTCUSDT","b":"90.505","B":"1","a":"90.525","A":"1"}
            = BTC binance live quote | BTC binance 100.50/100.52 | BTC binance unreadable unreadable
            binance/1 BTC 7 100.60/100.62
            binance/0 BTC 7 100.60/100.62
            = BTC binance live quote | BTC binance 100.60/100.62
        "#,
}];

#[test]
fn a_symbol_that_one_line_cannot_read_or_loses_is_judged_by_both() {
    play(A_SYMBOL_THAT_ONE_LINE_CANNOT_READ_OR_LOSES_IS_JUDGED_BY_BOTH);
}
