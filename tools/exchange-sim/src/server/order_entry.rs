//! Connects the order sides of the venues with their sockets and with time.

use tungstenite::Message;

use crate::connection::Ending;
use crate::orders::desk::Outgoing;
use crate::server::hub::Hub;

/// Returns for how long the order sides have nothing to send, in ns, if that is known.
pub(crate) fn wait_ns(hub: &Hub, now_ns: u64) -> Option<u64> {
    let desks = hub.markets.iter().filter_map(|market| market.desk.as_ref());
    desks.filter_map(|desk| desk.next_ns()).min().map(|due_ns| due_ns.saturating_sub(now_ns))
}

/// Lets the order sides do what is due by now, sends what they want to have sent, and counts both.
pub(crate) fn work(hub: &mut Hub, now_ns: u64) {
    for index in 0..hub.markets.len() {
        if let Some(desk) = &mut hub.markets[index].desk {
            desk.tick(now_ns);
        }
        while let Some(outgoing) = next(hub, index, now_ns) {
            carry_out(hub, outgoing, now_ns);
        }
        hub.markets[index].count_orders();
    }
}

fn next(hub: &mut Hub, index: usize, now_ns: u64) -> Option<Outgoing> {
    hub.markets[index].desk.as_mut()?.poll(now_ns)
}

fn carry_out(hub: &mut Hub, outgoing: Outgoing, now_ns: u64) {
    let (Outgoing::Send { connection: slot, .. } | Outgoing::Reset { connection: slot }) = outgoing;
    let Some((connection, _)) = hub.client(slot) else { return };
    if !connection.is_live() || connection.stalled_until_ns.is_some() {
        return;
    }
    match outgoing {
        Outgoing::Send { text, .. } => connection.send(Message::text(text), now_ns),
        Outgoing::Reset { .. } => connection.end(Ending::Reset),
    }
}
