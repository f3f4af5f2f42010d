//! Soundness: each kind of feed that only looks like a market is found, left out or refused; and its
//! honest counterpart is not.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::print_stdout, reason = "a test tells what it did")]
#![allow(clippy::cast_precision_loss, reason = "times and counts are small")]
#![allow(clippy::cast_possible_truncation, reason = "times are small")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a test asks for one finding")]
#![allow(clippy::float_cmp, reason = "what is not there at all is exactly 0")]

mod feeds;

use analyzer::soundness::Finding;
use feeds::{
    Chance, Feed, Found, HOUR, MINUTE, MS, Price, SECOND, analysed, found, frozen, late, lazy,
    lively, prints, repeated,
};

/// Two venues that quote one price five times a second, apart by a deviation that reverts.
fn honest(chance: &mut Chance, length: i64) -> [Feed; 2] {
    let price = Price::walk(chance, 100.0, length, 2.0);
    let other = price.clone().apart(chance, 3.0, 6 * SECOND);
    [lively(chance, &price, 200 * MS, 1.0), lively(chance, &other, 200 * MS, 2.0)]
}

fn has(found: &Found, is_it: impl Fn(&Finding) -> bool) -> bool {
    found.findings.iter().any(is_it)
}

/// Checks that nothing at all was found.
fn assert_clean(found: &Found) {
    assert!(found.sound && found.findings.is_empty(), "{found:?}");
    assert_eq!(found.outliers, [0, 0]);
}

#[test]
fn honest_venues_are_sound() {
    let mut chance = Chance::new(1);
    for length in [10 * MINUTE, 3 * HOUR] {
        let clean = found(&honest(&mut chance, length));
        assert_clean(&clean);
        assert!(0.99 < clean.live, "{clean:?}");
    }
}

#[test]
fn a_frozen_price_is_left_out_told_and_refused_if_it_lasts() {
    let mut chance = Chance::new(2);
    let [a, b] = honest(&mut chance, 24 * HOUR);
    // For two hours of a day, the price is repeated but stands still.
    let some = found(&[frozen(&a, 9 * HOUR, 11 * HOUR), b.clone()]);
    assert!(some.sound, "{some:?}");
    assert!((0.08..0.084).contains(&some.frozen[0]) && some.frozen[1] == 0.0, "{some:?}");
    let told = "a's price once stood still, for 2.0 h in all (8.3 %), while another venue's moved by \
                up to ";
    assert!(some.told.starts_with(told) && some.told.ends_with(": that time is left out"));
    // The deviation never was what it is beside a frozen price: a walk of two hours is 170 bp.
    assert!(-40.0 < some.range_bps.0 && some.range_bps.1 < 40.0, "{some:?}");
    let long = found(&[a, frozen(&b, 9 * HOUR, 15 * HOUR)]);
    assert!(!long.sound && 0.24 < long.frozen[1], "{long:?}");
}

#[test]
fn each_of_many_freezes_is_found() {
    let mut chance = Chance::new(3);
    let [a, b] = honest(&mut chance, 6 * HOUR);
    let freezes =
        |feed: Feed, hour: i64| frozen(&feed, hour * HOUR + MINUTE, hour * HOUR + 6 * MINUTE);
    let often = found(&[a, (0..6).fold(b, freezes)]);
    let frozen = often.findings.iter().find_map(|it| match it {
        Finding::Frozen { venue, count, ns, .. } => Some((venue.as_str(), *count, *ns)),
        _ => None,
    });
    let (venue, count, ns) = frozen.unwrap();
    assert_eq!((venue, count), ("b", 6));
    // Each is found within a fraction of its five minutes.
    assert!((24 * MINUTE..30 * MINUTE).contains(&(ns as i64)), "{often:?}");
}

#[test]
fn a_frozen_price_is_found_where_only_a_third_venue_moves() {
    let mut chance = Chance::new(4);
    let [a, b] = honest(&mut chance, 3 * HOUR);
    let [c, d] = [&a, &b].map(|feed| frozen(feed, HOUR, 2 * HOUR));
    let both = found(&[c, d, a]);
    assert!(both.frozen.iter().all(|share| 0.3 < *share), "{both:?}");
    assert!(both.live < 0.7, "{both:?}");
}

#[test]
fn venues_that_quote_rarely_are_not_frozen() {
    let mut chance = Chance::new(5);
    for mean_s in [1, 5, 20, 60, 120] {
        let price = Price::walk(&mut chance, 100.0, 24 * HOUR, 2.0);
        let lively = lively(&mut chance, &price, 500 * MS, 1.0);
        // At random times, whatever the price does, and repeated each second.
        let rare = self::lively(&mut chance, &price, mean_s * SECOND, 10.0);
        let rare = repeated(&rare, 24 * HOUR);
        let found = found(&[lively, rare]);
        assert!(found.sound && found.frozen[1] < 0.004, "{mean_s} s: {found:?}");
        assert!(!has(&found, |it| matches!(it, Finding::Late { .. })), "{found:?}");
    }
}

#[test]
fn venues_that_quote_only_when_they_must_are_not_frozen() {
    let mut chance = Chance::new(6);
    for (bps, width_bps) in [(0.2, 2.0), (0.2, 20.0), (1.0, 10.0), (3.0, 60.0)] {
        let price = Price::walk(&mut chance, 100.0, 12 * HOUR, bps);
        let lively = lively(&mut chance, &price, 500 * MS, 1.0);
        let lazy = repeated(&lazy(&price, width_bps), 12 * HOUR);
        let found = found(&[lazy, lively]);
        assert!(found.sound && found.frozen == [0.0, 0.0], "{bps} {width_bps}: {found:?}");
    }
}

#[test]
fn a_venue_that_repeats_its_quotes_each_second_is_fine() {
    let mut chance = Chance::new(7);
    let [a, b] = honest(&mut chance, 3 * HOUR);
    assert_clean(&found(&[repeated(&a, 3 * HOUR), repeated(&b, 3 * HOUR)]));
}

#[test]
fn a_quiet_market_is_not_frozen() {
    let mut chance = Chance::new(8);
    // Half a tick in an hour: most of the time, neither price changes.
    let price = Price::walk(&mut chance, 100.0, 6 * HOUR, 0.02);
    let feeds = [lazy(&price, 1.0), lazy(&price, 2.0)].map(|feed| repeated(&feed, 6 * HOUR));
    assert_eq!(found(&feeds).frozen, [0.0, 0.0]);
}

#[test]
fn a_short_move_of_one_venue_does_not_freeze_the_quiet_one() {
    let mut chance = Chance::new(19);
    let flat = Price::walk(&mut chance, 100.0, HOUR, 0.0);
    // Twenty times, one goes up by 1 % for three seconds.
    let moving = (0..20).fold(flat.clone(), |price, n| {
        let at = (n * 170 + 60) * SECOND;
        price.jump(at, 0.01).jump(at + 3 * SECOND, 1.0 / 1.01 - 1.0)
    });
    let feeds = [&flat, &moving].map(|price| lively(&mut chance, price, 200 * MS, 1.0));
    let found = found(&feeds);
    assert_eq!(found.frozen, [0.0, 0.0]);
    assert!(99.0 < -found.range_bps.0 && 0.99 < found.live, "{found:?}");
}

#[test]
fn venues_that_move_less_than_they_differ_are_one_asset_if_they_return() {
    let mut chance = Chance::new(20);
    let slow = Price::walk(&mut chance, 100.0, HOUR, 0.05);
    let feeds = [(); 2].map(|()| {
        let price = slow.clone().apart(&mut chance, 5.0, 3 * SECOND);
        lively(&mut chance, &price, 200 * MS, 1.0)
    });
    assert_clean(&found(&feeds));
}

#[test]
fn a_copy_that_is_late_is_refused_and_the_delay_told() {
    let mut chance = Chance::new(9);
    let [a, _] = honest(&mut chance, 4 * HOUR);
    for (by, tolerance) in [
        (3_000, 0.6),
        (5_000, 0.6),
        (12_300, 0.6),
        (22_000, 2.5),
        (45_000, 2.5),
        (70_000, 15.0),
        (140_000, 15.0),
        (240_000, 15.0),
    ] {
        let copy = late(&a, by * MS);
        for (venue, feeds) in
            ["b", "a"].into_iter().zip([[a.clone(), copy.clone()], [copy, a.clone()]])
        {
            let found = found(&feeds);
            let told = found.findings.iter().find_map(|finding| match finding {
                Finding::Late { venue, by_s, .. } => Some((venue.as_str(), *by_s)),
                _ => None,
            });
            let (name, by_s) = told.unwrap();
            assert_eq!(name, venue);
            assert!((by_s - by as f64 / 1e3).abs() < tolerance, "{by} ms: {by_s}");
            assert!(!found.sound);
        }
    }
}

#[test]
fn a_copy_that_is_late_for_some_hours_is_refused_too() {
    let mut chance = Chance::new(10);
    let [a, b] = honest(&mut chance, 8 * HOUR);
    let late_hours = |quote: &feeds::Quote| 5 * HOUR <= quote.time && quote.time < 6 * HOUR;
    let mut some: Feed = b.iter().filter(|quote| !late_hours(quote)).copied().collect();
    let copied: Feed = a.iter().filter(|quote| late_hours(quote)).copied().collect();
    some.extend(late(&copied, 6 * SECOND));
    some.sort_by_key(|quote| quote.time);
    let found = found(&[a, some]);
    assert!(!found.sound);
    let told = "b's price is seconds late in 60 of 480 minutes";
    assert!(found.told.starts_with(told), "{}", found.told);
}

#[test]
fn a_copy_that_is_late_for_ten_minutes_of_each_hour_is_refused_too() {
    let mut chance = Chance::new(19);
    let [a, b] = honest(&mut chance, 4 * HOUR);
    let is_late = |quote: &feeds::Quote| quote.time % HOUR < 10 * MINUTE;
    let mut some: Feed = b.iter().filter(|quote| !is_late(quote)).copied().collect();
    let copied: Feed = a.iter().filter(|quote| is_late(quote)).copied().collect();
    some.extend(late(&copied, 5 * SECOND));
    some.sort_by_key(|quote| quote.time);
    let found = found(&[a, some]);
    assert!(!found.sound, "{found:?}");
    assert!(has(&found, |it| matches!(it, Finding::LateAtTimes { stretches: 4, of: 24, .. })));
}

#[test]
fn honest_leads_are_not_late() {
    let mut chance = Chance::new(11);
    for by in [300, 700, 1_000] {
        let [a, b] = honest(&mut chance, 4 * HOUR);
        assert_clean(&found(&[a, late(&b, by * MS)]));
    }
}

#[test]
fn six_prints_in_a_day_and_a_row_a_thousand_times_too_high_count_for_nothing() {
    let mut chance = Chance::new(12);
    let [a, b] = honest(&mut chance, 4 * HOUR);
    let clean = found(&[a.clone(), b.clone()]);
    let times = || (1..=6).map(|n| n * 30 * MINUTE);
    for (factor, count) in [(1.3, 6), (0.7, 6), (1_000.0, 1), (0.001, 1)] {
        let odd = found(&[a.clone(), prints(&b, times().take(count), factor)]);
        assert!(odd.sound, "{odd:?}");
        assert_eq!(odd.outliers, [0, count as u64]);
        assert!(odd.told.contains("b's quote") && odd.told.contains("far off and alone"));
        let (least, greatest) = odd.range_bps;
        assert!(clean.range_bps.0 - 5.0 < least && greatest < clean.range_bps.1 + 5.0, "{odd:?}");
    }
}

#[test]
fn a_crash_is_no_outlier() {
    let mut chance = Chance::new(13);
    let at = 20 * MINUTE + 50 * MS;
    let calm = Price::walk(&mut chance, 100.0, HOUR, 2.0);
    let crash = calm.clone().jump(at, -0.06);
    // On all venues at once: the first quote stands alone until another venue says so.
    let feeds = [(); 3].map(|()| lively(&mut chance, &crash, 100 * MS, 1.0));
    let at_once = found(&feeds);
    assert!(at_once.sound && at_once.outliers.iter().sum::<u64>() < 10, "{at_once:?}");
    // On one venue first, by 200 ms.
    let after = calm.clone().jump(at + 200 * MS, -0.06);
    let feeds =
        [lively(&mut chance, &crash, 50 * MS, 1.0), lively(&mut chance, &after, 50 * MS, 1.0)];
    let first = found(&feeds);
    assert!(first.sound && first.outliers[0] < 12 && first.outliers[1] == 0, "{first:?}");
    // On one venue for good: after ten seconds, it is so.
    let other =
        [lively(&mut chance, &crash, 100 * MS, 1.0), lively(&mut chance, &calm, 100 * MS, 1.0)];
    let alone = found(&other);
    assert!((80..125).contains(&alone.outliers[0]) && alone.outliers[1] == 0, "{alone:?}");
}

#[test]
fn other_scales_and_unrelated_coins_are_refused() {
    let mut chance = Chance::new(14);
    for factor in [1_000.0, 1e-3, 1e6, 10.0, 0.01] {
        let price = Price::walk(&mut chance, 1.0, HOUR, 3.0);
        let a = lively(&mut chance, &price, 500 * MS, 1.0);
        let b: Feed = lively(&mut chance, &price, 500 * MS, 1.0)
            .into_iter()
            .map(|it| feeds::Quote { bid: it.bid * factor, ask: it.ask * factor, ..it })
            .collect();
        let found = found(&[b, a]);
        let told = has(
            &found,
            |it| matches!(it, Finding::OtherContractSize { factor: told } if (told / factor - 1.0).abs() < 1e-9),
        );
        assert!(told && !found.sound, "{factor}: {found:?}");
    }
    for seed in 0..20 {
        let mut chance = Chance::new(100 + seed);
        let feeds = [(); 2].map(|()| {
            let price = Price::walk(&mut chance, 100.0, 50 * MINUTE, 2.0);
            lively(&mut chance, &price, 500 * MS, 1.0)
        });
        assert!(!found(&feeds).sound, "two coins that have nothing in common");
    }
}

#[test]
fn the_burden_of_proof_is_on_the_pair() {
    let mut chance = Chance::new(15);
    let short = found(&honest(&mut chance, 20 * SECOND));
    assert!(!short.sound && has(&short, |it| matches!(it, Finding::Unproven { .. })), "{short:?}");
    let told = "unknown whether both are one asset: 0 minutes of common prices are too few to tell";
    assert_eq!(short.told, told);
}

#[test]
fn stable_coins_are_one_asset_while_they_are_near() {
    let mut chance = Chance::new(16);
    let coin = |chance: &mut Chance, level: f64| {
        let flat = Price::walk(chance, level, 2 * HOUR, 0.0).apart(chance, 0.7, 30 * SECOND);
        lively(chance, &flat, 500 * MS, 1.0)
    };
    let near = [coin(&mut chance, 1.0), coin(&mut chance, 1.000_2)];
    assert_clean(&found(&near));
    let apart = found(&[coin(&mut chance, 1.0), coin(&mut chance, 1.004)]);
    assert!(!apart.sound, "{apart:?}");
}

#[test]
fn a_venue_that_is_crossed_silent_or_gone_is_refused() {
    let mut chance = Chance::new(17);
    let [a, b] = honest(&mut chance, 2 * HOUR);
    let half: Feed = a.iter().copied().filter(|quote| quote.time < HOUR).collect();
    let gone = found(&[half, b.clone()]);
    assert!(!gone.sound && gone.told.starts_with("a gave no quote in the last 60 min"), "{gone:?}");
    let mut crossed = a.clone();
    for quote in crossed.iter_mut().step_by(8) {
        std::mem::swap(&mut quote.bid, &mut quote.ask);
    }
    let crossed = found(&[crossed, b.clone()]);
    assert!(!crossed.sound && crossed.told.contains("bid above the ask"), "{crossed:?}");
    let rare: Feed = a.iter().step_by(400).copied().collect();
    let silent = found(&[rare, b]);
    assert!(!silent.sound && silent.told.contains("less time than another venue"), "{silent:?}");
}

#[test]
fn what_is_found_does_not_depend_on_batches() {
    let mut chance = Chance::new(18);
    let [a, b] = honest(&mut chance, 15 * MINUTE);
    let odd = prints(&frozen(&a, 3 * MINUTE, 8 * MINUTE), [10 * MINUTE, 12 * MINUTE], 1.2);
    let feeds = [odd, b];
    let whole = postcard::to_allocvec(&analysed(&feeds, usize::MAX)).unwrap();
    for rows in [1, 7, 1_000] {
        assert_eq!(postcard::to_allocvec(&analysed(&feeds, rows)).unwrap(), whole, "{rows}");
    }
}
