//! Generates `docs/performance.md` from the benches' results: tables, plots, the machine, and each
//! target with whether it was reached.
//!
//! `report RESULTS DOCS`: RESULTS is a file of JSON lines or a folder of such files
//! (`benches/results.rs`). DOCS is the folder for `performance.md` and `performance/*.svg`. Nothing
//! is measured here; the only numbers in this program are the targets.
#![allow(clippy::print_stdout, reason = "a bench tells its figures")]
#![allow(missing_docs, reason = "a binary")]

mod page;
mod rows;
mod targets;

use anyhow::{Context, bail};
use rows::Results;
use std::path::{Path, PathBuf};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [results, docs] = &arguments[..] else {
        bail!(
            "cargo run --profile dist -p benches --bin report -- RESULTS DOCS (benches/measure does)"
        );
    };
    let results = Results::parse(&read(results)?)?;
    let page = page::of(&results);
    let pictures = docs.join("performance");
    std::fs::create_dir_all(&pictures).with_context(|| pictures.display().to_string())?;
    for (name, svg) in &page.pictures {
        std::fs::write(pictures.join(name), svg)?;
    }
    let path = docs.join("performance.md");
    std::fs::write(&path, &page.text).with_context(|| path.display().to_string())?;
    println!(
        "{}: {} lines, {} pictures",
        path.display(),
        page.text.lines().count(),
        page.pictures.len()
    );
    Ok(())
}

/// Returns all lines of a file, or of a folder's files in the order of their names.
fn read(path: &Path) -> anyhow::Result<String> {
    let lines =
        |path: &Path| std::fs::read_to_string(path).with_context(|| path.display().to_string());
    if !path.is_dir() {
        return lines(path);
    }
    let entries = std::fs::read_dir(path)?.collect::<Result<Vec<_>, _>>()?;
    let mut files: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    files.sort();
    files.iter().map(|path| lines(path)).collect()
}
