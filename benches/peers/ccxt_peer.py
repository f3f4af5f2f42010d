"""ccxt pro as a customary client of Binance's bookTicker.

    ccxt_peer.py EXCHANGE ANSWERS CPU

Its Binance class is sent to ws://EXCHANGE/ws/stream (it knows spot by "/stream") and given its market,
so that nothing is loaded from the network; `watch_bids_asks` is awaited again and again, as its manual
says. For each update it returns, a line "<update id> <bid> <ask>" goes to the TCP address ANSWERS.
Updates that came while the last one was handled are returned as one: those that were passed over have
no line.
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
