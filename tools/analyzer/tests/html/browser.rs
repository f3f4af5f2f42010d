//! A headless Chromium that opens a page from disk, reports its errors, and takes a screenshot.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::{Path, PathBuf};
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

pub(crate) struct Chromium {
    program: PathBuf,
}

/// What the browser saw.
pub(crate) struct Seen {
    pub(crate) complaints: Vec<String>,
    /// Charts with shapes in every drawing.
    pub(crate) charts: usize,
    /// Charts without.
    pub(crate) empty: usize,
    /// Width of the page in px.
    pub(crate) width: usize,
    /// First row of the table after two clicks on its first heading.
    pub(crate) first_when_reversed: Option<usize>,
    pub(crate) screenshot_bytes: u64,
}

/// Returns the browser, from `CHROMIUM` or the path. Without one the test is skipped, except on CI,
/// which must have one.
pub(crate) fn find() -> Option<Chromium> {
    let named = std::env::var_os("CHROMIUM").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join("chromium"));
    let found = named.or_else(|| on_path.into_iter().find(|program| program.is_file()));
    if found.is_none() {
        let ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
        assert!(!ci, "there is no chromium, and CI must not skip this test");
        println!("skipped: there is no chromium on the path");
    }
    found.map(|program| Chromium { program })
}

impl Chromium {
    pub(crate) fn look_at(&self, name: &str, html: &str) -> Seen {
        let folder = tempfile::tempdir().unwrap();
        let (page, picture) = (folder.path().join("page.html"), folder.path().join("page.png"));
        fs::write(&page, html.replace("</body>", PROBE)).unwrap();
        let dumped = self.run(folder.path(), &page, &["--dump-dom"]);
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
        self.run(folder.path(), &page, &[&shot]);
        Seen { screenshot_bytes: fs::metadata(&picture).map_or(0, |of| of.len()), ..seen }
    }

    /// Runs the browser as a process with its own profile, and ends it if it takes too long.
    fn run(&self, folder: &Path, page: &Path, arguments: &[&str]) -> Output {
        let file = |name: &str| fs::File::create(folder.join(name)).unwrap();
        let profile = format!("--user-data-dir={}", folder.join("profile").display());
        // `timeout` waits for the browser, and kills it if it does not end.
        let status = Command::new("timeout")
            .args(["--kill-after=5", PATIENCE])
            .arg(&self.program)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
            ])
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
}
