//! Durations as people read them in a log: `850 ms`, `12.3 s`, `5 min 3 s`, `1 h 5 min`, `3 d`.

use spreadwire_market::clock::{MILLI, Nanos, SECOND};

const MINUTE: Nanos = 60 * SECOND;
const HOUR: Nanos = 60 * MINUTE;
const DAY: Nanos = 24 * HOUR;

/// Returns a duration in its two largest units, rounded down.
#[must_use]
pub fn in_words(time: Nanos) -> String {
    match time {
        0..SECOND => format!("{} ms", time / MILLI),
        SECOND..MINUTE if time % SECOND / (SECOND / 10) == 0 => format!("{} s", time / SECOND),
        SECOND..MINUTE => format!("{}.{} s", time / SECOND, time % SECOND / (SECOND / 10)),
        MINUTE..HOUR => two(time, (MINUTE, "min"), (SECOND, "s")),
        HOUR..DAY => two(time, (HOUR, "h"), (MINUTE, "min")),
        DAY.. => two(time, (DAY, "d"), (HOUR, "h")),
    }
}

fn two(time: Nanos, large: (Nanos, &str), small: (Nanos, &str)) -> String {
    let (count, rest) = (time / large.0, time % large.0 / small.0);
    match rest {
        0 => format!("{count} {}", large.1),
        rest => format!("{count} {} {rest} {}", large.1, small.1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_the_units_that_suit_it() {
        for (time, words) in [
            (0, "0 ms"),
            (850 * MILLI, "850 ms"),
            (SECOND, "1 s"),
            (12_345 * MILLI, "12.3 s"),
            (MINUTE, "1 min"),
            (303 * SECOND + 999 * MILLI, "5 min 3 s"),
            (HOUR, "1 h"),
            (HOUR + 5 * MINUTE + 59 * SECOND, "1 h 5 min"),
            (3 * DAY, "3 d"),
            (3 * DAY + 2 * HOUR, "3 d 2 h"),
        ] {
            assert_eq!(in_words(time), words);
        }
    }
}
