"""A client that threads or tasks share, and memory that it shares with the server."""

import asyncio
import concurrent.futures
import os

import numpy as np
import pytest
from tritonclient.grpc import service_pb2

import harness
from harness import ANSWER_S
from python_clients import ODD_NAMES, all_kinds
from python_clients import server  # noqa: F401 - a fixture.
from python_package import tiffin
from tiffin import errors


# Many at a time.


def test_threads_share_a_client(server):
    with tiffin.Client(server.address, timeout=ANSWER_S) as client:
        def call(number):
            return client.call("kinds.of_all", **all_kinds(t=str(number))).t

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            assert list(pool.map(call, range(200))) == [str(number) for number in range(200)]


def test_tasks_share_a_client(server):
    async def run():
        async with tiffin.AsyncClient(server.address, timeout=ANSWER_S) as client:
            service = client.service("kinds")
            replies = await asyncio.gather(*(
                service.of_all(**all_kinds(t=str(number))) for number in range(200)))
            assert [reply.t for reply in replies] == [str(number) for number in range(200)]

    asyncio.run(run())


def test_a_cancelled_task_ends_its_call(server, module_journal):
    async def run():
        async with tiffin.AsyncClient(server.address) as client:
            task = asyncio.create_task(client.call("kinds.wait_watched", x=[1]))
            assert await asyncio.to_thread(module_journal.next) is not None
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(run())
    request = service_pb2.ModelStatisticsRequest(name="kinds.wait_watched")

    def failed():
        return server.kserve.ModelStatistics(request).model_stats[0].inference_stats.fail.count

    # What was cancelled counts as failed; the gate is closed still.
    harness.eventually(lambda: failed() == 1)


# Shared memory.


def our_files():
    return {name for name in os.listdir("/dev/shm") if name.startswith("tiffin-")}


def test_an_array_is_shared(server):
    before = our_files()
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    with tiffin.Client(server.address, timeout=ANSWER_S) as client:
        with client.share(x) as shared, client.share(np.empty_like(x)) as place:
            assert our_files() == before  # Nothing is left whoever dies.
            reply = client.infer("kinds.echo", {"INPUT0": shared})
            np.testing.assert_array_equal(reply["OUTPUT0"], x, strict=True)
            shared.array[0] = 7
            reply = client.infer("kinds.echo", {"INPUT0": shared}, outputs={"OUTPUT0": place})
            np.testing.assert_array_equal(reply["OUTPUT0"], shared.array, strict=True)
            np.testing.assert_array_equal(place.array, shared.array, strict=True)
        with pytest.raises(errors.NotFound):
            client.infer("kinds.echo", {"INPUT0": shared})
        assert shared.array[0, 0] == 7  # It is still ours.


def test_an_array_is_shared_with_asyncio(server):
    async def run():
        async with (tiffin.AsyncClient(server.address, timeout=ANSWER_S) as client,
                    client.share(np.ones((1, 3), np.float32)) as shared):
            reply = await client.infer("kinds.echo", {"INPUT0": shared})
            assert reply["OUTPUT0"].tolist() == [[1, 1, 1]]

    asyncio.run(run())


def test_a_server_that_shares_nothing_says_so():
    before = our_files()
    with harness.Server(ODD_NAMES) as server, tiffin.Client(server.address) as client:
        with pytest.raises(tiffin.TiffinError, match="--client-shared-memory"):
            with client.share(np.ones(3, np.float32)):
                pass
        for wrong in (np.array(["a"]), np.zeros(0, np.float32)):
            with pytest.raises(errors.InvalidArgument, match="shared"):
                with client.share(wrong):
                    pass
    assert our_files() == before
