//! A row of a table: a report, and the script that replays it.
//!
//! A script is a text of one step a line. Empty lines and lines that begin with `#` are left out.
//!
//! ```text
//! okx < {"arg":...}                 the venue sends this text; $now is the time in ms, $now-5000 earlier;
//!                                   $seconds, $micros and $nanos are it in other units
//! okx bytes abc                     the venue sends a binary message
//! okx BTC 7 100.50/100.60 -60s      the venue quotes, as number 7, with an event time a minute ago;
//!                                   `+3s` is ahead, `-` for a price is an absent side, and without a number the next one is taken
//! okx/1 BTC 7 100.50/100.60         the same on its second line
//! keep okx BTC 100.50/100.60 1s     from now on it quotes this each second
//! stop okx BTC                      and no longer
//! okx cut                           the line ends; `okx/1 cut` for its second line
//! okx connects                      the lines that are asked for are made
//! okx fails                         they cannot be made
//! okx asks 1                        number of lines that are asked for
//! okx deaf                          the venue answers neither requests nor pings from now on
//! okx refuses XXX-USDT              the venue refuses this symbol from now on
//! okx lists XXX-USDT                it accepts it again
//! wait 5s                           time passes
//! queue okx BTC 7 100.50/100.60     the venue quotes, and nobody reads it yet
//! held up                           our thread was held up until now
//! = A | B                           all that was said since the last such line
//! okx > subscribe BTC-USDT | ...    all that the venue was sent since the last such line, but pings
//! okx pinged                        it was sent at least one ping since the last such line
//! log BTC/USDT unreadable           all that the log was told since the last such line
//! count okx quotes 5                the value of a counter
//! snapshot A | B                    the spreads that a client hears which comes now
//! ```
//!
//! Said is: each change of state (`BTC okx live quote`), each quote whose prices differ from the last
//! (`BTC okx 100.50/100.60`), each pair of venues that begins or ends to be tradable (`BTC
//! okx>binance`, `ended BTC okx>binance leg_not_live`), and each opportunity (`opened BTC
//! okx>binance`, `closed BTC okx>binance leg_not_live`).

use crate::rig::Rig;

/// A report, and the script that replays it.
#[derive(Debug)]
pub(crate) struct Row {
    /// Address of the public report, or the kind of fault.
    pub report: &'static str,
    /// What happened.
    pub happened: &'static str,
    /// What is right.
    pub right: &'static str,
    /// Bases and venues: `BTC ETH on okx binance`. With `okx*2` the venue has two lines.
    pub market: &'static str,
    /// The steps.
    pub script: &'static str,
}

/// Plays every row, or those whose report contains the text in `ROW`. The first step that fails is
/// shown with its row.
pub(crate) fn play(rows: &[Row]) {
    let only = std::env::var("ROW").unwrap_or_default();
    for row in rows.iter().filter(|row| row.report.contains(&only)) {
        println!("{}: {}. Right is: {}", row.report, row.happened, row.right);
        let mut rig = Rig::new(row.market);
        let steps = row.script.lines().map(str::trim);
        for step in steps.filter(|step| !step.is_empty() && !step.starts_with('#')) {
            println!("    {step}");
            rig.step(step);
        }
    }
}
