"""Write RESULTS.md anew: `python -m tests.netsim`."""

from . import report, scenarios

if __name__ == "__main__":
    rows = [report.row(s, report.runs(s)) for s in scenarios.SCENARIOS]
    report.PATH.write_text(report.table(rows))
    print(f"{report.PATH}: written")
