"""Which arrivals the policies of batching get, and what they are held against."""

import contextlib
import unittest

from arrivals import ADAPTIVE, FIXED, OFF, all_arrivals
from report import Measurement

CAPACITY = {OFF: 100, FIXED: 1000, ADAPTIVE: 1200}


class FakeBench:
    """Notes what it is asked to measure; the policies' capacities are known."""

    def __init__(self):
        self.loads = []  # (policy, the flags of the load)

    def seconds(self, _) -> float:
        return 1

    def gateway(self, _):
        return contextlib.nullcontext()

    def infer_flags(self, case, _) -> list[str]:
        return [case.model.rpartition(".")[2]]

    def load(self, _, flags, __) -> Measurement:
        policy, *load = flags
        self.loads.append((policy, load))
        return Measurement(p50=1, p99=2, throughput=CAPACITY[policy], cpu=1)

    def of(self, rate: float) -> list[tuple[str, list[str]]]:
        return [(policy, flags[2:]) for policy, flags in self.loads
                if flags[:2] == ["--rate", f"{rate:.3f}"]]


class ArrivalsTest(unittest.TestCase):
    def setUp(self):
        self.arrivals = all_arrivals()[0]
        self.bench = FakeBench()
        self.results = self.arrivals.measure(self.bench, 2)

    def test_capacities_are_measured_first(self):
        in_flight = ["--in-flight", "32"]
        self.assertEqual(self.bench.loads[:6], 2 * [(OFF, in_flight), (FIXED, in_flight),
                                                    (ADAPTIVE, in_flight)])

    def test_all_policies_get_the_same_arrivals_and_each_repetition_its_own(self):
        for share in (80, 95):
            self.assertEqual(
                self.bench.of(CAPACITY[OFF] * share / 100),
                [(policy, ["--seed", seed]) for seed in "12" for policy in (OFF, FIXED, ADAPTIVE)])

    def test_policies_with_batching_get_shares_of_what_the_least_of_them_can_do(self):
        self.assertEqual(
            self.bench.of(CAPACITY[FIXED] * 0.8),
            [(policy, ["--seed", seed]) for seed in "12" for policy in (FIXED, ADAPTIVE)])

    def test_bursts_have_no_chance(self):
        bursts = [(policy, flags) for policy, flags in self.bench.of(CAPACITY[OFF] * 0.5)
                  if "--burst" in flags]
        self.assertEqual(bursts, 2 * [(policy, ["--burst", "16"])
                                      for policy in (OFF, FIXED, ADAPTIVE)])

    def test_rows_are_those_that_were_announced(self):
        rows = [row for result in self.results for row in result.rows]
        names = [(row["case"], row["in_flight"], row["metric"]) for row in rows]
        self.assertEqual(len(set(names)), len(names))
        self.assertEqual({name[:2] for name in names}, self.arrivals.measured())

    def test_policies_are_held_against_none_or_the_fixed_window(self):
        references = {result.rows[0]["case"]: result.reference for result in self.results}
        self.assertEqual(references["arrivals_4ms_50pct_of_off_adaptive"], OFF)
        self.assertEqual(references["arrivals_4ms_bursts_fixed"], OFF)
        self.assertEqual(references["arrivals_4ms_80pct_adaptive"], FIXED)
        saturated = next(result.rows for result in self.results
                         if result.rows[0]["case"] == "arrivals_4ms_saturated_adaptive")
        self.assertEqual([row["ratio"] for row in saturated if row["metric"] == "throughput"], [12])


if __name__ == "__main__":
    unittest.main()
