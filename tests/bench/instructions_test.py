"""Counts of cachegrind, and what of them is a request's."""

import unittest

from instructions import counts_of, per_request, table
from servers import Failure

SUMMARY = """tiffin said this before
==12== I   refs:      95,000,000
==12== I1  misses:     2,000,000
==12== LLi misses:        33,367
==12== D   refs:      54,238,087  (31,231,746 rd   + 23,006,341 wr)
==12== D1  misses:     1,500,000  ( 1,100,623 rd   +    419,692 wr)
"""


class Counts(unittest.TestCase):
    def test_are_read_from_the_summary(self):
        self.assertEqual(counts_of(SUMMARY), {"I refs": 95_000_000, "I1 misses": 2_000_000,
                                              "D1 misses": 1_500_000})

    def test_that_are_missing_are_a_failure_that_shows_what_was_said(self):
        with self.assertRaisesRegex(Failure, "I refs.*\n.*no such tool"):
            counts_of("valgrind: no such tool")

    def test_of_a_request_leave_out_what_is_always_there(self):
        short = (100, {"I refs": 1_000, "I1 misses": 50, "D1 misses": 7})
        long = (300, {"I refs": 2_000, "I1 misses": 60, "D1 misses": 7})
        found = per_request(short, long)
        self.assertEqual(found, {"I refs": 5, "I1 misses": 0.05, "D1 misses": 0})
        self.assertIn("| echo | 1 | 5 | 0 | 0 |", table({("echo", 1): found}))
        with self.assertRaises(Failure):
            per_request(long, short)


if __name__ == "__main__":
    unittest.main()
