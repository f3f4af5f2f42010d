//! The binary: its exit codes and messages, and a tape that it writes and plays. There are few
//! tests here, because each one starts a process.

use std::process::{Command, Output};

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_exchange-sim")).args(arguments).output();
    let Output { status, stdout, stderr } = output.expect("the binary runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn bad_arguments_exit_with_two_and_say_why() {
    for (arguments, hint) in [
        (
            &["--venues", "nowhere"][..],
            "\"nowhere\" is not known; known are binance, binance-usdm, bingx, ",
        ),
        (&["--fault", "okx:after=1:explode"], "zero-size"),
        (&["--rate", "0"], "quotes/s"),
        (&["--speed", "fast"], "expected a factor such as x1, x10 or 0.5, or max"),
        (&["--nonsense"], "--nonsense"),
        (
            &["--fault", "binance:after=1:die=NOPEUSDT"],
            "fault for binance: it has no symbol NOPEUSDT; the source has, for example, BTCUSDT, ",
        ),
        (&["--fault", "okx:after=1:refuse-for-ever=BTCUSDT"], "did you mean BTC-USDT?"),
        (&["--fault", "okx:after=1:die="], "die=SYMBOL"),
        (
            &["--fault", "bybit:after=1:shutdown"],
            "it does not announce the end of a connection; use close, or one of binance, ",
        ),
        (&["--listing", "okx:BTCUSDT:halted"], "it has no symbol BTCUSDT; did you mean BTC-USDT?"),
        (&["--listing", "okx:BTC-USDT:tick=abc"], "STEP is a number such as 0.01"),
    ] {
        let (code, _, stderr) = run(arguments);
        assert_eq!(code, Some(2), "{arguments:?}");
        assert!(stderr.contains(hint), "{stderr}");
    }
}

#[test]
fn what_cannot_start_exits_with_one() {
    let (code, _, stderr) = run(&["--tape", "no such file"]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("cannot start the simulator: cannot read no such file"), "{stderr}");
}

#[test]
fn help_teaches_examples_faults_and_the_output() {
    let (code, stdout, _) = run(&["--help"]);
    assert_eq!(code, Some(0));
    for part in [
        "Examples:",
        "stall=TIME",
        "--write-tape",
        "binance:after=500:drop",
        "fill-after-cancel",
        "Reading the output:",
        "withheld",
    ] {
        assert!(stdout.contains(part), "{part}");
    }
}

#[test]
fn the_paths_and_the_keys_of_orders_are_printed() {
    let arguments = ["--venues", "bybit,binance-usdm", "--orders", "--for", "50ms"];
    let (code, stdout, stderr) = run(&arguments);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.contains("/v5/private (orders)"), "{stdout}");
    assert!(stdout.contains("bybit        key sim-bybit-key, secret sim-bybit-secret"), "{stdout}");
    assert!(!stdout.contains("sim-okx-key"), "{stdout}");
}

#[test]
fn a_written_tape_can_be_served() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let tape = folder.path().join("model.csv.gz");
    let certificate = folder.path().join("sim.pem");
    let (tape, certificate) = (tape.to_str().expect("text"), certificate.to_str().expect("text"));
    let (code, stdout, stderr) = run(&["--write-tape", tape, "--for", "200ms", "--seed", "3"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.contains("quotes written to"), "{stdout}");
    let (code, stdout, stderr) =
        run(&["--tape", tape, "--for", "100ms", "--tls", "--cert-out", certificate]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.contains("bybit        wss://127.0.0.1:"), "{stdout}");
    assert!(stdout.contains("items of the source were played"), "{stdout}");
    let pem = std::fs::read_to_string(certificate).expect("the certificate");
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----"));
}
