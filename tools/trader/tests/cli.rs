//! Tests of the trader binary: its options, messages and exit codes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use spreadwire_kit::approved::approved;
use spreadwire_market::approved::Approved;
use spreadwire_market::clock::{Clock, Nanos, SECOND};

const START: Nanos = 1_700_000_000 * SECOND;

/// Runs the binary without a server to connect to; returns its exit code and stderr.
fn run(arguments: &[&str]) -> (Option<i32>, String) {
    run_for("0.1", arguments)
}

fn run_for(seconds: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let nobody = ["--url", "ws://127.0.0.1:1", "--for", seconds];
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_trader"))
        .args([&nobody, arguments].concat())
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn the_binary_refuses_approvals_with_problems_and_tells_what_is_enabled() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let write = |name: &str, text: String| std::fs::write(path(name), text).unwrap();
    // 2100-01-01.
    let mut good = approved(START, 4_102_444_800 * SECOND);
    good.pairs[1].expires = START + SECOND;
    write("good.toml", good.to_toml());
    write("engine.toml", "[decision]\napproved = \"good.toml\"\n".to_owned());
    let told =
        "2 of 3 approved pairs enabled, the first until 2100-01-01T00:00:00Z, 1 has expired\n";
    for (option, file) in [("--approved", "good.toml"), ("--config", "engine.toml")] {
        let (code, errors) = run(&[option, &path(file)]);
        assert_eq!(code, Some(0), "{errors}");
        assert!(errors.starts_with(told) && !errors.contains("nothing"), "{errors}");
        let (code, errors) = run(&[option, &path(file), "--entry-bps", "5"]);
        assert_eq!(code, Some(2));
        assert!(errors.contains("have no effect with approved pairs"), "{errors}");
    }

    let mut bad = approved(START, START + SECOND);
    bad.pairs[0].entry_bps = 99.0;
    bad.pairs[1].size_quote = -1.0;
    bad.pairs[2].expires = START;
    write("bad.toml", bad.to_toml().replacen("format =", "formed = 1\nformat =", 1));
    let (code, errors) = run(&["--approved", &path("bad.toml")]);
    assert_eq!(code, Some(2));
    for told in [
        "formed: no such key; did you mean `format`?",
        "pairs[0].entry_bps: 99 is outside its bounds; choose 10 to 10",
        "pairs[1].size_quote: -1 is not a valid size; ",
        "pairs[2].expires: 2023-11-14T22:13:20Z is not after approved_at",
    ] {
        assert!(errors.contains(&format!("{}: {told}", path("bad.toml"))), "{told}: {errors}");
    }
    let (code, errors) = run(&["--approved", &path("none.toml")]);
    assert_eq!((code, errors.contains("none.toml: cannot be read")), (Some(2), true));
}

#[test]
fn the_binary_tells_loudly_that_nothing_will_open() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("approved.toml");
    for (approved, why) in [
        (approved(START, START + SECOND), "all 3 approvals have expired"),
        (Approved::default(), "no pair is approved"),
    ] {
        std::fs::write(&path, approved.to_toml()).unwrap();
        let (code, errors) = run(&["--approved", path.to_str().unwrap()]);
        assert_eq!(code, Some(0), "{errors}");
        let told = format!("0 pairs enabled: nothing will open ({why}");
        assert!(errors.starts_with(&told), "{errors}");
    }
}

#[test]
fn what_earlier_versions_took_is_refused_with_what_to_do_instead() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("engine.toml");
    std::fs::write(&path, "[decision]\nrecommendations = \"night.toml\"\n").unwrap();
    let file = path.to_str().unwrap();
    for arguments in [["--config", file], ["--recommendations", file]] {
        let (code, errors) = run(&arguments);
        assert_eq!(code, Some(2), "{errors}");
        assert!(errors.contains("any more") && errors.contains("`analyzer approve"), "{errors}");
    }
}

#[test]
fn the_binary_tells_once_when_an_approval_expires() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("soon.toml");
    let soon = Clock::host().now() + 2 * SECOND;
    let mut all = approved(START, soon);
    all.pairs[0].expires = 4_102_444_800 * SECOND;
    std::fs::write(&path, all.to_toml()).unwrap();
    let (code, errors) = run_for("4", &["--approved", path.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{errors}");
    assert_eq!(errors.matches("has expired: it opens nothing any more").count(), 2, "{errors}");
    assert!(!errors.contains("0 pairs enabled"), "{errors}");
}
