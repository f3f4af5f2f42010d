//! Common clients as contenders: processes that connect to the simulated Binance, parse its frames,
//! and write a line with update id, bid and ask for each.
//!
//! Each process receives the exchange's address, the address of the answers' listener, and a core
//! to pin itself to. Clients that are not installed are skipped with a message.

use super::answers::{Answers, Form};
use super::frames::{self, Wrapping};
use super::load::Sockets;
use super::venue::Listener;
use anyhow::{Context, bail};
use spreadwire_market::clock::{Clock, Nanos, SECOND};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Interval between warm-up frames.
const PROBE_INTERVAL: Duration = Duration::from_millis(20);
/// Number of answers after which a peer is ready.
const PROBES: u64 = 50;
/// Pause between the last answer and the block.
const QUIET: Duration = Duration::from_millis(300);
/// Timeout from a peer's subscription to its first answers.
const PATIENCE: Nanos = 30 * SECOND;

/// A common client.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// Name in the results.
    pub(crate) name: &'static str,
    program: PathBuf,
    script: Option<PathBuf>,
}

/// Returns the clients that can run here, and prints the reason for each other one.
pub(crate) fn installed() -> anyhow::Result<Vec<Peer>> {
    let beside = std::env::current_exe()?.with_file_name("tokio-peer");
    let mut peers = Vec::new();
    if beside.is_file() {
        peers.push(Peer { name: "tokio-tungstenite", program: beside, script: None });
    } else {
        println!("tokio-tungstenite is left out: use cargo build --profile dist -p benches --bins");
    }
    let python = std::env::var_os("PYTHON").map_or(PathBuf::from("python3"), PathBuf::from);
    let scripts =
        [("websockets", "websockets"), ("cryptofeed", "cryptofeed"), ("ccxt", "ccxt pro")];
    for (module, name) in scripts {
        let found = Command::new(&python)
            .args(["-c", &format!("import {module}")])
            .stderr(Stdio::null())
            .status();
        if !found.is_ok_and(|status| status.success()) {
            println!("{name} is left out: {} does not find {module} (PYTHON)", python.display());
            continue;
        }
        let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/peers"));
        let script = Some(folder.join(format!("{module}_peer.py")));
        peers.push(Peer { name, program: python.clone(), script });
    }
    Ok(peers)
}

/// A running peer. Dropping this kills it.
#[derive(Debug)]
pub(crate) struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Peer {
    /// Starts the peer on a core.
    pub(crate) fn start(
        &self,
        exchange: &Listener,
        answers: &Listener,
        cpu: usize,
    ) -> anyhow::Result<Running> {
        let mut command = Command::new(&self.program);
        command.args(&self.script);
        command.arg(exchange.address()?.to_string()).arg(answers.address()?.to_string());
        let child = command.arg(cpu.to_string()).stdin(Stdio::null()).spawn();
        Ok(Running(child.with_context(|| self.program.display().to_string())?))
    }
}

/// Accepts the peer's connections and sends frames until answers arrive. Afterwards nothing is in
/// flight.
pub(crate) fn connect(
    exchange: &Listener,
    answers: &Listener,
    clock: &Clock,
) -> anyhow::Result<(Sockets, Answers, Wrapping)> {
    let mut output = answers.accept().context("the peer's answers")?;
    let mut feed = exchange.subscriber().context("the peer's subscription")?;
    let wrapping = feed.wrapping();
    output.set_read_timeout(Some(PROBE_INTERVAL))?;
    let (mut bytes, mut heard, deadline) = ([0; 4096], 0, clock.now() + PATIENCE);
    let mut number = 0;
    while heard < PROBES {
        if deadline < clock.now() {
            bail!("{heard} answers arrived for {number} frames");
        }
        feed.stream.write_all(&frames::probe(number, wrapping))?;
        number += 1;
        heard += lines(output.read(&mut bytes), &bytes)?;
        std::thread::sleep(PROBE_INTERVAL / 4);
    }
    output.set_read_timeout(Some(QUIET))?;
    while 0 < lines(output.read(&mut bytes), &bytes)? {}
    Ok((Sockets { feed: feed.stream, answers: output }, Answers::new(Form::Lines), wrapping))
}

fn lines(read: std::io::Result<usize>, bytes: &[u8]) -> anyhow::Result<u64> {
    match read {
        Ok(0) => bail!("the peer ended"),
        Ok(count) => Ok(bytes[..count].iter().filter(|byte| **byte == b'\n').count() as u64),
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(0),
        Err(error) => Err(error.into()),
    }
}
