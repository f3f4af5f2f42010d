#!/usr/bin/env python3
"""Prints the spreads of spreadwire.v1.bin as they are sent. usage: watch_spreads.py [URL [COUNT]]

read_binary.py reads all kinds; follow_pairs.py shows what to check before acting on a spread."""
import asyncio, struct, sys
import websockets

def names(frame, rows):
    texts = (struct.unpack_from("<II", frame, at) for at in rows)
    return [frame[at : at + length].decode() for at, length in texts]

async def main(url="ws://127.0.0.1:8181", count="0"):
    left, venues, instruments = int(count), [], []
    async with websockets.connect(url, subprotocols=["spreadwire.v1.bin"], max_size=None) as ws:
        if ws.subprotocol != "spreadwire.v1.bin":
            sys.exit(f"{url} does not speak spreadwire.v1.bin; use the example of the engine's own version")
        async for frame in ws:
            while frame:  # one WebSocket message may hold several messages
                kind, version, _, length = struct.unpack_from("<BBHI", frame)
                if (kind, version) == (1, 1):  # the catalogue: names by id
                    v, i = struct.unpack_from("<II", frame, 8)
                    venues = names(frame, range(24, 24 + 16 * v, 16))
                    instruments = names(frame, range(24 + 16 * v, 24 + 16 * v + 24 * i, 24))
                if (kind, version) == (2, 1):
                    seq, _, _, buy, sell, *_, net, i, b, s, scale, _ = struct.unpack_from("<3Q4qdI4B", frame, 8)
                    print(seq, instruments[i], f"buy {venues[b]} at {buy / 10**scale}",
                          f"sell {venues[s]} at {sell / 10**scale}", f"net {net * 1e4:.4f} bp", flush=True)
                    left -= 1
                    if left == 0:
                        return
                frame = frame[max(length, 8):]  # also skips unknown kinds

asyncio.run(main(*sys.argv[1:]))
