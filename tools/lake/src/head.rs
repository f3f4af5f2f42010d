//! `lake head`: where the ledger of a lake ends, to be kept elsewhere, signed, and compared later.
//!
//! The ledger of a run is a chain, so a head that was written down once proves everything before it:
//! whoever removes or rewrites a run that it names, or any fact in it, cannot come to the same digest.

use anyhow::{Context, bail, ensure};
use clap::Args;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use spreadwire_lake::files;
use spreadwire_lake::ledger::{Chain, Head, Ledger, Tip};
use spreadwire_output::{Stream, write};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Shortest key that is accepted, bytes.
const KEY_BYTES_MIN: usize = 16;
/// Longest key file that is read, bytes.
const KEY_BYTES_MAX: u64 = 4096;
/// The name of the signature in a head.
const SIGNATURE: &str = "hmac_sha256";

/// Arguments of `lake head`.
#[derive(Debug, Args)]
pub struct HeadOf {
    /// Folder of the lake.
    lake: PathBuf,
    /// Write the head into this file, to be kept on another machine.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Sign the head with the key in this file (HMAC-SHA256), which only its owner may read; with
    /// --expect, require that the other head was signed with it.
    #[arg(long, value_name = "KEYFILE")]
    sign: Option<PathBuf>,
    /// Compare with a head that was written down earlier: every run that it names must still be here
    /// as it was then.
    #[arg(long, value_name = "FILE")]
    expect: Option<PathBuf>,
    /// Print the outcome as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Prints the head, or what differs from an earlier one. Returns 0 if nothing does, otherwise 1.
///
/// # Errors
/// If a file cannot be read or written, or the key is not one.
pub fn run(arguments: &HeadOf) -> anyhow::Result<ExitCode> {
    crate::ensure_lake(&arguments.lake)?;
    let key = arguments.sign.as_deref().map(read_key).transpose()?;
    let ledger = Ledger::read(&arguments.lake);
    if let Some(error) = ledger.errors.into_iter().next() {
        return Err(error).context("the ledger is damaged, see lake verify");
    }
    if let Some(file) = &arguments.expect {
        let expected = read_head(file, key.as_deref())?;
        let differences = differences(&expected, &ledger.chains);
        write(Stream::Out, &compared(&expected, &differences, arguments.json));
        return Ok(ExitCode::from(u8::from(!differences.is_empty())));
    }
    let tips = ledger.chains.iter().filter_map(|(run, chain)| {
        let (next, hash) = chain.tip();
        Some((run.clone(), Tip { serial: next.checked_sub(1)?, hash: hash? }))
    });
    let text = signed(&Head { runs: tips.collect() }, key.as_deref())?;
    match &arguments.out {
        None => write(Stream::Out, &text),
        Some(path) => {
            let written = files::output(path).and_then(|mut file| file.write_all(text.as_bytes()));
            written.with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns a head as JSON, with a signature if there is a key.
fn signed(head: &Head, key: Option<&[u8]>) -> anyhow::Result<String> {
    let mut json = head.to_json();
    if let Some(key) = key {
        let signature = signer(&json, key)?.finalize().into_bytes();
        let hex: String = signature.iter().map(|byte| format!("{byte:02x}")).collect();
        json[SIGNATURE] = Value::String(hex);
    }
    Ok(format!("{json:#}\n"))
}

/// Returns the signature of a head without one. Keys of a JSON object are sorted, so that its text
/// is always the same.
fn signer(json: &Value, key: &[u8]) -> anyhow::Result<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).context("cannot use the key")?;
    mac.update(json.to_string().as_bytes());
    Ok(mac)
}

/// Reads a head that was written down earlier.
fn read_head(path: &Path, key: Option<&[u8]>) -> anyhow::Result<Head> {
    let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut json: Value = serde_json::from_slice(&text)
        .with_context(|| format!("{} is not the head of a lake", path.display()))?;
    let signature = json.as_object_mut().and_then(|object| object.remove(SIGNATURE));
    if let Some(key) = key {
        let Some(signature) = signature.as_ref().and_then(Value::as_str).and_then(bytes_of) else {
            bail!("{} is not signed: leave --sign out to compare it all the same", path.display());
        };
        let proof = signer(&json, key)?.verify_slice(&signature);
        ensure!(proof.is_ok(), "{} was changed, or signed with another key", path.display());
    }
    Head::of_json(&json)
        .with_context(|| format!("{} is not a head that this version knows", path.display()))
}

/// Returns the bytes that hexadecimal digits stand for.
fn bytes_of(hex: &str) -> Option<Vec<u8>> {
    let is_hex = hex.len().is_multiple_of(2) && hex.bytes().all(|digit| digit.is_ascii_hexdigit());
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).ok();
    if is_hex { (0..hex.len()).step_by(2).map(byte).collect() } else { None }
}

/// Reads a key: the content of a file without spaces and line feeds at its end.
fn read_key(path: &Path) -> anyhow::Result<Vec<u8>> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let metadata = file.metadata()?;
    ensure!(metadata.is_file(), "{} is not a file", path.display());
    let mode = metadata.mode() & 0o077;
    ensure!(mode == 0, "{} can be read by others: chmod 600 it", path.display());
    let mut key = Vec::new();
    file.take(KEY_BYTES_MAX).read_to_end(&mut key)?;
    let key = key.trim_ascii_end().to_vec();
    let enough = KEY_BYTES_MIN <= key.len();
    ensure!(enough, "{} holds fewer than {KEY_BYTES_MIN} bytes", path.display());
    Ok(key)
}

/// Returns what of an earlier head is no longer true.
fn differences(expected: &Head, chains: &BTreeMap<String, Chain>) -> Vec<String> {
    let mut found = Vec::new();
    for (run, Tip { serial, hash }) in &expected.runs {
        let Some(chain) = chains.get(run) else {
            found.push(format!("run {run} is gone"));
            continue;
        };
        match chain.hash_of(*serial) {
            None => found.push(format!("run {run}: file {serial} of its ledger is gone")),
            Some(found_hash) if found_hash != *hash => {
                found.push(format!("run {run}: its ledger was changed up to file {serial}"));
            }
            Some(_) => {}
        }
        let broken = chain.breaks();
        found.extend(broken.into_iter().map(|broken| format!("run {run}: {broken}")));
    }
    found
}

fn compared(expected: &Head, differences: &[String], as_json: bool) -> String {
    let runs = expected.runs.len();
    if as_json {
        let same = differences.is_empty();
        return format!("{}\n", json!({"same": same, "runs": runs, "differences": differences}));
    }
    if differences.is_empty() {
        return format!("{runs} runs are here as they were\n");
    }
    let lines: Vec<String> = differences.iter().map(|line| format!("{line}\n")).collect();
    format!("{}NOT AS EXPECTED: {} differences\n", lines.concat(), differences.len())
}
