"""The bounds that the project set itself."""

import dataclasses

# What the ratios of a mark are to.
ECHO = "the echo's"
LOOP = "the in-process loop's"
OFF = "that without batching"
COPY = "a copy of 600 KB"
FIXED = "the fixed window's"
ONE = "one replica's"
PEAK = "the peak"
DEADLINE = "the deadline"
OFFERED = "what was offered"


@dataclasses.dataclass(frozen=True)
class Mark:
    case: str
    in_flight: int
    metric: str
    bound: float
    of: str = ECHO
    at_least: bool = False
    unit: str = ""  # If there is one, the value itself is bounded, and not its ratio.

    def text(self) -> str:
        where = f" at {self.in_flight} in flight" if self.in_flight else ""
        what = self.unit or f"of {self.of}"
        return (f"{self.case} {self.metric}{where}: {'>=' if self.at_least else '<='} "
                f"{self.bound:g} {what}")

    def find(self, rows: list[dict]) -> dict | None:
        """The row that it is about, if that was measured."""
        return next((row for row in rows if (row["case"], row["in_flight"], row["metric"])
                     == (self.case, self.in_flight, self.metric)), None)

    def reached(self, row: dict) -> float:
        return row["value" if self.unit else "ratio"]

    def is_met(self, row: dict) -> bool:
        reached = self.reached(row)
        return reached >= self.bound if self.at_least else reached <= self.bound

    def judge(self, rows: list[dict]) -> str:
        row = self.find(rows)
        if row is None:
            return f"not measured  {self.text()}"
        return (f"{'met' if self.is_met(row) else 'MISSED':<12}  {self.text()}; "
                f"reached {self.reached(row):.2f} (± {row['spread']:.0%})")


def on_both_carriers(case: str, in_flight: int, metric: str, express: float, grpc: float,
                     at_least: bool = False) -> list[Mark]:
    return [Mark(case, in_flight, metric, express, at_least=at_least),
            Mark(f"{case}_grpc", in_flight, metric, grpc, at_least=at_least)]


MARKS = (
    *on_both_carriers("identity_16KB", 1, "p50", 1.5, 2.3),
    *on_both_carriers("fanout_16KB", 1, "p50", 2.0, 4.0),
    *on_both_carriers("fanout_16KB", 1, "p99", 2.5, 4.5),
    *on_both_carriers("identity_16KB", 32, "throughput", 0.75, 0.60, at_least=True),
    *on_both_carriers("fanout_16KB", 32, "throughput", 0.60, 0.45, at_least=True),
    *on_both_carriers("fanout_16KB", 32, "cpu", 2.0, 3.0),
    Mark("fanout_600KB_extra", 1, "p50", 3, COPY),
    Mark("client_600KB", 1, "p50", 1.4),
    Mark("inference_graph_demo", 1, "p50", 1.3, LOOP),
    Mark("inference_graph_demo", 32, "throughput", 0.6, LOOP, at_least=True),
    Mark("sentiment_model", 32, "throughput", 0.9, LOOP, at_least=True),
    Mark("sentiment_analysis", 4, "throughput", 0.9, LOOP, at_least=True),
    *(Mark(f"{case}_vs_off", 1, "p50", 1.05, OFF)
      for case in ("fanout_16KB", "inference_graph_demo", "sentiment_model", "batching_2ms")),
    *(Mark(f"{model}_{what}_adaptive", in_flight, metric, bound, of, at_least=at_least)
      for model in ("arrivals_4ms", "arrivals_sentiment")
      for what, in_flight, metric, bound, of, at_least in (
          ("50pct_of_off", 0, "p50", 1.05, OFF, False),
          ("saturated", 32, "throughput", 2, OFF, True),
          ("80pct", 0, "p99", 1, FIXED, False))),
    *(Mark(f"replicas_{count}", 32, "throughput", 0.95 * count, ONE, at_least=True)
      for count in (2, 4, 8)),
    *(mark for case in ("overload_4ms", "overload_batched") for mark in (
        Mark(case, 0, "goodput", 0.9, PEAK, at_least=True),
        Mark(case, 0, "p99", 1, DEADLINE),
        Mark(case, 0, "refusal_p99", 10e3, unit="us"),
        Mark(case, 0, "late", 0.01, OFFERED),
        Mark(case, 0, "recovered", 0.99, OFFERED, at_least=True))),
    Mark("gateway_memory", 32, "pss", 40, unit="MiB"),
    Mark("start_identity", 0, "start", 300, unit="ms"),
    Mark("start_inference_graph_demo", 0, "start", 1500, unit="ms"),
)
