//! Why a pair is not recommended, in data and in words.

use std::fmt;

/// An amount that nobody has, in quote currency: bounds beyond it are none.
pub(super) const BOUNDLESS: f64 = 1e15;

/// One reason against a pair. Amounts are in quote currency.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// No strategy opened anything.
    NoDeals,
    /// There is too little evidence to say anything.
    TooLittle {
        /// Events of the strategy that had most of them.
        events: u32,
        /// Live time in hours.
        live_hours: f64,
        /// How many events are needed.
        least_events: u32,
        /// How many live hours are needed.
        least_hours: f64,
    },
    /// No strategy that had enough events earned anything.
    NothingEarned {
        /// Number of strategies.
        strategies: usize,
        /// Profit of the best one, per day.
        per_day: f64,
    },
    /// What earned something had too few events to be chosen.
    FewEarned {
        /// Events of the strategy that earned most, in the part that is chosen by.
        events: u32,
        /// How many are needed.
        least: u32,
    },
    /// The chosen strategy had too few events in the held-out part.
    FewHeldOut {
        /// Its events.
        events: u32,
        /// How many are needed.
        least: u32,
    },
    /// The chosen strategy earned nothing in the held-out part.
    HeldOutLost {
        /// Profit per day, at most 0.
        per_day: f64,
    },
    /// What the chosen strategy earned in the held-out part may be luck.
    HeldOutUnsure {
        /// Lower bound of the profit per day, at most 0.
        low: f64,
        /// The probability of being below it.
        level: f64,
    },
    /// Positions are held so long that a part has too few stretches that do not depend on each
    /// other.
    HeldTooLong {
        /// For how long nine deals of ten were held at most, in s.
        held_s: f64,
    },
    /// Choosing by the past would have earned nothing for sure.
    ForwardUnsure {
        /// Lower bound of the profit per day, at most 0.
        low: f64,
        /// The probability of being below it.
        level: f64,
    },
    /// The profit hangs on one event.
    OneEvent {
        /// Profit of that event.
        profit: f64,
        /// Profit of all, that event included.
        of: f64,
    },
    /// The profit hangs on one hour.
    OneHour {
        /// The hour since 1970.
        hour: i64,
        /// Profit of that hour.
        profit: f64,
        /// Profit of all, that hour included.
        of: f64,
    },
    /// Nothing happened at the end of the recorded time.
    Quiet {
        /// For how long, in hours.
        hours: f64,
        /// How many events were to be expected.
        expected: f64,
    },
    /// What the best strategy earned is no more than luck would give.
    Luck {
        /// Number of strategies that were tried.
        strategies: usize,
        /// The p-value, adjusted over all pairs.
        q: f64,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::NoDeals => write!(f, "no strategy opened anything"),
            Refusal::TooLittle { events, live_hours, least_events, least_hours } => write!(
                f,
                "{} in {live_hours:.1} live hours; at least {} in {least_hours} hours are needed",
                counted(*events),
                counted(*least_events)
            ),
            Refusal::NothingEarned { strategies, per_day } => write!(
                f,
                "the best of {strategies} strategies {} in the part that was chosen by",
                earned(*per_day)
            ),
            Refusal::FewEarned { events, least } => write!(
                f,
                "what earned most had {} in the part that is chosen by; at least {least} are needed",
                counted(*events)
            ),
            Refusal::FewHeldOut { events, least } => write!(
                f,
                "{} in the held-out last part; at least {least} are needed",
                counted(*events)
            ),
            Refusal::HeldOutLost { per_day } => {
                write!(f, "the held-out last part {}", earned(*per_day))
            }
            Refusal::HeldOutUnsure { low, level } => write!(
                f,
                "the held-out last part proves nothing: with {:.0} % confidence {}",
                100.0 * (1.0 - level),
                loss(*low)
            ),
            Refusal::HeldTooLong { held_s } => write!(
                f,
                "positions are held for up to {:.1} hours, which is too long for the time recorded",
                held_s / 3_600.0
            ),
            Refusal::ForwardUnsure { low, level } => write!(
                f,
                "choosing by the past and trading what followed may have lost: with {:.0} % \
                 confidence {}",
                100.0 * (1.0 - level),
                loss(*low)
            ),
            Refusal::OneEvent { profit, of } => write!(
                f,
                "{profit:.2} of the profit of {of:.2} came from one event, and the rest proves \
                 nothing"
            ),
            Refusal::OneHour { hour, profit, of } => write!(
                f,
                "{profit:.2} of the profit of {of:.2} came in one hour, that from {} UTC on, and \
                 the rest proves nothing",
                clock(*hour)
            ),
            Refusal::Quiet { hours, expected } => write!(
                f,
                "nothing happened in the last {hours:.1} recorded hours, in which about \
                 {expected:.0} events were to be expected"
            ),
            Refusal::Luck { strategies, q } => write!(
                f,
                "what the best of {strategies} strategies earned is no more than luck would give: \
                 q = {q:.2}"
            ),
        }
    }
}

fn counted(events: u32) -> String {
    if events == 1 { "1 event".to_owned() } else { format!("{events} events") }
}

/// Returns what a lower bound of the profit per day says of the loss.
fn loss(low: f64) -> String {
    if low.abs() < BOUNDLESS {
        format!("it only shows that the loss is below {:.2} a day", low.abs())
    } else {
        "the loss has no bound".to_owned()
    }
}

fn earned(per_day: f64) -> String {
    if per_day < 0.0 { format!("lost {:.2} a day", -per_day) } else { "earned nothing".to_owned() }
}

/// Returns the time of day of an hour since 1970.
fn clock(hour: i64) -> String {
    format!("{:02}:00", hour.rem_euclid(24))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_a_sentence_with_its_figures() {
        let few =
            Refusal::TooLittle { events: 3, live_hours: 0.41, least_events: 20, least_hours: 6.0 };
        let cases = [
            (Refusal::NoDeals, "no strategy opened anything"),
            (few, "3 events in 0.4 live hours; at least 20 events in 6 hours are needed"),
            (
                Refusal::NothingEarned { strategies: 36, per_day: -1.234 },
                "the best of 36 strategies lost 1.23 a day in the part that was chosen by",
            ),
            (
                Refusal::FewEarned { events: 3, least: 14 },
                "what earned most had 3 events in the part that is chosen by; at least 14 are needed",
            ),
            (
                Refusal::FewHeldOut { events: 1, least: 5 },
                "1 event in the held-out last part; at least 5 are needed",
            ),
            (
                Refusal::HeldOutUnsure { low: f64::NEG_INFINITY, level: 0.05 },
                "the held-out last part proves nothing: with 95 % confidence the loss has no bound",
            ),
            (
                Refusal::HeldOutUnsure { low: 0.0, level: 0.05 },
                "the held-out last part proves nothing: with 95 % confidence it only shows that \
                 the loss is below 0.00 a day",
            ),
            (Refusal::HeldOutLost { per_day: -0.8 }, "the held-out last part lost 0.80 a day"),
            (Refusal::HeldOutLost { per_day: 0.0 }, "the held-out last part earned nothing"),
            (
                Refusal::HeldOutUnsure { low: -0.5, level: 0.05 },
                "the held-out last part proves nothing: with 95 % confidence it only shows that \
                 the loss is below 0.50 a day",
            ),
            (
                Refusal::HeldTooLong { held_s: 9_000.0 },
                "positions are held for up to 2.5 hours, which is too long for the time recorded",
            ),
            (
                Refusal::ForwardUnsure { low: -2.0, level: 0.05 },
                "choosing by the past and trading what followed may have lost: with 95 % \
                 confidence it only shows that the loss is below 2.00 a day",
            ),
            (
                Refusal::OneEvent { profit: 9.0, of: 10.0 },
                "9.00 of the profit of 10.00 came from one event, and the rest proves nothing",
            ),
            (
                Refusal::OneHour { hour: 27, profit: 9.0, of: 10.0 },
                "9.00 of the profit of 10.00 came in one hour, that from 03:00 UTC on, and the \
                 rest proves nothing",
            ),
            (
                Refusal::Quiet { hours: 6.0, expected: 7.4 },
                "nothing happened in the last 6.0 recorded hours, in which about 7 events were to \
                 be expected",
            ),
            (
                Refusal::Luck { strategies: 36, q: 0.31 },
                "what the best of 36 strategies earned is no more than luck would give: q = 0.31",
            ),
        ];
        for (refusal, words) in cases {
            assert_eq!(refusal.to_string(), words);
        }
    }
}
