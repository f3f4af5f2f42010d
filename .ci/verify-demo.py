"""Verifies the numbers of a finished demo: its summary against itself and against the lake's rows.

Usage: verify-demo.py SUMMARY LAKE. Counts the rows with DuckDB, which shares no code with the
engine. Prints a line for each check; exits with 1 if a number is wrong.
"""

import glob
import json
import os
import sys
from collections import defaultdict
from decimal import Decimal, getcontext

import duckdb

getcontext().prec = 60


def main(summary_path, lake):
    with open(summary_path) as file:
        summary = json.load(file)
    totals, wrong = summary["totals"], []

    def expect(what, holds):
        print(f"{'ok   ' if holds else 'WRONG'} {what}")
        if not holds:
            wrong.append(what)

    files = os.path.join(lake, "exchange=*", "symbol=*", "date=*", "hour=*", "*.parquet")
    rows, venues, instruments = duckdb.sql(
        f"select count(*), count(distinct exchange), count(distinct symbol) "
        f"from read_parquet('{files}', hive_partitioning = true)"
    ).fetchall()[0]
    # Ten seconds at some 5,000 quotes/s. The model's arrivals are random; the machine may be slow.
    expect(f"quotes decoded: {totals['quotes']} are 30,000 at least", totals["quotes"] >= 30_000)
    expect(f"rows in the lake: {rows} are the quotes decoded", rows == totals["quotes"])
    expect(f"rows sealed: {totals['rows']} are the rows in the lake", totals["rows"] == rows)
    expect(f"venues in the lake: {venues} of 4", venues == 4)
    expect(f"instruments in the lake: {instruments} of 20", instruments == 20)
    expect(f"spreads: {totals['spreads']} are more than quotes", totals["spreads"] > totals["quotes"])
    sent = totals["broadcast_messages"] + totals["conflated"]
    expect(f"broadcast: {sent} messages for those spreads at least", sent >= totals["spreads"])
    expect(f"opportunities opened: {totals['opened']}", totals["opened"] > 0)
    expect("every opportunity that opened is closed", totals["opened"] == totals["closed"])
    expect("nothing was rejected or discarded", totals["rejected"] == totals["discarded"] == 0)
    for edge, dropped in sorted(summary["drops"].items()):
        expect(f"dropped at {edge}: {dropped}", dropped == 0)
    expect("no failure", summary["failures"] == [] and summary["complete"])
    lines = [json.loads(line) for path in glob.glob(os.path.join(lake, "opportunities", "*.jsonl"))
             for line in open(path)]
    opened = [line for line in lines if line["event"] == "opened"]
    expect(f"opportunities on file: {len(opened)}", len(opened) == totals["opened"])
    paper(lake, expect)
    left = glob.glob(os.path.join(lake, "**", "*.tmp"), recursive=True)
    left += glob.glob(os.path.join(lake, "journal", "*"))
    expect(f"nothing left unsealed: {left}", not left)
    for stage, latency in summary["latency_ns"].items():
        print(f"      {stage}: p50 {latency['p50']} ns, p99 {latency['p99']} ns, n {latency['count']}")
    return 1 if wrong else 0


def paper(lake, expect):
    """Adds up the fills of the journal of decisions, and compares with the balances and the profit told."""
    folder = os.path.join(lake, "trading")
    entries = [json.loads(line) for line in open(os.path.join(folder, "decisions.jsonl"))]
    with open(os.path.join(folder, "status.json")) as file:
        status = json.load(file)
    funded = [entry for entry in entries if entry["event"] == "funded"]
    fills = [entry for entry in entries if entry["event"] == "filled"]
    settled = [entry for entry in entries if entry["event"] == "settled"]
    expect(f"deals on paper: {len(settled)}", len(settled) > 0)
    expect(f"fills on paper: {len(fills)}", len(fills) >= len(settled))
    profit = sum(Decimal(entry["profit"]) for entry in settled)
    expect(f"profit on paper: {profit} is the sum of the deals", profit == Decimal(status["profit"]))
    balances = defaultdict(Decimal)
    for entry in funded:
        balances[entry["venue"], entry["asset"]] += Decimal(entry["amount"])
    for fill in fills:
        base, quote = fill["instrument"].split(":")[0].split("/")
        if fill["venue"].endswith("-usdm"):
            base = fill["instrument"]
        sign = 1 if fill["side"] == "buy" else -1
        size, notional = Decimal(fill["sz"]), Decimal(fill["px"]) * Decimal(fill["sz"])
        balances[fill["venue"], base] += sign * size
        balances[fill["venue"], quote] -= sign * notional
        balances[fill["venue"], fill["fee_asset"]] -= Decimal(fill["fee"])
    told = {(row["venue"], row["asset"]): Decimal(row["balance"]) for row in status["balances"]}
    wrong = [key for key in balances.keys() | told.keys() if balances[key] != told.get(key, 0)]
    expect(f"balances on paper are those of the fills: {len(told)}, wrong {wrong}", not wrong)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
