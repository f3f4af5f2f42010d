//! tokio-tungstenite and `serde_json` as a common client of Binance's bookTicker.
//!
//! `tokio-peer EXCHANGE ANSWERS CPU` connects to `ws://EXCHANGE/ws`, subscribes, parses every frame
//! into a struct and its prices into doubles, and writes `<update id> <bid> <ask>` and a newline to
//! the TCP address ANSWERS. It has one thread and tokio's default settings, and uses nothing of the
//! engine.

use anyhow::{Context, bail};
use core_affinity::CoreId;
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

/// The answer to the subscription has none of these fields.
#[derive(Deserialize)]
struct Ticker {
    u: Option<u64>,
    #[serde(default)]
    b: String,
    #[serde(default)]
    a: String,
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [exchange, answers, cpu] = &arguments[..] else {
        bail!("tokio-peer EXCHANGE ANSWERS CPU; wire-to-wire --peer starts it");
    };
    let id = cpu.parse().context("CPU")?;
    if !core_affinity::set_for_current(CoreId { id }) {
        bail!("cannot pin to CPU {id}");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(serve(exchange, answers))
}

async fn serve(exchange: &str, answers: &str) -> anyhow::Result<()> {
    let mut output = TcpStream::connect(answers).await?;
    output.set_nodelay(true)?;
    let url = format!("ws://{exchange}/ws");
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await?;
    let request = r#"{"method":"SUBSCRIBE","params":["btcusdt@bookTicker"],"id":1}"#;
    socket.send(Message::text(request)).await?;
    while let Some(message) = socket.next().await {
        let Message::Text(text) = message? else { continue };
        let Ticker { u: Some(update), b, a } = serde_json::from_str(&text)? else { continue };
        let (bid, ask): (f64, f64) = (b.parse()?, a.parse()?);
        output.write_all(format!("{update} {bid} {ask}\n").as_bytes()).await?;
    }
    Ok(())
}
