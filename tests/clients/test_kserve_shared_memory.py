"""Tensors in the system's shared memory, as tritonclient does it, and as bad clients do."""

import asyncio
import contextlib
import fcntl
import os
import queue
import threading
import types
import uuid

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
import tritonclient.utils.shared_memory as shm
from tritonclient.grpc import service_pb2
from tritonclient.utils import InferenceServerException, serialize_byte_tensor

import harness
from harness import ANSWER_S, refused

Code = grpc.StatusCode

SERVICE = """
service: parts
runners:
  echo: {backend: testing, options: {behavior: identity, shape: [-1]}}
  adder: {backend: testing, options: {behavior: add_sub}}
  words: {backend: testing, options: {behavior: identity, dtype: bytes, shape: [-1]}}
  word: {backend: testing, options: {behavior: identity, dtype: bytes, shape: []}}
  held: {backend: testing, options: {behavior: delay, until: %s, journal: %s, dtype: int64,
         shape: [-1]}}
apis:
  add:
    input: {left: "int32[16]", right: "int32[16]"}
    steps:
      sum: adder(left, right)
    output: {total: sum.OUTPUT0, difference: sum.OUTPUT1}
  say:
    input: {greeting: text}
    steps:
      said: word(greeting)
    output: {said: said}
"""

ON = ["--client-shared-memory"]


@pytest.fixture(scope="module")
def server(module_gate, module_journal):
    service = SERVICE % (module_gate.path, module_journal.path)
    with harness.Server(service, args=ON) as started:
        yield started
        module_gate.open()


@pytest.fixture
def client(server):
    """At the end of a test nothing is registered, and the server has given all back."""
    with triton.InferenceServerClient(server.address) as made:
        before = regions_open(server)
        yield made
        made.unregister_system_shared_memory()
        harness.eventually(lambda: regions_open(server) == before == 0)


def regions_open(server):
    """Descriptors of files in /dev/shm that the gateway holds."""
    found = 0
    for fd in os.listdir(f"/proc/{server.pid}/fd"):
        with contextlib.suppress(OSError):
            found += os.readlink(f"/proc/{server.pid}/fd/{fd}").startswith("/dev/shm/")
    return found


class Region:
    """One of tritonclient's, with a name of its own; unlinked in the end."""

    def __init__(self, byte_size, register_with=None):
        self.name = f"tiffin-test-{uuid.uuid4().hex}"
        self.key = f"/{self.name}"
        self.path = f"/dev/shm{self.key}"
        self.byte_size = byte_size
        self.handle = shm.create_shared_memory_region(self.name, self.key, byte_size)
        if register_with is not None:
            register_with.register_system_shared_memory(self.name, self.key, byte_size)

    def set(self, array, offset=0):
        shm.set_shared_memory_region(self.handle, [array], offset=offset)

    def get(self, dtype, shape, offset=0):
        """A copy: the memory must have no readers when it is closed."""
        return shm.get_contents_as_numpy(self.handle, dtype, shape, offset=offset).copy()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(FileNotFoundError):
            shm.destroy_shared_memory_region(self.handle)


def shared_input(name, region, shape, datatype, byte_size, offset=0):
    made = triton.InferInput(name, shape, datatype)
    made.set_shared_memory(region.name, byte_size, offset=offset)
    return made


def shared_output(name, region, byte_size, offset=0):
    made = triton.InferRequestedOutput(name)
    made.set_shared_memory(region.name, byte_size, offset=offset)
    return made


def tensor(name, array, datatype):
    made = triton.InferInput(name, array.shape, datatype)
    made.set_data_from_numpy(array)
    return made


@pytest.fixture
def sums(client):
    """Two inputs, and room for two outputs, in one region."""
    with Region(256, client) as region:
        region.set(np.arange(16, dtype=np.int32))
        region.set(np.full(16, 3, np.int32), offset=64)
        yield region


def add_requests(region, model="parts.add"):
    names = ("left", "right", "total", "difference")
    shape = [16]
    if model == "parts.adder":
        names, shape = ("INPUT0", "INPUT1", "OUTPUT0", "OUTPUT1"), [1, 16]
    return ([shared_input(names[0], region, shape, "INT32", 64),
             shared_input(names[1], region, shape, "INT32", 64, offset=64)],
            [shared_output(names[2], region, 64, offset=128),
             shared_output(names[3], region, 64, offset=192)])


def check_sums(region):
    assert region.get(np.int32, [16], 128).tolist() == [i + 3 for i in range(16)]
    assert region.get(np.int32, [16], 192).tolist() == [i - 3 for i in range(16)]


# As it is meant.


def test_the_extension_is_named(client):
    assert "system_shared_memory" in client.get_server_metadata().extensions


def test_register_status_unregister(client):
    with Region(64, client) as one, Region(128) as other:
        client.register_system_shared_memory("other", other.key, 100, offset=20)
        status = client.get_system_shared_memory_status()
        assert {name: (region.name, region.key, region.offset, region.byte_size)
                for name, region in status.regions.items()} == {
            one.name: (one.name, one.key, 0, 64), "other": ("other", other.key, 20, 100)}
        assert list(client.get_system_shared_memory_status("other").regions) == ["other"]
        assert client.get_system_shared_memory_status(as_json=True)["regions"]["other"]["offset"]
        client.unregister_system_shared_memory("other")
        client.unregister_system_shared_memory("other")
        with pytest.raises(InferenceServerException, match="Unable to find system shared memory"):
            client.get_system_shared_memory_status("other")
        client.unregister_system_shared_memory()
        assert not client.get_system_shared_memory_status().regions


@pytest.mark.parametrize("model", ["parts.add", "parts.adder"])
def test_inputs_and_outputs(client, sums, model):
    inputs, outputs = add_requests(sums, model)
    result = client.infer(model, inputs, outputs=outputs)
    check_sums(sums)
    for output in outputs:
        told = result.get_output(output.name())
        assert told.datatype == "INT32"
        assert told.parameters["shared_memory_region"].string_param == sums.name
        assert told.parameters["shared_memory_byte_size"].int64_param == 64
    assert not b"".join(result.get_response().raw_output_contents)


def test_outputs_of_one_request_may_go_both_ways(client, sums):
    inputs, outputs = add_requests(sums)
    result = client.infer("parts.add", [inputs[0], tensor("right", np.full(16, 5, np.int32),
                                                          "INT32")],
                          outputs=[outputs[0], triton.InferRequestedOutput("difference")])
    assert sums.get(np.int32, [16], 128).tolist() == [i + 5 for i in range(16)]
    assert result.as_numpy("difference").tolist() == [i - 5 for i in range(16)]


def test_bytes_and_text(client):
    words = np.array([[b"", b"\0\xff", "häßlich".encode(), b"x" * 70_000]], dtype=object)
    framed = serialize_byte_tensor(words)
    size = len(framed.item())
    with Region(200_000, client) as region:
        region.set(framed)
        result = client.infer(
            "parts.words", [shared_input("INPUT0", region, [1, 4], "BYTES", size)],
            outputs=[shared_output("OUTPUT0", region, 100_000, offset=100_000)])
        told = result.get_output("OUTPUT0")
        assert told.parameters["shared_memory_byte_size"].int64_param == size
        assert region.get(np.object_, [1, 4], 100_000).tolist() == words.tolist()

        text = "guten Tag, 世界".encode()
        region.set(serialize_byte_tensor(np.array([text], dtype=object)))
        client.infer("parts.say", [shared_input("greeting", region, [1], "BYTES", len(text) + 4)],
                     outputs=[shared_output("said", region, 100, offset=1000)])
        assert region.get(np.object_, [1], 1000).tolist() == [text]


def test_large_tensors(client):
    """Larger than gRPC's own default limit, many pieces, and not a whole number of them."""
    count = (24 << 20) // 4 + 5
    data = np.random.default_rng(1).random((1, count), dtype=np.float32)
    with Region(data.nbytes, client) as source, Region(data.nbytes + 12, client) as sink:
        source.set(data)
        client.infer("parts.echo", [shared_input("INPUT0", source, [1, count], "FP32",
                                                 data.nbytes)],
                     outputs=[shared_output("OUTPUT0", sink, data.nbytes, offset=12)])
        assert np.array_equal(sink.get(np.float32, [1, count], 12), data)


def test_async_infer(client, sums):
    inputs, outputs = add_requests(sums)
    answers = queue.Queue()
    for _ in range(20):
        client.async_infer("parts.add", inputs, lambda result, error: answers.put((result, error)),
                           outputs=outputs)
    for _ in range(20):
        _, error = answers.get(timeout=ANSWER_S)
        assert error is None
    check_sums(sums)


def test_stream(client, sums):
    inputs, outputs = add_requests(sums)
    answers = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    client.async_stream_infer("parts.add", inputs, outputs=outputs, request_id="good")
    result, error = answers.get(timeout=ANSWER_S)
    assert error is None and result.get_response().id == "good"
    check_sums(sums)
    lost = shared_output("total", sums, 64, offset=256)
    client.async_stream_infer("parts.add", inputs, outputs=[lost], request_id="bad")
    client.async_stream_infer("parts.add", inputs, outputs=outputs, request_id="good again")
    _, error = answers.get(timeout=ANSWER_S)
    assert "Invalid offset for shared memory region" in str(error)
    result, error = answers.get(timeout=ANSWER_S)
    assert error is None and result.get_response().id == "good again"
    client.stop_stream()


def test_asyncio_and_its_stream(server, client, sums):
    inputs, outputs = add_requests(sums)

    async def requests():
        for _ in range(10):
            yield {"model_name": "parts.add", "inputs": inputs, "outputs": outputs}

    async def talk():
        async with triton_aio.InferenceServerClient(server.address) as aio:
            with Region(64) as other:
                await aio.register_system_shared_memory("other", other.key, 64)
                status = await aio.get_system_shared_memory_status()
                assert set(status.regions) == {"other", sums.name}
                await aio.unregister_system_shared_memory("other")
            await asyncio.gather(*(aio.infer("parts.adder", *add_requests(sums, "parts.adder")[:1],
                                             outputs=add_requests(sums, "parts.adder")[1])
                                   for _ in range(10)))
            check_sums(sums)
            sums.set(np.zeros(32, np.int32), offset=128)
            count = 0
            async for _, error in aio.stream_infer(requests()):
                assert error is None
                count += 1
            assert count == 10
            check_sums(sums)

    asyncio.run(asyncio.wait_for(talk(), ANSWER_S))


# What is refused.


def test_registering_twice_is_an_error_even_if_it_is_the_same(client):
    with Region(64, client) as region:
        with pytest.raises(InferenceServerException, match="already in manager") as error:
            client.register_system_shared_memory(region.name, region.key, 64)
        assert "ALREADY_EXISTS" in error.value.status()


@pytest.mark.parametrize("key", [
    "", "/", "..", "/../etc/passwd", "../../etc/passwd", "/a/b", "a/../b", "//a", "x" * 300])
def test_keys_are_names_of_files_in_dev_shm(client, key):
    with pytest.raises(InferenceServerException, match="must be the name of a file in /dev/shm"):
        client.register_system_shared_memory("region", key, 1)


def test_what_is_no_file_is_refused(client):
    name = f"/dev/shm/tiffin-test-{uuid.uuid4().hex}"

    def refuse(words):
        with pytest.raises(InferenceServerException, match=words):
            client.register_system_shared_memory("region", os.path.basename(name), 1)

    refuse("there is no such file")
    os.symlink("/etc/passwd", name)
    refuse("it is a symbolic link")
    os.unlink(name)
    os.mkdir(name)
    refuse("it is no regular file")
    os.rmdir(name)
    os.mkfifo(name)
    refuse("it is no regular file")
    os.unlink(name)


def test_a_file_with_a_lease_does_not_make_the_server_wait(server, client):
    with Region(64) as region:
        holder = os.open(region.path, os.O_RDWR)
        # tritonclient's own descriptor would be in the way.
        region.handle._mpsm_handle.close()
        fcntl.fcntl(holder, fcntl.F_SETSIG, 28)  # SIGWINCH: ignored
        try:
            fcntl.fcntl(holder, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        except OSError:
            os.close(holder)
            pytest.skip("no leases here")
        request = service_pb2.SystemSharedMemoryRegisterRequest(
            name="region", key=region.key, byte_size=1)
        with refused(Code.UNAVAILABLE, "lease", within=10):
            server.kserve.SystemSharedMemoryRegister(request, timeout=ANSWER_S)
        os.close(holder)


@pytest.mark.parametrize("byte_size, offset", [(65, 0), (64, 1), (1, 64), (0, 0), (1, 2**64 - 1),
                                               (2**64 - 1, 1), (2**63, 2**63)])
def test_a_region_must_be_in_its_file(server, client, byte_size, offset):
    with Region(64) as region:
        request = service_pb2.SystemSharedMemoryRegisterRequest(
            name="region", key=region.key, byte_size=byte_size, offset=offset)
        with refused(Code.INVALID_ARGUMENT, "failed to register shared memory region",
                     "invalid args"):
            server.kserve.SystemSharedMemoryRegister(request, timeout=ANSWER_S)


def test_regions_are_bounded(server, client):
    with Region(64) as region:
        with pytest.raises(InferenceServerException, match="the most that this server takes"):
            for turn in range(1025):
                client.register_system_shared_memory(f"r{turn}", region.key, 64)
        assert 10 <= len(client.get_system_shared_memory_status().regions) <= 1024
        # There is room for other things.
        server.infer("parts.echo", np.ones((1, 2), np.float32))


def test_infer_errors_reach_tritonclient(client, sums):
    inputs, outputs = add_requests(sums)

    def refuse(words, inputs=inputs, outputs=outputs):
        with pytest.raises(InferenceServerException, match=words):
            client.infer("parts.add", inputs, outputs=outputs)

    small = shared_output("total", sums, 63, offset=128)
    refuse("should be at least 64 bytes to hold the results", outputs=[small])
    big = shared_input("left", sums, [16], "INT32", 128)
    refuse("INT32 of shape .16. needs 64 bytes, but there are 128", inputs=[big, inputs[1]])
    outside = shared_input("left", sums, [16], "INT32", 64, offset=193)
    refuse("Invalid offset . byte size for shared memory region", inputs=[outside, inputs[1]])
    client.unregister_system_shared_memory(sums.name)
    refuse("Unable to find shared memory region")


def test_cuda_memory_says_why_not(client):
    with pytest.raises(InferenceServerException, match="takes and gives no GPU memory"):
        client.get_cuda_shared_memory_status()
    with pytest.raises(InferenceServerException, match="takes and gives no GPU memory"):
        client.register_cuda_shared_memory("region", b"aGFuZGxl", 0, 64)
    with pytest.raises(InferenceServerException, match="takes and gives no GPU memory"):
        client.unregister_cuda_shared_memory("region")


def test_it_is_off_by_default(digits):
    with triton.InferenceServerClient(digits.address) as client:
        assert "system_shared_memory" not in client.get_server_metadata().extensions
        with Region(64) as region:
            for call in (lambda: client.register_system_shared_memory("r", region.key, 64),
                         client.get_system_shared_memory_status,
                         client.unregister_system_shared_memory):
                with pytest.raises(InferenceServerException, match="--client-shared-memory") as no:
                    call()
                assert "UNIMPLEMENTED" in no.value.status()
            made = shared_input("features", region, [1, 64], "FP32", 256)
            with pytest.raises(InferenceServerException, match="--client-shared-memory"):
                client.infer("inference_graph_demo.model_b", [made])
        assert regions_open(digits) == 0


# Clients that change their memory while it is used.


def held_request(region):
    return service_pb2.ModelInferRequest(
        model_name="parts.held", inputs=[shared_input("INPUT0", region, [2], "INT64",
                                                      16)._get_tensor()],
        outputs=[shared_output("OUTPUT0", region, 16, offset=64)._get_tensor()])


def start_held(server, journal, gate, region):
    """A request that has read its input, and will write its output when the gate opens."""
    gate.close()
    region.set(np.array([7, 8], np.int64))
    future = server.kserve.ModelInfer.future(held_request(region), timeout=ANSWER_S)
    assert journal.next() is not None
    return future


def test_unregistering_while_a_request_runs(server, client, module_journal, module_gate):
    with Region(128, client) as region:
        future = start_held(server, module_journal, module_gate, region)
        client.unregister_system_shared_memory()
        assert regions_open(server) == 1, "the request has it"
        module_gate.open()
        future.result()
        assert region.get(np.int64, [2], 64).tolist() == [7, 8]
        harness.eventually(lambda: regions_open(server) == 0)


def test_cutting_the_file_while_a_request_runs(server, client, module_journal, module_gate):
    with Region(128, client) as region:
        future = start_held(server, module_journal, module_gate, region)
        before = client.get_inference_statistics("held").model_stats[0].inference_stats
        os.truncate(region.path, 70)
        module_gate.open()
        with refused(Code.INVALID_ARGUMENT, "output 'OUTPUT0'", "has become too short"):
            future.result()
        after = client.get_inference_statistics("held").model_stats[0].inference_stats
        assert after.success.count == before.success.count
        assert after.fail.count == before.fail.count + 1
        assert os.path.getsize(region.path) == 70
        with refused(Code.INVALID_ARGUMENT, "output 'OUTPUT0'", "has become too short"):
            server.kserve.ModelInfer(held_request(region), timeout=ANSWER_S)
        os.truncate(region.path, 10)
        with refused(Code.INVALID_ARGUMENT, "input 'INPUT0'", "has become too short"):
            server.kserve.ModelInfer(held_request(region), timeout=ANSWER_S)
        assert os.path.getsize(region.path) == 10
        while module_journal.next(timeout=0) is not None:
            pass


def test_unlinking_the_file_changes_nothing(server, client, sums):
    os.unlink(sums.path)
    inputs, outputs = add_requests(sums)
    client.infer("parts.add", inputs, outputs=outputs)
    check_sums(sums)


def test_bad_clients_harm_nobody(server, client):
    """They cut, restore, unlink, unregister and register again all the time, while others' answers
    stay right and the server's descriptors don't grow."""
    stop = threading.Event()
    size = 4 << 20
    count = size // 4

    def cut(region):
        while not stop.is_set():
            os.truncate(region.path, 0)
            os.truncate(region.path, 2 * size)

    def register(name, region):
        with triton.InferenceServerClient(server.address) as mine:
            while not stop.is_set():
                with contextlib.suppress(InferenceServerException):
                    mine.register_system_shared_memory(name, region.key, 2 * size)
                mine.unregister_system_shared_memory(name)

    def infer(name, errors):
        named = types.SimpleNamespace(name=name)
        with triton.InferenceServerClient(server.address) as mine:
            while not stop.is_set():
                try:
                    mine.infer("parts.echo",
                               [shared_input("INPUT0", named, [1, count], "FP32", size)],
                               outputs=[shared_output("OUTPUT0", named, size, offset=size)])
                except InferenceServerException as error:
                    errors.append(error)

    errors = []
    with Region(2 * size, client) as victim, Region(2 * size) as churned:
        threads = [threading.Thread(target=cut, args=(victim,)),
                   threading.Thread(target=register, args=("churned", churned)),
                   threading.Thread(target=infer, args=(victim.name, errors)),
                   threading.Thread(target=infer, args=("churned", errors))]
        for thread in threads:
            thread.start()
        try:
            rng = np.random.default_rng(2)
            with Region(2 * size, client) as good:
                for _ in range(30):
                    data = rng.random((1, count), dtype=np.float32)
                    good.set(data)
                    client.infer(
                        "parts.echo", [shared_input("INPUT0", good, [1, count], "FP32", size)],
                        outputs=[shared_output("OUTPUT0", good, size, offset=size)])
                    assert np.array_equal(good.get(np.float32, [1, count], size), data)
            harness.eventually(lambda: errors, what="an error of a bad client")
        finally:
            stop.set()
            for thread in threads:
                thread.join(ANSWER_S)
        os.truncate(victim.path, 2 * size)  # Its mapping is closed at the end.
    for error in errors:
        assert any(code in error.status() for code in ("INVALID_ARGUMENT", "NOT_FOUND")), error
    client.unregister_system_shared_memory()
    harness.eventually(lambda: regions_open(server) == 0)
