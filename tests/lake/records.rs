//! Records to send through the journal.

use crate::rig::{MIDNIGHT, catalogue};
use bytemuck::Zeroable;
use spreadwire_lake::run::{Origin, RunId, catalogue_digest};
use spreadwire_market::clock::{MILLI, Nanos};
use spreadwire_market::instrument::{InstrumentId, VenueId};
use spreadwire_market::record::{Quote, Record, Spread, Status};

pub(crate) fn origin() -> Origin {
    Origin { run: RunId::new("run").unwrap(), catalogue: catalogue_digest(&catalogue()) }
}

pub(crate) fn quote(venue: u8, instrument: u32, ts_recv: Nanos) -> Quote {
    Quote {
        ts_recv,
        ts_event: ts_recv - 5 * MILLI,
        bid_px: 6_183_763,
        ask_px: 6_183_764,
        bid_sz: 378_826_000,
        ask_sz: 154_698_000,
        sequence: 7,
        instrument: InstrumentId(instrument),
        venue: VenueId(venue),
        ..Quote::zeroed()
    }
}

pub(crate) fn status(ts_recv: Nanos) -> Record {
    Status { ts_recv, ..Status::zeroed() }.into()
}

pub(crate) fn quotes(count: u64) -> Vec<Record> {
    (0..count).map(|at| quote(0, 0, MIDNIGHT + at).into()).collect()
}

pub(crate) fn spread(ts_recv: Nanos) -> Record {
    Spread { ts_recv, ..Spread::zeroed() }.into()
}
