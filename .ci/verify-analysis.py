"""Verifies the analysis of the demo's lake against the demo's own count of quotes.

Usage: verify-analysis.py REPORT SUMMARY. Prints a line for each check; exits with 1 if a number is
wrong.
"""

import json
import os
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

    totals, pairs = report["totals"], report["pairs"]
    expect(f"quotes analysed: {totals['rows']} are the quotes decoded: {quotes}", totals["rows"] == quotes)
    expect(f"pairs: {totals['pairs']} of 120 (20 instruments, 4 venues)", totals["pairs"] == 120)
    expect("every pair has a verdict and says why", all(p["verdict"] and p["why"] for p in pairs))
    expect("nothing was left out", not any(problem["left_out"] for problem in report["problems"]))
    recorded = report["recorded_hours"]
    expect(f"every pair was live, of {recorded:.3f} h", all(0 < p["live_hours"] <= recorded for p in pairs))
    details = [pair["detail"] for pair in pairs if "detail" in pair]
    there = all(os.path.exists(os.path.join(os.path.dirname(report_path), name)) for name in details)
    expect(f"pairs with details: {len(details)}", len(details) == 10 and there)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
