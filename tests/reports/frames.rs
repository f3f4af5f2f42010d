//! Messages that are not in the venue's documented form at all.

use crate::row::{Row, play};

const A_MESSAGE_THAT_CANNOT_BE_DECODED_KEEPS_NOTHING_ALIVE: &[Row] = &[
    Row {
        report: "https://github.com/Tucsky/SignificantTrades/issues/16",
        happened: "the venue began to compress its messages, and all of them failed",
        right: "they are counted and told, and the quotes before them grow old",
        market: "BTC on okx",
        script: r#"
                okx BTC 100.50/100.52
                okx bytes compressed
                wait 2s
                okx bytes compressed
                wait 2s
                okx bytes compressed
                wait 2s
                = BTC okx live quote | BTC okx 100.50/100.52 | BTC okx stale quiet
                count okx rejected.binary 3
                log rejected binary | rejected binary | rejected binary
            "#,
    },
    Row {
        report: "https://github.com/okcoin-okex/open-api-v3-sdk/issues/36",
        happened: "messages came with zero bytes behind them, at random",
        right: "what follows a message is no part of it: the frame is refused as a whole",
        market: "BTC on okx",
        script: r#"
                okx BTC 7 100.50/100.52
                okx < {"arg":{"channel":"bbo-tbt","instId":"BTC-USDT"},"data":[{"asks":[["100.7","1","0","1"]],"bids":[["100.6","1","0","1"]],"ts":"$now","seqId":8}]}$nul$nul
                count okx rejected.malformed 1
                okx BTC 9 100.60/100.62
                = BTC okx live quote | BTC okx 100.50/100.52 | BTC okx unreadable unreadable | BTC okx live quote | BTC okx 100.60/100.62
            "#,
    },
    Row {
        report: "https://github.com/bitrich-info/xchange-stream/issues/170",
        happened: "a decoder that failed on every message filled the log",
        right: "one sample a second",
        market: "BTC on binance",
        script: r#"
                binance < garbage
                binance < garbage
                binance < garbage
                wait 1s
                binance < garbage
                binance < garbage
                count binance rejected.malformed 5
                log rejected malformed | rejected malformed
            "#,
    },
];

#[test]
fn a_message_that_cannot_be_decoded_keeps_nothing_alive() {
    play(A_MESSAGE_THAT_CANNOT_BE_DECODED_KEEPS_NOTHING_ALIVE);
}
