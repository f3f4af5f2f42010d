"""The oracle: sends known quotes to a real engine, ends it in some way, and checks the lake row by row.

    python oracle.py --engine PATH --home FOLDER [--seed N] [--rounds N] SCENARIO -- LAKE-TOOL...

`quotes.py` says what is sent, `market.py` sends it, `engine.py` starts the programs, `judge.py` compares. The
scenarios are in this file; the word of `lake verify` must agree with the judge in each."""

import argparse
import asyncio
import contextlib
import datetime
import fcntl
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from engine import PATIENCE, Failure, Programs, configuration, faked, until
from judge import Lake, Phase, judge
from market import Market

SCENARIOS = {}
# An engine that is asked to end may take so long, seconds: it gives up on its own after 30.
ENDING = 45


def scenario(function):
    SCENARIOS[function.__name__] = function
    return function


class Scene:
    """A lake, its market, the programs, and what was done so far."""

    def __init__(self, arguments):
        self.home, self.rounds = Path(arguments.home), arguments.rounds
        self.random = random.Random(arguments.seed)
        self.programs = Programs(arguments.engine, arguments.tool, self.home)
        self.lake, self.phases, self.engine = self.home / "lake", [], None
        # How far the engine's wall clock is ahead of ours, from when on.
        self.offsets, self.market = [(0.0, 0.0)], None
        self.kills = self.rows = self.amidst = 0

    async def open(self, begins=None, lake=None):
        """Starts the market, and the clock at a time of UTC."""
        if begins is not None:
            self.begin_at(begins)
        self.lake = lake or self.lake
        self.market = Market(int((time.time() + self.offset()) * 1000))
        await self.market.start()
        (self.home / "engine.toml").write_text(configuration(self.market.urls, self.lake))

    def begin_at(self, begins):
        wanted = datetime.datetime.fromisoformat(begins).replace(tzinfo=datetime.UTC).timestamp()
        self.offsets = [(0.0, wanted - time.time())]
        self.programs.environment = faked(self.offset())

    def offset(self):
        return self.offsets[-1][1]

    async def start(self, *arguments, quotes=150):
        """Starts an engine and waits until it has read so many quotes of each instrument."""
        self.market.next_phase()
        self.engine = await self.programs.run(*arguments)
        await self.read(quotes)

    async def read(self, quotes):
        """Waits until the engine has read so many more."""
        first = self.market.receipted()
        await self.until(lambda: quotes <= self.market.receipted() - first, f"{quotes} quotes to be read")

    async def until(self, look, what):
        alive = lambda: look() or self.engine.has_ended()
        await until(alive, what)
        if self.engine.has_ended() and not look():
            raise Failure(f"the engine ended by itself with {self.engine.process.returncode}, before {what}")

    async def stop(self, number=signal.SIGTERM, quiet=True, code=0):
        """Asks the engine to end; before, has it read everything that was sent."""
        if quiet:
            await self.market.pause(lambda look, what: self.until(look, what))
        at = time.time()
        self.engine.signal(number)
        ended = await self.engine.end(ENDING)
        if code is not None and ended != code:
            raise Failure(f"the engine ended with {ended} instead of {code}")
        self.add_phase("ended", time.time())
        return ended, time.time() - at

    def add_phase(self, how, at):
        self.phases.append(Phase(self.market.phase, how, at, self.lake, self.offsets))

    async def kill(self):
        at = await self.engine.kill()
        self.kills += 1
        self.amidst += bool(self.files("**/*.tmp"))
        self.add_phase("killed", at)

    async def kill_tool(self, tool):
        self.kills += not tool.has_ended()
        await tool.kill()
        self.amidst += bool(self.files("**/*.tmp") or self.files("staging/*"))

    async def delay(self, most):
        """Lets the engine go on for a drawn time."""
        await asyncio.sleep(self.random.random() * most)

    async def recover(self):
        code, out, said = await self.programs.tool("recover", self.lake)
        if code != 0:
            raise Failure(f"lake recover: exit code {code}: {out}{said}")

    async def check(self):
        """The lake is as it should be, and `lake verify` says what the judge says."""
        wrong, agrees = await self.compare()
        if wrong or not agrees:
            raise Failure("\n".join([*wrong[:20], f"{len(wrong)} findings", *agrees_not(agrees, self.verdict)]))

    async def compare(self):
        lake = Lake(self.lake)
        self.rows = len(lake.quotes)
        wrong = judge(lake, self.market, self.phases)
        code, self.verdict = await self.programs.verdict(self.lake)
        complete = not wrong and not lake.states_loss()
        return wrong, self.verdict["complete"] == complete and (code == 0) == complete

    def has_said(self, words):
        """Whether an engine's log has these words."""
        return words in (self.home / "engine.log").read_text()

    def files(self, pattern):
        return sorted(self.lake.glob(pattern))


def agrees_not(agrees, verdict):
    return [] if agrees else [f"lake verify says otherwise: {str(verdict)[:3000]}"]


def unfinished(scene):
    """Files of quotes that are being written."""
    return scene.files("exchange=*/*/*/*/*.tmp")


# Ends in order.


@scenario
async def ends_after_its_time(s):
    await s.open()
    await s.start("--for", "2", quotes=20)
    await s.engine.end(ENDING)
    s.add_phase("ended", time.time())
    await s.check()


@scenario
async def ends_by_sigterm(s):
    await s.open()
    await s.start()
    await s.stop()
    await s.check()
    await s.start()
    await s.stop(quiet=False)
    await s.check()


@scenario
async def ends_by_sigint(s):
    await s.open()
    await s.start(quotes=300)
    await s.stop(signal.SIGINT)
    await s.check()


# Kills.


async def killed(s, when):
    """Kills engines at a moment, one after the other on one lake."""
    await s.open()
    for _ in range(s.rounds):
        await s.start(quotes=30)
        await when()
        await s.kill()
    wrong, agrees = await s.compare()
    if not wrong or not agrees:
        raise Failure("\n".join(["before recovery", *agrees_not(agrees, s.verdict)]))
    await s.recover()
    await s.check()


@scenario
async def killed_while_recording(s):
    async def when():
        await s.read(s.random.randrange(200))
        await s.delay(0.02)
    await killed(s, when)


@scenario
async def killed_while_sealing(s):
    async def when():
        await s.until(lambda: s.files("journal/*.seg"), "a closed segment")
        await s.delay(0.06)
    await killed(s, when)


@scenario
async def killed_while_joining(s):
    async def when():
        await s.until(lambda: s.files("exchange=*/*/*/*/*.parquet"), "a sealed segment")
        await s.until(lambda: unfinished(s), "rows to be joined")
        await s.delay(0.05)
    await killed(s, when)


@scenario
async def killed_while_the_next_engine_recovers(s):
    await s.open()
    for _ in range(s.rounds):
        await s.start(quotes=30)
        await s.until(lambda: s.files("journal/*.seg"), "a closed segment")
        await s.kill()
        s.market.next_phase()
        s.engine = await s.programs.run()
        marks = set(s.files("journal/*.run.json"))
        await s.until(lambda: unfinished(s) or set(s.files("journal/*.run.json")) != marks, "a recovery")
        await s.delay(0.2)
        await s.kill()
    await s.start()
    await s.stop()
    await s.check()


@scenario
async def killed_while_lake_recover_recovers(s):
    await s.open()
    for _ in range(max(1, s.rounds // 2)):
        await s.start(quotes=100)
        await s.kill()
        for _ in range(3):
            files = len(s.files("**/*.*"))
            tool = await s.programs.tool_started("recover", s.lake)
            await until(lambda: tool.has_ended() or len(s.files("**/*.*")) != files, "a recovery")
            await s.delay(0.15)
            await s.kill_tool(tool)
    await s.recover()
    await s.check()


@scenario
async def killed_while_compacting(s):
    await s.open(begins="2025-03-30T23:59:57")
    for _ in range(2):
        await s.start(quotes=400)
        await s.stop()
    s.programs.environment = {}
    for _ in range(3 * s.rounds):
        tool = await s.programs.tool_started("compact", s.lake, "--closed-for", "1")
        await until(lambda: tool.has_ended() or s.files("staging/*"), "a copy")
        await s.delay(0.1)
        await s.kill_tool(tool)
        # A tool that is killed while it writes to the ledger leaves a file that `verify` says to delete.
        for unfinished in s.files("ledger/*/compaction-*.tmp"):
            os.remove(unfinished)
        await s.check()
    code, out, said = await s.programs.tool("compact", s.lake, "--closed-for", "1")
    if code != 0:
        raise Failure(f"lake compact: exit code {code}: {out}{said}")
    await s.check()


# Edges of time. The engine's clock is the machine's, moved.


async def crosses(s, begins, folders):
    """An edge of time is crossed by a run that ends in order, and by one that is killed."""
    await s.open(begins=begins)
    await s.start(quotes=30)
    crossed = lambda: set(folders) <= {str(path.parent.relative_to(path.parents[2])) for path
                                       in s.files("exchange=*/*/date=*/hour=*/*.parquet")}
    await s.until(crossed, f"rows in {folders}")
    await s.stop()
    await s.check()
    s.begin_at(begins)
    await s.start(quotes=30)
    hour = lambda: int(time.time() + s.offset()) // 3600
    first = hour()
    await s.until(lambda: first < hour(), "the edge")
    await s.read(20)
    await s.kill()
    await s.recover()
    await s.check()


@scenario
async def crosses_an_hour(s):
    await crosses(s, "2025-07-01T05:59:57.5", ["date=2025-07-01/hour=05", "date=2025-07-01/hour=06"])


@scenario
async def crosses_a_leap_day(s):
    await crosses(s, "2024-02-28T23:59:57.5", ["date=2024-02-28/hour=23", "date=2024-02-29/hour=00"])


@scenario
async def crosses_a_year(s):
    await crosses(s, "2025-12-31T23:59:57.5", ["date=2025-12-31/hour=23", "date=2026-01-01/hour=00"])


@scenario
async def with_a_clock_that_is_set(s):
    """The wall clock is set forward and back while an engine records."""
    clock = s.home / "clock"

    def turn(ahead):
        new = clock.with_name("clock.new")
        new.write_text(f"{ahead:+.3f}\n")
        new.rename(clock)
        s.offsets = [*s.offsets, (time.time(), ahead)]

    turn(0.0)
    await s.open()
    s.programs.environment = faked(clock)
    await s.start()
    for ahead, told in ((7200.0, "the wall clock was set forward"), (7195.0, "the wall clock was set back")):
        turn(ahead)
        await s.until(lambda: s.has_said(told), told)
        await s.read(100)
    await s.stop()
    s.programs.environment = {}
    await s.check()


# A disk that is full.


async def fills(s, fill, empty):
    """Records while a disk fills up and is freed again."""
    await s.start()
    fill()
    await s.until(lambda: s.has_said("NOT recording"), "recording to stop")
    await s.read(100)
    empty()
    await s.until(lambda: s.has_said("recording again"), "recording to resume")
    await s.read(100)
    await s.stop(code=None)
    await s.check()


@contextlib.contextmanager
def mounted(s, options):
    """A small disk for the lake. The process has mounts of its own, so none is left behind."""
    disk = s.home / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", disk], check=True)
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


@scenario
async def on_a_disk_that_is_full(s):
    with mounted(s, "size=24m") as disk:
        await s.open(lake=disk / "lake")

        def fill():
            with open(disk / "ballast", "wb", buffering=0) as ballast, contextlib.suppress(OSError):
                while True:
                    ballast.write(bytes(1 << 16))

        await fills(s, fill, (disk / "ballast").unlink)


@scenario
async def on_a_disk_without_inodes(s):
    with mounted(s, "size=64m,nr_inodes=600") as disk:
        await s.open(lake=disk / "lake")
        ballast = disk / "ballast"
        ballast.mkdir()

        def fill():
            with contextlib.suppress(OSError):
                for number in range(1 << 20):
                    (ballast / str(number)).touch()

        await fills(s, fill, lambda: shutil.rmtree(ballast))


# Tricks with the lake's folder, its locks and its files.


@scenario
async def beside_a_second_engine(s):
    await s.open()
    await s.start()
    second = await s.programs.run("--for", "1")
    if await second.end(ENDING) == 0:
        raise Failure("a second engine recorded into the lake")
    await s.stop()
    await s.check()


@scenario
async def beside_a_second_engine_after_the_lock_was_deleted(s):
    await s.open()
    await s.start()
    (s.lake / "recording.lock").unlink()
    connections = len(s.market.connections)
    second = await s.programs.run("--for", "1")
    code = await second.end(ENDING)
    if code == 0 or connections < len(s.market.connections):
        raise Failure(f"a second engine recorded into the lake, and ended with {code}")
    await s.stop(code=None)
    await s.check()


@scenario
async def in_a_lake_that_is_renamed_and_comes_back(s):
    await s.open()
    await s.start()
    away = s.home / "away"
    s.lake.rename(away)
    await s.read(400)
    if s.lake.exists():
        s.lake.rename(s.home / "made in its place")
    away.rename(s.lake)
    await s.read(400)
    await s.stop(code=None)
    await s.recover()
    await s.check()


@scenario
async def in_a_lake_that_is_removed(s):
    """Nothing can be kept. The engine must say so by its exit code, and end in time."""
    await s.open()
    await s.start()
    # Under another name first: the engine would fill the folder while it is emptied.
    os.rename(s.lake, f"{s.lake}-removed")
    shutil.rmtree(f"{s.lake}-removed")
    await s.read(300)
    ended, _ = await s.stop(code=None)
    if ended == 0:
        raise Failure("the engine says that all is well, and its lake was removed")


@scenario
async def in_a_lake_that_may_not_be_entered_for_a_while(s):
    if os.geteuid() == 0:
        # The superuser may enter everything, unless it gives that up.
        s.programs.before = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    await s.open()
    await s.start()
    s.lake.chmod(0)
    await s.read(400)
    s.lake.chmod(0o750)
    await s.read(200)
    await s.stop(code=None)
    await s.recover()
    await s.check()


@scenario
async def beside_a_copied_file(s):
    """A copy lies in a folder for a while: verify must find it, and its rows must not be joined."""
    await s.open()
    await s.start()
    sealed = await until(lambda: s.files("exchange=*/*/*/*/*.parquet"), "a sealed segment")
    copy = sealed[-1].with_name("zz-copy.parquet")
    shutil.copy(sealed[-1], copy)
    await s.read(400)
    await s.stop(code=None)
    wrong, agrees = await s.compare()
    if not wrong or not agrees:
        raise Failure("\n".join([f"beside a copy: {wrong}", *agrees_not(agrees, s.verdict)]))
    copy.unlink(missing_ok=True)
    await s.check()


@scenario
async def beside_one_who_holds_the_lock_of_changes(s):
    """As a `lake verify` does that was suspended. It must not keep the engine from ending."""
    await s.open()
    await s.start()
    with open(s.lake / "change.lock", "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        await s.read(200)
        ended, took = await s.stop(code=None)
        print(f"the engine ended with {ended} after {took:.1f} s")
    await s.recover()
    await s.check()


# Lakes that somebody changed: the judge and `lake verify` must both see it.


def changed_row(path):
    import pyarrow.parquet as parquet
    table = parquet.read_table(path, partitioning=None)
    at = table.schema.get_field_index("BestBid")
    prices = table.column(at).to_pylist()
    first = next(place for place, price in enumerate(prices) if price is not None)
    prices[first] = round(prices[first] + 0.01, 3)
    import pyarrow
    changed = table.set_column(at, table.schema.field(at), pyarrow.array(prices, type=table.schema.field(at).type))
    parquet.write_table(changed, path)


def dropped_row(path):
    import pyarrow.parquet as parquet
    table = parquet.read_table(path, partitioning=None)
    parquet.write_table(table.slice(1), path)


def moved_hour(path):
    hour = int(path.parent.name.partition("=")[2])
    there = path.parent.with_name(f"hour={(hour + 1) % 24:02}")
    there.mkdir(exist_ok=True)
    path.rename(there / path.name)


CHANGES = {
    "a price is another": changed_row,
    "a row is gone": dropped_row,
    "a file is gone": Path.unlink,
    "a file is there twice": lambda path: shutil.copy(path, path.with_name("copy.parquet")),
    "a file is in another hour": moved_hour,
}


@scenario
async def that_somebody_changed(s):
    await s.open()
    await s.start(quotes=300)
    await s.stop()
    await s.check()
    sound = s.home / "sound"
    s.lake.rename(sound)
    for what, change in CHANGES.items():
        shutil.copytree(sound, s.lake)
        change(s.random.choice(s.files("exchange=*/*/*/*/*.parquet")))
        wrong, agrees = await s.compare()
        print(f"{what}: {wrong[0] if wrong else 'nothing found'}")
        if not wrong or not agrees:
            raise Failure("\n".join([f"{what}: {wrong[:3]}", *agrees_not(agrees, s.verdict)]))
        shutil.rmtree(s.lake)


async def play(s, function):
    try:
        await asyncio.wait_for(function(s), PATIENCE * (3 + s.rounds))
    finally:
        if s.engine:
            await s.engine.kill()
        if s.market:
            await s.market.stop()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--engine", required=True)
    parser.add_argument("--home", required=True)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("scenario", choices=SCENARIOS)
    parser.add_argument("tool", nargs="+", help="the lake tool and its first arguments")
    arguments = parser.parse_args()
    print(f"{arguments.scenario}: SEED={arguments.seed}", flush=True)
    s, began = Scene(arguments), time.monotonic()
    try:
        asyncio.run(play(s, SCENARIOS[arguments.scenario]))
    except Failure as failure:
        sys.exit(f"{arguments.scenario}: {failure}")
    print(f"{arguments.scenario}: {s.rows} rows, {s.kills} kills, {s.amidst} with unfinished files, {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    main()
