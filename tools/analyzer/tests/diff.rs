//! `analyzer diff` as its users see it: what it prints, and its exit codes.
//!
//! `diff/old.toml` and `diff/new.toml` differ in everything that can differ, and `diff/approved.toml`
//! approves pairs of the old one. The expected output is
//! in `diff/expected.txt` and `diff/expected.json` (`BLESS=1` rewrites both).

#![allow(clippy::unwrap_used, reason = "a test that cannot prepare its files has failed")]

use std::path::{Path, PathBuf};
use std::process::Command;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diff").join(name)
}

/// Returns exit code, standard output and standard error.
fn diff(old: &Path, new: &Path, options: &[&str]) -> (Option<i32>, String, String) {
    let analyzer = env!("CARGO_BIN_EXE_analyzer");
    let output = Command::new(analyzer).arg("diff").args([old, new]).args(options).output();
    let output = output.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn everything_that_differs_is_printed_and_what_is_urgent_first() {
    let (old, new) = (file("old.toml"), file("new.toml"));
    let approved = file("approved.toml");
    let approved = ["--approved", approved.to_str().unwrap()];
    for (options, expected) in [(&[][..], "expected.txt"), (&["--json"], "expected.json")] {
        let (code, text, errors) = diff(&old, &new, &[&approved, options].concat());
        assert_eq!((code, errors.as_str()), (Some(1), ""));
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(file(expected), &text).unwrap();
        }
        assert_eq!(text, std::fs::read_to_string(file(expected)).unwrap(), "{expected}");
    }
}

#[test]
fn files_that_say_the_same_have_no_difference_whatever_they_look_like() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.toml");
    let text = std::fs::read_to_string(file("old.toml")).unwrap();
    std::fs::write(
        &copy,
        text.replace("12.5\n", "12.50 # a day\n").replace("T02:10:00Z", "T03:10:00+01:00"),
    )
    .unwrap();
    assert_eq!(diff(&file("old.toml"), &copy, &[]).0, Some(0));
    let (code, text, errors) = diff(&copy, &file("old.toml"), &[]);
    assert_eq!((code, text.as_str(), errors.as_str()), (Some(0), "no difference\n", ""));
    let (code, text, _) = diff(&copy, &copy, &["--json"]);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(code, Some(0));
    assert!(json.as_object().unwrap().values().all(|list| list == &serde_json::json!([])));
}

#[test]
fn files_with_problems_are_trouble_and_all_problems_of_both_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("bad.toml");
    let text = std::fs::read_to_string(file("old.toml")).unwrap();
    std::fs::write(&bad, text.replace("size_quote = 400.0", "size_quote = 0")).unwrap();
    let (code, text, errors) = diff(&bad, &folder.path().join("none.toml"), &[]);
    assert_eq!((code, text.as_str()), (Some(2), ""));
    for told in ["bad.toml: pairs[3].size_quote: 0 is", "pairs[4].size_quote", "none.toml: cannot"]
    {
        assert!(errors.contains(told), "{told}: {errors}");
    }
    assert_eq!(
        Command::new(env!("CARGO_BIN_EXE_analyzer")).arg("diff").status().unwrap().code(),
        Some(2)
    );
}

#[test]
fn what_concerns_the_approved_pairs_is_a_difference_though_the_files_are_the_same() {
    let (old, approved) = (file("old.toml"), file("approved.toml"));
    let options = ["--approved", approved.to_str().unwrap()];
    assert_eq!(diff(&old, &old, &options).0, Some(0), "all of them are as approved");
    let (code, text, _) = diff(&file("new.toml"), &file("new.toml"), &options);
    assert_eq!(code, Some(1));
    assert!(text.starts_with("!! APPROVED, AND NOT AS APPROVED IN NEW: 2 pairs"), "{text}");
    let (code, _, errors) = diff(&old, &old, &["--approved", "none.toml"]);
    assert_eq!((code, errors.contains("none.toml: cannot be read")), (Some(2), true));
}
