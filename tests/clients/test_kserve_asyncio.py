"""All that tritonclient's asyncio client offers, but for shared memory and streams, which their own
files have."""

import asyncio

import numpy as np
import pytest
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from tritonclient.utils import InferenceServerException

import harness
from harness import ANSWER_S

SERVICE = """
service: parts
runners:
  echo: {backend: testing, options: {behavior: identity, shape: [-1]}}
  word: {backend: testing, options: {behavior: identity, dtype: bytes, shape: []}}
  held: {backend: testing, options: {behavior: delay, until: %s, journal: %s, dtype: int64,
         shape: [-1]}}
apis:
  pass:
    input: {x: "fp32[-1]"}
    steps:
      y: echo(x)
    output: {y: y}
"""


@pytest.fixture
def server(folder, gate, journal):
    with harness.Server(SERVICE % (gate.path, journal.path)) as started:
        yield started


def tensor(name, array, datatype):
    made = triton.InferInput(name, array.shape, datatype)
    made.set_data_from_numpy(array)
    return made


def with_client(server, talk, **options):
    """Runs `talk(client)` to its end."""
    async def run():
        async with triton_aio.InferenceServerClient(server.address, **options) as client:
            await talk(client)

    asyncio.run(asyncio.wait_for(run(), ANSWER_S))


async def refused(words, call, code):
    with pytest.raises(InferenceServerException, match=words) as error:
        await call
    assert code in error.value.status()


def test_what_the_server_and_its_models_are(server):
    async def talk(client):
        assert await client.is_server_live()
        assert await client.is_server_ready()
        assert (await client.get_server_metadata()).name == "tiffin"
        assert (await client.get_server_metadata(as_json=True))["name"] == "tiffin"
        for model in ("parts.pass", "parts.echo", "echo"):
            assert await client.is_model_ready(model)
        assert await client.is_model_ready("parts.pass", "1")
        (described,) = (await client.get_model_metadata("parts.pass")).inputs
        assert (described.name, described.datatype, list(described.shape)) == ("x", "FP32", [-1])
        config = (await client.get_model_config("parts.pass")).config
        assert config.platform == "ensemble"
        assert [step.model_name for step in config.ensemble_scheduling.step] == ["parts.echo"]
        names = [model.name for model in (await client.get_model_repository_index()).models]
        assert names == ["parts.echo", "parts.held", "parts.pass", "parts.word"]

    with_client(server, talk)


def test_infer_with_all_that_it_takes(server):
    async def talk(client):
        ones = np.ones((2, 3), np.float32)
        result = await client.infer(
            "parts.echo", [tensor("INPUT0", ones, "FP32")], model_version="1",
            outputs=[triton.InferRequestedOutput("OUTPUT0")], request_id="r-1",
            timeout=20_000_000, client_timeout=ANSWER_S, headers={"x-mine": "1"},
            compression_algorithm="gzip", parameters={"mine": "kept"})
        assert np.array_equal(result.as_numpy("OUTPUT0"), ones)
        response = result.get_response()
        assert response.id == "r-1" and response.parameters["mine"].string_param == "kept"
        text = np.array(["guten Tag".encode()], dtype=object)
        result = await client.infer("parts.word", [tensor("INPUT0", text, "BYTES")])
        assert result.as_numpy("OUTPUT0").tolist() == text.tolist()

    with_client(server, talk)


def test_many_at_the_same_time_are_counted(server):
    async def talk(client):
        rows = [np.full(3, turn, np.float32) for turn in range(50)]
        results = await asyncio.gather(*(client.infer("parts.pass", [tensor("x", row, "FP32")])
                                         for row in rows))
        for row, result in zip(rows, results, strict=True):
            assert np.array_equal(result.as_numpy("y"), row)
        (stats,) = (await client.get_inference_statistics("parts.pass")).model_stats
        assert stats.inference_stats.success.count == stats.inference_count == 50
        assert len((await client.get_inference_statistics()).model_stats) == 4
        assert (await client.get_inference_statistics(as_json=True))["model_stats"]

    with_client(server, talk)


def test_errors_have_their_codes(server):
    async def talk(client):
        one = [tensor("INPUT0", np.ones((1, 3), np.float32), "FP32")]
        await refused("there is no model 'parts.nobody'", client.infer("parts.nobody", one),
                      "NOT_FOUND")
        await refused("has no input 'INPUT0'", client.infer("parts.pass", one), "INVALID_ARGUMENT")
        await refused("parts.nobody", client.get_model_metadata("parts.nobody"), "NOT_FOUND")
        await refused("when the server starts", client.load_model("parts.echo"), "UNIMPLEMENTED")
        await refused("when the server starts", client.unload_model("parts.echo"),
                      "UNIMPLEMENTED")
        await refused("TraceSetting", client.get_trace_settings(), "UNIMPLEMENTED")
        await refused("LogSettings", client.get_log_settings(), "UNIMPLEMENTED")
        await refused("--client-shared-memory", client.get_system_shared_memory_status(),
                      "UNIMPLEMENTED")
        await refused("GPU memory", client.get_cuda_shared_memory_status(), "UNIMPLEMENTED")

    with_client(server, talk)


def test_a_cancelled_task_cancels_its_request(server, journal):
    async def talk(client):
        task = asyncio.ensure_future(
            client.infer("parts.held", [tensor("INPUT0", np.ones(1, np.int64), "INT64")]))
        assert await asyncio.to_thread(journal.next) is not None
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        async def failed():
            (stats,) = (await client.get_inference_statistics("parts.held")).model_stats
            return stats.inference_stats.fail.count

        while await failed() == 0:
            await asyncio.sleep(0)

    with_client(server, talk)


def test_a_deadline_of_the_client_ends_it(server):
    async def talk(client):
        one = [tensor("INPUT0", np.ones(1, np.int64), "INT64")]
        await refused("[Dd]eadline", client.infer("parts.held", one, timeout=50_000),
                      "DEADLINE_EXCEEDED")
        await refused("[Dd]eadline", client.infer("parts.held", one, client_timeout=0.05),
                      "DEADLINE_EXCEEDED")

    with_client(server, talk)
