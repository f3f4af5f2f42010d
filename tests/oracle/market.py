"""Two venues on loopback that speak the venues' protocols, send the oracle's quotes, and note what they sent.

After each burst a venue sends a ping. Its pong is a receipt: whoever answers it has read everything before it."""

import asyncio
import json
import time

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from quotes import INSTRUMENTS, SYMBOLS, VENUES, frame, quote

BURST_EVERY = 0.004


class Connection:
    def __init__(self, venue, phase):
        self.venue, self.phase = venue, phase
        self.wanted = []
        # Instrument -> its numbers sent on this connection, as [first, last].
        self.sent = {}
        # (when, {instrument: last number}) of each receipt.
        self.receipts = []

    def received(self, instrument, before):
        """The last number that was read for sure before a time; -1 if none was."""
        last = -1
        for when, numbers in self.receipts:
            if when > before:
                break
            last = numbers.get(instrument, last)
        return last


class Market:
    def __init__(self, base_ms, burst=2):
        self.base_ms, self.burst = base_ms, burst
        keys = [(venue, instrument) for venue in VENUES for instrument in INSTRUMENTS]
        self.connections, self.times = [], {key: [] for key in keys}
        self.connections_by_number = {key: [] for key in keys}
        self.phase = 0
        self.sending = asyncio.Event()
        self.sending.set()
        self.servers, self.urls, self.pumps = [], {}, set()

    async def start(self):
        for venue in VENUES:
            server = await serve(lambda ws, venue=venue: self.serve(venue, ws), "127.0.0.1", 0,
                                 compression=None, ping_interval=None)
            self.servers.append(server)
            self.urls[venue] = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def serve(self, venue, ws):
        connection = Connection(venue, self.phase)
        self.connections.append(connection)
        pump = None
        try:
            async for message in ws:
                for answer in answers(venue, message, connection.wanted):
                    await ws.send(answer)
                if connection.wanted and pump is None:
                    pump = asyncio.create_task(self.send(connection, ws))
                    self.pumps.add(pump)
        except ConnectionClosed:
            pass
        finally:
            if pump:
                pump.cancel()

    async def send(self, connection, ws):
        try:
            while True:
                if self.sending.is_set() or not connection.sent:
                    await self.send_burst(connection, ws)
                await asyncio.sleep(BURST_EVERY)
        except ConnectionClosed:
            pass

    async def send_burst(self, connection, ws):
        for _ in range(self.burst):
            for instrument in connection.wanted:
                times = self.times[connection.venue, instrument]
                number = len(times)
                times.append(time.time())
                self.connections_by_number[connection.venue, instrument].append(connection)
                connection.sent.setdefault(instrument, [number, number])[1] = number
                sent = quote(connection.venue, instrument, number, self.base_ms)
                await ws.send(frame(connection.venue, instrument, sent))
        numbers = {instrument: last for instrument, (_, last) in connection.sent.items()}
        pong = await ws.ping()
        pong.add_done_callback(lambda done: self.receipt(connection, numbers, done))

    def receipt(self, connection, numbers, pong):
        if not pong.cancelled() and pong.exception() is None:
            connection.receipts.append((time.time(), numbers))

    def connection_of(self, venue, instrument, number):
        """The connection that a quote was sent on; None if it was not sent."""
        sent = self.connections_by_number[venue, instrument]
        return sent[number] if number is not None and number < len(sent) else None

    def now(self):
        """The connections of this phase."""
        return [c for c in self.connections if c.phase == self.phase]

    def receipted(self):
        """The number of quotes of each instrument of each venue that this phase has read for sure; the least."""
        counts = {key: 0 for key in self.times}
        for c in self.now():
            for instrument, (first, _) in c.sent.items():
                counts[c.venue, instrument] += max(0, c.received(instrument, time.time()) - first + 1)
        return min(counts.values())

    async def pause(self, until):
        """Stops sending and waits until the engine has read everything."""
        self.sending.clear()
        latest = lambda: {c.venue: c for c in self.now()}.values()
        await until(lambda: all(c.receipts and all(c.receipts[-1][1][i] == c.sent[i][1] for i in c.sent)
                                for c in latest()), "the last quotes to be read")

    def next_phase(self):
        """What connects from here on is another process."""
        self.phase += 1
        self.sending.set()

    async def stop(self):
        for pump in self.pumps:
            pump.cancel()
        for server in self.servers:
            server.close()


def answers(venue, message, wanted):
    """The venue's answers to a message; adds the instruments that are subscribed."""
    if message == "ping":
        return ["pong"]
    request = json.loads(message)
    name = {symbol: instrument for instrument, symbol in SYMBOLS[venue].items()}
    if venue == "okx":
        op, out = request["op"], []
        for arg in request["args"]:
            assert arg["channel"] == "bbo-tbt", message
            turn(wanted, name[arg["instId"]], op == "subscribe")
            out.append(json.dumps({"id": request["id"], "event": op, "arg": arg, "connId": "a4d3ae55"}))
        return out
    for stream in request["params"]:
        symbol, channel = stream.split("@")
        assert channel == "bookTicker" and symbol == symbol.lower(), message
        turn(wanted, name[symbol.upper()], request["method"] == "SUBSCRIBE")
    return [json.dumps({"result": None, "id": request["id"]})]


def turn(wanted, instrument, on):
    if on and instrument not in wanted:
        wanted.append(instrument)
    if not on and instrument in wanted:
        wanted.remove(instrument)
