//! A venue with as many instruments as a test wants, which quotes all of them in rounds.

use exchange_sim::scripted::{Script, Scripted, Seen, Step, What};
use spreadwire_rigs::pipeline::engine_under_test::PATIENCE;
use std::fmt::Write as _;

/// Names of the venues, in whose words they quote.
pub(crate) const BYBIT: &str = "bybit";
pub(crate) const OKX: &str = "okx";

/// A venue. Dropping it stops it.
pub(crate) struct QuotingVenue {
    name: &'static str,
    server: Scripted,
}

impl QuotingVenue {
    /// Starts a venue that can play so many rounds of one quote for each instrument.
    pub(crate) fn start(name: &'static str, instruments: usize, rounds: usize) -> QuotingVenue {
        let of_round = move |round: usize| {
            let quotes = (0..instruments).map(move |number| quote(name, number, round));
            [Step::Word(word(round))].into_iter().chain(quotes.map(Step::Send))
        };
        let server = Scripted::start(move |connection| match connection {
            0 => Script::of((0..rounds).flat_map(of_round)),
            _ => Script::of([]),
        });
        QuotingVenue { name, server: server.unwrap() }
    }

    /// Returns the venue's part of a configuration.
    pub(crate) fn configuration(&self) -> String {
        let (name, url) = (self.name, self.server.url());
        format!(
            "[[venues]]\nname = {name:?}\nurl = {url:?}\nmax_age_ms = 3600000\nmax_lag_ms = 0\n"
        )
    }

    /// Waits until the engine has asked for all instruments.
    pub(crate) fn wait_until_asked(&self, instruments: usize) {
        let asked = |seen: &Seen| {
            let What::Text(text) = &seen.what else { return 0 };
            text.matches("USDT").count()
        };
        let all = |seen: &[Seen]| instruments <= seen.iter().map(asked).sum();
        assert!(self.server.wait_until(PATIENCE, all), "{} is asked for everything", self.name);
    }

    pub(crate) fn play(&self, round: usize) {
        self.server.give(&word(round));
    }
}

/// Returns the instruments' part of a configuration.
pub(crate) fn configured(instruments: usize) -> String {
    (0..instruments).fold(String::new(), |mut text, number| {
        let [bybit, okx] = [BYBIT, OKX].map(|name| symbol(name, number));
        writeln!(
            text,
            "[[instruments]]\nname = \"C{number}/USDT\"\nprice_decimals = 2\nsize_decimals = 8\n\
             symbols = {{ bybit = {bybit:?}, okx = {okx:?} }}"
        )
        .unwrap();
        text
    })
}

fn word(round: usize) -> String {
    format!("round {round}")
}

fn symbol(name: &str, number: usize) -> String {
    if name == BYBIT { format!("C{number}USDT") } else { format!("C{number}-USDT") }
}

fn quote(name: &str, number: usize, round: usize) -> String {
    let (symbol, round, size) = (symbol(name, number), round + 1, round + 1);
    if name == BYBIT {
        format!(
            r#"{{"topic":"orderbook.1.{symbol}","ts":1700000000000,"type":"snapshot","data":{{"s":"{symbol}","b":[["100.00","{size}"]],"a":[["100.02","1"]],"u":{round},"seq":{round}}},"cts":1700000000000}}"#
        )
    } else {
        format!(
            r#"{{"arg":{{"channel":"bbo-tbt","instId":"{symbol}"}},"data":[{{"asks":[["100.06","1","0","1"]],"bids":[["100.04","{size}","0","1"]],"ts":"1700000000000","seqId":{round}}}]}}"#
        )
    }
}
