//! The control socket: one request and one answer a connection, a line of JSON each.
//!
//! The socket lies in the folder of the journal and only its owner may use it. A cold thread accepts, and one
//! for each peer reads within a time limit and hands the request to the trader, which answers in its next
//! duty cycle. `kill` waits neither for that nor for other peers: it turns the switch at once.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use spreadwire_trading::kill::KillSwitch;
use std::fs::{DirBuilder, Permissions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

/// Longest request, bytes.
const REQUEST_BYTES_MAX: u64 = 1024;
/// Longest answer, bytes.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// Longest wait for a peer, and for the trader.
const PATIENCE: Duration = Duration::from_secs(5);
/// Number of requests that may wait.
const WAITING_MAX: usize = 16;

/// What may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// What holds now.
    Status,
    /// Why spreads above their thresholds were not acted on.
    Explain,
    /// Send no order any more.
    Kill,
    /// A person has looked: all halts are over.
    Resume,
    /// A person has looked: what the venues say of balances holds, and residuals are taken over.
    Adopt,
    /// Read the configuration again.
    Reload,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    op: Request,
}

/// A request that waits for its answer.
#[derive(Debug)]
pub struct Asked {
    /// The request.
    pub request: Request,
    answer: SyncSender<Value>,
}

impl Asked {
    /// Answers. A peer that has left does not matter.
    pub fn answer(self, answer: Value) {
        self.answer.try_send(answer).unwrap_or_default();
    }
}

/// The server, whose socket is removed when it is dropped.
#[derive(Debug)]
pub struct Control {
    requests: Receiver<Asked>,
    path: PathBuf,
}

impl Control {
    /// Makes the socket, in the place of one that a dead trader left, and serves it on a thread. The
    /// caller holds the journal beside it, so that no other trader lives.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn serve(path: &Path, kill: KillSwitch) -> io::Result<Control> {
        let listener = bind(path)?;
        let (give, requests) = sync_channel(WAITING_MAX);
        let serve = move || {
            for peer in listener.incoming().flatten() {
                let (give, kill) = (give.clone(), kill.clone());
                // A peer that fails, or says nothing, harms itself alone.
                let attend = move || attend(&peer, &give, &kill).unwrap_or_default();
                let thread = std::thread::Builder::new().name("control peer".to_owned());
                thread.spawn(attend).map(drop).unwrap_or_default();
            }
        };
        std::thread::Builder::new().name("control".to_owned()).spawn(serve)?;
        Ok(Control { requests, path: path.to_owned() })
    }

    /// Returns the next request, if there is one.
    #[must_use]
    pub fn next(&self) -> Option<Asked> {
        self.requests.try_recv().ok()
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        std::fs::remove_file(&self.path).unwrap_or_default();
    }
}

/// Binds the socket where nobody else can reach it, closes it to others, and moves it into place.
fn bind(path: &Path) -> io::Result<UnixListener> {
    let mut hidden = path.as_os_str().to_owned();
    hidden.push(".new");
    let hidden = PathBuf::from(hidden);
    // What a killed trader left; another error shows when the folder is made.
    std::fs::remove_dir_all(&hidden).unwrap_or_default();
    DirBuilder::new().mode(0o700).create(&hidden)?;
    let inner = hidden.join("s");
    let listener = UnixListener::bind(&inner)?;
    std::fs::set_permissions(&inner, Permissions::from_mode(0o600))?;
    std::fs::rename(&inner, path)?;
    std::fs::remove_dir(&hidden)?;
    Ok(listener)
}

fn attend(peer: &UnixStream, give: &SyncSender<Asked>, kill: &KillSwitch) -> io::Result<()> {
    peer.set_read_timeout(Some(PATIENCE))?;
    peer.set_write_timeout(Some(PATIENCE))?;
    let mut text = String::new();
    BufReader::new(peer.take(REQUEST_BYTES_MAX)).read_line(&mut text)?;
    let answer = match serde_json::from_str::<Line>(&text) {
        Ok(line) => asked(line.op, give, kill),
        Err(error) => json!({"error": format!("not a request: {error}")}),
    };
    let mut peer = peer;
    writeln!(peer, "{answer}")
}

fn asked(request: Request, give: &SyncSender<Asked>, kill: &KillSwitch) -> Value {
    if request == Request::Kill {
        kill.set(true);
    }
    let (answer, answered) = sync_channel(1);
    if give.try_send(Asked { request, answer }).is_err() {
        return json!({"error": "too many requests wait"});
    }
    let answer = answered.recv_timeout(PATIENCE);
    answer.unwrap_or_else(|_| json!({"error": "the trader does not answer"}))
}

/// Asks the trader behind a socket.
///
/// # Errors
/// If there is none, or it does not answer; says what to do.
pub fn ask(path: &Path, request: Request) -> Result<Value, String> {
    let failed = |error: io::Error| {
        format!("cannot ask a trader at {}: {error}; is one running?", path.display())
    };
    let mut peer = UnixStream::connect(path).map_err(failed)?;
    let patience = Some(2 * PATIENCE);
    peer.set_read_timeout(patience)
        .and_then(|()| peer.set_write_timeout(patience))
        .map_err(failed)?;
    let line = serde_json::to_string(&Line { op: request }).map_err(|error| error.to_string())?;
    writeln!(peer, "{line}").map_err(failed)?;
    let mut text = String::new();
    BufReader::new(peer.take(ANSWER_BYTES_MAX)).read_line(&mut text).map_err(failed)?;
    let answer: Value = serde_json::from_str(&text)
        .map_err(|error| format!("{} gave no answer: {error}", path.display()))?;
    match answer["error"].as_str() {
        Some(error) => Err(error.to_owned()),
        None => Ok(answer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_answered_and_kill_does_not_wait() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("trader.sock");
        // As a killed trader leaves them.
        drop(UnixListener::bind(&path).unwrap());
        std::fs::create_dir(home.path().join("trader.sock.new")).unwrap();
        let kill = KillSwitch::default();
        let control = Control::serve(&path, kill.clone()).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::thread::scope(|scope| {
            let asked = scope.spawn(|| ask(&path, Request::Status));
            let request = loop {
                if let Some(request) = control.next() {
                    break request;
                }
                std::thread::yield_now();
            };
            assert_eq!(request.request, Request::Status);
            request.answer(json!({"mode": "PAPER"}));
            assert_eq!(asked.join().unwrap().unwrap(), json!({"mode": "PAPER"}));
            let killed = scope.spawn(|| ask(&path, Request::Kill));
            while !kill.is_on() {
                std::thread::yield_now();
            }
            loop {
                if let Some(request) = control.next() {
                    request.answer(json!({"error": "no"}));
                    break;
                }
                std::thread::yield_now();
            }
            assert_eq!(killed.join().unwrap(), Err("no".to_owned()));
        });
        for (bad, told) in
            [("{}", "missing field"), ("{\"op\":\"buy\"}", "unknown variant"), ("", "EOF")]
        {
            let mut peer = UnixStream::connect(&path).unwrap();
            writeln!(peer, "{bad}").unwrap();
            let mut answer = String::new();
            BufReader::new(peer).read_line(&mut answer).unwrap();
            assert!(answer.contains("not a request") && answer.contains(told), "{answer}");
        }
        // Peers that say nothing, or never end their line, hold up nobody.
        let silent: Vec<UnixStream> = (0..4).map(|_| UnixStream::connect(&path).unwrap()).collect();
        assert!(kill.turn(spreadwire_trading::kill::Cause::Command, false));
        std::thread::scope(|scope| {
            let killed = scope.spawn(|| ask(&path, Request::Kill));
            let request = loop {
                if let Some(request) = control.next() {
                    break request;
                }
                assert!(!killed.is_finished(), "it waits for peers that say nothing");
                std::thread::yield_now();
            };
            assert!(kill.is_on());
            request.answer(json!({"done": "killed"}));
            assert!(killed.join().unwrap().is_ok());
        });
        drop(silent);
        drop(control);
        assert!(ask(&path, Request::Status).unwrap_err().contains("is one running?"));
    }
}
