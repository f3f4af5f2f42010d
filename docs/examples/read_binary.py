#!/usr/bin/env python3
"""Reads spreadwire.v1.bin and prints each message as JSON, with the field names of spreadwire.v1.json.

usage: read_binary.py [URL [COUNT [REQUEST]]]"""
import asyncio, json, struct, sys
from decimal import Decimal
import websockets

STATES = ["down", "live", "stale", "gap", "crossed"]
REASONS = ["quote", "disconnected", "silent", "quiet", "sequence_gap", "crossed", "refused"]
RECORDING = ["on", "disk_full", "vanished", "refused"]
venues, instruments = [], []  # names by id, from the catalogue

def decimal(mantissa, scale):
    return f"{Decimal(mantissa).scaleb(-scale).normalize():f}"

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
        return {"type": "status", "venue": venues[v][0], "instrument": instruments[i],
                "state": STATES[state], "reason": REASONS[reason], "ts_recv": ts, "previous": STATES[previous]}
    if kind == 4:
        missed, first, last, ts, reason = struct.unpack_from("<4QB", body, 8)
        told = {"from_seq": first, "to_seq": last} if reason == 1 else {"ts_recv": ts}
        return {"type": "gap", "reason": ["", "slow_client", "engine"][reason], "missed": missed, **told}
    if kind == 5:
        ts, lost, state = struct.unpack_from("<QQB", body, 8)
        return {"type": "recording", "state": RECORDING[state], "ts_recv": ts, "lost": lost}
    if kind == 6:
        seq, states, spreads, last, n = struct.unpack_from("<QIIBB", body, 8)
        return {"type": "snapshot", "id": name(body, 32, n), "seq": seq, "states": states,
                "spreads": spreads, "last": bool(last)}

def messages(frame):
    while frame:  # one WebSocket message may hold several messages
        kind, version, flags, length = struct.unpack_from("<BBHI", frame)
        body, frame = frame[:length], frame[length:]
        message = decode(kind, body) if version == 1 else None
        if message is None:
            continue  # an unknown kind or version: skipped by its length
        yield message | ({"conflated": True} if flags & 1 else {}) | ({"in_snapshot": True} if flags & 2 else {})

async def main(url="ws://127.0.0.1:8181", count="0", request=None):
    left = int(count)
    async with websockets.connect(url, subprotocols=["spreadwire.v1.bin"], max_size=None) as ws:
        if request:
            await ws.send(request)
        async for data in ws:
            for message in [json.loads(data)] if isinstance(data, str) else messages(data):
                print(json.dumps(message), flush=True)
                left -= 1
                if left == 0:
                    return

asyncio.run(main(*sys.argv[1:]))
