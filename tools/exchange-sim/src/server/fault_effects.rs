//! Carries out scripted faults on a market and its connections.

use tungstenite::protocol::frame::coding::CloseCode;

use crate::connection::Ending;
use crate::duration::nanos;
use crate::faults::FaultKind;
use crate::server::hub::{Frame, Hub, NS_PER_MS};
use crate::stats::Occasion;

/// Carries out the faults of a market whose moment has come, `elapsed_ns` after the source began to
/// play.
pub(crate) fn fire_due(hub: &mut Hub, market: usize, elapsed_ns: u64, now_ns: u64) {
    while let Some(kind) = hub.markets[market].due_fault(elapsed_ns) {
        hub.markets[market].stats.faults += 1;
        fire(hub, market, &kind, now_ns);
    }
}

fn fire(hub: &mut Hub, index: usize, kind: &FaultKind, now_ns: u64) {
    match kind {
        FaultKind::Drop => hub.each_live(index, |it| it.end(Ending::Reset)),
        FaultKind::Cut => {
            let half = first_half(&last_frame(hub, index, now_ns));
            hub.each_live(index, |it| it.end(Ending::Cut(half.clone())));
        }
        FaultKind::Close => {
            hub.each_live(index, |it| it.close(CloseCode::Away, "scripted", now_ns));
        }
        FaultKind::Stall(time) => {
            let until_ns = now_ns.saturating_add(nanos(*time));
            hub.each_live(index, |it| it.stalled_until_ns = Some(until_ns));
        }
        FaultKind::Garbage => hub.send_to_all(index, "\u{1}garbage]} not json \\", now_ns),
        FaultKind::Unknown => {
            hub.send_to_all(index, r#"{"e":"unheardOf","version":99,"data":[null]}"#, now_ns);
        }
        FaultKind::Truncated => {
            let frame = last_frame(hub, index, now_ns);
            hub.send_to_all(index, &frame[..frame.len() / 2], now_ns);
        }
        FaultKind::Oversized(length) => {
            hub.send_to_all(index, &format!(r#"{{"pad":"{}"}}"#, "x".repeat(*length)), now_ns);
        }
        FaultKind::Skip(count) => hub.markets[index].skips += *count,
        FaultKind::Refuse => hub.markets[index].refusals += 1,
        FaultKind::Crossed
        | FaultKind::ZeroSize
        | FaultKind::Negative
        | FaultKind::OneSided
        | FaultKind::Empty
        | FaultKind::Unreadable => send_spoilt(hub, index, kind, now_ns),
        FaultKind::DropOne => {
            let mut ending = Some(Ending::Reset);
            hub.each_live(index, |it| ending.take().into_iter().for_each(|how| it.end(how)));
        }
        FaultKind::Lag(time) => hub.markets[index].lag_ms = nanos(*time) / NS_PER_MS,
        FaultKind::Die(symbol) => hub.markets[index].silence(symbol),
        FaultKind::RefuseForEver(symbol) => hub.markets[index].delist(symbol),
        FaultKind::Shutdown => {
            if let Some(notice) = hub.markets[index].venue.shutdown(now_ns / NS_PER_MS) {
                hub.send_to_all(index, &notice, now_ns);
            }
        }
    }
}

/// Returns the frame of the market's last quote, or an empty JSON object if there is none.
fn last_frame(hub: &Hub, index: usize, now_ns: u64) -> String {
    let market = &hub.markets[index];
    let frame = market.snapshot(market.last_topic, now_ns / NS_PER_MS);
    frame.unwrap_or_else(|| "{}".to_owned())
}

/// Sends the market's last quote again, made wrong. Does nothing before the first quote, and
/// nothing when frames are played, whose quotes the simulator does not read.
fn send_spoilt(hub: &mut Hub, index: usize, kind: &FaultKind, now_ns: u64) {
    let market = &mut hub.markets[index];
    let topic = market.last_topic;
    if market.snapshot(topic, 0).is_none() || market.spoil(topic, kind).is_none() {
        return;
    }
    let Some(frame) = market.change(topic) else { return };
    let receivers = hub.deliver(index, topic, Frame::bare(&frame), now_ns);
    hub.remember(index, topic, Occasion::Faulty, None, receivers);
}

/// Returns the first half of the WebSocket frame of a text. Its header announces the full length.
fn first_half(text: &str) -> Vec<u8> {
    const TEXT_FINAL: u8 = 0x81;
    let mut bytes = vec![TEXT_FINAL];
    match u8::try_from(text.len()) {
        Ok(length) if length < 126 => bytes.push(length),
        Ok(_) | Err(_) => match u16::try_from(text.len()) {
            Ok(length) => {
                bytes.push(126);
                bytes.extend(length.to_be_bytes());
            }
            Err(_) => {
                bytes.push(127);
                bytes.extend((text.len() as u64).to_be_bytes());
            }
        },
    }
    bytes.extend(&text.as_bytes()[..text.len() / 2]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::Market;
    use crate::options::Options;
    use crate::venues;

    /// Recorded frames list no instruments, so a market of theirs starts without topics.
    #[test]
    fn every_fault_can_come_before_the_first_topic() {
        for kind in [
            "drop",
            "drop-one",
            "cut",
            "truncated",
            "oversized=9",
            "crossed",
            "zero-size",
            "negative",
            "one-sided",
            "lag=1s",
            "die=BTC-USDT",
            "refuse-for-ever=BTC-USDT",
            "shutdown",
        ] {
            let faults = vec![format!("okx:after=0:{kind}").parse().expect("a fault")];
            let options = Options { faults, ..Options::default() };
            let venue = venues::by_name("okx").expect("a known venue");
            let mut hub = Hub::new(vec![Market::new(venue, &options)], false);
            fire_due(&mut hub, 0, 0, 0);
            assert_eq!(hub.markets[0].stats.faults, 1, "{kind}");
        }
    }

    #[test]
    fn half_frames_announce_the_whole() {
        assert_eq!(first_half("abcd"), [0x81, 4, b'a', b'b']);
        let long = "x".repeat(200);
        let half = first_half(&long);
        assert_eq!(half[..4], [0x81, 126, 0, 200]);
        assert_eq!(half.len(), 104);
        assert_eq!(first_half(&"x".repeat(70_000))[..10], [0x81, 127, 0, 0, 0, 0, 0, 1, 17, 112]);
    }
}
