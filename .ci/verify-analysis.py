"""Verifies the analysis of the demo's lake against the demo's own count of quotes.

Usage: verify-analysis.py REPORT SUMMARY. Prints a line for each check; exits with 1 if a number is
wrong.
"""

import json
import sys


def main(report_path, summary_path):
    with open(report_path) as file:
        report = json.load(file)
    with open(summary_path) as file:
        quotes = json.load(file)["totals"]["quotes"]
    wrong = []

    def expect(what, holds):
        print(f"{'ok   ' if holds else 'WRONG'} {what}")
        if not holds:
            wrong.append(what)

    totals, names = report["totals"], [column["name"] for column in report["columns"]]
    expect(f"quotes analysed: {totals['rows']} are the quotes decoded: {quotes}", totals["rows"] == quotes)
    expect(f"pairs: {totals['pairs']} of 120 (20 instruments, 4 venues)", totals["pairs"] == 120)
    expect("every pair has a cell for each column", all(len(p["cells"]) == len(names) for p in report["pairs"]))
    expect("nothing was left out", not any(problem["left_out"] for problem in report["problems"]))
    live = names.index("live_share")
    expect("every pair was live", all(0 < pair["cells"][live] <= 1 for pair in report["pairs"]))
    expect(f"pairs with pictures: {len(report['details'])}", len(report["details"]) == 10)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
