//! The HTML page and `report.json`. Of the page: nothing foreign gets in, everything is there, and the same report
//! gives the same bytes. `outside/browser.rs` tests that a browser draws it without an error.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use analyzer::output::html::page;
use analyzer::output::json;
use analyzer::report::{Promise, Promised, Report, Standing, State};
use proptest::prelude::*;
use serde_json::Value;

mod kit;
mod schema;

/// Kinds of charts on a page with one detailed pair.
const KINDS: [&str; 8] = [
    "ranking",
    "profit",
    "sweeps",
    "over-time",
    "distribution",
    "episodes",
    "signature",
    "lead-lag",
];

fn html(report: &Report) -> String {
    page(report).unwrap()
}

/// Returns how many charts of each kind there are.
fn pictures(html: &str) -> [usize; 8] {
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
    assert_eq!(pictures(&html), [1, 10, 10, 10, 10, 10, 10, 10]);
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
    assert_eq!(pictures(&nothing), [0; 8]);
    assert!(nothing.contains("No instrument was quoted by two venues"));
    assert!(nothing.contains("Completeness unknown"));
    assert_loads_nothing(&nothing);
    html(&Report::default());
    let blank = html(&kit::blank());
    assert_eq!(pictures(&blank), [1, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(blank.matches("data-missing").count(), 7);
}

#[test]
fn on_a_narrow_screen_the_cells_of_texts_say_what_they_are_and_wrap() {
    let page = html(&kit::rich(60));
    for (class, least) in [("plain reasons", 2), ("plain problems", 1)] {
        let tables: Vec<&str> = page.split(&format!("<table class=\"{class}\">")).skip(1).collect();
        assert!(least <= tables.len(), "{class}");
        for table in tables {
            let (table, _) = table.split_once("</table>").unwrap();
            let cells = table.matches("<td").count();
            assert!(0 < cells && cells == table.matches(" data-head=\"").count(), "{table}");
        }
    }
    let (_, narrow) = page.split_once("@media screen and (max-width: 800px)").unwrap();
    assert!(narrow.contains(":is(.reasons, .problems) :is(tbody, tr, td, th) { display: block;"));
}

/// Returns the text of a section, without tags.
fn section(html: &str, id: &str) -> String {
    let (_, rest) = html.split_once(&format!("<h2 id=\"{id}\">")).unwrap();
    let (inside, _) = rest.split_once("</section>").unwrap();
    text_of(inside)
}

fn text_of(html: &str) -> String {
    let tags = html.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text));
    let text = tags.collect::<Vec<_>>().join(" ").replace("&#x2f;", "/");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_page_is_led_by_the_verdict_and_what_it_rests_on() {
    let mut report = kit::rich(60);
    let page = html(&report);
    let places =
        ["completeness", "today", "refused", "unsound", "days", "problems", "pairs", "ranking"];
    let places = places.map(|id| page.find(&format!("id=\"{id}\"")).unwrap());
    assert!(places.is_sorted(), "{places:?}");
    let head = text_of(page.split("</header>").next().unwrap());
    for told in ["Recorded 7.0 days", "binance 7.5 bp, 25 ms", "okx 7.5 bp, 25 ms"] {
        assert!(head.contains(told), "{told}: {head}");
    }
    let today = section(&page, "today");
    for told in [
        "3 pairs are worth approving, by 7.0 days recorded.",
        "buy binance, sell bitget, and the reverse",
        "2,938 – 4,197 – 5,876 USDT a day",
        "120 events in 164.2 live hours of 167.5 recorded",
        "analyzer approve BTC/USDT:binance:bitget BTC/USDT:bitget:binance",
        "0 to 31 bp",
    ] {
        assert!(today.contains(told), "{told}: {today}");
    }
    assert!(!today.contains("from "), "a week needs no caution: {today}");
    let refused = section(&page, "refused");
    for told in [
        "51 of 60 pairs",
        "No more than luck would give 26",
        "The held-out part lost 25",
        "the held-out last part lost 0.80 a day what the best of 20",
    ] {
        assert!(refused.contains(told), "{told}: {refused}");
    }
    let unsound = section(&page, "unsound");
    assert!(unsound.contains("6 of 60 pairs are not judged"), "{unsound}");
    assert!(unsound.contains("other contract size it was frozen for 2.1 h"), "{unsound}");
    report.recorded_hours = 8.25;
    let today = section(&html(&report), "today");
    let told = "2,938 – 4,197 – 5,876 USDT a day, from 8.2 h recorded";
    assert!(today.contains(told), "{today}");
}

#[test]
fn twenty_seconds_are_too_little_and_give_no_figure_per_day() {
    let page = html(&kit::short());
    let today = section(&page, "today");
    assert!(today.ends_with("Too little: 20 s recorded."), "{today}");
    for id in ["today", "refused", "unsound", "days", "pairs"] {
        let text = section(&page, id);
        let rate = text.match_indices(" a day").map(|(at, _)| &text[at.saturating_sub(30)..at]);
        let rates: Vec<_> = rate.filter(|of| of.ends_with("USDT")).collect();
        assert!(rates.is_empty(), "{id}: {rates:?}");
    }
    let pairs = section(&page, "pairs");
    assert!(pairs.contains("USDT in 0.0 h recorded"), "{pairs}");
    assert!(!pairs.contains("USDT a day"), "{pairs}");
}

#[test]
fn hours_and_days_without_data_are_marked_and_not_drawn_as_zero() {
    let page = html(&kit::rich(3));
    let (_, pair) = page.split_once("id=\"pair-1\"").unwrap();
    for title in ["Profit by hour", "Episodes by hour", "Mean deviation by hour"] {
        let (_, strip) = pair.split_once(title).unwrap();
        let (strip, _) = strip.split_once("</ul>").unwrap();
        let cells: Vec<_> = strip.match_indices("<li").collect();
        assert_eq!(cells.len(), 24, "{title}");
        let at = |hour: &str| strip.find(&format!("<small>{hour}</small>")).unwrap();
        assert!(strip[at("3")..].starts_with("<small>3</small><span>no data"), "{title}");
        assert_eq!(strip.matches("no data").count(), 1, "{title}");
    }
    let days = section(&page, "days");
    assert_eq!(days.matches("no data").count(), 3, "a day for each pair: {days}");
    assert_eq!(days.matches("in 6.2 h").count(), 3, "{days}");
}

#[test]
fn a_lag_without_a_leader_is_not_told() {
    let page = html(&kit::rich(2));
    let lags = page.match_indices("data-chart=\"lead-lag\"").map(|(at, _)| {
        let (caption, _) = page[at..].split_once("</figcaption>").unwrap();
        text_of(caption)
    });
    let lags: Vec<String> = lags.collect();
    assert!(lags[0].contains("Here binance leads by 120 ms."), "{lags:?}");
    assert!(lags[1].contains("no leader was found") && !lags[1].contains("120"), "{lags:?}");
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

/// Returns a report that has everything, the approved pairs included.
fn whole() -> Report {
    let approved = vec![Standing { why: "it lost".to_owned(), ..Standing::default() }];
    let promised = vec![Promised {
        per_day: Some(1.0),
        per_day_low: Some(0.0),
        per_day_high: Some(2.0),
        recorded_hours: Some(2.0),
        met_per_day: Some(1.0),
        currency: Some("USDT".to_owned()),
        mode: Some("PAPER".to_owned()),
        ..Promised::default()
    }];
    Report { approved, promised, ..kit::rich(20) }
}

#[test]
fn reports_are_as_the_schema_says() {
    for report in [whole(), kit::poor(), kit::blank(), kit::short()] {
        let text = json::text(&report).unwrap();
        assert_eq!(schema::faults_of_report(&text), Vec::<String>::new());
        for detail in &report.details {
            let text = json::detail(detail).unwrap();
            assert_eq!(schema::faults_of_detail(&text), Vec::<String>::new());
        }
    }
}

/// Calls `found` with every object in a value that is changed a little, in turn.
fn spoilt(value: &mut Value, whole: &dyn Fn(&Value)) {
    fn places(value: &Value, at: &str, found: &mut Vec<String>) {
        match value {
            Value::Object(object) => {
                found.push(at.to_owned());
                let below = object.iter();
                below.for_each(|(key, of)| places(of, &format!("{at}/{key}"), found));
            }
            // The entries of a list are alike.
            Value::Array(list) => {
                list.first().into_iter().for_each(|of| places(of, &format!("{at}/0"), found));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut found = Vec::new();
    places(value, "", &mut found);
    for place in found {
        let mut more = value.clone();
        more.pointer_mut(&place).unwrap()["more"] = Value::Null;
        whole(&more);
        for key in value.pointer(&place).unwrap().as_object().unwrap().keys() {
            let mut other = value.clone();
            let old = &mut other.pointer_mut(&place).unwrap()[key.as_str()];
            *old = if old.is_object() { Value::from("x") } else { serde_json::json!({}) };
            whole(&other);
        }
    }
}

#[test]
fn the_schema_notices_what_is_too_much_and_of_another_type() {
    let all = schema::of_reports();
    let report = whole();
    let mut value: Value = serde_json::from_str(&json::text(&report).unwrap()).unwrap();
    spoilt(&mut value, &|spoilt| assert_ne!(schema::faults(&all, &all, spoilt), [""; 0]));
    let detail = &all["$defs"]["detail"];
    let text = json::detail(&report.details[0]).unwrap();
    let mut value: Value = serde_json::from_str(&text).unwrap();
    spoilt(&mut value, &|spoilt| assert_ne!(schema::faults(&all, detail, spoilt), [""; 0]));
    let mut other: Value = serde_json::from_str(&text).unwrap();
    other["format"] = 3.into();
    other.as_object_mut().unwrap().remove("decision");
    assert_eq!(schema::faults(&all, detail, &other).len(), 2);
}

#[test]
fn a_report_of_84_000_pairs_stays_small() {
    let report = kit::rich(84_000);
    let text = json::text(&report).unwrap();
    assert!(text.len() < 60_000_000, "report.json has {} bytes", text.len());
    assert_eq!(text.lines().filter(|line| line.starts_with("  {\"instrument\":")).count(), 84_000);
    let read: Report = serde_json::from_str(&text).unwrap();
    assert_eq!(read.pairs[83_999].why, report.pairs[83_999].why);
    let page = html(&report);
    assert!(page.len() < 6_000_000, "report.html has {} bytes", page.len());
    assert!(page.contains("The first 200 of 84,000 pairs"));
}

#[test]
fn what_was_promised_of_the_approved_pairs_stands_beside_what_was_met() {
    let mut report = kit::rich(3);
    assert!(!html(&report).contains("id=\"approved\""));
    let [instrument, buy, sell] = ["BTC/USDT", "okx", "binance"].map(str::to_owned);
    report.approved = vec![Standing {
        instrument: instrument.clone(),
        buy: buy.clone(),
        sell: sell.clone(),
        state: State::Refused,
        why: "it lost".to_owned(),
        ..Standing::default()
    }];
    report.promised = vec![Promised {
        instrument,
        buy,
        sell,
        per_day: Some(12.0),
        per_day_low: Some(8.0),
        per_day_high: Some(16.0),
        met_per_day: Some(3.5),
        deals: 7,
        recorded_hours: Some(22.0),
        verdict: Promise::Below,
        words: "below what was promised".to_owned(),
        ..Promised::default()
    }];
    let text = section(&html(&report), "approved");
    for told in [
        "BTC/USDT buy okx sell binance: NOT RECOMMENDED: it lost",
        "8.00 – 12.00 – 16.00 USDT a day 3.50 USDT a day 7 in 22.0 h recorded below what was promised",
    ] {
        assert!(text.contains(told), "{told}: {text}");
    }
}

#[test]
fn who_vouches_for_the_lake_is_told() {
    let mut report = kit::rich(3);
    report.completeness.verdict = "not vouched for".to_owned();
    assert!(html(&report).contains("Not vouched for"));
}
