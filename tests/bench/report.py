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
    requests: int = 0  # All, those of the warm-up too.
    cpu_of: float | None = None  # Of the process that was asked for, while it was measured.


@dataclasses.dataclass(frozen=True)
class Result:
    """Rows of one line, and what their references are."""

    rows: list[dict]
    reference: str


def spread(values: list[float]) -> float:
    """How far apart repetitions are: (largest - smallest) / median."""
    median = abs(statistics.median(values))
    return (max(values) - min(values)) / median if median else 0.0


def make_row(case: str, in_flight: int, metric: str, unit: str, values: list[float],
             references: list[float]) -> dict:
    """Medians over the repetitions, of the case and of the reference beside it."""
    value = statistics.median(values)
    reference = statistics.median(references)
    return {
        "case": case,
        "in_flight": in_flight,
        "metric": metric,
        "value": round(value, 3),
        "unit": unit,
        "reference": round(reference, 3),
        "ratio": round(value / reference, 4),
        "spread": round(spread(values), 4),
    }


def make_rows(case: str, in_flight: int, served: list[Measurement],
              referred: list[Measurement]) -> list[dict]:
    """One row a metric."""
    return [make_row(case, in_flight, metric, unit,
                     [getattr(measurement, metric) for measurement in served],
                     [getattr(measurement, metric) for measurement in referred])
            for metric, unit in METRICS.items()]


def make_extra_row(case: str, large: list[Measurement], small: list[Measurement],
                   reads: list[Measurement], copies: list[Measurement]) -> dict:
    """What a large tensor costs beyond a small one and beyond a reader's own pass, by the median
    request with one in flight; held against copying the tensor once."""
    values = [one.p50 - other.p50 - read.p50
              for one, other, read in zip(large, small, reads, strict=True)]
    return make_row(case, 1, "p50", "us", values, [copy.p50 for copy in copies])


TABLE_HEAD = (f"{'case':<40} {'in flight':>9}"
              + "".join(f"  {f'{metric} {unit}':>14} {'ratio':>6} {'±':>4}"
                        for metric, unit in METRICS.items()))


def table_line(rows: list[dict]) -> str:
    """Of all the metrics of a case, or of others, which it names."""
    line = f"{rows[0]['case']:<40} {rows[0]['in_flight']:>9}"
    all_metrics = [row["metric"] for row in rows] == list(METRICS)
    for row in rows:
        value = f"{row['value']:.1f}"
        if not all_metrics:
            value = f"{row['metric']} {value} {row['unit']}"
        line += f"  {value:>14} {row['ratio']:>5.2f}x {row['spread']:>4.0%}"
    return line
