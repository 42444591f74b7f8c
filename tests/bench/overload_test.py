"""What an overload is made of, and what its rows say."""

import contextlib
import unittest

from overload import all_overloads
from report import Measurement

PHASE = {"offered": 1000, "answered": 90, "refused": 900, "late": 10, "goodput": 95.0,
         "answered_p50_us": 5e3, "answered_p99_us": 80e3, "refused_p50_us": 1e2,
         "refused_p99_us": 2e3, "lag_p99_us": 50.0}
AFTER = {**PHASE, "offered": 80, "answered": 79, "refused": 1, "late": 0}


class FakeBench:
    """The peak is 100 a second; notes which phases it is asked for."""

    def __init__(self, during):
        self.asked = []
        self._during = during

    def seconds(self, _) -> float:
        return 2

    def gateway(self, _):
        return contextlib.nullcontext()

    def infer_flags(self, *_) -> list[str]:
        return []

    def load(self, _, flags, __) -> Measurement:
        self.asked.append(flags)
        return Measurement(p50=1, p99=2, throughput=100, cpu=1)

    def phases(self, _, flags, deadline_ms, phases) -> list[dict]:
        self.asked.append((flags, deadline_ms, phases))
        return [PHASE, self._during, AFTER]


class OverloadTest(unittest.TestCase):
    def measure(self, during):
        self.bench = FakeBench(during)
        self.overload = all_overloads()[0]
        results = self.overload.measure(self.bench, 2)
        return {row["metric"]: row for result in results for row in result.rows}

    def test_ten_times_the_peak_comes_between_a_share_of_it(self):
        self.measure(PHASE)
        phases = [(80, 2), (1000, 6), (80, 2)]
        self.assertEqual(self.bench.asked, [
            ["--in-flight", "32"], (["--seed", "1"], 100, phases),
            ["--in-flight", "32"], (["--seed", "2"], 100, phases)])

    def test_rows_are_ratios_to_the_peak_the_deadline_and_what_was_offered(self):
        rows = self.measure(PHASE)
        self.assertEqual({metric: row["ratio"] for metric, row in rows.items()},
                         {"goodput": 0.95, "p99": 0.8, "refusal_p99": 0.02, "late": 0.01,
                          "recovered": 0.9875, "lag_p99": 0.0005})
        self.assertEqual({(row["case"], row["in_flight"]) for row in rows.values()},
                         self.overload.measured())

    def test_where_nothing_is_refused_a_refusal_took_no_time(self):
        self.assertEqual(self.measure({**PHASE, "refused_p99_us": None})["refusal_p99"]["value"], 0)


if __name__ == "__main__":
    unittest.main()
