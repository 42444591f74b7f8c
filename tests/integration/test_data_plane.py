"""Shared memory, seen from outside: it comes back, it is sealed, and it outlives its makers."""

import fcntl
import os

import grpc
import numpy as np
import pytest

import harness
from harness import ANSWER_S, eventually

MIB = 1 << 20
FLOATS = 600_000 // 4

SERVICE = """
service: data
runners:
  echo: {{backend: testing, options: {{behavior: identity, shape: [-1]}}}}
  second: {{backend: testing, options: {{behavior: identity, shape: [-1]}}}}
  pre: {{backend: testing,
        options: {{behavior: produce, dtype: uint8, shape: [-1], bytes: 600000}}}}
  hold: {{backend: testing,
         options: {{behavior: delay, until: {gate}, ms: 60000, journal: {journal}}}}}
  total: {{backend: testing, options: {{behavior: consume, shape: [-1]}}}}
  words: {{backend: testing, options: {{behavior: identity, dtype: bytes, shape: [-1]}}}}
apis:
  chain:
    input: {{x: "fp32[rows,-1]"}}
    steps:
      a: echo(x)
      b: second(a)
    output: {{y: b}}
  outlive:
    input: {{seed: "uint8[-1]"}}
    steps:
      features: pre(seed)
      held: hold(features)
      sums: total(held)
      late: total(features)
    output: {{sums: sums, late: late}}
  keep:
    input: {{x: "fp32[-1]"}}
    steps:
      kept: hold(x)
    output: {{y: kept}}
  rest:
    input: {{w: "bytes[rows,-1]"}}
    steps:
      a: words(w)
    output: {{w: a}}
"""


@pytest.fixture(scope="module")
def gate(module_folder):
    return harness.Gate(module_folder)


@pytest.fixture(scope="module")
def journal(module_folder):
    return harness.Journal(module_folder)


@pytest.fixture(scope="module")
def server(gate, journal, carrier):
    text = SERVICE.format(gate=gate.path, journal=journal.path)
    with harness.Server(text, args=carrier) as started:
        yield started
        gate.open()


def random_array(seed, bytes_):
    return np.random.default_rng(seed).random((1, bytes_ // 4), dtype=np.float32)


@pytest.mark.parametrize("size", [0, 4, 256, 4096, 65536, MIB, 5 * MIB, 40 * MIB])
def test_tensors_of_any_size_arrive_whole_through_two_workers(server, size):
    array = random_array(size, size)
    assert np.array_equal(server.infer("data.chain", x=array)["y"], array)


def test_bytes_elements_arrive_whole(server):
    elements = [b"", b"a", b"\0" * 300, os.urandom(100_000)]
    request = harness.infer_request("data.words")
    harness.add_input(request, "INPUT0", "BYTES", [1, 4], harness.frame(*elements))
    response = server.kserve.ModelInfer(request, timeout=ANSWER_S)
    assert harness.outputs_of(response)["OUTPUT0"] == elements


def test_segments_are_sealed(server):
    """Whoever finds a descriptor, the owner's too, can neither write nor resize."""
    server.infer("data.chain", x=random_array(1, MIB))
    found = 0
    for pid in processes(server):
        for fd in os.listdir(f"/proc/{pid}/fd"):
            path = f"/proc/{pid}/fd/{fd}"
            if "memfd:tiffin" not in os.readlink(path):
                continue
            found += 1
            reopened = os.open(path, os.O_RDWR)
            try:
                seals = fcntl.fcntl(reopened, fcntl.F_GET_SEALS)
                wanted = (fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL |
                          0x10)  # F_SEAL_FUTURE_WRITE
                assert seals & wanted == wanted
                with pytest.raises(PermissionError):
                    os.write(reopened, b"x")
                with pytest.raises(PermissionError):
                    os.ftruncate(reopened, 0)
            finally:
                os.close(reopened)
    assert found >= 4, "the gateway's segment and the workers'"


def flood(server, rounds, cancel_every=3):
    """Megabytes back and forth, eight at a time; every third call is cancelled on its way."""
    array = random_array(7, MIB)
    for _ in range(rounds):
        futures = [server.infer_later("data.chain", x=array) for _ in range(8)]
        for index, future in enumerate(futures):
            if index % cancel_every == 0:
                future.cancel()
        for index, future in enumerate(futures):
            if index % cancel_every != 0:
                assert len(future.result().raw_output_contents[0]) == MIB


def processes(server):
    return [server.pid, *sorted(server.worker_pids())]


def memory(server):
    return sum(harness.segments(*processes(server)).values())


def descriptors(server):
    return sum(harness.open_descriptors(pid) for pid in processes(server))


def test_memory_comes_back_also_from_cancelled_requests(server):
    flood(server, rounds=5)
    memory_before, descriptors_before = memory(server), descriptors(server)
    flood(server, rounds=25)  # 600 tensors of 1 MiB.
    # Had one in ten not come back, it would be 60 MiB more.
    assert memory(server) <= memory_before + 32 * MIB
    assert descriptors(server) <= descriptors_before + 16


def test_idle_memory_is_given_back_to_the_system(server):
    server.infer("data.chain", x=random_array(1, 8 * MIB))
    assert memory(server) > 0
    eventually(lambda: memory(server) == 0, what="dropping idle segments")
    # And new ones are made as if nothing had been.
    array = random_array(2, 3 * MIB)
    assert np.array_equal(server.infer("data.chain", x=array)["y"], array)


def test_a_tensor_outlives_the_worker_that_made_it(server, gate, journal):
    gate.close()
    seed = np.array([3], np.uint8)
    future = server.infer_later("data.outlive", seed=seed)
    # `hold` executes: it was given the tensor. `total` reads it only after the gate opens.
    assert journal.next().first == "3"
    maker = server.worker("pre")
    maker.kill()
    assert maker.gone(ANSWER_S)
    # The next one is up: nothing of the dead one is needed for that.
    eventually(lambda: [worker for worker in server.workers("pre") if worker.pid != maker.pid],
               what="the restart of the worker")
    gate.open()
    outputs = harness.outputs_of(future.result(ANSWER_S))
    lanes = np.arange(64, dtype=np.float32) + 3
    counts = np.array([len(range(lane, FLOATS, 64)) for lane in range(64)], np.float32)
    np.testing.assert_allclose(outputs["sums"], lanes * counts, rtol=1e-5)
    np.testing.assert_array_equal(outputs["sums"], outputs["late"])


def test_a_reader_that_dies_gives_back_what_it_read(server, gate, journal):
    gate.close()
    journal.all_so_far()
    array = random_array(9, 2 * MIB)[0]
    before = memory(server)
    for _ in range(3):
        future = server.infer_later("data.keep", x=array)
        assert journal.next() is not None
        reader = server.worker("hold")
        reader.kill()
        assert reader.gone(ANSWER_S)
        # Run again by the next one, which reads the same memory.
        assert journal.next() is not None
        gate.open()
        assert harness.outputs_of(future.result(ANSWER_S))["y"][-1] == array[-1]
        gate.close()
    assert memory(server) <= before + 24 * MIB
