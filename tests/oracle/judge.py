"""Compares a lake, read with DuckDB, with what was sent. It takes nothing from the engine but its files."""

import datetime
import os
from collections import Counter, defaultdict, namedtuple
from itertools import pairwise
from pathlib import Path

import duckdb

import journal
from quotes import INSTRUMENTS, VENUES, number_of, quote

# Seconds by which a row's time may differ from our clock's.
CLOCKS = 0.25
# Seconds before a kill in which what was read may be lost: the flush interval is 5 ms, the machine may be busy.
TAIL = 2.0
LOST = {"ring", "disk", "damage"}


Row = namedtuple("Row", "venue symbol run at time values file date hour")
Fact = namedtuple("Fact", "kind run cause first last since until")


class Lake:
    """All quotes, numbers and facts that the files of a lake hold. `at` is a row's journal sequence."""

    def __init__(self, path):
        self.path = Path(path)
        quotes = self.select(
            "exchange=*/*/*/*/*.parquet", "exchange, symbol, Run, JournalSequence, epoch_ns(Timestamp), (BestBid, "
            "BestAsk, BestBidSize, BestAskSize, epoch_ns(EventTime), Sequence, Flags), filename, date, hour",
            "hive_partitioning = true, hive_types = {date: varchar, hour: varchar}")
        self.quotes = [Row(*row) for row in quotes]
        self.statuses = self.select("status/*/*.parquet", "Run, JournalSequence")
        facts = self.select("ledger/*/*.parquet", "Kind, Run, Cause, First, Last, epoch_ns(Timestamp), epoch_ns(Until)")
        # A fact holds once, however many files say it.
        self.facts = {Fact(*fact) for fact in facts}

    def select(self, files, columns, more="hive_partitioning = false"):
        if not any(self.path.glob(files)):
            return []
        with duckdb.connect() as reader:
            reader.execute("set threads = 1")
            words = f"select {columns} from read_parquet($1, union_by_name = true, filename = true, {more})"
            return reader.execute(words, [str(self.path / files)]).fetchall()

    def of_kind(self, kind):
        return [fact for fact in self.facts if fact.kind == kind]

    def gaps(self):
        """Run -> stated (first, last) of numbers that the recorder lost."""
        found = defaultdict(set)
        for fact in self.of_kind("gap"):
            if fact.first is not None and fact.cause in LOST:
                found[fact.run].add((fact.first, fact.last))
        return found

    def states_loss(self):
        """Whether the ledger states that something was received and not stored."""
        return any(fact.cause in LOST for fact in self.of_kind("gap"))


class Phase:
    """An engine's life: its number, how it ended, and what was in its files then."""

    def __init__(self, number, how, at, lake, offsets):
        self.number, self.how, self.at, self.offsets = number, how, at, offsets
        self.acknowledged = []
        if how == "killed":
            # In the journal, or in a file of the lake.
            self.acknowledged = journal.quotes(lake)
            self.acknowledged += [(row.run, row.at, row.time) for row in Lake(lake).quotes]


    def wall(self, at):
        """The engine's wall clock at a time of ours."""
        return at + next(offset for since, offset in reversed(self.offsets) if since <= at)


def judge(lake, market, phases):
    """Lists everything that is wrong with the lake."""
    wrong = []
    rows = rows_of(lake, market, phases, wrong)
    numbers(lake, rows, wrong)
    acknowledged(rows, phases, wrong)
    missing(lake, rows, market, phases, wrong)
    return wrong


def rows_of(lake, market, phases, wrong):
    """Checks each row by itself. Returns (venue, instrument, number) -> (run, journal sequence, time)."""
    phases = {phase.number: phase for phase in phases}
    clocks = lake.of_kind("clock")
    rows, phase_of_run = {}, {}
    for row in lake.quotes:
        key, connection = origin(row, market)
        where = f"{row.run} {row.at} in {os.path.relpath(row.file, lake.path)}"
        phase = connection and phases.get(connection.phase)
        if phase is None:
            wrong.append(f"{'of an engine that must not record' if connection else 'never sent'}: {where}")
            continue
        expected = quote(*key, market.base_ms).row(is_first=connection.sent[key[1]][0] == key[2])
        if row.values != expected:
            wrong.append(f"altered: {where}: {row.values} instead of {expected}")
        if key in rows:
            wrong.append(f"doubled: {where}, and as {rows[key]}")
        rows[key] = (row.run, row.at, row.time)
        moment = datetime.datetime.fromtimestamp(row.time // 1_000_000_000, datetime.UTC)
        if (row.date, row.hour) != (f"{moment:%Y-%m-%d}", f"{moment:%H}"):
            wrong.append(f"in another hour: {where}, at {moment}")
        if phase_of_run.setdefault(row.run, phase) is not phase:
            wrong.append(f"of another run: {where}")
        sent = market.times[key[:2]][key[2]]
        stated = any(fact.run == row.run and fact.since <= row.time <= fact.until for fact in clocks)
        if not stated and not phase.wall(sent) - CLOCKS <= row.time / 1e9 <= phase.wall(phase.at) + CLOCKS:
            wrong.append(f"at another time: {where}: {row.time / 1e9 - phase.wall(sent):.3f} s after it was sent")
    check_order(rows, wrong)
    return rows


def origin(row, market):
    """The (venue, instrument, number) of a row, and the connection that it was sent on, if it was sent."""
    instrument, sequence = row.symbol.replace("#", "/"), row.values[5]
    if row.venue not in VENUES or instrument not in INSTRUMENTS or sequence is None:
        return None, None
    key = (row.venue, instrument, number_of(row.venue, sequence))
    return key, market.connection_of(*key)


def check_order(rows, wrong):
    """Later quotes have later numbers, and times that are not earlier."""
    found = defaultdict(list)
    for (venue, instrument, number), (run, at, time) in rows.items():
        found[venue, instrument, run].append((number, at, time))
    for key, ordered in found.items():
        ordered.sort()
        for (_, at, time), (_, at_next, time_next) in pairwise(ordered):
            if at_next <= at or time_next < time:
                wrong.append(f"out of order: {key}, {at} and {at_next}")


def numbers(lake, rows, wrong):
    """The numbers of each run are rows of quotes, rows of statuses, or stated as lost; each once."""
    found = defaultdict(list)
    for run, at, _ in rows.values():
        found[run].append(at)
    for run, at in lake.statuses:
        found[run].append(at)
    for run, spans in lake.gaps().items():
        for first, last in spans:
            found[run].extend(range(first, last + 1))
    ended = {fact.run: fact for fact in lake.of_kind("ended")}
    for run, at in found.items():
        at.sort()
        holes = [(a, b) for a, b in pairwise([-1, *at]) if b != a + 1]
        if holes:
            wrong.append(f"run {run}: numbers are missing or twice, at {holes[:3]}")
        if run not in ended:
            wrong.append(f"run {run} has no end in the ledger")
        elif ended[run].cause == "clean" and ended[run].last != at[-1]:
            wrong.append(f"run {run}: the last number is {at[-1]}, the ledger says {ended[run].last}")


def acknowledged(rows, phases, wrong):
    """What was in a file at a kill is a row."""
    there = set(rows.values())
    for phase in phases:
        gone = [what for what in phase.acknowledged if what not in there]
        if gone:
            wrong.append(f"phase {phase.number}: {len(gone)} acknowledged rows are gone, as {gone[0]}")


def missing(lake, rows, market, phases, wrong):
    """What was read for sure is a row, or its number is stated as lost, or it is the tail of a killed run."""
    gaps, gone = lake.gaps(), Counter()
    run_of_phase = {market.connection_of(*key).phase: run for key, (run, *_) in rows.items()}
    for phase in phases:
        run = run_of_phase.get(phase.number)
        for connection in (c for c in market.connections if c.phase == phase.number):
            for instrument in connection.sent:
                for first, last, after, before in holes(connection, instrument, rows, phase):
                    stated = sum(max(0, min(b, before - 1) - max(a, after + 1) + 1) for a, b in gaps.get(run, ()))
                    gone[run] += last - first + 1
                    if stated < last - first + 1:
                        wrong.append(f"missing: {connection.venue} {instrument} {first} to {last} of phase "
                                     f"{phase.number} ({phase.how}), of which the ledger states {stated}")
    for run, spans in gaps.items():
        stated = sum(last - first + 1 for first, last in spans)
        # The rest are statuses.
        if stated > 2 * gone[run] + 50:
            wrong.append(f"run {run}: the ledger states {stated} lost, {gone[run]} are missing")


def holes(connection, instrument, rows, phase):
    """Yields the first and last quote of each hole, and the journal sequences between which it lies."""
    first, last = connection.sent[instrument]
    there = [(n, rows[connection.venue, instrument, n][1]) for n in range(first, last + 1)
             if (connection.venue, instrument, n) in rows]
    known = connection.received(instrument, phase.at - (TAIL if phase.how == "killed" else 0))
    end = max([known, *(n for n, _ in there[-1:])]) + 1
    for (n, at), (n_next, at_next) in pairwise([(first - 1, -1), *there, (end, float("inf"))]):
        if n + 1 < n_next:
            yield n + 1, n_next - 1, at, at_next
