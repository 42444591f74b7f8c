"""Measures cases in turns, each beside its reference."""

import contextlib

from bench import Bench
from cases import EXTRA, Case
from references import reference_of
from report import Measurement, Result, make_extra_row, make_rows
from servers import Server


class Group:
    """Cases that are served at the same time, by a gateway for each service file, as if it were
    alone; measured in turns, so that they can be compared with one another, too."""

    def __init__(self, bench: Bench, cases: list[Case], repetitions: int, echo: Server):
        self._bench = bench
        self._cases = cases
        self._repetitions = repetitions
        self._echo = echo
        self._gateways: dict[str, Server] = {}  # By the case's name.

    def serve(self, stack: contextlib.ExitStack) -> None:
        keys = {case.name: (case.service_file, case.worker_transport, case.loops)
                for case in self._cases}
        gateways = {key: stack.enter_context(self._bench.gateway(*key))
                    for key in dict.fromkeys(keys.values())}
        self._gateways = {name: gateways[key] for name, key in keys.items()}

    def in_flight(self) -> list[int]:
        return sorted({in_flight for case in self._cases for in_flight in case.in_flight})

    def measure(self, in_flight: int) -> list[Result]:
        cases = [case for case in self._cases if in_flight in case.in_flight]
        references = {case.name: reference_of(self._bench, case, in_flight, self._echo,
                                              self._gateways[case.name]) for case in cases}
        flags = {case.name: [
            *self._bench.infer_flags(case, references[case.name].expected_replies()),
            "--in-flight", str(in_flight)] for case in cases}
        served = {case.name: [] for case in cases}
        referred = {case.name: [] for case in cases}
        has_extra = in_flight == 1 and {EXTRA.large, EXTRA.small} <= served.keys()
        reads, copies = [], []
        for _ in range(self._repetitions):
            for case in cases:
                referred[case.name].append(references[case.name].measure())
                served[case.name].append(
                    self._bench.load(self._gateways[case.name], flags[case.name],
                                     self._bench.seconds(case)))
            if has_extra:
                reads.append(self._bench.pass_over(EXTRA, "read"))
                copies.append(self._bench.pass_over(EXTRA, "copy"))
        results = [Result(make_rows(name, in_flight, served[name], referred[name]),
                          references[name].name) for name in served]
        results += compare_with_off(in_flight, served)
        if has_extra:
            row = make_extra_row(EXTRA.name, served[EXTRA.large], served[EXTRA.small], reads,
                                 copies)
            results.append(Result([row], "one copy"))
        return results


def compare_with_off(in_flight: int, served: dict[str, list[Measurement]]) -> list[Result]:
    """Of each case that was measured without batching, too."""
    return [Result(make_rows(f"{name}_vs_off", in_flight, of_case, served[f"{name}_off"]),
                   f"{name}_off")
            for name, of_case in served.items() if f"{name}_off" in served]
