//! Keeps the order of dependency that ARCHITECTURE.md draws: modules use only what stands above them.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its input has failed")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Layers from the floor up, as in ARCHITECTURE.md. A module may use those of earlier layers only;
/// modules of one layer do not know each other.
const LAYERS: &[&[&str]] = &[
    &["word"],
    &[
        "clock",
        "counters",
        "cpu",
        "decimal",
        "disk",
        "folder",
        "frame_reader",
        "json",
        "memory",
        "problem",
        "receive_buffer",
    ],
    &["backoff", "instrument", "lake", "latency", "socket_options"],
    &["stopwatch"],
    &["agent", "record", "table", "tally", "thread_watch", "wire"],
    &["frame_ring", "ledger", "ring", "segment", "venue"],
    &["positional"],
    &["venues", "spread", "integrity", "web_socket"],
    &["book", "connector", "syncer"],
    &["feed", "calculator", "decision", "broadcast", "journal"],
    &["config", "capture", "chronicle", "columns", "recommendations", "telemetry"],
    &["plan", "seal"],
    &["recover", "runner", "summary"],
    &["launch"],
    &["process"],
    &["main", "demo"],
];

/// A venue's file knows the contract, numbers and JSON; no socket, thread, ring or clock of ours.
const VENUE_FILES_MAY_USE: &[&str] =
    &["venue", "positional", "json", "decimal", "instrument", "clock", "venues"];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// The part of a file that is the program: tests at its end may use what they like.
fn program(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or(text)
}

/// Names of our modules that a text uses, in code, not in comments.
fn used(text: &str, crate_name: &str) -> Vec<String> {
    let code = program(text).lines().filter(|line| !line.trim_start().starts_with("//"));
    let code = code.collect::<Vec<_>>().join("\n");
    let mut names = Vec::new();
    for (at, _) in code.match_indices(&format!("{crate_name}::")) {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        let rest = &code[at + crate_name.len() + 2..];
        match rest.strip_prefix('{') {
            Some(list) => names.extend(first_names(list)),
            None => names.push(word(rest)),
        }
    }
    names
}

/// `a::{b, c}, d` within one pair of braces: the names at the top level.
fn first_names(list: &str) -> Vec<String> {
    let (mut depth, mut names, mut part) = (0, Vec::new(), String::new());
    for c in list.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(word(&std::mem::take(&mut part))),
            _ if depth == 0 => part.push(c),
            _ => {}
        }
    }
    names.push(word(&part));
    names.into_iter().filter(|name| !name.is_empty()).collect()
}

fn word(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[test]
fn modules_depend_downward_only_and_agents_do_not_know_each_other() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let layer: BTreeMap<&str, usize> = LAYERS
        .iter()
        .enumerate()
        .flat_map(|(level, names)| names.iter().map(move |name| (*name, level)))
        .collect();
    let mut files = Vec::new();
    sources(&src, &mut files);
    let mut faults = Vec::new();
    for file in files.iter().filter(|file| !file.ends_with("lib.rs")) {
        let inner = file.strip_prefix(&src).unwrap();
        let module = inner.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        let Some(&level) = layer.get(module) else {
            faults.push(format!("{}: not drawn in LAYERS", inner.display()));
            continue;
        };
        let text = fs::read_to_string(file).unwrap();
        assert!(text.starts_with("//!"), "{}: does not open with what it is for", inner.display());
        let mut names = used(&text, "crate");
        names.extend(used(&text, "spreadwire"));
        for name in names.iter().filter(|name| *name != module) {
            match layer.get(name.as_str()) {
                Some(&other) if other < level => {}
                Some(_) => faults.push(format!("{}: uses {name}, not below it", inner.display())),
                None => {}
            }
        }
        let is_venue = inner.starts_with("venues") && inner.iter().count() > 1;
        for name in names.iter().filter(|_| is_venue) {
            if !VENUE_FILES_MAY_USE.contains(&name.as_str()) {
                faults.push(format!("{}: a venue's file uses {name}", inner.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_map_in_the_document_is_the_one_that_is_tested() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ARCHITECTURE.md");
    let text = fs::read_to_string(path).unwrap();
    let map = text.split("## Code map").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = map.lines().filter(|line| line.starts_with('|')).skip(2);
    let drawn: Vec<Vec<&str>> =
        rows.map(|row| row.split('`').skip(1).step_by(2).collect()).collect();
    assert_eq!(drawn, LAYERS);
}

#[test]
fn only_the_demo_knows_the_simulator() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let demo =
            file.strip_prefix(&src).unwrap().starts_with("demo") || file.ends_with("demo.rs");
        assert!(demo || !program(&text).contains("exchange_sim"), "{}", file.display());
    }
}

#[test]
fn the_check_itself_sees_what_it_should() {
    let text = "use crate::{a::{b, c}, d};\nuse crate::e::F;\n// crate::comment\nxcrate::no();\n\
                fn f() { crate::g::h(); }\n#[cfg(test)]\nuse crate::in_tests;";
    assert_eq!(used(text, "crate"), ["a", "d", "e", "g"]);
}
