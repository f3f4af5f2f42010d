"""ccxt pro as a common client of Binance's bookTicker.

    ccxt_peer.py EXCHANGE ANSWERS CPU

Its Binance class connects to ws://EXCHANGE/ws/stream (it recognises spot by "/stream") and is
given its market, so that it loads nothing from the network. `watch_bids_asks` is awaited in a
loop, as its manual says. For each update that it returns, a line "<update id> <bid> <ask>" is
written to the TCP address ANSWERS. Updates that arrive while the last one is handled are merged
into one, so those that are skipped have no line.
"""

import asyncio
import os
import socket
import sys

import ccxt.pro

SYMBOL = "BTC/USDT"


async def main(exchange, answers):
    binance = ccxt.pro.binance({"enableRateLimit": False})
    binance.urls["api"]["ws"]["spot"] = f"ws://{exchange}/ws/stream"
    market = {
        "id": "BTCUSDT", "lowercaseId": "btcusdt", "symbol": SYMBOL, "base": "BTC", "quote": "USDT",
        "baseId": "BTC", "quoteId": "USDT", "type": "spot", "spot": True, "active": True,
        "precision": {"amount": 0.00001, "price": 0.01}, "limits": {},
    }
    binance.set_markets([binance.safe_market_structure(market)])
    try:
        while True:
            ticker = (await binance.watch_bids_asks([SYMBOL]))[SYMBOL]
            line = f"{ticker['info']['u']} {ticker['bid']} {ticker['ask']}\n"
            answers.sendall(line.encode())
    finally:
        await binance.close()


if __name__ == "__main__":
    os.sched_setaffinity(0, {int(sys.argv[3])})
    host, port = sys.argv[2].rsplit(":", 1)
    out = socket.create_connection((host, int(port)))
    out.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    asyncio.run(main(sys.argv[1], out))
