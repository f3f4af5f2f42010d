//! A broadcast server under the test's control, and a trader as a process of its own.

use serde_json::{Value, json};
use spreadwire_market::clock::{Clock, MILLI, Nanos};
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use tungstenite::handshake::server::{Request, Response};
use tungstenite::{Message, WebSocket};

/// Longest wait for what must come: a test that waits longer has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A configuration in a folder of its own.
pub(crate) struct Home {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) text: String,
}

impl Home {
    pub(crate) fn new() -> Home {
        let venue = |name: &str| {
            format!(
                "[[trading.venues]]\nname = \"{name}\"\nfee_asset = \"quote\"\n\
                 fee_tiers = [{{ from = 0, bps = 1.0 }}]\n\
                 balances = {{ USDT = 100000, BTC = 10 }}\n"
            )
        };
        let text = format!(
            "[[venues]]\nname = \"binance\"\n[[venues]]\nname = \"okx\"\n\
             [[instruments]]\nname = \"BTC/USDT\"\nprice_decimals = 2\nsize_decimals = 5\n\
             [decision]\nentry_bps = 20.0\nexit_bps = 5.0\ncooldown_ms = 0\n\
             [trading]\njournal = \"trading\"\nlatency_ms = 5.0\n\
             answer_timeout_ms = 50\n{}{}",
            venue("binance"),
            venue("okx")
        );
        let home = Home { folder: tempfile::tempdir().unwrap(), text };
        home.write(&home.text);
        home
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, text: &str) {
        std::fs::write(self.path("engine.toml"), text).unwrap();
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.path("trading/decisions.jsonl")
    }

    /// Asks the running trader.
    pub(crate) fn ask(&self, request: &str) -> Output {
        let config = self.path("engine.toml");
        let arguments = [request, "--json", "--config", config.to_str().unwrap()];
        Command::new(env!("CARGO_BIN_EXE_trader")).args(arguments).output().unwrap()
    }

    pub(crate) fn status(&self) -> Value {
        let output = self.ask("status");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Reports on the journal.
    pub(crate) fn report(&self) -> Value {
        let folder = self.path("trading");
        let arguments = ["report", "--json", folder.to_str().unwrap()];
        let output = Command::new(env!("CARGO_BIN_EXE_trader")).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// A server that a trader connects to.
pub(crate) struct Broadcast {
    listener: TcpListener,
    pub(crate) address: SocketAddr,
}

/// A connection of the trader to it.
pub(crate) struct Client {
    socket: WebSocket<TcpStream>,
    seq: u64,
    /// Time of the next record, ns since 1970 UTC.
    pub(crate) ts: Nanos,
}

impl Broadcast {
    pub(crate) fn new() -> Broadcast {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        Broadcast { listener, address }
    }

    /// Accepts the trader's connection, says hello with these instruments, and shows all of it live. A
    /// connection that the trader has given up, because the machine was slow, is left out.
    pub(crate) fn accept(&self, instruments: &[&str]) -> Client {
        loop {
            let (socket, _) = self.listener.accept().unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            let Ok(socket) = upgraded(socket) else { continue };
            let mut client = Client { socket, seq: 0, ts: Clock::host().now() };
            if client.try_say(&hello(instruments)) && client.try_say(&client.state("default")) {
                return client;
            }
        }
    }
}

fn hello(instruments: &[&str]) -> Value {
    let row = |name: &&str| {
        json!({
            "name": name, "price_scale": 2, "size_scale": 5, "venues": ["okx", "binance"],
        })
    };
    let instruments: Vec<Value> = instruments.iter().map(row).collect();
    // In another order than the configuration has them.
    json!({
        "type": "hello", "protocol": "spreadwire.v1", "engine": "0.2.0", "revision": 2,
        "venues": [
            {"name": "okx", "taker_fee_bps": 1}, {"name": "binance", "taker_fee_bps": 1},
        ],
        "instruments": instruments,
    })
}

#[expect(clippy::result_large_err, reason = "the callback's type is tungstenite's")]
fn upgraded(socket: TcpStream) -> Result<WebSocket<TcpStream>, String> {
    let choose = |_: &Request, mut response: Response| {
        let chosen = "spreadwire.v1.json".parse().unwrap();
        response.headers_mut().insert("Sec-WebSocket-Protocol", chosen);
        Ok(response)
    };
    tungstenite::accept_hdr(socket, choose).map_err(|error| error.to_string())
}

impl Client {
    /// Says something. A trader that has left shows in what it prints.
    pub(crate) fn say(&mut self, message: &Value) {
        self.try_say(message);
    }

    fn try_say(&mut self, message: &Value) -> bool {
        self.socket.send(Message::text(message.to_string())).is_ok()
    }

    pub(crate) fn snapshot(&mut self, id: &str) {
        let state = self.state(id);
        self.say(&state);
    }

    fn state(&self, id: &str) -> Value {
        let state = |venue: &str| {
            json!({
                "venue": venue, "instrument": "BTC/USDT", "state": "live", "reason": "quote",
                "ts_recv": self.ts,
            })
        };
        json!({
            "type": "snapshot", "id": id, "seq": self.seq,
            "states": [state("binance"), state("okx")], "spreads": [], "last": true,
        })
    }

    /// Buy on binance, sell on okx, 10 ms after the record before.
    pub(crate) fn spread(&mut self, buy: (&str, &str), sell: (&str, &str)) {
        self.seq += 1;
        self.ts += 10 * MILLI;
        let spread = json!({
            "type": "spread", "seq": self.seq, "instrument": "BTC/USDT",
            "buy_venue": "binance", "sell_venue": "okx", "buy_px": buy.0, "sell_px": sell.0,
            "buy_sz": buy.1, "sell_sz": sell.1, "gross_bps": 0, "net_bps": 0,
            "ts_recv": self.ts, "quote_seq": self.seq,
        });
        self.say(&spread);
    }

    /// Leaves out numbers, as a filter does.
    pub(crate) fn skip(&mut self, numbers: u64) {
        self.seq += numbers;
    }

    /// Returns the next request.
    pub(crate) fn hear(&mut self) -> Value {
        loop {
            if let Message::Text(text) = self.socket.read().unwrap() {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }
}

/// A trader that runs, killed when it is dropped.
pub(crate) struct Trader {
    child: Child,
    lines: Receiver<String>,
    /// All that was printed so far.
    pub(crate) printed: Vec<String>,
}

impl Trader {
    /// Starts a trader on paper.
    pub(crate) fn start(home: &Home, server: &Broadcast) -> Trader {
        Trader::start_with(&home.path("engine.toml"), server, &[])
    }

    pub(crate) fn start_with(config: &Path, server: &Broadcast, more: &[&str]) -> Trader {
        Trader::start_by("paper", config, server, more)
    }

    /// Starts a trader by a gateway.
    pub(crate) fn start_by(
        gateway: &str,
        config: &Path,
        server: &Broadcast,
        more: &[&str],
    ) -> Trader {
        let url = format!("ws://{}", server.address);
        let rest = ["--gateway", gateway, "--max-age-ms", "60000", "--for", "120"];
        let mut child = Command::new(env!("CARGO_BIN_EXE_trader"))
            .args(["--url", &url, "--config", config.to_str().unwrap()])
            .args(rest)
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (say, lines) = channel();
        read(child.stdout.take().unwrap(), say.clone());
        read(child.stderr.take().unwrap(), say);
        Trader { child, lines, printed: Vec::new() }
    }

    /// Waits for a line with this in it, and returns it.
    pub(crate) fn until(&mut self, wanted: &str) -> String {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    self.printed.push(line.clone());
                    if line.contains(wanted) {
                        return line;
                    }
                }
                Err(_) => panic!("no line with {wanted:?} in {:#?}", self.printed),
            }
        }
    }

    /// Returns whether a line with this in it comes within a moment.
    pub(crate) fn has_said(&mut self, wanted: &str) -> bool {
        while let Ok(line) = self.lines.recv_timeout(Duration::from_millis(20)) {
            self.printed.push(line);
        }
        self.printed.iter().any(|line| line.contains(wanted))
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, name: &str) {
        let process = self.child.id().to_string();
        let sent = Command::new("kill").args([name, &process]).status().unwrap();
        assert!(sent.success());
    }

    /// Kills it as the kernel does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end; returns its exit code and what it printed.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.printed.push(line);
        }
        (self.child.wait().unwrap().code(), self.printed.join("\n"))
    }
}

impl Drop for Trader {
    fn drop(&mut self) {
        // It may have ended.
        self.child.kill().unwrap_or_default();
        self.child.wait().map(drop).unwrap_or_default();
    }
}

fn read(from: impl Read + Send + 'static, say: Sender<String>) {
    let read = move || {
        for line in BufReader::new(from).lines() {
            if line.map(|line| say.send(line)).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().spawn(read).unwrap();
}
