"""Draws a report of scripts/bench --growth: the gateway's CPU time for a request by what grows.

    build/venv/bin/python tests/bench/growth_plot.py REPORT.json PLOT.svg
"""

import json
import pathlib
import sys

import matplotlib.pyplot as plt

from curve import Curve
from growth import all_growths

COLUMNS = 3


def main() -> None:
    rows = json.loads(pathlib.Path(sys.argv[1]).read_text())
    measured = [(growth, costs) for growth in all_growths()
                if len(costs := growth.costs(rows)) > 1]
    if not measured:
        sys.exit(f"growth_plot: '{sys.argv[1]}' has nothing of scripts/bench --growth")
    plt.rcParams["svg.hashsalt"] = "tiffin"  # The same report, the same file.
    plt.rcParams["svg.fonttype"] = "none"  # Text, and not its outlines.
    lines = -(-len(measured) // COLUMNS)
    figure, axes = plt.subplots(lines, COLUMNS, figsize=(4 * COLUMNS, 3 * lines), squeeze=False)
    for plot in axes.flat[len(measured):]:
        plot.set_visible(False)
    for plot, (growth, costs) in zip(axes.flat, measured):
        curve = Curve(costs)
        fixed, slope = curve.line()
        plot.loglog(list(costs), list(costs.values()), "o-", label="measured")
        plot.loglog(list(costs), [fixed + slope * size for size in costs], "--", color="gray",
                    label=f"{fixed:.0f} us + {slope:.2g} us each")
        knee = curve.knee()
        if knee is not None and min(costs) < knee < max(costs):
            plot.axvline(knee, color="lightgray", zorder=0)
            plot.text(knee, min(costs.values()), f" knee {knee:.0f}", color="gray")
        plot.set_xlabel(growth.unit)
        plot.set_ylabel("gateway CPU, us a request")
        plot.legend(fontsize="small")
    figure.tight_layout()
    figure.savefig(sys.argv[2], metadata={"Date": None})


if __name__ == "__main__":
    main()
