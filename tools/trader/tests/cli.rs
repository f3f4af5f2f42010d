//! Tests of the trader binary: its options, messages and exit codes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use spreadwire_kit::recommendations::recommendations;
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
fn the_binary_refuses_recommendations_with_problems_and_tells_what_is_enabled() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let write = |name: &str, text: String| std::fs::write(path(name), text).unwrap();
    // 2100-01-01.
    let mut good = recommendations(START, 4_102_444_800 * SECOND);
    good.pairs[1].enabled = false;
    write("good.toml", good.to_toml());
    write("engine.toml", "[decision]\nrecommendations = \"good.toml\"\n".to_owned());
    let told = "2 of 3 recommended pairs are enabled, until 2100-01-01T00:00:00Z";
    for (option, file) in [("--recommendations", "good.toml"), ("--config", "engine.toml")] {
        let (code, errors) = run(&[option, &path(file)]);
        assert_eq!(code, Some(0), "{errors}");
        assert!(errors.starts_with(told) && !errors.contains("have expired"), "{errors}");
        let (code, errors) = run(&[option, &path(file), "--entry-bps", "5"]);
        assert_eq!(code, Some(2));
        assert!(errors.contains("have no effect with recommendations"), "{errors}");
    }

    let mut bad = recommendations(START, START + SECOND);
    bad.pairs[0].entry_bps = 99.0;
    bad.pairs[1].size_quote = -1.0;
    write("bad.toml", bad.to_toml().replacen("lake =", "leak = 1\nlake =", 1));
    let (code, errors) = run(&["--recommendations", &path("bad.toml")]);
    assert_eq!(code, Some(2));
    for told in [
        "leak: no such key; did you mean `lake`?",
        "expires: it expired at 2023-11-14T22:13:21Z; ",
        "pairs[0].entry_bps: 99 is outside its bounds; choose 10 to 10",
        "pairs[1].size_quote: -1 is not a valid size; ",
    ] {
        assert!(errors.contains(&format!("{}: {told}", path("bad.toml"))), "{told}: {errors}");
    }
    let (code, errors) = run(&["--recommendations", &path("none.toml")]);
    assert_eq!((code, errors.contains("none.toml: cannot be read")), (Some(2), true));
}

#[test]
fn the_binary_tells_once_when_the_recommendations_expire() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("soon.toml");
    let soon = Clock::host().now() + 2 * SECOND;
    std::fs::write(&path, recommendations(START, soon).to_toml()).unwrap();
    let (code, errors) = run_for("4", &["--recommendations", path.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{errors}");
    assert_eq!(
        errors.matches("have expired: no opportunity opens any more").count(),
        1,
        "{errors}"
    );
}
