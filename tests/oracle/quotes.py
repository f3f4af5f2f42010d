"""The quotes that the oracle sends: each is a function of venue, instrument and number alone, so that every row
of a lake can be computed again. Nothing here is shared with the engine."""

from dataclasses import dataclass

# Name -> decimals of the price, decimals of the size, lowest price and range of prices as mantissas.
INSTRUMENTS = {"BTC/USDT": (2, 8, 4_990_000, 20_000), "ETH/USDT": (3, 6, 1_999_000, 2_000)}
SYMBOLS = {
    "okx": {"BTC/USDT": "BTC-USDT", "ETH/USDT": "ETH-USDT"},
    "binance": {"BTC/USDT": "BTCUSDT", "ETH/USDT": "ETHUSDT"},
}
VENUES = list(SYMBOLS)
# Sequence of number 0, and step from one number to the next.
SEQUENCES = {"okx": (1_000_000_007, 7), "binance": (400_900_217, 3)}
SNAPSHOT, CROSSED, NO_EVENT_TIME = 2, 4, 8
MASK = (1 << 64) - 1


@dataclass(frozen=True)
class Quote:
    """Prices and sizes as decimal texts, None where the side is absent; the event time in ms, if any."""

    bid: str | None
    bid_size: str | None
    ask: str | None
    ask_size: str | None
    event_ms: int | None
    sequence: int
    flags: int

    def row(self, is_first):
        """What the columns of its row are to hold; the first one after a subscription is flagged."""
        real = lambda text: None if text is None else float(text)
        event = None if self.event_ms is None else self.event_ms * 1_000_000
        return (real(self.bid), real(self.ask), real(self.bid_size), real(self.ask_size), event, self.sequence,
                self.flags | (SNAPSHOT if is_first else 0))


def noise(*parts):
    """A number of 64 bits."""
    value = 0x9E3779B97F4A7C15
    for part in parts:
        value = (value ^ part) * 0xBF58476D1CE4E5B9 & MASK
        value = (value ^ value >> 29) * 0x94D049BB133111EB & MASK
        value ^= value >> 32
    return value


def text(mantissa, decimals, trimmed):
    digits = str(mantissa).rjust(decimals + 1, "0")
    whole = digits[:-decimals] + "." + digits[-decimals:]
    return whole.rstrip("0").rstrip(".") if trimmed else whole


def quote(venue, instrument, number, base_ms):
    """The quote of that number. Some have a side less or none, some are crossed."""
    price_decimals, size_decimals, low, span = INSTRUMENTS[instrument]
    drawn = noise(VENUES.index(venue), list(INSTRUMENTS).index(instrument), number)
    rest = drawn

    def take(below):
        nonlocal rest
        rest, found = divmod(rest, below)
        return found

    trimmed = take(2) == 1
    bid = low + take(span)
    ask = bid - 1 if (crossed := take(41) == 0) else bid + 1 + take(50)
    absent = {0: "b", 1: "a", 2: "ab"}.get(take(71), "")
    sizes = [1 + noise(drawn, side) % 10 ** (size_decimals + 3) for side in (1, 2)]
    if take(7) == 0:
        sizes[0] = 1
    side = lambda px, sz: (text(px, price_decimals, trimmed), text(sz, size_decimals, trimmed))
    bid, bid_size = (None, None) if "b" in absent else side(bid, sizes[0])
    ask, ask_size = (None, None) if "a" in absent else side(ask, sizes[1])
    first, step = SEQUENCES[venue]
    flags = (CROSSED if crossed and not absent else 0) | (NO_EVENT_TIME if venue == "binance" else 0)
    event = base_ms + number if venue == "okx" else None
    return Quote(bid, bid_size, ask, ask_size, event, first + step * number, flags)


def number_of(venue, sequence):
    """The number of the quote with that sequence; None if there is none."""
    first, step = SEQUENCES[venue]
    number, odd = divmod(sequence - first, step)
    return None if odd or number < 0 else number


def frame(venue, instrument, q):
    """The message of that venue with the quote."""
    symbol = SYMBOLS[venue][instrument]
    if venue == "okx":
        level = lambda px, sz: "[]" if px is None else f'[["{px}","{sz}","0","3"]]'
        return (f'{{"arg":{{"channel":"bbo-tbt","instId":"{symbol}"}},"data":[{{"asks":{level(q.ask, q.ask_size)},'
                f'"bids":{level(q.bid, q.bid_size)},"ts":"{q.event_ms}","seqId":{q.sequence}}}]}}')
    zero = lambda value: value or "0.00000000"
    return (f'{{"u":{q.sequence},"s":"{symbol}","b":"{zero(q.bid)}","B":"{zero(q.bid_size)}",'
            f'"a":"{zero(q.ask)}","A":"{zero(q.ask_size)}"}}')
