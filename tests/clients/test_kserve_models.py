"""What tritonclient asks about models, besides running them: configuration, statistics, index."""

import asyncio

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from tritonclient.grpc import service_pb2
from tritonclient.utils import InferenceServerException

import harness
from harness import ANSWER_S, refused

SERVICE = """
service: parts
runners:
  echo: {backend: testing, options: {behavior: identity, shape: [-1]},
         batching: {max_batch_size: 8}}
  free: {backend: testing, options: {behavior: identity, shape: [-1]}, batching: off}
  adder: {backend: testing, options: {behavior: add_sub}}
  word: {backend: testing, options: {behavior: identity, dtype: bytes, shape: []}}
  slow: {backend: testing, options: {behavior: delay, ms: 300, dtype: int64, shape: [-1]}}
  broken: {backend: testing, options: {behavior: fail, code: FAILED_PRECONDITION}}
apis:
  twice:
    input: {left: "int32[16]", right: "int32[16]"}
    steps:
      first: adder(left, right)
      second: adder(first.OUTPUT0, right)
      winner: argmax(second.OUTPUT0)
    output: {total: second.OUTPUT0, winner: winner}
  rows:
    input: {x: "fp32[rows,-1]"}
    steps:
      y: echo(x)
    output: {y: y}
  wait:
    input: {i: "int64[-1]"}
    steps:
      j: slow(i)
    output: {j: j}
"""


@pytest.fixture(scope="module")
def server():
    with harness.Server(SERVICE) as started:
        yield started


@pytest.fixture(scope="module")
def client(server):
    with triton.InferenceServerClient(server.address) as made:
        yield made


def tensor(name, array, datatype):
    made = triton.InferInput(name, array.shape, datatype)
    made.set_data_from_numpy(array)
    return made


def statistics(client, model):
    (found,) = client.get_inference_statistics(model).model_stats
    assert found.name == model and found.version == "1"
    return found


# Configuration.


def tensors(described):
    names = triton.model_config_pb2.DataType
    return {one.name: (names.Name(one.data_type), list(one.dims)) for one in described}


def test_config_of_a_batching_runner(client):
    config = client.get_model_config("parts.echo").config
    assert (config.name, config.backend, config.max_batch_size) == ("parts.echo", "testing", 8)
    assert config.HasField("dynamic_batching")
    assert tensors(config.input) == {"INPUT0": ("TYPE_FP32", [-1])}
    assert tensors(config.output) == {"OUTPUT0": ("TYPE_FP32", [-1])}


def test_config_of_runners_without_batching(client):
    free = client.get_model_config("parts.free").config
    assert free.max_batch_size == 2**31 - 1 and not free.HasField("dynamic_batching")
    slow = client.get_model_config("parts.slow").config
    assert slow.max_batch_size == 0
    assert tensors(slow.input) == {"INPUT0": ("TYPE_INT64", [-1])}


def test_config_of_an_api_is_an_ensemble(client):
    config = client.get_model_config("parts.twice").config
    assert (config.platform, config.max_batch_size) == ("ensemble", 0)
    assert tensors(config.input) == {"left": ("TYPE_INT32", [16]), "right": ("TYPE_INT32", [16])}
    assert tensors(config.output) == {"total": ("TYPE_INT32", [16]), "winner": ("TYPE_INT64", [])}
    first, second = config.ensemble_scheduling.step
    assert first.model_name == second.model_name == "parts.adder"
    assert dict(first.input_map) == {"INPUT0": "left", "INPUT1": "right"}
    assert dict(first.output_map) == {"OUTPUT0": "first.OUTPUT0", "OUTPUT1": "first.OUTPUT1"}
    assert dict(second.input_map) == {"INPUT0": "first.OUTPUT0", "INPUT1": "right"}
    assert second.output_map["OUTPUT0"] == "total"
    assert client.get_model_config("parts.rows").config.max_batch_size == 2**31 - 1


def test_config_as_json(client):
    config = client.get_model_config("parts.echo", as_json=True)["config"]
    assert config["max_batch_size"] == 8


# Statistics.


def test_statistics_of_a_runner(client):
    before = statistics(client, "parts.echo")
    client.infer("parts.echo", [tensor("INPUT0", np.ones((3, 2), np.float32), "FP32")])
    after = statistics(client, "parts.echo")
    assert after.inference_count == before.inference_count + 3
    assert after.execution_count == before.execution_count + 1
    assert after.last_inference > 1_500_000_000_000
    for part in ("success", "queue", "compute_input", "compute_infer", "compute_output"):
        told = getattr(after.inference_stats, part)
        assert told.count == getattr(before.inference_stats, part).count + 1, part
    stats = after.inference_stats
    parts = (stats.queue.ns + stats.compute_input.ns + stats.compute_infer.ns +
             stats.compute_output.ns)
    assert 0 < parts <= stats.success.ns
    assert stats.fail.count == before.inference_stats.fail.count
    assert {batch.batch_size: batch.compute_infer.count for batch in after.batch_stats}[3] >= 1


def test_statistics_of_an_api_and_of_its_steps(client):
    before, adder = statistics(client, "parts.twice"), statistics(client, "parts.adder")
    ones = np.ones(16, np.int32)
    client.infer("parts.twice", [tensor("left", ones, "INT32"), tensor("right", ones, "INT32")])
    after, added = statistics(client, "parts.twice"), statistics(client, "parts.adder")
    assert after.inference_count == before.inference_count + 1
    assert after.execution_count == before.execution_count + 1
    assert after.inference_stats.success.count == before.inference_stats.success.count + 1
    assert added.inference_count == adder.inference_count + 2
    assert added.execution_count == adder.execution_count + 2
    assert added.inference_stats.success.count == adder.inference_stats.success.count + 2


def test_calls_that_share_an_execution_are_one(server, client):
    """What is sent at once runs in batches, whose sizes add up to what was sent."""
    before = statistics(client, "parts.echo")
    request = harness.infer_request("parts.echo", np.ones((1, 2), np.float32))
    for future in [server.kserve.ModelInfer.future(request, timeout=ANSWER_S) for _ in range(200)]:
        future.result()
    after = statistics(client, "parts.echo")
    executions = after.execution_count - before.execution_count
    assert after.inference_count == before.inference_count + 200
    assert 25 <= executions <= 200
    sizes = {batch.batch_size: batch.compute_infer.count for batch in after.batch_stats}
    assert all(1 <= size <= 8 for size in sizes)
    assert sum(sizes.values()) == after.execution_count
    assert sum(size * count for size, count in sizes.items()) == after.inference_count


def test_what_expired_before_it_ran_is_not_counted_as_executed(server, client):
    one = np.ones(1, np.int64)
    for model, name in (("parts.slow", "INPUT0"), ("parts.wait", "i")):
        before, slow = statistics(client, model), statistics(client, "parts.slow")
        running = server.infer_later("parts.slow", one)
        with refused(grpc.StatusCode.DEADLINE_EXCEEDED):
            server.infer(model, timeout=0.05, **{name: one})
        with refused(grpc.StatusCode.DEADLINE_EXCEEDED):
            request = harness.infer_request(model, **{name: one})
            request.parameters["timeout"].int64_param = 50_000
            server.kserve.ModelInfer(request, timeout=ANSWER_S)
        running.result()

        # The client's own clock may end a call before the server hears of it.
        def failed(model=model, before=before):
            fails = statistics(client, model).inference_stats.fail.count
            return fails - before.inference_stats.fail.count == 2

        harness.eventually(failed)
        after = statistics(client, "parts.slow")
        assert after.execution_count == slow.execution_count + 1
        assert after.inference_count == slow.inference_count + 1


def test_failures_are_counted(client):
    with pytest.raises(InferenceServerException, match="failed, as the option"):
        client.infer("parts.broken", [tensor("INPUT0", np.ones(1, np.float32), "FP32")])
    broken = statistics(client, "parts.broken")
    assert broken.inference_stats.fail.count == 1
    assert broken.inference_stats.success.count == 0
    assert broken.execution_count == 0


def test_statistics_of_all_models(client):
    names = [model.name for model in client.get_inference_statistics().model_stats]
    assert names == sorted(names)
    assert {"parts.twice", "parts.rows", "parts.echo", "parts.adder"} <= set(names)
    assert client.get_inference_statistics(as_json=True)["model_stats"]


# The repository.


def test_index_lists_the_models(client):
    models = client.get_model_repository_index().models
    assert {model.name: (model.version, model.state) for model in models} == {
        f"parts.{name}": ("1", "READY") for name in
        ("echo", "free", "adder", "word", "slow", "broken", "twice", "rows", "wait")}


@pytest.mark.parametrize("method, request_type", [
    ("RepositoryModelLoad", service_pb2.RepositoryModelLoadRequest),
    ("RepositoryModelUnload", service_pb2.RepositoryModelUnloadRequest)])
def test_models_stay_as_they_are(server, method, request_type):
    with refused(grpc.StatusCode.UNIMPLEMENTED, method, "start the server again"):
        getattr(server.kserve, method)(request_type(model_name="parts.echo"), timeout=ANSWER_S)


def test_load_is_refused_to_tritonclient(client):
    with pytest.raises(InferenceServerException, match="when the server starts"):
        client.load_model("parts.echo")


# The same with asyncio.


def test_asyncio_client(server):
    async def talk():
        async with triton_aio.InferenceServerClient(server.address) as client:
            assert await client.is_model_ready("parts.twice")
            config = await client.get_model_config("parts.echo")
            assert config.config.max_batch_size == 8
            rows = [np.full((1, 2), turn, np.float32) for turn in range(20)]
            results = await asyncio.gather(*(
                client.infer("parts.echo", [tensor("INPUT0", row, "FP32")]) for row in rows))
            for row, result in zip(rows, results, strict=True):
                assert np.array_equal(result.as_numpy("OUTPUT0"), row)
            (stats,) = (await client.get_inference_statistics("parts.echo")).model_stats
            assert stats.inference_stats.success.count >= 20
            assert (await client.get_model_repository_index()).models

    asyncio.run(asyncio.wait_for(talk(), ANSWER_S))
