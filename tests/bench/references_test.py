"""What the references run, and what they refuse."""

import dataclasses
import pathlib
import unittest
from unittest import mock

from cases import Case, InProcess, framed
from references import EchoReference, InProcessReference, reference_of
from report import Measurement
from servers import Failure

EXPECTED = framed(b"yes")


def case(like_runner: str = "") -> Case:
    return Case("some", pathlib.Path("service.yaml"), "some.run", "x", "BYTES", (1,),
                (framed(b"in"),), in_process=InProcess("graph", like_runner), answers="yes|no")


class FakeBench:
    """Gives the throughput of each batch size, and one reply."""

    def __init__(self, throughput: dict[int, float] | None = None, reply: bytes = EXPECTED):
        self.throughput = throughput or {}
        self.reply = reply
        self.runs = []

    def seconds(self, _) -> float:
        return 10

    def in_process(self, _, threads, engine_threads, batch, seconds):
        self.runs.append((threads, engine_threads, batch, seconds))
        return Measurement(1, 1, self.throughput.get(batch, 1), 1), [self.reply]


class FakeGateway:
    def __init__(self, threads: list[int]):
        self._threads = threads

    def worker_threads(self, _) -> list[int]:
        return self._threads


class InProcessReferences(unittest.TestCase):
    def setUp(self):
        self.enterContext(mock.patch("os.cpu_count", return_value=4))

    def measured(self, bench: FakeBench, reference: InProcessReference) -> tuple:
        reference.measure()
        return bench.runs[-1]

    def test_of_one_in_flight_is_one_thread_without_batches(self):
        bench = FakeBench({32: 100})
        reference = InProcessReference(bench, case(), 1, FakeGateway([]))
        self.assertEqual(self.measured(bench, reference), (1, 1, 1, 10))
        self.assertEqual(reference.name, "in process, 1x1, batch 1")

    def test_of_many_in_flight_is_all_cores_with_the_best_batch(self):
        bench = FakeBench({1: 10, 8: 30, 16: 20})
        reference = InProcessReference(bench, case(), 16, FakeGateway([]))
        self.assertEqual(self.measured(bench, reference), (4, 1, 8, 10))

    def test_never_has_more_threads_or_rows_than_are_in_flight(self):
        bench = FakeBench({2: 10, 4: 20})
        reference = InProcessReference(bench, case(), 3, FakeGateway([]))
        self.assertEqual(self.measured(bench, reference), (3, 1, 2, 10))

    def test_has_the_threads_of_the_workers_that_it_is_like(self):
        bench = FakeBench()
        reference = InProcessReference(bench, case("model"), 8, FakeGateway([2, 2]))
        self.assertEqual(self.measured(bench, reference)[:2], (2, 2))

    def test_tells_what_the_service_must_reply(self):
        reference = InProcessReference(FakeBench(), case(), 1, FakeGateway([]))
        self.assertEqual(reference.expected_replies(), [EXPECTED])

    def test_refuses_a_wrong_answer(self):
        with self.assertRaisesRegex(Failure, "'perhaps', which is wrong"):
            InProcessReference(FakeBench(reply=framed(b"perhaps")), case(), 1, FakeGateway([]))

    def test_refuses_an_answer_that_changes(self):
        bench = FakeBench()
        reference = InProcessReference(bench, case(), 1, FakeGateway([]))
        bench.reply = framed(b"no")
        with self.assertRaisesRegex(Failure, "changed its answers"):
            reference.measure()


class References(unittest.TestCase):
    def test_are_the_echo_where_no_other_is_named(self):
        plain = dataclasses.replace(case(), in_process=None)
        self.assertIsInstance(reference_of(FakeBench(), plain, 1, None, None), EchoReference)
        self.assertIsInstance(reference_of(FakeBench(), case(), 1, None, FakeGateway([])),
                              InProcessReference)


if __name__ == "__main__":
    unittest.main()
