#!/usr/bin/env python3
"""Follows spreadwire.v1.json by the rules for clients that trade: prints each spread that can be acted on, and each end.

What a correct server never sends ends it with exit code 1, another protocol version with 3. Exit code 4 says that there is
no connection, or none any more: nothing that was printed can be acted on, and trying again helps. Times are ns since 1970 UTC.
usage: follow_pairs.py [URL]; with - as URL it reads texts from standard input, each at the time of its newest spread"""
import asyncio, json, sys, time
from decimal import Decimal

MAX_AGE, AHEAD_MAX, BEHIND_MAX = 1_000_000_000, 1_000_000_000, 200_000_000  # ns
MAX_NET_BPS = 1000  # as calculator.max_net_bps of the engine: beyond it, a quote is taken for a mistake
SNAPSHOT_MAX, SILENCE_MAX = 10, 40  # s

class Refused(Exception):
    pass

class Lost(Exception):
    pass

def require(condition, *words):
    if not condition:
        raise Refused(" ".join(ascii(word) if n else word for n, word in enumerate(words)))

class Follower:
    def __init__(self):
        self.fees, self.listed, self.scales = None, set(), {}
        self.live, self.pairs = set(), {}  # (instrument, venue); (instrument, buy, sell) -> spread
        self.pending, self.behind, self.lossy = {"default"}, False, False
        self.last = self.accounted = self.newest = 0

    def take(self, m, now):
        kind = m["type"]
        require(kind not in ("subscribed", "unsubscribed"), "an answer, and nothing was asked:", kind)
        if kind == "hello":
            self.hello(m)
        elif kind == "snapshot":
            require(m["id"] in self.pending, "no snapshot was due of", m["id"])
            self.number(m["seq"], False, up_to=True)
            for state in m["states"]:
                self.state(state)
            for spread in m["spreads"]:
                require(0 < spread["seq"] <= m["seq"], "a snapshot includes a later spread", spread["seq"])
                self.spread(spread, now, BEHIND_MAX << 64)
            if m["last"]:
                self.pending.remove(m["id"])
                self.behind = False
                for pair, spread in self.pairs.items():
                    self.act(pair, spread)
        elif kind in ("spread", "ended", "status"):
            conflated = m.get("conflated", False)
            if kind != "status":
                strict = not (self.pending or conflated and self.behind)
                self.number(m["seq"], strict, up_to=kind == "ended")
            self.behind = self.behind and conflated
            if kind == "status":
                self.state(m)
            elif kind == "spread":
                self.spread(m, now, BEHIND_MAX)
            else:
                self.end(self.pair(m), m["reason"])
        elif kind == "gap":
            self.behind = True
            self.accounted = max(self.accounted, m.get("to_seq", 0))
            if m["reason"] != "slow_client":  # nothing said before still holds
                self.lossy = True
                self.end_all(lambda pair: True, "gap")

    def hello(self, m):
        require(m["protocol"] == "spreadwire.v1", "another protocol", m["protocol"])
        require(self.fees is None, "hello twice")
        self.fees = {v["name"]: v["taker_fee_bps"] for v in m["venues"]}
        self.scales = {i["name"]: (i["price_scale"], i["size_scale"]) for i in m["instruments"]}
        self.listed = {(i["name"], venue) for i in m["instruments"] for venue in i["venues"]}
        require(len(self.fees) == len(m["venues"]) <= 64 and len(self.scales) == len(m["instruments"]), "names twice, or too many")
        require(all(-100 <= fee <= 1000 for fee in self.fees.values()), "fees that no engine accepts: below -1 % or above 10 %")
        for name in [*self.fees, *self.scales]:
            require(0 < len(name.encode()) <= 64 and name.isprintable(), "a bad name", name)
        require(all(venue in self.fees for _, venue in self.listed), "an unlisted venue")

    def number(self, seq, strict, up_to):
        """Without a filter, no number is missing unless a gap told so."""
        require(self.last < seq + up_to, "a number goes back", seq, self.last)
        require(not strict or seq == self.accounted + 1 or up_to and seq <= self.accounted, "numbers are missing before", seq)
        self.last, self.accounted = seq, max(self.accounted, seq)

    def state(self, m):
        leg = (m["instrument"], m["venue"])
        require(leg in self.listed, "not in hello", *leg)
        if m["state"] == "live" == m.get("health", "live"):  # every other word, known or not, is not live
            self.live.add(leg)
        else:
            self.live.discard(leg)
            self.end_all(lambda pair: leg in ((pair[0], pair[1]), (pair[0], pair[2])), m["state"])

    def pair(self, m):
        pair = (m["instrument"], m["buy_venue"], m["sell_venue"])
        require(pair[1] != pair[2], "both legs at one venue", *pair)
        require(all((pair[0], venue) in self.listed for venue in pair[1:]), "not in hello", *pair)
        return pair

    def spread(self, m, now, behind_max):
        pair = self.pair(m)
        price_scale, size_scale = self.scales[pair[0]]
        for field, scale in ("buy_px", price_scale), ("sell_px", price_scale), ("buy_sz", size_scale), ("sell_sz", size_scale):
            mantissa = Decimal(m[field]).scaleb(scale)
            require(mantissa.is_finite() and 0 < mantissa == mantissa.to_integral_value(), "no price or size", m[field])
        live = all((pair[0], venue) in self.live for venue in pair[1:])
        require(live or self.lossy, "a leg is not live", *pair)
        ts, newest = m["ts_recv"], self.newest
        if ts <= now + AHEAD_MAX:
            self.newest = max(newest, ts)
        in_time = now - MAX_AGE <= ts <= now + AHEAD_MAX and newest <= ts + behind_max
        if not live or not in_time or MAX_NET_BPS < abs(self.net_bps(pair, m)):
            self.end(pair, "not acted on: too old, ahead, beyond MAX_NET_BPS, or a leg is not known to be live")
            return
        self.pairs[pair] = m
        if not self.pending and not self.behind:  # amid a snapshot nothing is decided
            self.act(pair, m)

    def net_bps(self, pair, m):
        buy_fee, sell_fee = (self.fees[venue] / 1e4 for venue in pair[1:])
        return (float(m["sell_px"]) * (1 - sell_fee) / (float(m["buy_px"]) * (1 + buy_fee)) - 1) * 1e4

    def act(self, pair, m):
        print("spread", m["seq"], *pair, m["buy_px"], m["sell_px"], m["net_bps"], flush=True)

    def end(self, pair, why):
        if self.pairs.pop(pair, None) is not None:
            print("ended", *pair, ascii(why), flush=True)

    def end_all(self, which, why):
        for pair in [pair for pair in self.pairs if which(pair)]:
            self.end(pair, why)

async def follow(url):
    import websockets
    try:
        await listen(websockets, url)
    except websockets.NegotiationError as fault:
        raise Refused("another protocol: " + ascii(str(fault)))
    except websockets.ConnectionClosed as fault:
        end = fault.rcvd
        raise Lost(f"closed by the server: {end.code} {ascii(end.reason)}" if end else "the connection broke")
    except (websockets.InvalidHandshake, websockets.InvalidURI) as fault:
        raise Lost(f"no connection to {ascii(url)}: {ascii(str(fault))}")

async def listen(websockets, url):
    follower, began = Follower(), time.monotonic()
    async with websockets.connect(url, subprotocols=["spreadwire.v1.json"], max_size=1 << 24) as ws:
        require(ws.subprotocol == "spreadwire.v1.json", "another protocol: the server does not speak spreadwire.v1.json")
        while True:
            left = began + SNAPSHOT_MAX - time.monotonic() if follower.pending else SILENCE_MAX
            text = await asyncio.wait_for(ws.recv(), max(left, 0))
            require(isinstance(text, str), "a binary message")
            message = json.loads(text)
            require(follower.fees is not None or message["type"] == "hello", "the first message was not hello")
            follower.take(message, time.time_ns())

def read(lines):
    follower, now = Follower(), 0
    for message in map(json.loads, lines):
        require(follower.fees is not None or message["type"] == "hello", "the first message was not hello")
        now = max([now, *(m["ts_recv"] for m in [message, *message.get("spreads", [])] if "quote_seq" in m)])
        follower.take(message, now)

url = (sys.argv[1:] + ["ws://127.0.0.1:8181"])[0]
try:
    read(sys.stdin) if url == "-" else asyncio.run(follow(url))
except Refused as fault:
    print("refused:", fault, file=sys.stderr)
    sys.exit(3 if str(fault).startswith("another protocol") else 1)
except (KeyError, TypeError, ValueError, ArithmeticError) as fault:
    print("refused: not a message of spreadwire.v1:", ascii(fault), file=sys.stderr)
    sys.exit(1)
except TimeoutError:
    print("refused: no message or no complete snapshot in time", file=sys.stderr)
    sys.exit(1)
except (Lost, OSError) as fault:
    print("ended:", fault, file=sys.stderr)
    sys.exit(4)
