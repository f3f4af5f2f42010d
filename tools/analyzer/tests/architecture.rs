//! Who may know what: the kernel and the statistics no file, thread or clock, reading no figures, and
//! outputs nothing but the report. Read from the sources.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its input has failed")]

use std::fs;
use std::path::{Path, PathBuf};

/// What kernel and statistics may use of others, by the beginning of the path.
const KERNEL_MAY_USE: &[&str] = &[
    "arrow::array",
    "arrow::datatypes",
    "crate::kernel",
    "crate::statistics",
    "libm::",
    "serde::",
    "spreadwire_market::spread",
    "thiserror::Error",
];

/// And what of the standard library it may not, wherever it stands.
const KERNEL_MAY_NOT_USE: &[&str] = &[
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::os",
    "std::path",
    "std::process",
    "std::sync",
    "std::thread",
    "std::time",
];

/// Crates whose paths are looked at; a path that begins with another word is one of ours or of std.
fn crates() -> Vec<String> {
    let text = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let tables = text.split("[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
    let name =
        |line: &str| line.split(['.', ' ', '=']).next().unwrap_or_default().replace('-', "_");
    let lines = tables.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines.map(name).chain(["crate".to_owned(), "std".to_owned()]).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files of modules, each `name.rs` and all below `name/`, without their tests.
fn sources(modules: &[&str]) -> Vec<(PathBuf, String)> {
    let src = root().join("src");
    let mut waiting: Vec<PathBuf> = Vec::new();
    for module in modules {
        waiting.extend([src.join(format!("{module}.rs")), src.join(module)]);
    }
    let mut found = Vec::new();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path.strip_prefix(&src).unwrap().to_path_buf(), program(&text)));
        }
    }
    assert!(modules.len() < found.len(), "{modules:?}: where are the sources?");
    found
}

/// Code alone: no comments, and nothing from the tests on.
fn program(text: &str) -> String {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// All paths that begin with one of these crates; `a::{b, c::d}` is `a::b` and `a::c::d`.
fn paths(code: &str, crates: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    let inner = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    for name in crates {
        for (at, _) in code.match_indices(&format!("{name}::")) {
            if !code[..at].chars().next_back().is_some_and(inner) {
                expand("", &code[at..], &mut found);
            }
        }
    }
    found
}

/// Adds the paths that a text begins with; how much of it they take.
fn expand(before: &str, text: &str, found: &mut Vec<String>) -> usize {
    let plain = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let end = text.find(|c| !plain(c)).unwrap_or(text.len());
    let path = format!("{before}{}", &text[..end]);
    if !path.ends_with("::") || !text[end..].starts_with('{') {
        found.push(path);
        return end;
    }
    let mut at = end + 1;
    while at < text.len() && !text[at..].starts_with('}') {
        if text[at..].starts_with(plain) {
            at += expand(&path, &text[at..], found);
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    at + 1
}

/// Every path in these modules that is not as it should be, with its file.
fn faults(modules: &[&str], wrong: impl Fn(&Path, &str) -> bool) -> String {
    let crates = crates();
    let mut faults = String::new();
    for (file, code) in sources(modules) {
        for path in paths(&code, &crates).iter().filter(|path| wrong(&file, path)) {
            faults.push_str(&format!("{}: {path}\n", file.display()));
        }
    }
    faults
}

#[test]
fn the_kernel_and_the_statistics_know_no_file_thread_or_clock_and_of_the_engine_only_the_spread() {
    let within = |list: &[&str], path: &str| list.iter().any(|begin| path.starts_with(begin));
    let wrong = |_: &Path, path: &str| match path.strip_prefix("std::") {
        Some(_) => within(KERNEL_MAY_NOT_USE, path),
        None => !within(KERNEL_MAY_USE, path),
    };
    assert_eq!(faults(&["kernel", "statistics"], wrong), "");
    for (file, code) in sources(&["kernel", "statistics"]) {
        assert!(!code.contains("super::super"), "{}: a path from its crate", file.display());
    }
}

#[test]
fn the_statistics_know_no_kernel() {
    let wrong = |_: &Path, path: &str| path.starts_with("crate::kernel");
    assert_eq!(faults(&["statistics"], wrong), "");
}

#[test]
fn reading_knows_no_figures_and_no_outputs() {
    let wrong = |_: &Path, path: &str| {
        path.starts_with("crate::")
            && !path.starts_with("crate::input")
            && !path.starts_with("crate::report::Problem")
    };
    assert_eq!(faults(&["input"], wrong), "");
}

#[test]
fn outputs_know_the_report_and_only_recommendations_and_the_choice_of_forms_know_options() {
    let wrong = |file: &Path, path: &str| {
        let chooses = file == Path::new("output.rs") || file.ends_with("recommended.rs");
        let may = ["crate::report", "crate::output", "crate::figures::DAY"];
        path.starts_with("crate::")
            && !may.iter().any(|begin| path.starts_with(begin))
            && !(chooses && path.starts_with("crate::options"))
    };
    assert_eq!(faults(&["output"], wrong), "");
}

#[test]
fn the_check_itself_sees_what_it_should() {
    let text = "use std::{a::{b, c::D}, e};\nuse arrow::f::*;\n// use std::comment;\n\
                fn f() { std::g::h(xstd::no::<i32>(), &crate::i) }\n#[cfg(test)]\nuse std::tests;";
    let crates = ["std", "arrow", "crate"].map(str::to_owned);
    let expected = ["std::a::b", "std::a::c::D", "std::e", "std::g::h", "arrow::f::", "crate::i"];
    assert_eq!(paths(&program(text), &crates), expected);
}
