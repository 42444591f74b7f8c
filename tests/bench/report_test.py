"""What the report says about measurements that are known."""

import unittest

from report import METRICS, Mark, Measurement, make_rows, spread


def measurement(p50: float, throughput: float = 100) -> Measurement:
    return Measurement(p50=p50, p99=2 * p50, throughput=throughput, cpu=p50 / 2)


def row(case: str, value: float, ratio: float, metric: str = "p50") -> dict:
    return {"case": case, "in_flight": 1, "metric": metric, "value": value, "ratio": ratio}


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


class Spread(unittest.TestCase):
    def test_is_the_range_over_the_median(self):
        self.assertAlmostEqual(spread([9, 10, 14]), 0.5)

    def test_of_one_repetition_is_nothing(self):
        self.assertEqual(spread([7]), 0)


class Marks(unittest.TestCase):
    def test_bound_the_ratio_from_above(self):
        mark = Mark("some", 1, "p50", 2.8)
        self.assertTrue(mark.judge([row("some", 1, 2.8)]).startswith("met"))
        self.assertTrue(mark.judge([row("some", 1, 2.9)]).startswith("MISSED"))

    def test_bound_the_ratio_from_below(self):
        mark = Mark("some", 1, "throughput", 0.25, at_least=True)
        self.assertTrue(mark.judge([row("some", 1, 0.3, "throughput")]).startswith("met"))
        self.assertTrue(mark.judge([row("some", 1, 0.2, "throughput")]).startswith("MISSED"))

    def test_bound_the_difference_of_two_cases(self):
        mark = Mark("large", 1, "p50", 300, over="small")
        rows = [row("small", 500, 9), row("large", 800, 9)]
        self.assertTrue(mark.judge(rows).startswith("met"))
        rows[1]["value"] = 801
        self.assertTrue(mark.judge(rows).startswith("MISSED"))

    def test_say_when_their_case_was_not_measured(self):
        self.assertTrue(Mark("some", 1, "p50", 1).judge([]).startswith("not measured"))
        mark = Mark("large", 1, "p50", 300, over="small")
        self.assertTrue(mark.judge([row("large", 1, 1)]).startswith("not measured"))


if __name__ == "__main__":
    unittest.main()
