//! A headless Chromium opens the HTML page from disk at the width of a phone and at that of a desk, in light
//! and in dark, reports its errors, measures every text, and takes a screenshot.
//!
//! `PAGES=folder` keeps the pages and the screenshots there, to be looked at.

use crate::reports;
use analyzer::output::html::page;
use spreadwire_kit::needs::chromium;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Time limit per page in seconds; a page takes about one.
const PATIENCE: &str = "90";
/// Least size of a text, in px.
const LEAST_TEXT: f64 = 11.0;
/// Least width of the browser's window, in px. The page is in a frame, which may be narrower.
const LEAST_WINDOW: u32 = 500;
/// Script that measures, in the page itself, what is drawn.
const PROBE: &str = r#"<script>
addEventListener("load", () => {
  const shown = (one) => one.getClientRects().length > 0;
  const drawn = (svg) => { const box = svg.getBBox(); return box.width > 0 && box.height > 0; };
  const shapes = (svg) => [...svg.querySelectorAll("path, rect")].some((one) => {
    const box = one.getBBox(); return box.width > 0 && box.height > 0;
  });
  const charts = [...document.querySelectorAll(".chart")];
  const good = charts.filter((chart) => {
    const svgs = [...chart.querySelectorAll("svg")].filter(shown);
    return svgs.length > 0 && svgs.every((svg) => drawn(svg) && shapes(svg));
  });
  const data = parent.document.documentElement.dataset;
  data.charts = good.length;
  data.empty = charts.length - good.length;
  // Texts as they are seen: the size of the font, times that of the drawing.
  let least = Infinity, smallest = "", told = [];
  const note = (size, text) => { if (size < least) { least = size; smallest = text; } };
  for (const svg of [...document.querySelectorAll("svg")].filter(shown)) {
    const outer = svg.getBoundingClientRect();
    const scale = outer.width / svg.viewBox.baseVal.width;
    const texts = [...svg.querySelectorAll("text")].filter((one) => one.textContent.trim() && shown(one));
    const boxes = texts.map((one) => {
      note(parseFloat(getComputedStyle(one).fontSize) * scale, one.textContent);
      return [one.textContent, one.getBoundingClientRect()];
    });
    boxes.forEach(([text, a], at) => {
      const out = Math.max(outer.left - a.left, a.right - outer.right, outer.top - a.top, a.bottom - outer.bottom);
      if (out > 2) told.push(`${svg.getAttribute("aria-labelledby")}: ${text} is cut off by ${out.toFixed()} px`);
      for (const [other, b] of boxes.slice(at + 1)) {
        const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (wide > 1 && high > 3) told.push(`${svg.getAttribute("aria-labelledby")}: ${text} is on ${other}`);
      }
    });
  }
  const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (words.nextNode()) {
    const one = words.currentNode.parentElement;
    if (words.currentNode.textContent.trim() && !one.closest("svg, script, style") && shown(one)) {
      note(parseFloat(getComputedStyle(one).fontSize), words.currentNode.textContent);
    }
  }
  data.least = least;
  data.smallest = smallest;
  data.told = told.slice(0, 20).join(" | ");
  const table = document.querySelector("table.pairs");
  if (table) {
    const button = table.querySelector("tr.heads button");
    button.click();
    button.click();
    data.first = table.tBodies[0].rows[0].cells[0].textContent;
  }
  data.inner = innerWidth;
  data.scrolls = document.documentElement.scrollWidth;
});
</script></body>"#;

/// A screen.
#[derive(Clone, Copy)]
struct Screen {
    /// In px.
    width: u32,
    dark: bool,
}

/// What the browser saw.
struct Seen {
    complaints: Vec<String>,
    /// Charts with shapes in every drawing that is shown.
    charts: usize,
    /// Charts without.
    empty: usize,
    /// Width of the window, and of what is in it, in px.
    widths: (usize, usize),
    /// Size of the smallest text in px, and that text.
    least: (f64, String),
    /// Texts in pictures that are cut off, or on each other.
    unreadable: String,
    /// First row of the table after two clicks on its first heading.
    first_when_reversed: Option<usize>,
    screenshot_bytes: u64,
}

const DESK: Screen = Screen { width: 1300, dark: false };
const SCREENS: [Screen; 4] = [
    DESK,
    Screen { width: 390, dark: false },
    Screen { width: 1300, dark: true },
    Screen { width: 390, dark: true },
];

pub(crate) fn a_browser_draws_every_picture_for_a_phone_and_for_a_desk() {
    let nothing = look_at("nothing", "<body></body>", DESK).screenshot_bytes;
    let broken = look_at("broken", "<body><script>none()</script></body>", DESK);
    assert_ne!(broken.complaints, Vec::<String>::new(), "complaints are heard");
    for (name, report, charts) in [
        ("rich", reports::rich(60), 71),
        ("short", reports::short(), 71),
        ("poor", reports::poor(), 0),
        ("blank", reports::blank(), 1),
        ("hostile", reports::hostile(), 71),
        ("huge", reports::scaled(1e300), 1 + 4 * 7),
    ] {
        let page = page(&report).unwrap();
        let screens = if name == "rich" { &SCREENS[..] } else { &SCREENS[..2] };
        for screen in screens {
            let name = format!("{name}-{}{}", screen.width, if screen.dark { "-dark" } else { "" });
            let seen = look_at(&name, &page, *screen);
            assert_eq!(seen.complaints, Vec::<String>::new(), "{name}");
            assert_eq!(seen.charts, charts, "{name}: pictures that are drawn");
            assert_eq!(seen.empty, 0, "{name}: pictures that are not");
            let (window, content) = seen.widths;
            assert_eq!(
                window, screen.width as usize,
                "{name}: the window is as wide as it is to be"
            );
            assert!(content <= window, "{name}: {content} px wide");
            assert!(LEAST_TEXT <= seen.least.0, "{name}: a text of {:?} px", seen.least);
            if !name.starts_with("hostile") && !name.starts_with("huge") {
                assert_eq!(seen.unreadable, "", "{name}");
            }
            assert!(2 * nothing < seen.screenshot_bytes, "{name}: the screenshot is blank");
            let sorted = if report.pairs.is_empty() { None } else { Some(report.pairs.len()) };
            assert_eq!(seen.first_when_reversed, sorted, "{name}: the table sorts");
        }
    }
}

fn look_at(name: &str, html: &str, screen: Screen) -> Seen {
    let folder = tempfile::tempdir().unwrap();
    let (page, picture) = (folder.path().join("page.html"), folder.path().join("page.png"));
    fs::write(&page, framed(&html.replace("</body>", PROBE), screen)).unwrap();
    let dumped = run(folder.path(), &page, screen, &["--dump-dom"]);
    let dom = String::from_utf8_lossy(&dumped.stdout);
    let log = String::from_utf8_lossy(&dumped.stderr);
    let complaints =
        log.lines().filter(|line| line.contains("CONSOLE") || line.contains("Uncaught"));
    let find = |of: &str| -> Option<&str> {
        let (_, rest) = dom.split_once(&format!(" data-{of}=\""))?;
        rest.split('"').next()
    };
    let number =
        |of: &str| -> usize { find(of).and_then(|of| of.parse().ok()).expect("the probe ran") };
    // Without any text, the least size of one is infinite.
    let least = find("least").and_then(|of| of.parse().ok()).unwrap_or(f64::INFINITY);
    let seen = Seen {
        complaints: complaints.map(|line| format!("{name}: {line}")).collect(),
        charts: number("charts"),
        empty: number("empty"),
        widths: (number("inner"), number("scrolls")),
        least: (least, find("smallest").unwrap_or_default().to_owned()),
        unreadable: find("told").unwrap_or_default().to_owned(),
        first_when_reversed: find("first").and_then(|of| of.parse().ok()),
        screenshot_bytes: 0,
    };
    let shot = format!("--screenshot={}", picture.display());
    run(folder.path(), &page, screen, &[&shot]);
    if let Some(kept) = std::env::var_os("PAGES") {
        fs::create_dir_all(&kept).unwrap();
        fs::write(Path::new(&kept).join(format!("{name}.html")), html).unwrap();
        fs::copy(&picture, Path::new(&kept).join(format!("{name}.png"))).unwrap();
    }
    Seen { screenshot_bytes: fs::metadata(&picture).map_or(0, |of| of.len()), ..seen }
}

/// Returns a page that shows another one in a frame as wide as a screen.
fn framed(html: &str, screen: Screen) -> String {
    let html = html.replace('&', "&amp;").replace('"', "&quot;");
    format!(
        "<!DOCTYPE html><html><head><meta name=\"color-scheme\" content=\"light dark\"><style>\
         body {{ margin: 0 }} iframe {{ display: block; border: 0; width: {}px; height: 100vh }}</style>\
         </head><body><iframe srcdoc=\"{html}\"></iframe></body></html>",
        screen.width
    )
}

/// Runs the browser as a process with its own profile, and ends it if it takes too long.
fn run(folder: &Path, page: &Path, screen: Screen, arguments: &[&str]) -> Output {
    let file = |name: &str| fs::File::create(folder.join(name)).unwrap();
    let profile = format!("--user-data-dir={}", folder.join("profile").display());
    let window = format!("--window-size={},2000", screen.width.max(LEAST_WINDOW));
    let dark = "--blink-settings=preferredColorScheme=0";
    // `timeout` waits for the browser, and kills it if it does not end.
    let status = Command::new("timeout")
        .args(["--kill-after=5", PATIENCE])
        .arg(chromium())
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
            "--hide-scrollbars",
        ])
        .args(["--disable-sync", "--enable-logging=stderr", &window])
        .args(screen.dark.then_some(dark))
        .args([&profile])
        .args(arguments)
        .arg(format!("file://{}", page.display()))
        .stdin(Stdio::null())
        .stdout(file("stdout"))
        .stderr(file("stderr"))
        .status()
        .unwrap();
    assert_ne!(status.code(), Some(124), "chromium took longer than {PATIENCE} s");
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    Output { status, stdout: read("stdout"), stderr: read("stderr") }
}
