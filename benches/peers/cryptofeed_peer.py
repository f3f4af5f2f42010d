"""cryptofeed as a common client of Binance's bookTicker.

    cryptofeed_peer.py EXCHANGE ANSWERS CPU

Its Binance class connects to ws://EXCHANGE and is given its symbols, so that it loads nothing from
the network. It refuses addresses without TLS, so its `connect` is replaced by one that leaves TLS
out. For each TICKER callback a line "<update id> <bid> <ask>" is written to the TCP address
ANSWERS.
"""

import os
import socket
import sys

from cryptofeed import FeedHandler, connection
from cryptofeed.connection import WebsocketEndpoint
from cryptofeed.defines import TICKER
from cryptofeed.exchanges import Binance
from cryptofeed.symbols import Symbols

PAIR = "BTC-USDT"


def main(exchange, answers):
    connect = connection.connect
    connection.connect = lambda address, **more: connect(address.replace("wss:", "ws:", 1), **more)
    Binance.websocket_endpoints = [WebsocketEndpoint(f"wss://{exchange}")]
    information = {"tick_size": {PAIR: "0.01"}, "instrument_type": {PAIR: "spot"}}
    Symbols.set(Binance.id, {PAIR: "BTCUSDT"}, information)

    async def on_ticker(ticker, _received):
        answers.sendall(f"{ticker.raw['u']} {ticker.bid} {ticker.ask}\n".encode())

    handler = FeedHandler(config={"log": {"filename": "/dev/null", "level": "ERROR"}})
    handler.add_feed(Binance(symbols=[PAIR], channels=[TICKER], callbacks={TICKER: on_ticker}))
    handler.run()


if __name__ == "__main__":
    os.sched_setaffinity(0, {int(sys.argv[3])})
    host, port = sys.argv[2].rsplit(":", 1)
    out = socket.create_connection((host, int(port)))
    out.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    main(sys.argv[1], out)
