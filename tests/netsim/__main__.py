"""Write RESULTS.md anew: `python -m tests.netsim`."""

from . import report

if __name__ == "__main__":
    report.PATH.write_text(report.table())
    print(f"{report.PATH}: written")
