"""Prints ARCHITECTURE.md's tables of a report that scripts/bench --json wrote:

    python3 tests/bench/markdown.py REPORT.json
"""

import json
import pathlib
import sys

from cases import all_cases
from curve import Curve
from growth import all_growths
from marks import MARKS
from report import METRICS

# Of the table of cases: metric, in flight, what the column is called.
COLUMNS = (
    ("p50", 1, "p50 @1, us"),
    ("p99", 1, "p99 @1, us"),
    ("p50", None, "p50 @32, us"),
    ("throughput", None, "requests/s @32"),
    ("cpu", None, "CPU @32, us"),
)


def number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}"


def cell(row: dict | None) -> str:
    if row is None:
        return ""
    return f"{number(row['value'])} ({row['ratio']:.2f}, {row['spread'] * 100:.0f} %)"


def cases_table(rows: list[dict]) -> list[str]:
    """`None` in COLUMNS is the most that the case had in flight."""
    found = {(row["case"], row["in_flight"], row["metric"]): row for row in rows}
    lines = ["| Case | " + " | ".join(title for _, _, title in COLUMNS) + " |",
             "|---" * (len(COLUMNS) + 1) + "|"]
    for case in all_cases():
        in_flight = [row["in_flight"] for row in rows if row["case"] == case]
        if in_flight:
            most = max(in_flight)
            name = f"`{case}`" + (f" (@{most})" if most not in (1, 32) else "")
            cells = [cell(found.get((case, most if where is None else where, metric)))
                     for metric, where, _ in COLUMNS]
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def arrivals_table(rows: list[dict]) -> list[str]:
    lines = ["| Arrivals | " + " | ".join(f"{metric}, {unit}" for metric, unit in METRICS.items())
             + " |", "|---" * (len(METRICS) + 1) + "|"]
    for case in dict.fromkeys(row["case"] for row in rows if row["case"].startswith("arrivals_")):
        cells = [cell(row) for row in rows if row["case"] == case]
        lines.append(f"| `{case}` | " + " | ".join(cells) + " |")
    return lines


def marks_table(rows: list[dict]) -> list[str]:
    lines = ["| Bound | Reached | Spread |", "|---|---|---|"]
    for mark in MARKS:
        row = mark.find(rows)
        if row is not None:
            reached = f"{mark.reached(row):.2f}" + ("" if mark.is_met(row) else ", missed")
            lines.append(f"| {mark.text()} | {reached} | {row['spread'] * 100:.0f} % |")
    return lines


def growth_table(rows: list[dict]) -> list[str]:
    """What the gateway's CPU time per request has to say of each kind of growth."""
    lines = ["| Growth of | Sizes | CPU at the ends, us | Always, us | Each adds, us | Knee "
             "| Steepest exponent |", "|---" * 7 + "|"]
    for growth in all_growths():
        costs = growth.costs(rows)
        if len(costs) < 2:
            continue
        curve = Curve(costs)
        fixed, slope = curve.line()
        knee = curve.knee()
        steepest = f"{curve.steepest():.2f}" + ("" if curve.is_linear() else ", more than linear")
        lines.append(f"| {growth.unit} | {min(costs)} to {max(costs)} "
                     f"| {number(costs[min(costs)])} to {number(costs[max(costs)])} "
                     f"| {number(fixed)} | {slope:.3g} | {'none' if knee is None else round(knee)} "
                     f"| {steepest} |")
    return lines if len(lines) > 2 else []


def main() -> None:
    rows = json.loads(pathlib.Path(sys.argv[1]).read_text())
    tables = [cases_table(rows), arrivals_table(rows), marks_table(rows), growth_table(rows)]
    print("\n\n".join("\n".join(table) for table in tables if len(table) > 2))


if __name__ == "__main__":
    main()
