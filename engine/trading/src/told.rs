//! Entries that people want to know of, as one line of text.

use crate::entry::{Decided, Entry, Event, Settled};
use crate::gateway::Mode;
use spreadwire_market::decimal;
use spreadwire_market::instrument::Catalogue;
use spreadwire_market::spread::BPS;

/// Returns the line of an entry, which begins with the mode; `None` for those that only machines read.
#[must_use]
pub fn told(entry: &Entry, mode: Mode, currency: &str, catalogue: &Catalogue) -> Option<String> {
    let text = match &entry.event {
        Event::Decided(decided) => deal(decided, catalogue),
        Event::Settled(settled) => {
            let Settled { deal, outcome, profit, fees, .. } = settled;
            format!("deal #{deal} {outcome}: profit {profit} {currency} after fees of {fees}")
        }
        Event::Halted(halt) => format!("nothing opens until a person resumes: {halt}"),
        Event::Resumed => "a person resumed".to_owned(),
        Event::Adopted { venue, asset, amount } => {
            format!("adopted {amount} {asset} at {}", catalogue.venue(*venue).name)
        }
        Event::Funded { .. }
        | Event::Placed(_)
        | Event::Answered(_)
        | Event::Stage { .. }
        | Event::Capturable(_)
        | Event::Markout(_) => return None,
    };
    Some(format!("{} {text}", mode.name()))
}

fn deal(decided: &Decided, catalogue: &Catalogue) -> String {
    let Decided { deal, instrument, buy_venue, sell_venue, buy_px, sell_px, sz, net, .. } =
        *decided;
    let instrument = catalogue.instrument(instrument);
    let px = |px| decimal::to_text(px, instrument.price_scale);
    format!(
        "deal #{deal} {} buy {} at {} on {}, sell at {} on {}, net {:.2} bp",
        instrument.name,
        decimal::to_text(sz, instrument.size_scale),
        px(buy_px),
        catalogue.venue(buy_venue).name,
        px(sell_px),
        catalogue.venue(sell_venue).name,
        net * BPS
    )
}
