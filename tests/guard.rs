//! Tests who may connect to the binary's broadcast: what is refused at start, and that a secret is
//! in nothing that the process writes, says or answers.

#![allow(clippy::unwrap_used, reason = "a test that cannot prepare its files has failed")]

use rustix::process::{Pid, Signal, kill_process};
use spreadwire_rigs::running::Running;
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, Command, Output, Stdio};
use tempfile::TempDir;

const READ: &str = "5ec2e7-read-0123456789abcdef01234567";
const CONTROL: &str = "5ec2e7-control-0123456789abcdef01234567";
/// Exit code of an engine whose venues send nothing.
const SAW_NOTHING: i32 = 1;
/// What every secret of these tests begins with.
const MARK: &str = "5ec2e7";
const KEY_PASSWORD: &str = "-----BEGIN PRIVATE KEY-----";

/// Venues at which nobody listens, so that the engine runs alone.
const ENGINE: &str = r#"
[[venues]]
name = "binance"
url = "ws://127.0.0.1:1"
[[venues]]
name = "okx"
url = "ws://127.0.0.1:1"
[[instruments]]
name = "BTC/USDT"
price_decimals = 2
size_decimals = 8
[[threads]]
name = "all"
idle = "backoff"
agents = ["feed", "calculator", "decision", "broadcast", "journal"]
[journal]
lake = "lake"
disk_reserve_mb = 0
"#;

/// A folder with a configuration, secrets and a certificate.
struct Scene {
    folder: TempDir,
}

impl Scene {
    fn new() -> Scene {
        let scene = Scene { folder: tempfile::tempdir().unwrap() };
        scene.write("read.token", READ, 0o600);
        scene.write("control.token", CONTROL, 0o600);
        scene.write("open.token", READ, 0o644);
        scene.write("short.token", MARK, 0o600);
        scene.write("odd.token", &format!("{READ} with more"), 0o600);
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        scene.write("certificate.pem", &made.cert.pem(), 0o644);
        scene.write("key.pem", &made.signing_key.serialize_pem(), 0o600);
        scene.write("open-key.pem", &made.signing_key.serialize_pem(), 0o640);
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str, mode: u32) {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), Permissions::from_mode(mode)).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_spreadwire"));
        command.current_dir(&self.folder).args(arguments).env("RUST_LOG", "trace");
        command.env("TOKEN_OF_TEST", READ).env("CREDENTIALS_DIRECTORY", self.folder.path());
        command
    }

    fn check(&self, keys: &str) -> Output {
        self.write("engine.toml", &format!("{ENGINE}{keys}"), 0o644);
        self.command(&["check", "--config", "engine.toml"]).output().unwrap()
    }
}

fn told(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    assert!(!text.contains(MARK), "it tells a secret: {text}");
    text
}

const TLS: &str = "certificate = \"certificate.pem\"\nprivate_key = \"key.pem\"\n";
const TOKEN: &str = "[[tokens]]\nname = \"desk\"\nfile = \"read.token\"\n";

#[test]
fn an_address_beyond_loopback_needs_tls_and_a_token_or_a_key_that_says_otherwise() {
    let scene = Scene::new();
    let control = TOKEN.replace("file =", "kind = \"control\"\nfile =");
    let open = "allow_open_access = true\n";
    for (address, keys, tokens, starts) in [
        ("127.0.0.1:0", "", "", true),
        ("[::1]:0", "", "", true),
        ("unix:b.sock", "", "", true),
        ("0.0.0.0:0", "", "", false),
        ("[::]:0", "", "", false),
        ("10.1.2.3:0", TLS, "", false),
        ("10.1.2.3:0", "", TOKEN, false),
        ("10.1.2.3:0", TLS, control.as_str(), false),
        ("10.1.2.3:0", TLS, TOKEN, true),
        ("0.0.0.0:0", open, "", true),
        ("0.0.0.0:0", "allow_open_access = false\n", "", false),
    ] {
        let output = scene.check(&format!("[broadcast]\naddress = \"{address}\"\n{keys}{tokens}"));
        let told = told(&output);
        assert_eq!(output.status.code(), Some(if starts { 0 } else { 2 }), "{address}: {told}");
        if !starts {
            assert!(told.contains("broadcast.address: "), "{told}");
            assert!(told.contains("allow_open_access = true"), "{told}");
        }
    }
}

#[test]
fn every_problem_of_tokens_and_certificates_is_told_with_its_key_and_without_the_secret() {
    let scene = Scene::new();
    let token = |keys: &str| format!("[[tokens]]\nname = \"desk\"\n{keys}\n");
    let tls = |keys: &str| format!("[broadcast]\n{keys}\n");
    let cases = [
        (token("file = \"read.token\""), None),
        (token("env = \"TOKEN_OF_TEST\""), None),
        (token("credential = \"read.token\""), None),
        (token("kind = \"control\"\nfile = \"control.token\""), None),
        (tls(TLS), None),
        (token("file = \"open.token\""), Some("tokens[0].file: ")),
        (token("file = \"short.token\""), Some("tokens[0].file: it has 6 characters")),
        (token("file = \"odd.token\""), Some("tokens[0].file: it has characters other")),
        (token("file = \"none.token\""), Some("tokens[0].file: ")),
        (token("env = \"NO_SUCH_TOKEN\""), Some("tokens[0].env: the environment has no")),
        (token("credential = \"none\""), Some("tokens[0].credential: ")),
        (token("credential = \"../x\""), Some("tokens[0].credential: \"../x\" is no name")),
        (token(""), Some("tokens[0]: it does not name exactly one source")),
        (
            token("env = \"TOKEN_OF_TEST\"\nfile = \"read.token\""),
            Some("tokens[0]: it does not name exactly one source"),
        ),
        (token("kind = \"write\"\nfile = \"read.token\""), Some("tokens[0].kind: \"write\" is")),
        (TOKEN.replace("desk", "a b"), Some("tokens[0].name: \"a b\" is no name")),
        (format!("{TOKEN}{}", TOKEN.replace("read", "control")), Some("tokens[1].name: token")),
        (
            format!("{TOKEN}{}", TOKEN.replace("desk", "b")),
            Some("tokens[1]: it has the secret of \"desk\""),
        ),
        (tls("certificate = \"certificate.pem\""), Some("broadcast.private_key: it is missing")),
        (tls("private_key = \"key.pem\""), Some("broadcast.certificate: it is missing")),
        (tls(&TLS.replace("key.pem", "open-key.pem")), Some("broadcast.private_key: ")),
        (tls(&TLS.replace("key.pem", "read.token")), Some("broadcast.private_key: ")),
        (tls(&TLS.replace("certificate.pem", "none.pem")), Some("broadcast.certificate: ")),
        (
            tls(&format!("address = \"unix:b.sock\"\n{TLS}")),
            Some("broadcast.certificate: a Unix socket has no use for it"),
        ),
        (tls("audit = \".\""), Some("broadcast.audit: it is no file")),
    ];
    for (keys, expected) in cases {
        let output = scene.check(&keys);
        let told = told(&output);
        assert_eq!(output.status.code(), Some(if expected.is_some() { 2 } else { 0 }), "{told}");
        assert!(told.contains(expected.unwrap_or("")), "{keys}: {told}");
    }
    let all = scene.check("[broadcast]\naddress = \"0.0.0.0:1\"\n[[tokens]]\nname = \"\"\n");
    let told = told(&all);
    for key in ["broadcast.address: ", "tokens[0].name: ", "tokens[0]: "] {
        assert!(told.contains(key), "all are told at once: {told}");
    }
}

/// Returns what the server answers until its end, or until `enough` has come.
fn answer(address: &str, request: &str, enough: &str) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.write_all(request.as_bytes()).unwrap();
    let (mut answer, mut bytes) = (Vec::new(), [0; 4096]);
    while let Ok(count) = socket.read(&mut bytes) {
        answer.extend(&bytes[..count]);
        if count == 0 || String::from_utf8_lossy(&answer).contains(enough) {
            break;
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

fn upgrade(target: &str, headers: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    )
}

/// Returns every file below a folder.
fn files(folder: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.is_file() {
            found.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
}

/// Starts an engine, and returns it, its log, what was read of that, and where it listens.
fn start(command: &mut Command) -> (Running, BufReader<ChildStderr>, String, String) {
    let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = Running(piped.spawn().unwrap());
    let mut log = BufReader::new(running.0.stderr.take().unwrap());
    let mut errors = String::new();
    let line = next_line(&mut log, &mut errors, "broadcast on ");
    let address = line.split("://").nth(1).unwrap().split(';').next().unwrap().to_owned();
    (running, log, errors, address)
}

/// Reads the log up to a line with these words, and returns that.
fn next_line(log: &mut impl BufRead, errors: &mut String, words: &str) -> String {
    loop {
        let before = errors.len();
        assert!(log.read_line(errors).unwrap() > 0, "no {words:?}: {errors}");
        if errors[before..].contains(words) {
            return errors[before..].to_owned();
        }
    }
}

fn signal(running: &Running, signal: Signal) {
    kill_process(Pid::from_child(&running.0), signal).unwrap();
}

#[test]
fn a_hangup_has_the_certificate_read_again_and_nothing_else() {
    let scene = Scene::new();
    scene.write(
        "engine.toml",
        &format!("{ENGINE}[broadcast]\naddress = \"127.0.0.1:0\"\n{TLS}"),
        0o644,
    );
    let (mut running, mut log, mut errors, _) =
        start(&mut scene.command(&["run", "--config", "engine.toml"]));
    signal(&running, Signal::HUP);
    next_line(&mut log, &mut errors, "the certificate was read again");
    scene.write("certificate.pem", "nothing", 0o644);
    signal(&running, Signal::HUP);
    let line = next_line(&mut log, &mut errors, "the certificate was not read again");
    assert!(line.contains("broadcast.certificate: "), "{line}");
    signal(&running, Signal::TERM);
    log.read_to_string(&mut errors).unwrap();
    assert_eq!(running.0.wait().unwrap().code(), Some(SAW_NOTHING), "{errors}");
}

#[test]
fn a_secret_is_in_nothing_that_the_engine_writes_says_or_answers() {
    let scene = Scene::new();
    let keys = format!(
        "[broadcast]\naddress = \"127.0.0.1:0\"\naudit = \"audit.jsonl\"\n{TOKEN}\
         [[tokens]]\nname = \"admin\"\nkind = \"control\"\nenv = \"TOKEN_OF_ADMIN\"\n"
    );
    scene.write("engine.toml", &format!("{ENGINE}{keys}"), 0o644);
    let arguments = ["run", "--config", "engine.toml", "--summary", "summary.json"];
    let mut command = scene.command(&arguments);
    command.env("TOKEN_OF_ADMIN", CONTROL);
    let (mut running, mut log, mut errors, address) = start(&mut command);
    let header = |secret: &str| upgrade("/", &format!("Authorization: Bearer {secret}\r\n"));
    let offer = format!("Sec-WebSocket-Protocol: spreadwire.v1.json, bearer.{READ}\r\n");
    let mut answers = String::new();
    for (request, expected) in [
        (header(READ), "101 "),
        (upgrade("/", &offer), "101 "),
        (upgrade(&format!("/?token={READ}"), ""), "401 "),
        (header(CONTROL), "403 "),
        (header(&format!("{READ}x")), "401 "),
        (header(READ).replace("Host: localhost", &format!("Host: {READ}.example")), "403 "),
        (
            header(READ).replace("13\r\n", &format!("13\r\nOrigin: http://{MARK}.example\r\n")),
            "403 ",
        ),
        (header(READ).replace("Upgrade: websocket\r\n", ""), "426 "),
        (format!("POST /{READ} HTTP/1.1\r\n\r\n"), "405 "),
    ] {
        let enough = if expected == "101 " { "\"type\":\"hello\"" } else { "\u{0}" };
        let answer = answer(&address, &request, enough);
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected}")), "{request}: {answer}");
        // What is no token to the server, such as the name of a host, it may repeat.
        let is_repeated = request.contains(".example");
        answers.push_str(if is_repeated { "" } else { &answer });
    }
    signal(&running, Signal::TERM);
    log.read_to_string(&mut errors).unwrap();
    let mut out = String::new();
    running.0.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    assert_eq!(running.0.wait().unwrap().code(), Some(SAW_NOTHING), "{errors}");

    let mut written = BTreeMap::new();
    files(scene.folder.path(), &mut written);
    let is_own = |path: &Path| path.extension().is_some_and(|it| it == "token" || it == "pem");
    written.retain(|path, _| !is_own(path));
    let audit = String::from_utf8(written[&scene.path("audit.jsonl")].clone()).unwrap();
    for word in ["\"token\":\"desk\"", "\"why\":\"no_token\"", "\"why\":\"wrong_token\""] {
        assert!(audit.contains(word), "{word}: {audit}");
    }
    assert!(written.contains_key(&scene.path("summary.json")), "{:?}", written.keys());
    assert!(written.keys().any(|path| path.starts_with(scene.path("lake"))), "the ledger is there");
    written.insert("answers".into(), answers.into_bytes());
    written.insert("standard error".into(), errors.into_bytes());
    written.insert("standard output".into(), out.into_bytes());
    for (path, bytes) in &written {
        let text = String::from_utf8_lossy(bytes);
        for secret in [MARK, KEY_PASSWORD] {
            assert!(!text.contains(secret), "{} tells {secret}: {text}", path.display());
        }
    }
}
