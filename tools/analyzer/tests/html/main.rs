//! The HTML page: nothing foreign gets in, everything is there, and the same report gives the same
//! bytes. `outside/browser.rs` tests that a browser draws it without an error.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use analyzer::output::html::page;
use analyzer::report::Report;
use proptest::prelude::*;

mod kit;

/// Kinds of charts on a page with one detailed pair.
const KINDS: [&str; 7] =
    ["ranking", "over-time", "distribution", "hours", "episodes", "signature", "lead-lag"];

fn html(report: &Report) -> String {
    page(report).unwrap()
}

/// Returns how many charts of each kind there are.
fn pictures(html: &str) -> [usize; 7] {
    KINDS.map(|kind| html.matches(&format!("data-chart=\"{kind}\"")).count())
}

/// Checks that a browser would fetch nothing for the page.
fn assert_loads_nothing(html: &str) {
    let text = html.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
    for load in ["http://", "https://", "src=\"", "href=\"/", "@import", "url(", "<link", "<iframe"]
    {
        for (at, _) in text.match_indices(load) {
            let found = &text[at..text.floor_char_boundary(at + 60)];
            let harmless = found.starts_with("url(#")
                || found.starts_with("<link rel=\"icon\" href=\"data:,\"");
            assert!(harmless, "{found}");
        }
    }
}

/// Checks that every position in a chart is a number.
fn assert_all_finite(html: &str, by: f64) {
    let (text, _) = html.split_once("<script>").unwrap();
    for bad in ["NaN", "inf\"", "inf "] {
        assert!(!text.contains(bad), "{by}: {bad}");
    }
}

#[test]
fn everything_is_there() {
    let html = html(&kit::rich(60));
    assert_eq!(pictures(&html), [1, 10, 10, 10, 10, 10, 10]);
    assert!(!html.contains("data-missing"));
    for text in
        ["Incomplete days", "1,203 numbers of run 3", "And 10 more problems", "1,834,221,907"]
    {
        assert!(html.contains(text), "{text}");
    }
    assert!(html.contains("<a href=\"#pair-1\">"));
    assert_loads_nothing(&html);
}

#[test]
fn nothing_is_told_in_sentences() {
    let nothing = html(&kit::poor());
    assert_eq!(pictures(&nothing), [0; 7]);
    assert!(nothing.contains("No instrument was quoted by two venues"));
    assert!(nothing.contains("Completeness unknown"));
    assert_loads_nothing(&nothing);
    html(&Report::default());
    let blank = html(&kit::blank());
    assert_eq!(pictures(&blank), [1, 0, 0, 0, 0, 0, 0]);
    assert_eq!(blank.matches("data-missing").count(), 6);
}

#[test]
fn many_pairs_are_cut_with_a_sentence() {
    let html = html(&kit::rich(1234));
    assert!(html.contains("The first 200 of 1,234 pairs"));
    assert_eq!(html.matches("<tr><td class=\"number\" data-sort=").count(), 200);
}

#[test]
fn hostile_names_are_escaped() {
    let html = html(&kit::hostile());
    for name in kit::HOSTILE.into_iter().take(2) {
        assert!(!html.contains(name), "{name}");
    }
    assert!(html.contains("&lt;script&gt;alert(1)&lt;"));
    assert!(!html.contains("<img"));
    assert!(!html.contains("' onmouseover='"));
    assert!(html.contains("{{ 7*7 }} {% raw %}"), "a name is no template");
    assert!(!html.contains(['\u{202e}', '\u{7}']));
    assert_eq!(html.matches("<script>").count(), 1);
    assert_loads_nothing(&html);
}

#[test]
fn the_same_report_gives_the_same_bytes() {
    let report = kit::rich(60);
    let first = html(&report);
    html(&kit::hostile());
    assert!(first == html(&report));
}

#[test]
fn no_figure_is_too_great_or_too_small_to_draw() {
    for by in [1e300, -1e300, f64::MAX, 1e-300, f64::MIN_POSITIVE, 0.0, -1.0, 1e-9, 1e9] {
        assert_all_finite(&html(&kit::scaled(by)), by);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_scale_breaks_a_picture(exponent in -320.0..308.0f64, negative: bool) {
        let by = 10f64.powf(exponent) * if negative { -1.0 } else { 1.0 };
        assert_all_finite(&html(&kit::scaled(by)), by);
    }
}

#[test]
fn the_recorded_time_is_told() {
    let mut report = kit::rich(51);
    let week = html(&report);
    assert!(week.contains("7.0 days") && !week.contains("scaled up"), "the recorded time");
    report.recorded_hours = 20.0 / 3_600.0;
    report.details[0].hours[3].recorded_s = 0.0;
    report.details[0].hours[4].recorded_s = 0.0;
    report.completeness.verdict = "not vouched for".to_owned();
    let page = html(&report);
    for told in [
        "scaled up from 20 s recorded",
        "Nothing was recorded in these hours, which have no bar: 3 to 4",
        "Not vouched for",
    ] {
        assert!(page.contains(told), "{told} is not on the page");
    }
}
