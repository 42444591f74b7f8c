"""What the report says about measurements that are known."""

import dataclasses
import unittest

from cases import EXTRA, all_cases
from markdown import arrivals_table, cases_table, marks_table
from marks import MARKS, Mark
from report import METRICS, Measurement, make_extra_row, make_rows, spread, table_line
from scenarios import all_scenarios


def measurement(p50: float, throughput: float = 100) -> Measurement:
    return Measurement(p50=p50, p99=2 * p50, throughput=throughput, cpu=p50 / 2)


def row(case: str, value: float, ratio: float, metric: str = "p50") -> dict:
    return {"case": case, "in_flight": 1, "metric": metric, "value": value, "unit": "us",
            "ratio": ratio, "spread": 0.1}


class Rows(unittest.TestCase):
    def test_are_medians_with_the_ratio_of_the_medians(self):
        rows = make_rows("some", 8, [measurement(300), measurement(100), measurement(200)],
                         [measurement(40), measurement(50), measurement(90)])
        self.assertEqual([row["metric"] for row in rows], list(METRICS))
        self.assertEqual(rows[0], {"case": "some", "in_flight": 8, "metric": "p50", "value": 200,
                                   "unit": "us", "reference": 50, "ratio": 4, "spread": 1})

    def test_have_the_unit_of_their_metric(self):
        rows = make_rows("some", 1, [measurement(10)], [measurement(5)])
        self.assertEqual({row["metric"]: row["unit"] for row in rows}, METRICS)

    def test_of_what_is_extra_are_medians_of_differences(self):
        extra = make_extra_row("extra", [measurement(p50) for p50 in (500, 560, 900)],
                               [measurement(p50) for p50 in (450, 490, 860)],
                               [measurement(10)] * 3, [measurement(25)] * 3)
        self.assertEqual(extra, {"case": "extra", "in_flight": 1, "metric": "p50", "value": 40,
                                 "unit": "us", "reference": 25, "ratio": 1.6, "spread": 0.75})


class Spread(unittest.TestCase):
    def test_is_the_range_over_the_median(self):
        self.assertAlmostEqual(spread([9, 10, 14]), 0.5)

    def test_is_positive_where_values_are_not(self):
        self.assertAlmostEqual(spread([-9, -10, -14]), 0.5)

    def test_of_one_repetition_is_nothing(self):
        self.assertEqual(spread([7]), 0)


class TableLine(unittest.TestCase):
    def test_names_a_metric_that_stands_alone(self):
        self.assertIn("p50 12.0 us", table_line([row("some", 12, 1)]))


class Marks(unittest.TestCase):
    def judged(self, mark: Mark, **values: float) -> str:
        return mark.judge([{**row("some", 500, 9), **values}]).split()[0]

    def test_bound_the_ratio_from_above(self):
        mark = Mark("some", 1, "p50", 2.8)
        self.assertEqual(self.judged(mark, ratio=2.8), "met")
        self.assertEqual(self.judged(mark, ratio=2.9), "MISSED")

    def test_bound_the_ratio_from_below(self):
        mark = Mark("some", 1, "p50", 0.25, at_least=True)
        self.assertEqual(self.judged(mark, ratio=0.3), "met")
        self.assertEqual(self.judged(mark, ratio=0.2), "MISSED")

    def test_bound_the_value_where_they_have_a_unit(self):
        mark = Mark("some", 1, "p50", 40, unit="us")
        self.assertEqual(self.judged(mark, value=40), "met")
        self.assertEqual(self.judged(mark, value=41), "MISSED")

    def test_say_when_their_case_was_not_measured(self):
        for other in ({"case": "else"}, {"in_flight": 2}, {"metric": "p99"}):
            self.assertEqual(self.judged(Mark("some", 1, "p50", 9), **other), "not")

    def test_are_of_cases_that_are_measured(self):
        cases = all_cases()
        measured = {(case.name, in_flight) for case in cases.values()
                    for in_flight in case.in_flight}
        measured |= {(f"{name}_vs_off", 1) for name in cases if f"{name}_off" in cases}
        measured |= set().union(*(scenario.measured() for scenario in all_scenarios().values()))
        measured.add((EXTRA.name, 1))
        self.assertEqual({(mark.case, mark.in_flight) for mark in MARKS} - measured, set())
        self.assertEqual(len({dataclasses.astuple(mark)[:3] for mark in MARKS}), len(MARKS))


class Markdown(unittest.TestCase):
    def test_has_a_line_for_each_case_and_each_mark_that_was_measured(self):
        served = [measurement(300), measurement(330)]
        rows = (make_rows("fanout_16KB", 1, served, [measurement(150)])
                + make_rows("fanout_16KB", 32, served, [measurement(300)]))
        cases = cases_table(rows)
        self.assertEqual(len(cases), 3)
        self.assertTrue(cases[2].startswith("| `fanout_16KB` | 315 (2.10, 10 %) | "), cases[2])
        self.assertTrue(cases[2].endswith(" | 158 (1.05, 10 %) |"), cases[2])
        marks = marks_table(rows)
        for line in ("p50 at 1 in flight: <= 2 of the echo's | 2.10, missed | 10 % |",
                     "cpu at 32 in flight: <= 2 of the echo's | 1.05 | 10 % |"):
            self.assertIn(f"| fanout_16KB {line}", marks)

    def test_has_a_line_for_each_pattern_of_arrivals(self):
        rows = make_rows("arrivals_some_fixed", 0, [measurement(2)], [measurement(1)])
        self.assertEqual(arrivals_table(rows)[2:], [
            "| `arrivals_some_fixed` | 2.0 (2.00, 0 %) | 4.0 (2.00, 0 %) | 100 (1.00, 0 %) | "
            "1.0 (2.00, 0 %) |"])

    def test_says_where_more_in_flight_is_not_32(self):
        rows = make_rows("sentiment_analysis", 4, [measurement(1)], [measurement(1)])
        self.assertTrue(cases_table(rows)[2].startswith("| `sentiment_analysis` (@4) |  |  | 1.0 "))


if __name__ == "__main__":
    unittest.main()
