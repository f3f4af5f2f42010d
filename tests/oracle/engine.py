"""The engine and the lake tool as processes, with the configuration of the oracle's venues."""

import asyncio
import json
import os
import signal
import subprocess
import time

from quotes import INSTRUMENTS, SYMBOLS, VENUES

# Longest wait for anything, seconds: a guard against hangs.
PATIENCE = 90


class Failure(Exception):
    """The scenario cannot go on."""


async def until(look, what, patience=PATIENCE, pause=0.002):
    """Waits for a condition that cannot be waited for otherwise, and returns what it found."""
    end = time.monotonic() + patience
    while not (found := look()):
        if end < time.monotonic():
            raise Failure(f"waited {patience} s for {what}")
        await asyncio.sleep(pause)
    return found


def configuration(urls, lake):
    """Segments so short that every stage of their lives is met."""
    venues = "".join(f'[[venues]]\nname = "{venue}"\nurl = "{urls[venue]}"\nmax_age_ms = 3600000\n' for venue in VENUES)
    instruments = ""
    for name, (price_decimals, size_decimals, *_) in INSTRUMENTS.items():
        symbols = ", ".join(f'{venue} = "{SYMBOLS[venue][name]}"' for venue in VENUES)
        instruments += (f'[[instruments]]\nname = "{name}"\nprice_decimals = {price_decimals}\n'
                        f"size_decimals = {size_decimals}\nsymbols = {{ {symbols} }}\n")
    return (f'{venues}{instruments}[[threads]]\nname = "all"\nidle = "backoff"\nsleep_max_us = 500\n'
            'agents = ["feed", "calculator", "decision", "broadcast", "journal"]\n'
            '[broadcast]\naddress = "127.0.0.1:0"\n'
            f'[journal]\nlake = "{lake}"\nsegment_records = 400\nsegment_seconds = 1\n'
            "flush_ms = 5\nsync_ms = 50\ndisk_reserve_mb = 0\n")


class Running:
    """A process of a tool or an engine."""

    def __init__(self, process, words):
        self.process, self.words = process, words

    def has_ended(self):
        return self.process.returncode is not None

    def signal(self, number):
        if not self.has_ended():
            self.process.send_signal(number)

    async def kill(self):
        self.signal(signal.SIGKILL)
        await self.process.wait()
        return time.time()

    async def end(self, patience=PATIENCE):
        """Waits until it has ended; returns its exit code."""
        try:
            return await asyncio.wait_for(self.process.wait(), patience)
        except TimeoutError:
            await self.kill()
            raise Failure(f"{self.words} had not ended after {patience} s") from None


class Programs:
    """The programs under test: how they are started, and where what they say goes."""

    def __init__(self, engine, lake_tool, home):
        self.engine, self.lake_tool, self.home = engine, lake_tool, home
        self.environment, self.before = {}, []

    async def start(self, words, log):
        environment = {**os.environ, **self.environment}
        with open(self.home / log, "ab") as out:
            process = await asyncio.create_subprocess_exec(*self.before, *map(str, words), stdout=out, stderr=out,
                                                           stdin=subprocess.DEVNULL, env=environment)
        return Running(process, " ".join(map(str, words[1:3])))

    async def run(self, *arguments):
        return await self.start([self.engine, "run", "--config", self.home / "engine.toml", *arguments], "engine.log")

    async def tool_started(self, command, lake, *arguments):
        return await self.start([*self.lake_tool, command, lake, *arguments], "tool.log")

    async def tool(self, command, lake, *arguments):
        """Runs a command of the tool to its end; returns its exit code and what it printed."""
        process = await asyncio.create_subprocess_exec(
            *self.lake_tool, command, lake, *arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL, env={**os.environ, **self.environment})
        out, said = await asyncio.wait_for(process.communicate(), PATIENCE)
        return process.returncode, out.decode(), said.decode()

    async def verdict(self, lake):
        """What `lake verify` says."""
        code, out, said = await self.tool("verify", lake, "--json")
        try:
            return code, json.loads(out)
        except ValueError:
            raise Failure(f"lake verify: exit code {code}, {out}{said}") from None


def faked(offset):
    """The environment in which the wall clock is ahead by so many seconds, or what a file says."""
    words = ["faketime", "-m", "-f", "+0", "env"]
    lines = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    library = next(line for line in lines if line.startswith("LD_PRELOAD="))
    told = {"FAKETIME_TIMESTAMP_FILE": str(offset)} if not isinstance(offset, float) else {"FAKETIME": f"{offset:+.6f}"}
    return {"LD_PRELOAD": library.partition("=")[2], "DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DISABLE_SHM": "1", "NO_FAKE_STAT": "1", "FAKETIME_NO_CACHE": "1", **told}
