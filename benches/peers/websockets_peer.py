"""Python's websockets and json as a common client of Binance's bookTicker.

    websockets_peer.py EXCHANGE ANSWERS CPU

Connects to ws://EXCHANGE/ws, subscribes, parses every frame, and writes "<update id> <bid> <ask>" and a
newline to the TCP address ANSWERS.
"""

import asyncio
import json
import os
import socket
import sys

import websockets


async def main(exchange, answers):
    async with websockets.connect(f"ws://{exchange}/ws", compression=None, max_size=None) as ws:
        await ws.send(json.dumps({"method": "SUBSCRIBE", "params": ["btcusdt@bookTicker"], "id": 1}))
        async for text in ws:
            message = json.loads(text)
            if "u" in message:
                bid, ask = float(message["b"]), float(message["a"])
                answers.sendall(f"{message['u']} {bid} {ask}\n".encode())


if __name__ == "__main__":
    os.sched_setaffinity(0, {int(sys.argv[3])})
    host, port = sys.argv[2].rsplit(":", 1)
    out = socket.create_connection((host, int(port)))
    out.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    asyncio.run(main(sys.argv[1], out))
