"""Inputs whose execution ends the worker: run twice at most, and nobody else is harmed."""

import concurrent.futures
import contextlib
import threading

import grpc
import numpy as np
from tritonclient.grpc import service_pb2_grpc

import harness
from harness import ANSWER_S, refused
from load import connect

Code = grpc.StatusCode
POISON = 13

SERVICE = """
service: lab
runners:
  model: {{backend: testing,
          options: {{behavior: crash, content: {poison}, shape: [1], batchable: true,
                    journal: {journal}{more}}},
          {runner}}}
apis:
  run:
    input: {{x: "fp32[1]"}}
    steps: {{y: model(x)}}
    output: {{y: y}}
"""


BATCHES = "batching: {policy: fixed, max_batch_size: 8, max_delay: 1s}"


def serve(folder, journal, args=(), more="", runner="replicas: 1"):
    text = SERVICE.format(poison=POISON, journal=journal.path, more=more, runner=runner)
    return harness.Server(text, folder=folder, args=args)


def ask(server, value, channel=None):
    stub = service_pb2_grpc.GRPCInferenceServiceStub(channel or server.channel)
    request = harness.infer_request("lab.run", x=np.array([value], np.float32))
    return stub.ModelInfer.future(request, timeout=ANSWER_S)


def answer(future):
    return harness.outputs_of(future.result(ANSWER_S))["y"].tolist()


def test_a_batch_with_a_poisonous_input_is_answered_but_for_that(folder, journal, carrier):
    with serve(folder, journal, carrier, runner=BATCHES) as server:
        asked = {value: ask(server, value) for value in [1, 2, 3, POISON, 4, 5, 6, 7]}

        for value, future in asked.items():
            if value == POISON:
                with refused(Code.INVALID_ARGUMENT, "model", "ended the model's worker twice"):
                    future.result(ANSWER_S)
            else:
                assert answer(future) == [value]

        entries = journal.all_so_far()
        assert entries[0].rows == 8
        assert [entry.rows for entry in entries[1:]] == [1] * (len(entries) - 1), "not alone"
        assert [entry.first for entry in entries[1:]].count(str(POISON)) == 1
        assert len({entry.pid for entry in entries}) <= 3
        # It is known now, and nothing is run for it.
        with refused(Code.INVALID_ARGUMENT, "ended the model's worker twice", within=1):
            ask(server, POISON).result(ANSWER_S)
        assert journal.all_so_far() == []
        server.wait_for_line("its second time")


def test_the_same_input_of_two_loops_beside_a_poisonous_one_is_answered(folder, journal, carrier):
    with serve(folder, journal, [*carrier, "--loops", "2"], runner=BATCHES) as server, \
            connect(server.address) as one, connect(server.address) as other:
        # One of each loop: connections are dealt out in turns.
        asked = [(value, ask(server, value, channel))
                 for channel, values in ((one, [5, 1, POISON, 2]), (other, [5, 3, 4, 6]))
                 for value in values]

        for value, future in asked:
            if value == POISON:
                with refused(Code.INVALID_ARGUMENT, "model", "ended the model's worker twice"):
                    future.result(ANSWER_S)
            else:
                assert answer(future) == [value]

        entries = journal.all_so_far()
        assert entries[0].rows == 8
        assert [entry.rows for entry in entries[1:]] == [1] * (len(entries) - 1), "not alone"
        assert [entry.first for entry in entries[1:]].count(str(POISON)) == 1
        for value, channel in ((5, one), (5, other)):
            assert answer(ask(server, value, channel)) == [value]


def test_one_that_must_not_run_twice_is_the_callers_to_repeat(folder, journal):
    with serve(folder, journal, more=", retry_safe: false") as server:
        with refused(Code.UNAVAILABLE, "died of signal 6"):
            ask(server, POISON).result(ANSWER_S)
        with refused(Code.INVALID_ARGUMENT, "ended the model's worker twice"):
            ask(server, POISON).result(ANSWER_S)
        assert [entry.first for entry in journal.all_so_far()] == [str(POISON)] * 2
        assert answer(ask(server, 1)) == [1]


def test_clients_that_give_up_do_not_keep_a_poisonous_input_going(folder, journal, gate):
    with serve(folder, journal, more=f", ms: 60000, until: {gate.path}") as server:
        for _ in range(2):
            future = ask(server, POISON)
            assert journal.next().first == str(POISON)
            future.cancel()
            gate.open()
            server.wait_for_line("a worker died of signal 6")
            gate.close()
            server.lines.clear()
        with refused(Code.INVALID_ARGUMENT, "ended the model's worker twice"):
            ask(server, POISON).result(ANSWER_S)


def test_innocent_inputs_are_never_blamed_for_kills_from_outside(folder, journal, carrier):
    with serve(folder, journal, carrier, runner="replicas: 2") as server, \
            concurrent.futures.ThreadPoolExecutor(8) as clients:
        over = threading.Event()

        def client(value):
            ends = []
            while not over.is_set():
                try:
                    ends.append(answer(ask(server, value)) == [value])
                except grpc.RpcError as error:
                    ends.append(error.code())
            return ends

        running = [clients.submit(client, value) for value in range(8)]
        try:
            for _ in range(20):
                kill_one_at_work(server, journal)
        finally:
            over.set()
        ends = sum((future.result() for future in running), [])

        # A call is run again once: two kills may meet the same one.
        assert set(ends) <= {True, Code.UNAVAILABLE}
        assert ends.count(True) > 20
        assert not any("died of" in line for line in server.lines)
        assert [answer(ask(server, value)) for value in range(8)] == [[v] for v in range(8)]


def kill_one_at_work(server, journal):
    """Kills a worker as soon as it is seen to execute, from both of them being ready on."""
    harness.eventually(lambda: len(server.workers()) == 2, what="two workers")
    journal.all_so_far()
    while True:
        pid = journal.next().pid
        for worker in server.workers():
            if worker.pid == pid:
                with contextlib.suppress(ProcessLookupError):
                    worker.kill()
                return
