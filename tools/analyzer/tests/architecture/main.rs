//! Keeps the order of dependency between the analyzer's modules, which one crate does not keep by
//! itself: kernel, statistics and decision use no file, thread or clock; reading uses no figures; outputs use
//! the report alone; and no two files import each other.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its input has failed")]

mod circles;
mod sources;

use circles::circle;
use sources::Source;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What kernel and statistics may use of other crates and modules.
const KERNEL_MAY_USE: &[&str] = &[
    "arrow::array",
    "arrow::datatypes",
    "crate::kernel",
    "crate::statistics",
    "libm",
    "serde",
    "spreadwire_market::decision",
    "spreadwire_market::execution",
    "spreadwire_market::spread",
    "std",
    "thiserror::Error",
];

/// And what of the standard library they may not.
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

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The crates that the analyzer depends on, and those that every crate has.
fn crates() -> Vec<String> {
    let text = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let table = text.split("[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
    let name =
        |line: &str| line.split(['.', ' ', '=']).next().unwrap_or_default().replace('-', "_");
    let lines = table.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines.map(name).chain(["std", "core", "alloc"].map(str::to_owned)).collect()
}

fn library() -> Vec<Source> {
    sources::read(&root().join("src"), &crates())
}

/// Whether a path is one of these or leads into one of them.
fn is_within(path: &str, list: &[&str]) -> bool {
    list.iter().any(|begin| {
        path.strip_prefix(begin).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    })
}

/// Lists every path in these modules that is wrong, with its file.
fn faults(
    sources: &[Source],
    modules: &[&str],
    wrong: impl Fn(&Source, &str) -> bool,
) -> Vec<String> {
    let checked: Vec<&Source> =
        sources.iter().filter(|source| is_within(&source.module, modules)).collect();
    assert!(modules.len() < checked.len(), "{modules:?}: where are the sources?");
    let faults = checked.into_iter().flat_map(|source| {
        let paths = source.uses.iter().filter(|path| wrong(source, path));
        paths.map(|path| format!("{}: {path}", source.file.display()))
    });
    faults.collect()
}

/// Fails if there are faults, and lists them.
fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_kernel_and_the_statistics_know_no_file_thread_or_clock_and_of_the_engine_only_the_market() {
    let wrong = |_: &Source, path: &str| {
        !is_within(path, KERNEL_MAY_USE) || is_within(path, KERNEL_MAY_NOT_USE)
    };
    assert_none(&faults(&library(), &["crate::kernel", "crate::statistics"], wrong));
}

#[test]
fn the_statistics_know_no_kernel() {
    let wrong = |_: &Source, path: &str| is_within(path, &["crate::kernel"]);
    assert_none(&faults(&library(), &["crate::statistics"], wrong));
}

/// What the decision about pairs may use, beside the standard library without files and threads.
const JUDGE_MAY_USE: &[&str] = &["crate::judge", "crate::statistics", "libm", "std"];

#[test]
fn the_decision_knows_no_file_thread_or_clock_and_of_the_analyzer_only_the_statistics() {
    let wrong = |_: &Source, path: &str| {
        !is_within(path, JUDGE_MAY_USE) || is_within(path, KERNEL_MAY_NOT_USE)
    };
    assert_none(&faults(&library(), &["crate::judge"], wrong));
}

#[test]
fn reading_knows_no_figures_and_no_outputs() {
    let wrong = |_: &Source, path: &str| {
        is_within(path, &["crate"]) && !is_within(path, &["crate::input", "crate::report::Problem"])
    };
    assert_none(&faults(&library(), &["crate::input"], wrong));
}

#[test]
fn outputs_know_the_report_and_only_recommendations_and_the_choice_of_forms_know_options() {
    let wrong = |source: &Source, path: &str| {
        let may = ["crate::report", "crate::output"];
        let chooses = ["crate::output", "crate::output::recommended"];
        let options = ["crate::options", "crate::plan"];
        is_within(path, &["crate"])
            && !is_within(path, &may)
            && !(chooses.contains(&source.module.as_str()) && is_within(path, &options))
    };
    assert_none(&faults(&library(), &["crate::output"], wrong));
}

#[test]
fn no_two_files_import_each_other() {
    assert_eq!(circle(&library()), None);
}

/// A file that no `mod` declares is in no build, and nothing above would check it.
#[test]
fn every_file_is_part_of_the_library_or_is_its_main() {
    let src = root().join("src");
    let mut waiting = vec![src.clone()];
    let mut files = BTreeSet::new();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.insert(path.strip_prefix(&src).unwrap().to_path_buf());
        }
    }
    assert!(files.remove(Path::new("main.rs")));
    let read: BTreeSet<PathBuf> = library().into_iter().map(|source| source.file).collect();
    assert_eq!(read, files);
}

#[test]
fn the_check_sees_every_way_to_use_something() {
    let text = r#"
        //! use std::comment;
        use std::{a::{b, c::D}, e as f};
        use arrow::g::*;
        use super::sibling::{self, Thing as Other};
        use self::own::X;
        pub use child::Name;
        mod child;

        #[cfg(test)]
        mod tests {
            use std::tests;
        }

        #[derive(std::h::Derived)]
        struct After(arrow::i::Field);

        #[cfg(test)]
        fn helper() -> std::tests::Helper {}

        #[cfg(all(test, unix))]
        const OF_TESTS: std::tests::Constant = 1;

        #[cfg(not(test))]
        const LIVE: std::j::Constant = 1;

        #[cfg(any(test, unix))]
        const BOTH: std::k::Constant = 1;

        impl After {
            #[cfg(test)]
            fn of_tests() { std::tests::f() }

            fn last(x: &crate::l::M) -> Option<Other> {
                std::n::o::<arrow::p::Q>(xstd::no(), f::r(), Unknown::new());
                assert!(matches!(x, sibling::S { .. }), "{}", vec![super::super::top::T(2)]);
                drop(self::super::near::N);
                child::u()
            }
        }

        #[cfg(test)]
        impl std::tests::Trait for After {}
    "#;
    let crates = ["std", "arrow"].map(str::to_owned);
    let found = sources::uses(text, "crate::here::there", &crates);
    let expected = [
        "std::a::b",
        "std::a::c::D",
        "std::e",
        "arrow::g::*",
        "crate::here::sibling",
        "crate::here::sibling::Thing",
        "crate::here::there::own::X",
        "crate::here::there::child::Name",
        "std::h::Derived",
        "arrow::i::Field",
        "std::j::Constant",
        "std::k::Constant",
        "crate::l::M",
        "std::n::o",
        "arrow::p::Q",
        "std::e::r",
        "crate::here::sibling::S",
        "crate::top::T",
        "crate::here::near::N",
        "crate::here::there::child::u",
    ];
    assert_eq!(found, expected.map(str::to_owned).into());
}

/// A source file with this text.
fn source(file: &str, text: &str) -> Source {
    let module = file.trim_end_matches(".rs").replace('/', "::");
    let module = if module == "lib" { "crate".to_owned() } else { format!("crate::{module}") };
    let uses = sources::uses(text, &module, &["std".to_owned()]);
    Source { file: file.into(), module, uses }
}

#[test]
fn the_check_finds_a_path_behind_the_tests() {
    let behind = "#[cfg(test)] mod tests {} fn f() { std::fs::read(\"\"); }";
    let sources = [source("kernel.rs", "mod deep;"), source("kernel/deep.rs", behind)];
    let wrong = |_: &Source, path: &str| is_within(path, KERNEL_MAY_NOT_USE);
    assert_eq!(faults(&sources, &["crate::kernel"], wrong), ["kernel/deep.rs: std::fs::read"]);
}

#[test]
fn the_check_finds_circles() {
    let of = |texts: &[(&str, &str)]| {
        let sources: Vec<Source> = texts.iter().map(|(file, text)| source(file, text)).collect();
        circle(&sources)
    };
    let (one, two) = (("a.rs", "use crate::b::X;"), ("b.rs", "fn f() { super::a::g() }"));
    let found = of(&[one, two, ("c.rs", "use crate::a::Y;")]);
    assert_eq!(found.as_deref(), Some("a.rs uses crate::b::X, b.rs uses crate::a::g"));
    let through =
        of(&[("a.rs", "use crate::b::X;"), ("b.rs", "use crate::c;"), ("c.rs", "use crate::a;")]);
    assert!(through.is_some_and(|told| told.matches(" uses ").count() == 3));
    let facade = of(&[
        ("a.rs", "mod low; mod high; pub use high::X;"),
        ("a/low.rs", "struct Y;"),
        ("a/high.rs", "use super::low::Y;"),
    ]);
    assert_eq!(facade, None);
    let back = of(&[("a.rs", "mod high; pub use high::X;"), ("a/high.rs", "use super::Y;")]);
    assert_eq!(back.as_deref(), Some("a.rs uses crate::a::high::X, a/high.rs uses crate::a::Y"));
    let tests = of(&[("a.rs", "use crate::b::X;"), ("b.rs", "#[cfg(test)] use crate::a::Y;")]);
    assert_eq!(tests, None);
}
