"""Draws the rows of scripts/bench --cases tcp: what a call takes where nothing is shared, by size.

    build/venv/bin/python tests/bench/elsewhere_plot.py REPORT.json PLOT.svg
"""

import json
import pathlib
import sys

import matplotlib.pyplot as plt

from elsewhere import elsewhere


def main() -> None:
    rows = {row["case"]: row for row in json.loads(pathlib.Path(sys.argv[1]).read_text())
            if row["metric"] == "p50"}
    case = elsewhere()
    measured = {size: rows[name] for label, size in case.sizes.items()
                if (name := f"{case.name}_{label}") in rows}
    if len(measured) < 2:
        sys.exit(f"elsewhere_plot: '{sys.argv[1]}' has too little of scripts/bench --cases tcp")
    plt.rcParams["svg.hashsalt"] = "tiffin"  # The same report, the same file.
    plt.rcParams["svg.fonttype"] = "none"  # Text, and not its outlines.
    figure, plot = plt.subplots(figsize=(6, 4))
    for label, key in (("TCP", "value"), ("a Unix socket, memory shared", "reference")):
        plot.loglog([size / 1024 for size in measured], [row[key] for row in measured.values()],
                    "o-", label=label)
    plot.set_xlabel("KiB there, and as much back")
    plot.set_ylabel("p50 with one in flight, us")
    plot.legend()
    figure.tight_layout()
    figure.savefig(sys.argv[2], metadata={"Date": None})


if __name__ == "__main__":
    main()
