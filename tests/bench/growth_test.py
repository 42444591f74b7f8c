"""What is served at each size, and what costs say of how they grow."""

import unittest

from curve import Curve
from growth import all_growths
from markdown import growth_table


class Served(unittest.TestCase):
    def test_grows_by_what_its_name_says(self):
        served = {growth.name: growth.served(4) for growth in all_growths()}
        self.assertIn("replicas: 4", served["growth_workers"].services["workers"])
        for name, service in (("growth_deep", "deep"), ("growth_wide", "wide")):
            self.assertEqual(served[name].services[service].count("echo("), 4)
        self.assertIn("s3: echo(s2)", served["growth_deep"].services["deep"])
        self.assertIn("s3: echo(x)", served["growth_wide"].services["wide"])
        self.assertEqual(len(served["growth_services"].services), 4)
        self.assertEqual(len(set(served["growth_services"].models)), 4)
        self.assertEqual(served["growth_connections"].connections, 4)
        self.assertEqual(len(served["growth_tensor"].payload), 4 * 1024)


class Curves(unittest.TestCase):
    def test_a_straight_line_is_found(self):
        curve = Curve({size: 30 + 2 * size for size in (1, 4, 16, 64)})
        fixed, slope = curve.line()
        self.assertAlmostEqual(fixed, 30)
        self.assertAlmostEqual(slope, 2)
        self.assertAlmostEqual(curve.knee(), 15)
        self.assertTrue(curve.is_linear())

    def test_what_does_not_grow_has_no_knee(self):
        curve = Curve({1: 30, 10: 30, 100: 29})
        self.assertIsNone(curve.knee())
        self.assertTrue(curve.is_linear())

    def test_more_than_linear_is_seen_at_the_end_alone_too(self):
        curve = Curve({1: 30, 8: 31, 32: 40, 64: 100})
        self.assertGreater(curve.steepest(), 1.1)
        self.assertFalse(curve.is_linear())


class Table(unittest.TestCase):
    def test_has_a_line_for_each_kind_that_was_measured(self):
        rows = [{"case": f"growth_wide_{size}", "metric": "gateway_cpu", "value": 30 + 2 * size}
                for size in (1, 64)]
        self.assertEqual(growth_table(rows)[2:],
                         ["| steps at a time | 1 to 64 | 32.0 to 158 | 30.0 | 2 | 15 | 0.38 |"])
        self.assertEqual(growth_table([]), [])


if __name__ == "__main__":
    unittest.main()
