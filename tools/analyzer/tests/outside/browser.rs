//! A headless Chromium opens the HTML page from disk, reports its errors, and takes a screenshot.

use crate::reports;
use analyzer::output::html::page;
use spreadwire_kit::needs::chromium;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Time limit per page in seconds; a page takes about one.
const PATIENCE: &str = "90";
/// Script that counts, in the page itself, what is drawn.
const PROBE: &str = r#"<script>
addEventListener("load", () => {
  const drawn = (svg) => { const box = svg.getBBox(); return box.width > 0 && box.height > 0; };
  const shapes = (svg) => [...svg.querySelectorAll("path, rect")].some((one) => {
    const box = one.getBBox(); return box.width > 0 && box.height > 0;
  });
  const charts = [...document.querySelectorAll(".chart")];
  const good = charts.filter((chart) => {
    const svgs = [...chart.querySelectorAll("svg")];
    return svgs.length > 0 && svgs.every((svg) => drawn(svg) && shapes(svg));
  });
  const data = document.documentElement.dataset;
  data.charts = good.length;
  data.empty = charts.length - good.length;
  const table = document.querySelector("table.pairs");
  if (table) {
    const button = table.querySelector("tr.heads button");
    button.click();
    button.click();
    data.first = table.tBodies[0].rows[0].cells[0].textContent;
  }
  data.width = document.documentElement.scrollWidth;
});
</script></body>"#;

/// What the browser saw.
struct Seen {
    complaints: Vec<String>,
    /// Charts with shapes in every drawing.
    charts: usize,
    /// Charts without.
    empty: usize,
    /// Width of the page in px.
    width: usize,
    /// First row of the table after two clicks on its first heading.
    first_when_reversed: Option<usize>,
    screenshot_bytes: u64,
}

pub(crate) fn a_browser_draws_every_picture() {
    let nothing = look_at("nothing", "<body></body>").screenshot_bytes;
    let broken = look_at("broken", "<body><script>none()</script></body>");
    assert_ne!(broken.complaints, Vec::<String>::new(), "complaints are heard");
    for (name, report, charts) in [
        ("rich", reports::rich(60), 61),
        ("poor", reports::poor(), 0),
        ("blank", reports::blank(), 1),
        ("hostile", reports::hostile(), 61),
        ("huge", reports::scaled(1e300), 1 + 4 * 6),
    ] {
        let seen = look_at(name, &page(&report).unwrap());
        assert_eq!(seen.complaints, Vec::<String>::new(), "{name}");
        assert_eq!(seen.charts, charts, "{name}: pictures that are drawn");
        assert_eq!(seen.empty, 0, "{name}: pictures that are not");
        assert!(seen.width <= 1280, "{name}: {} px wide", seen.width);
        assert!(2 * nothing < seen.screenshot_bytes, "{name}: the screenshot is blank");
        let sorted = if report.pairs.is_empty() { None } else { Some(report.pairs.len()) };
        assert_eq!(seen.first_when_reversed, sorted, "{name}: the table sorts");
    }
}

fn look_at(name: &str, html: &str) -> Seen {
    let folder = tempfile::tempdir().unwrap();
    let (page, picture) = (folder.path().join("page.html"), folder.path().join("page.png"));
    fs::write(&page, html.replace("</body>", PROBE)).unwrap();
    let dumped = run(folder.path(), &page, &["--dump-dom"]);
    let dom = String::from_utf8_lossy(&dumped.stdout);
    let log = String::from_utf8_lossy(&dumped.stderr);
    let complaints =
        log.lines().filter(|line| line.contains("CONSOLE") || line.contains("Uncaught"));
    let find = |of: &str| -> Option<usize> {
        let (_, rest) = dom.split_once(&format!(" data-{of}=\""))?;
        rest.split('"').next()?.parse().ok()
    };
    let number = |of: &str| find(of).expect("the probe ran");
    let seen = Seen {
        complaints: complaints.map(|line| format!("{name}: {line}")).collect(),
        charts: number("charts"),
        empty: number("empty"),
        width: number("width"),
        first_when_reversed: find("first"),
        screenshot_bytes: 0,
    };
    let shot = format!("--screenshot={}", picture.display());
    run(folder.path(), &page, &[&shot]);
    Seen { screenshot_bytes: fs::metadata(&picture).map_or(0, |of| of.len()), ..seen }
}

/// Runs the browser as a process with its own profile, and ends it if it takes too long.
fn run(folder: &Path, page: &Path, arguments: &[&str]) -> Output {
    let file = |name: &str| fs::File::create(folder.join(name)).unwrap();
    let profile = format!("--user-data-dir={}", folder.join("profile").display());
    // `timeout` waits for the browser, and kills it if it does not end.
    let status = Command::new("timeout")
        .args(["--kill-after=5", PATIENCE])
        .arg(chromium())
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update"])
        .args(["--disable-sync", "--enable-logging=stderr", "--window-size=1280,2000"])
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
