//! Symbols and connections that say nothing, or nothing of use.

use crate::row::{Row, play};

const AN_ANSWER_IS_NO_DATA: &[Row] = &[
    Row {
        report: "https://github.com/Kucoin/kucoin-api-docs/issues/436",
        happened: "of 100 symbols that were acknowledged, half never got data",
        right: "each symbol waits for its own first quote; those without are told and subscribed anew",
        market: "A B C D on okx",
        script: r#"
                okx > subscribe A-USDT B-USDT C-USDT D-USDT
                keep okx A 10.50/10.52 2s
                keep okx C 10.50/10.52 2s
                wait 10s
                = A okx live quote | A okx 10.50/10.52 | C okx live quote | C okx 10.50/10.52 | B okx silent no_quote | D okx silent no_quote
                wait 2s
                okx > unsubscribe B-USDT D-USDT | subscribe B-USDT D-USDT
                log B/USDT silent no_quote | D/USDT silent no_quote
            "#,
    },
    Row {
        report: "https://github.com/nautechsystems/nautilus_trader/pull/4275",
        happened: "a venue acknowledged and delivered nothing, and texts that answer pings kept the \
                       connection",
        right: "a line without quotes is given up, where the venue repeats them",
        market: "BTC on bybit",
        script: r#"
                wait 11s
                = BTC bybit down silent
                log lost: alive, but no quote within the limit
                wait 1s
                bybit connects
                bybit BTC 100.50/100.52
                = BTC bybit silent subscribed | BTC bybit live quote | BTC bybit 100.50/100.52
            "#,
    },
    Row {
        report: "https://github.com/oliver-zehentleitner/unicorn-binance-websocket-api/issues/216",
        happened: "after a restart some streams stopped while others were well",
        right: "after a reconnect each symbol earns its life by a quote of its own",
        market: "BTC ETH on binance okx",
        script: r#"
                okx BTC 100.50/100.52
                okx ETH 10.50/10.52
                binance BTC 100.50/100.52
                binance ETH 10.50/10.52
                snapshot BTC binance>okx | BTC okx>binance | ETH binance>okx | ETH okx>binance
                binance cut
                wait 1s
                binance connects
                binance BTC 100.50/100.52
                wait 2s
                snapshot BTC binance>okx | BTC okx>binance
            "#,
    },
];

#[test]
fn an_answer_is_no_data() {
    play(AN_ANSWER_IS_NO_DATA);
}

const A_SYMBOL_THAT_STOPS_DOES_NOT_HIDE_BEHIND_THE_OTHERS: &[Row] = &[
    Row {
        report: "https://github.com/oliver-zehentleitner/unicorn-binance-websocket-api/issues/45",
        happened: "one live symbol hid many dead ones: the status was `running`",
        right: "each symbol has a pace of its own, and is told as dead when it falls out of it",
        market: "BTC ETH on binance",
        script: r#"
                binance > subscribe BTCUSDT ETHUSDT
                keep binance BTC 100.50/100.52 1s
                keep binance ETH 10.50/10.52 1s
                wait 40s
                stop binance ETH
                wait 7s
                = BTC binance live quote | BTC binance 100.50/100.52 | ETH binance live quote | ETH binance 10.50/10.52 | ETH binance stale quiet
                log
                wait 26s
                = ETH binance stale no_quote
                binance > unsubscribe ETHUSDT | subscribe ETHUSDT
                log ETH/USDT stale no_quote
            "#,
    },
    Row {
        report: "https://github.com/ccxt/node-binance-api/issues/86",
        happened: "some tickers stopped without a warning and never came back",
        right: "they are subscribed again and again, but seldom; the others are left alone",
        market: "BTC ETH on binance",
        script: r#"
                binance > subscribe BTCUSDT ETHUSDT
                keep binance BTC 100.50/100.52 1s
                binance ETH 10.50/10.52
                wait 7m
                binance > unsubscribe ETHUSDT | subscribe ETHUSDT | unsubscribe ETHUSDT | subscribe ETHUSDT
                log ETH/USDT stale no_quote
                keep binance ETH 10.50/10.52 1s
                wait 15s
                log ETH/USDT live quote
            "#,
    },
    Row {
        report: "https://github.com/nautechsystems/nautilus_trader/issues/4298",
        happened: "a book stopped while the client stayed `RUNNING`, without any disconnect",
        right: "its quote is not live beyond its age, whatever the connection does",
        market: "BTC ETH on okx bybit",
        script: r#"
                okx BTC 100.50/100.52
                bybit BTC 100.50/100.52
                keep okx ETH 10.50/10.52 1s
                keep bybit ETH 10.50/10.52 1s
                keep bybit BTC 100.50/100.52 1s
                wait 5s
                snapshot BTC okx>bybit | BTC bybit>okx | ETH okx>bybit | ETH bybit>okx
                wait 200ms
                snapshot ETH okx>bybit | ETH bybit>okx
            "#,
    },
    Row {
        report: "https://github.com/Bittrex/bittrex.github.io/issues/105",
        happened: "updates of a market stopped, and pings were answered",
        right: "an answer to a ping keeps no quote alive",
        market: "BTC on okx",
        script: r#"
                okx BTC 100.50/100.52
                wait 3s
                okx < pong
                wait 3s
                okx < pong
                = BTC okx live quote | BTC okx 100.50/100.52 | BTC okx stale quiet
            "#,
    },
    Row {
        report: "https://github.com/binance/binance-connector-java/issues/139",
        happened: "the server sent no data on one connection, while another one went on",
        right: "the symbols of that one alone are stale",
        market: "BTC on okx binance",
        script: r#"
                okx BTC 100.50/100.52
                keep binance BTC 100.50/100.52 1s
                snapshot BTC okx>binance | BTC binance>okx
                wait 6s
                = BTC okx live quote | BTC okx 100.50/100.52 | BTC binance live quote | BTC binance 100.50/100.52 | BTC binance>okx | BTC okx>binance | BTC okx stale quiet | ended BTC okx>binance leg_not_live | ended BTC binance>okx leg_not_live
            "#,
    },
];

#[test]
fn a_symbol_that_stops_does_not_hide_behind_the_others() {
    play(A_SYMBOL_THAT_STOPS_DOES_NOT_HIDE_BEHIND_THE_OTHERS);
}

const PINGS_SHOW_THAT_A_LINE_IS_ALIVE_AND_NOTHING_ELSE: &[Row] = &[
    Row {
        report: "https://github.com/nautechsystems/nautilus_trader/issues/3907",
        happened: "pings reset the timer for idle connections, so a dead server was never left",
        right: "a line that answers pings and gives no quotes is given up",
        market: "BTC on okx",
        script: r#"
                okx BTC 100.50/100.52
                wait 149s
                okx asks 0
                wait 3s
                okx pinged
                okx asks 1
            "#,
    },
    Row {
        report: "https://github.com/barter-rs/barter-rs/issues/205",
        happened: "answers to pings were decoded as market data: an error for each ping",
        right: "they are no error and no data",
        market: "BTC on okx bybit",
        script: r#"
                okx BTC 100.50/100.52
                bybit BTC 100.50/100.52
                okx < pong
                bybit < {"success":true,"ret_msg":"pong","conn_id":"6db06a0d","req_id":"","op":"ping"}
                bybit < {"op":"pong","args":["1672916271846"],"conn_id":"6db06a0d"}
                log
                count okx rejected.malformed 0
                count bybit rejected.unknown_message 0
            "#,
    },
    Row {
        report: "https://github.com/burakoner/OKEx.Net/issues/41",
        happened: "an answer to a ping came between a request and its answer, and broke the request",
        right: "it is no answer to the request",
        market: "BTC on okx",
        script: r#"
                okx deaf
                okx cut
                wait 1s
                okx connects
                wait 100ms
                okx < pong
                okx < {"id":"2","event":"subscribe","arg":{"channel":"bbo-tbt","instId":"BTC-USDT"},"connId":"1"}
                okx BTC 100.50/100.52
                = BTC okx down disconnected | BTC okx silent subscribed | BTC okx live quote | BTC okx 100.50/100.52
            "#,
    },
    Row {
        report: "https://github.com/EzR3aL/Trading-Bot/issues/368",
        happened: "only protocol pings were sent to a venue that wants a text every 30 s",
        right: "the venue's own ping is sent in time, and its answer keeps a quiet line",
        market: "BTC on okx",
        script: r#"
                okx BTC 100.50/100.52
                wait 15s
                okx pinged
                wait 15s
                okx pinged
                wait 30s
                okx asks 0
            "#,
    },
    Row {
        report: "https://github.com/altangent/ccxws/issues/90",
        happened: "ticker messages did not reset the watchdog: a reconnect every 90 s",
        right: "every frame shows life, also where pings are not answered",
        market: "BTC on binance",
        script: r#"
                binance deaf
                keep binance BTC 100.50/100.52 4s
                wait 20m
                = BTC binance live quote | BTC binance 100.50/100.52
                binance asks 0
                log
            "#,
    },
    Row {
        report: "https://github.com/tardis-dev/tardis-node/issues/48",
        happened: "a symbol that trades once an hour had its connection torn down every 10 s",
        right: "quiet is not dead: the symbol is stale, and the line that answers pings stays",
        market: "BTC on binance",
        script: r#"
                binance BTC 100.50/100.52
                wait 4m
                = BTC binance live quote | BTC binance 100.50/100.52 | BTC binance stale quiet
                binance asks 0
                log
            "#,
    },
    Row {
        report: "https://github.com/ccxt/go-binance/pull/693",
        happened: "pings of the server were expected every 20 s and come every 3 min: healthy \
                       connections were closed",
        right: "the server owes no pings",
        market: "BTC on binance-usdm",
        script: r#"
                keep binance-usdm BTC 100.50/100.52 35s
                wait 10m
                binance-usdm asks 0
                log
            "#,
    },
];

#[test]
fn pings_show_that_a_line_is_alive_and_nothing_else() {
    play(PINGS_SHOW_THAT_A_LINE_IS_ALIVE_AND_NOTHING_ELSE);
}

const A_LINE_THAT_DIED_WITHOUT_A_WORD_IS_LEFT_AND_MADE_AGAIN: &[Row] = &[
    Row {
        report: "https://github.com/sammchardy/python-binance/issues/670",
        happened: "after some hours messages stopped without an error, and for good",
        right: "after the venue's limit the line is given up without waiting for it, and a new one works",
        market: "BTC on binance",
        script: r#"
                keep binance BTC 100.50/100.52 4s
                wait 6h
                stop binance BTC
                binance deaf
                wait 40s
                = BTC binance live quote | BTC binance 100.50/100.52 | BTC binance stale quiet
                wait 5s
                = BTC binance down silent
                log lost: no frame within the venue's limit
                binance hears
                wait 1s
                binance connects
                binance BTC 100.50/100.52
                = BTC binance silent subscribed | BTC binance live quote
            "#,
    },
    Row {
        report: "https://github.com/bybit-exchange/pybit/issues/62",
        happened: "an error while it came back ended the reconnecting",
        right: "a failure in any phase leads to the next attempt",
        market: "BTC on bybit",
        script: r#"
                bybit BTC 100.50/100.52
                bybit cut
                wait 31s
                bybit fails
                wait 31s
                bybit fails
                wait 31s
                bybit connects
                bybit cut
                wait 31s
                bybit connects
                wait 1s
                bybit deaf
                wait 46s
                bybit hears
                wait 31s
                bybit connects
                wait 1s
                bybit BTC 100.50/100.52
                snapshot
                = BTC bybit live quote | BTC bybit 100.50/100.52 | BTC bybit down disconnected | BTC bybit silent subscribed | BTC bybit down disconnected | BTC bybit silent subscribed | BTC bybit down silent | BTC bybit silent subscribed | BTC bybit live quote
            "#,
    },
    Row {
        report: "https://github.com/oliver-zehentleitner/unicorn-binance-websocket-api/issues/238",
        happened: "a reset by the peer led to no reconnect and no message",
        right: "it is told, and the line is made again",
        market: "BTC on binance",
        script: r#"
                binance BTC 100.50/100.52
                binance cut
                = BTC binance live quote | BTC binance 100.50/100.52 | BTC binance down disconnected
                log lost: Connection closed normally
                wait 1s
                binance asks 1
            "#,
    },
];

#[test]
fn a_line_that_died_without_a_word_is_left_and_made_again() {
    play(A_LINE_THAT_DIED_WITHOUT_A_WORD_IS_LEFT_AND_MADE_AGAIN);
}
