#!/usr/bin/env python3
"""Reads spreadwire.v1.bin and prints each message as JSON, with the field names of spreadwire.v1.json.

It prints whatever the server says; follow_pairs.py shows what a client that trades must check.

usage: read_binary.py [URL [COUNT [REQUEST]]]"""
import asyncio, json, struct, sys
from decimal import Decimal
import websockets

STATES = ["down", "live", "stale", "gap", "crossed", "one_sided", "lagging", "unreadable", "silent", "refused"]
REASONS = ["quote", "disconnected", "silent", "quiet", "sequence_gap", "crossed", "refused", "one_sided", "empty",
           "lag", "held_up", "unreadable", "implausible", "subscribed", "no_quote", "out_of_order"]
ENDS = ["leg_not_live", "leg_old", "implausible"]
RECORDING = ["on", "disk_full", "vanished", "refused", "no_descriptor"]
venues, instruments = [], []  # names by id, from the catalogue

def decimal(mantissa, scale):
    return f"{Decimal(mantissa).scaleb(-scale).normalize():f}"

def word(words, code):
    return words[code] if code < len(words) else "unknown"  # of a later version; a state that is not "live" is not live

def name(body, offset, length):
    return body[offset : offset + length].decode()

def decode(kind, body):
    if kind == 1:
        v, i, *engine = struct.unpack_from("<4I", body, 8)
        rows = struct.iter_unpack("<IId", body[24 : 24 + 16 * v])
        venues[:] = [(name(body, at, n), bps) for at, n, bps in rows]
        rows = struct.iter_unpack("<IIQBB6x", body[24 + 16 * v : 24 + 16 * v + 24 * i])
        listed = [(name(body, at, n), p, s, bits) for at, n, bits, p, s in rows]
        instruments[:] = [row[0] for row in listed]
        return {"type": "hello", "protocol": "spreadwire.v1", "engine": name(body, *engine),
                "venues": [{"name": v, "taker_fee_bps": bps} for v, bps in venues],
                "instruments": [{"name": n, "price_scale": p, "size_scale": s,
                                 "venues": [v for bit, (v, _) in enumerate(venues) if bits >> bit & 1]}
                                for n, p, s, bits in listed]}
    if kind == 2:
        seq, ts, quote, bp, sp, bs, ss, net, i, b, s, ps, zs = struct.unpack_from("<3Q4qdI4B", body, 8)
        return {"type": "spread", "seq": seq, "instrument": instruments[i], "buy_venue": venues[b][0],
                "sell_venue": venues[s][0], "buy_px": decimal(bp, ps), "sell_px": decimal(sp, ps),
                "buy_sz": decimal(bs, zs), "sell_sz": decimal(ss, zs), "gross_bps": (sp / bp - 1) * 1e4,
                "net_bps": net * 1e4, "ts_recv": ts, "quote_seq": quote}
    if kind == 3:
        ts, i, v, state, previous, reason = struct.unpack_from("<QI4B", body, 8)
        health = {"health": word(STATES, body[24])} if 32 <= len(body) else {}  # the state in full
        return {"type": "status", "venue": venues[v][0], "instrument": instruments[i], "state": word(STATES, state),
                **health, "reason": word(REASONS, reason), "ts_recv": ts, "previous": word(STATES, previous)}
    if kind == 4:
        missed, first, last, ts, reason = struct.unpack_from("<4QB", body, 8)
        told = {"from_seq": first, "to_seq": last} if reason == 1 else {"ts_recv": ts}
        return {"type": "gap", "reason": word(["", "slow_client", "engine"], reason), "missed": missed, **told}
    if kind == 5:
        ts, lost, state = struct.unpack_from("<QQB", body, 8)
        return {"type": "recording", "state": word(RECORDING, state), "ts_recv": ts, "lost": lost}
    if kind == 6:
        seq, states, spreads, last, n = struct.unpack_from("<QIIBB", body, 8)
        return {"type": "snapshot", "id": name(body, 32, n), "seq": seq, "states": states,
                "spreads": spreads, "last": bool(last)}
    if kind == 7:
        seq, ts, quote, i, b, s, reason = struct.unpack_from("<3QI3B", body, 8)
        return {"type": "ended", "seq": seq, "instrument": instruments[i], "buy_venue": venues[b][0],
                "sell_venue": venues[s][0], "reason": word(ENDS, reason), "ts_recv": ts, "quote_seq": quote}

def messages(frame):
    while frame:  # one WebSocket message may hold several messages
        kind, version, flags, length = struct.unpack_from("<BBHI", frame)
        if not 8 <= length <= len(frame):
            sys.exit(f"a message of {length} bytes in a frame of {len(frame)}")
        body, frame = frame[:length], frame[length:]
        message = decode(kind, body) if version == 1 else None
        if message is None:
            continue  # an unknown kind or version: skipped by its length
        yield message | ({"conflated": True} if flags & 1 else {}) | ({"in_snapshot": True} if flags & 2 else {})

async def main(url="ws://127.0.0.1:8181", count="0", request=None):
    left = int(count)
    async with websockets.connect(url, subprotocols=["spreadwire.v1.bin"], max_size=None) as ws:
        if ws.subprotocol != "spreadwire.v1.bin":
            sys.exit(f"{url} does not speak spreadwire.v1.bin; use the example of the engine's own version")
        if request:
            await ws.send(request)
        async for data in ws:
            for message in [json.loads(data)] if isinstance(data, str) else messages(data):
                print(json.dumps(message), flush=True)
                left -= 1
                if left == 0:
                    return

asyncio.run(main(*sys.argv[1:]))
