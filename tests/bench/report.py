"""From single measurements to rows of a report."""

import dataclasses
import statistics

METRICS = {"p50": "us", "p99": "us", "throughput": "1/s", "cpu": "us"}


@dataclasses.dataclass(frozen=True)
class Measurement:
    """One run of the load generator against one server."""

    p50: float
    p99: float
    throughput: float
    cpu: float  # User and system time of all server processes, a request.


def spread(values: list[float]) -> float:
    """How far apart repetitions are: (largest - smallest) / median."""
    median = statistics.median(values)
    return (max(values) - min(values)) / median if median else 0.0


def make_rows(case: str, in_flight: int, served: list[Measurement],
              echoed: list[Measurement]) -> list[dict]:
    """One row a metric: medians over the repetitions, of the case and of the echo beside it."""
    rows = []
    for metric, unit in METRICS.items():
        values = [getattr(measurement, metric) for measurement in served]
        value = statistics.median(values)
        reference = statistics.median(getattr(measurement, metric) for measurement in echoed)
        rows.append({
            "case": case,
            "in_flight": in_flight,
            "metric": metric,
            "value": round(value, 3),
            "unit": unit,
            "reference": round(reference, 3),
            "ratio": round(value / reference, 4),
            "spread": round(spread(values), 4),
        })
    return rows


TABLE_HEAD = (f"{'case':<24} {'in flight':>9}"
              + "".join(f"  {f'{metric} {unit}':>14} {'ratio':>6} {'±':>4}"
                        for metric, unit in METRICS.items()))


def table_line(rows: list[dict]) -> str:
    line = f"{rows[0]['case']:<24} {rows[0]['in_flight']:>9}"
    for row in rows:
        line += f"  {row['value']:>14.1f} {row['ratio']:>5.2f}x {row['spread']:>4.0%}"
    return line


@dataclasses.dataclass(frozen=True)
class Mark:
    """A bound that the project set itself."""

    case: str
    in_flight: int
    metric: str
    bound: float
    at_least: bool = False
    over: str = ""  # Another case: the difference of the values counts, not the ratio.

    def text(self) -> str:
        what = f"{self.case} {self.metric} at {self.in_flight} in flight"
        sign = ">=" if self.at_least else "<="
        if self.over:
            return f"{what}: {sign} {self.bound:g} us over {self.over}"
        return f"{what}: {sign} {self.bound:g} of the echo's"

    def judge(self, rows: list[dict]) -> str:
        found = {(row["case"], row["in_flight"], row["metric"]): row for row in rows}
        row = found.get((self.case, self.in_flight, self.metric))
        base = found.get((self.over, self.in_flight, self.metric))
        if row is None or (self.over and base is None):
            return f"not measured  {self.text()}"
        reached = row["value"] - base["value"] if self.over else row["ratio"]
        met = reached >= self.bound if self.at_least else reached <= self.bound
        return f"{'met' if met else 'MISSED':<12}  {self.text()}; reached {reached:.2f}"


MARKS = (
    Mark("identity_16KB", 1, "p50", 2.8),
    Mark("fanout_16KB", 1, "p50", 5),
    Mark("fanout_16KB", 32, "throughput", 0.25, at_least=True),
    Mark("fanout_600KB", 1, "p50", 300, over="fanout_16KB"),
)
