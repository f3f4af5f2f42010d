//! Subscriptions that are refused, forgotten or asked for too often.

use crate::rig::Rig;
use crate::row::{Row, play};

const A_REFUSAL_CONCERNS_ONE_SYMBOL: &[Row] = &[
    Row {
        report: "https://github.com/ccxt/ccxt/issues/30284",
        happened: "a batch was refused as a whole because one topic was subscribed already; the new \
                       symbols counted as subscribed and gave nothing",
        right: "nothing of the batch is subscribed: it is asked for again in halves",
        market: "BTC ETH on bybit",
        script: r#"
                bybit > subscribe BTCUSDT ETHUSDT
                bybit deaf
                bybit cut
                wait 1s
                bybit connects
                wait 100ms
                bybit < {"success":false,"ret_msg":"error:already subscribed,topic:orderbook.1.BTCUSDT","conn_id":"1","req_id":"2","op":"subscribe"}
                wait 300ms
                bybit > subscribe BTCUSDT ETHUSDT | subscribe BTCUSDT | subscribe ETHUSDT
                log lost: Connection closed normally | refused something
                = BTC bybit down disconnected | ETH bybit down disconnected | BTC bybit silent subscribed | ETH bybit silent subscribed
            "#,
    },
    Row {
        report: "https://github.com/bybit-exchange/pybit/pull/373",
        happened: "one topic without a handler killed the whole socket, and was asked for again at \
                       each reconnect",
        right: "it alone is refused; the rest is asked for without it",
        market: "BTC ETH XXX on bybit",
        script: r#"
                bybit refuses XXXUSDT
                bybit cut
                wait 1s
                bybit connects
                wait 1s
                bybit > subscribe BTCUSDT ETHUSDT XXXUSDT | subscribe BTCUSDT ETHUSDT XXXUSDT | subscribe BTCUSDT ETHUSDT
                bybit BTC 100.50/100.52
                bybit ETH 10.50/10.52
                = BTC bybit down disconnected | ETH bybit down disconnected | XXX bybit down disconnected | BTC bybit silent subscribed | ETH bybit silent subscribed | XXX bybit silent subscribed | XXX bybit refused refused | BTC bybit live quote | BTC bybit 100.50/100.52 | ETH bybit live quote | ETH bybit 10.50/10.52
                bybit cut
                wait 1s
                bybit connects
                wait 1s
                bybit > subscribe BTCUSDT ETHUSDT
            "#,
    },
    Row {
        report: "https://github.com/ccxt/ccxt/issues/25294",
        happened: "a delisted symbol failed the call for many; the others stayed in the list as if \
                       subscribed",
        right: "asked for and confirmed are two sets: the others are asked for again and live",
        market: "BTC LUNARLENS ETH on bybit okx",
        script: r#"
                bybit refuses LUNARLENSUSDT
                bybit cut
                wait 1s
                bybit connects
                okx BTC 100.50/100.52
                okx ETH 10.50/10.52
                okx LUNARLENS 0.50/0.52
                wait 1s
                bybit BTC 100.50/100.52
                bybit ETH 10.50/10.52
                snapshot BTC bybit>okx | BTC okx>bybit | ETH bybit>okx | ETH okx>bybit
                log lost: Connection closed normally | refused LUNARLENSUSDT
            "#,
    },
    Row {
        report: "https://github.com/thrasher-corp/gocryptotrader/issues/1692",
        happened: "an expired symbol in a request of many was answered with an error",
        right: "the error names the symbol, and only that one is asked for again, alone",
        market: "ETH BBANANA XBT on okx",
        script: r#"
                okx refuses BBANANA-USDT
                okx cut
                wait 1s
                okx connects
                wait 1s
                = ETH okx down disconnected | BBANANA okx down disconnected | XBT okx down disconnected | ETH okx silent subscribed | BBANANA okx silent subscribed | XBT okx silent subscribed | BBANANA okx refused refused
                okx > subscribe ETH-USDT BBANANA-USDT XBT-USDT | subscribe ETH-USDT BBANANA-USDT XBT-USDT
                keep okx ETH 10.50/10.52 1s
                keep okx XBT 10.50/10.52 1s
                wait 15s
                okx > subscribe BBANANA-USDT
            "#,
    },
    Row {
        report: "https://github.com/sammchardy/python-kucoin/issues/52",
        happened: "an error message lacked the fields that the handler read, and all data stopped",
        right: "it is told; data go on",
        market: "BTC on okx",
        script: r#"
                okx BTC 100.50/100.52
                okx < {"event":"error","code":"60012","msg":"Invalid request: {}"}
                okx BTC 100.60/100.62
                = BTC okx live quote | BTC okx 100.50/100.52 | BTC okx 100.60/100.62
                log refused something
                okx > subscribe BTC-USDT
            "#,
    },
    Row {
        report: "https://github.com/sieblyio/bybit-api/issues/174",
        happened: "a request of more arguments than the venue allows was refused as a whole",
        right: "requests are split by the venue's limit",
        market: "A B C D E F G H I J K L on bybit",
        script: r#"
                bybit > subscribe AUSDT BUSDT CUSDT DUSDT EUSDT FUSDT GUSDT HUSDT IUSDT JUSDT | subscribe KUSDT LUSDT
            "#,
    },
];

#[test]
fn a_refusal_concerns_one_symbol() {
    play(A_REFUSAL_CONCERNS_ONE_SYMBOL);
}

const A_SYMBOL_THAT_IS_LISTED_AGAIN_IS_NOT_CALLED_REFUSED: &[Row] = &[Row {
    report: "Venue limits written in comments, not enforced",
    happened: "a refused symbol was listed later, but gave no quote; it was still called refused",
    right: "it is silent from the acceptance on, is told so, and is subscribed anew like any other",
    market: "BTC XXX on okx",
    script: r#"
        okx refuses XXX-USDT
        okx cut
        wait 1s
        okx connects
        keep okx BTC 100.50/100.52 2s
        wait 1s
        = BTC okx down disconnected | XXX okx down disconnected | BTC okx silent subscribed | XXX okx silent subscribed | XXX okx refused refused | BTC okx live quote | BTC okx 100.50/100.52
        okx lists XXX-USDT
        wait 18s
        = XXX okx silent subscribed
        log lost: Connection closed normally | refused XXX-USDT
        wait 10s
        = XXX okx silent no_quote
        log XXX/USDT silent no_quote
        okx XXX 1.00/1.01
        = XXX okx live quote | XXX okx 1.00/1.01
    "#,
}];

#[test]
fn a_symbol_that_is_listed_again_is_not_called_refused() {
    play(A_SYMBOL_THAT_IS_LISTED_AGAIN_IS_NOT_CALLED_REFUSED);
}

const EVERY_SYMBOL_IS_ASKED_FOR_ONCE_AND_AFTER_EVERY_RECONNECT: &[Row] = &[
    Row {
        report: "https://github.com/bybit-exchange/pybit/issues/13",
        happened: "it came back and did not subscribe",
        right: "all symbols are subscribed on every new line, each once",
        market: "BTC ETH on bybit",
        script: r#"
                bybit > subscribe BTCUSDT ETHUSDT
                bybit cut
                wait 1s
                bybit connects
                wait 1s
                bybit > subscribe BTCUSDT ETHUSDT
                bybit cut
                wait 2s
                bybit connects
                wait 1s
                bybit > subscribe BTCUSDT ETHUSDT
            "#,
    },
    Row {
        report: "https://github.com/bitfinexcom/bitfinex-api-go/issues/99",
        happened: "after failed attempts the list of subscriptions was empty",
        right: "what is wanted outlives any number of failures",
        market: "BTC ETH on okx",
        script: r#"
                okx > subscribe BTC-USDT ETH-USDT
                okx cut
                wait 31s
                okx fails
                wait 31s
                okx fails
                wait 31s
                okx fails
                wait 31s
                okx connects
                wait 1s
                okx > subscribe BTC-USDT ETH-USDT
            "#,
    },
    Row {
        report: "https://github.com/bitrich-info/xchange-stream/issues/502",
        happened: "some of many requests were answered; the client took all for subscribed",
        right: "what was not answered and gives no quotes is asked for again",
        market: "BTC ETH on okx",
        script: r#"
                okx deaf
                okx cut
                wait 1s
                okx connects
                keep okx BTC 100.50/100.52 1s
                wait 1s
                okx > subscribe BTC-USDT ETH-USDT | subscribe BTC-USDT ETH-USDT
                wait 58s
                okx >
                wait 3s
                okx > subscribe ETH-USDT
            "#,
    },
    Row {
        report: "https://github.com/ccxt/node-binance-api/issues/37",
        happened: "the reconnect of one symbol subscribed all again: 4 symbols, 16 subscriptions",
        right: "one subscription for each symbol",
        market: "A B C D on binance",
        script: r#"
                binance > subscribe AUSDT BUSDT CUSDT DUSDT
                binance cut
                wait 1s
                binance connects
                keep binance A 10.50/10.52 1s
                keep binance B 10.50/10.52 1s
                keep binance C 10.50/10.52 1s
                keep binance D 10.50/10.52 1s
                wait 10m
                binance > subscribe AUSDT BUSDT CUSDT DUSDT
            "#,
    },
];

#[test]
fn every_symbol_is_asked_for_once_and_after_every_reconnect() {
    play(EVERY_SYMBOL_IS_ASKED_FOR_ONCE_AND_AFTER_EVERY_RECONNECT);
}

/// <https://github.com/binance/binance-connector-js/issues/530>: one request for each of hundreds of
/// symbols was answered with 1008 `Too many requests`. Right are few requests, at a pace below the
/// venue's limit of five a second.
#[test]
fn many_symbols_take_few_requests_at_the_venues_pace() {
    let bases: Vec<String> = (0..350).map(|n| format!("C{n}")).collect();
    let mut rig = Rig::new(&format!("{} on binance", bases.join(" ")));
    assert_eq!(rig.take_sent("binance").len(), 4, "100 symbols a request");
    for step in ["binance cut", "wait 1s", "binance connects", "wait 200ms"] {
        rig.step(step);
    }
    assert_eq!(rig.take_sent("binance").len(), 1);
    rig.step("wait 500ms");
    assert_eq!(rig.take_sent("binance").len(), 2, "one each 250 ms");
}

/// <https://github.com/nautechsystems/nautilus_trader/issues/1989>: four to five reconnects a second
/// for hours. Right is a wait that grows while lines are cut after their first quotes.
#[test]
fn a_venue_that_cuts_every_line_is_not_flooded() {
    let mut rig = Rig::new("BTC on binance");
    let mut made = 0;
    for _ in 0..600 {
        rig.step("wait 1s");
        if rig.asks("binance") {
            for step in ["binance connects", "binance BTC 100.50/100.52", "binance cut"] {
                rig.step(step);
            }
            made += 1;
        } else if made == 0 {
            rig.step("binance cut");
        }
    }
    println!("{made} lines in 10 minutes");
    assert!((10..80).contains(&made), "{made} lines");
}

/// A line on which every symbol is refused gives no quotes, which is no fault of the line.
#[test]
fn a_line_of_refused_symbols_is_left_alone() {
    let mut rig = Rig::new("XXX on bybit");
    for step in ["bybit refuses XXXUSDT", "bybit cut"] {
        rig.step(step);
    }
    let mut made = 0;
    for _ in 0..3_600 {
        rig.step("wait 1s");
        if rig.asks("bybit") {
            rig.step("bybit connects");
            made += 1;
        }
    }
    let asked = rig.take_sent("bybit").len();
    println!("{made} lines and {asked} requests in an hour");
    assert_eq!(made, 1);
    assert!(asked < 12, "{asked} requests");
}
