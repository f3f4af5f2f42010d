//! Runs the doctor as a user does: exit codes and output.

use crate::folder::{machine_of_a_cloud, tuned};
use std::process::{Command, Output};

fn doctor(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_doctor")).args(arguments).output().unwrap()
}

fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_failed_check_is_exit_code_1_and_a_warning_is_one_when_strict() {
    let folder = machine_of_a_cloud();
    let root = folder.root.path().to_str().unwrap();
    let (code, text, _) = said(&doctor(&["--root", root]));
    assert_eq!(code, Some(1));
    assert!(text.contains("  FAIL  isolation "), "{text}");
    assert!(text.contains("fix: kernel arguments: isolcpus=managed_irq,domain,2-7"), "{text}");
    assert!(text.trim_end().lines().last().unwrap().starts_with("doctor: "), "{text}");

    let mut folder = tuned();
    folder.write("run/systemd/timesync/synchronized", "");
    let root = folder.root.path().to_str().unwrap();
    let (code, text, _) = said(&doctor(&["--root", root, "--quiet"]));
    assert_eq!((code, text.lines().count()), (Some(0), 1), "{text}");
    assert!(text.contains(" 1 warn, 0 fail, "), "{text}");
    assert_eq!(doctor(&["--root", root, "--quiet", "--strict"]).status.code(), Some(1));
}

#[test]
fn json_is_the_report() {
    let folder = machine_of_a_cloud();
    let root = folder.root.path().to_str().unwrap();
    let (code, text, _) = said(&doctor(&["--root", root, "--json", "--cpus", "4-5"]));
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, json["host"]["hot"].as_str()), (Some(1), Some("4-5")));
}

#[test]
fn a_configuration_names_the_cores_and_its_problems_are_reported_as_by_the_engine() {
    let mut folder = tuned();
    let root = folder.root.path().to_str().unwrap().to_owned();
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/pinned-8.toml");
    let (_, text, _) = said(&doctor(&["--root", &root, "--config", config]));
    assert!(text.contains("hot 0-7, for everything else none"), "{text}");
    assert!(text.contains("  FAIL  enough_cpus             8 spinning, 8 CPUs"), "{text}");
    assert!(text.contains("  PASS  pinned                  all 8 of them"), "{text}");

    folder.write("proc/self/status", "Cpus_allowed_list:\t0-5\n");
    let (code, text, errors) = said(&doctor(&["--root", &root, "--config", config]));
    assert_eq!((code, text.as_str()), (Some(2), ""));
    assert!(errors.contains("threads[7].cpu: there is no CPU 7 for this process"), "{errors}");
    assert!(errors.contains("; nothing was checked"), "{errors}");
}

#[test]
fn wrong_arguments_are_exit_code_2() {
    for arguments in [
        ["--cpus", "3-1"],
        ["--cpus", ""],
        ["--root", "nowhere"],
        ["--config", "nowhere.toml"],
        ["jitter", "--for=0"],
        ["jitter", "--for=nan"],
        ["jitter", "--cpus=8191"],
        ["topology", "--cpus=8191"],
        ["topology", "--config=nowhere.toml"],
        ["--json", "--quiet"],
    ] {
        let (code, text, errors) = said(&doctor(&arguments));
        assert_eq!((code, text.as_str()), (Some(2), ""), "{arguments:?}: {errors}");
        assert!(!errors.is_empty());
    }
}

#[test]
fn help_teaches_by_examples() {
    let (code, text, _) = said(&doctor(&["--help"]));
    assert_eq!(code, Some(0));
    for part in ["doctor jitter --cpus 2,3 --for 10", "Exit codes: 0", "docs/tuning.md"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

/// Measures the machine that runs the test. The figures are not judged, only that they are
/// reported.
#[test]
fn this_machine_is_measured() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("hist");
    let arguments = ["jitter", "--for=0.01", "--json", "--hist", folder.to_str().unwrap()];
    let (code, text, errors) = said(&doctor(&arguments));
    assert_eq!(code, Some(0), "{errors}");
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    for figures in json.as_array().unwrap() {
        assert!(9_000_000 <= figures["watched_ns"].as_u64().unwrap(), "{figures}");
        assert!(folder.join(format!("cpu{}.hgrm", figures["cpu"])).is_file());
    }
    let cpu = json[0]["cpu"].to_string();
    let (code, text, errors) = said(&doctor(&["topology", "--cpus", &cpu, "--json"]));
    assert_eq!(code, Some(0), "{errors}");
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(json["threads"].as_str().unwrap().contains("agents = [\"feed\""), "{text}");
}
