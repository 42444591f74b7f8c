"""ModelStreamInfer, with tritonclient's streams and by hand."""

import asyncio
import queue

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio

import harness
from harness import ANSWER_S

SERVICE = """
service: parts
runners:
  echo: {backend: testing, options: {behavior: identity, shape: [-1]}}
  slow: {backend: testing, options: {behavior: delay, ms: 200, dtype: int64, shape: [-1]}}
apis:
  pass:
    input: {x: "fp32[-1]"}
    steps:
      y: echo(x)
    output: {y: y}
"""


@pytest.fixture(scope="module")
def server():
    with harness.Server(SERVICE) as started:
        yield started


def tensor(name, array, datatype="FP32"):
    made = triton.InferInput(name, array.shape, datatype)
    made.set_data_from_numpy(array)
    return made


def test_tritonclients_stream(server):
    answers = queue.Queue()
    with triton.InferenceServerClient(server.address) as client:
        client.start_stream(lambda result, error: answers.put((result, error)))
        for turn in range(150):
            model, name = (("parts.pass", "x"), ("parts.echo", "INPUT0"))[turn % 2]
            shape = (3,) if model == "parts.pass" else (1, 3)
            client.async_stream_infer(
                model, [tensor(name, np.full(shape, turn, np.float32))], request_id=str(turn),
                enable_empty_final_response=turn < 2)
        for turn in range(150):
            result, error = answers.get(timeout=ANSWER_S)
            assert error is None
            response = result.get_response()
            assert response.id == str(turn), "answers come in the order of the requests"
            output = result.as_numpy(response.outputs[0].name)
            assert output.flatten().tolist() == [turn] * 3
            assert response.parameters["triton_final_response"].bool_param == (turn < 2)
        client.stop_stream()


def test_an_error_does_not_end_the_stream(server):
    answers = queue.Queue()
    with triton.InferenceServerClient(server.address) as client:
        client.start_stream(lambda result, error: answers.put((result, error)))
        row = tensor("INPUT0", np.ones((1, 2), np.float32))
        client.async_stream_infer("parts.nobody", [row], request_id="bad")
        client.async_stream_infer("parts.echo", [row], request_id="good")
        _, error = answers.get(timeout=ANSWER_S)
        assert "there is no model 'parts.nobody'" in str(error)
        result, error = answers.get(timeout=ANSWER_S)
        assert error is None and result.get_response().id == "good"
        client.stop_stream()


def test_asyncio_stream(server):
    async def requests():
        for turn in range(100):
            yield {"model_name": "parts.pass", "request_id": str(turn),
                   "inputs": [tensor("x", np.full(2, turn, np.float32))]}

    async def talk():
        async with triton_aio.InferenceServerClient(server.address) as client:
            turn = 0
            async for result, error in client.stream_infer(requests()):
                assert error is None
                assert result.get_response().id == str(turn)
                assert result.as_numpy("y").tolist() == [turn, turn]
                turn += 1
            assert turn == 100

    asyncio.run(asyncio.wait_for(talk(), ANSWER_S))


def test_the_stream_ends_with_its_last_answer(server):
    requests = [harness.infer_request("parts.echo", np.full((1, 4), turn, np.float32))
                for turn in range(5)]
    call = server.kserve.ModelStreamInfer(iter(requests), timeout=ANSWER_S)
    answers = [harness.outputs_of(answer.infer_response)["OUTPUT0"][0, 0] for answer in call]
    assert answers == list(range(5))
    assert call.code() == grpc.StatusCode.OK


def test_a_cancelled_stream_cancels_its_requests(server):
    with triton.InferenceServerClient(server.address) as client:
        stats = lambda: client.get_inference_statistics("parts.slow").model_stats[0]  # noqa: E731
        before = stats()
        request = harness.infer_request("parts.slow", np.ones(1, np.int64))
        sent = queue.Queue()
        for _ in range(10):
            sent.put(request)
        call = server.kserve.ModelStreamInfer(iter(sent.get, None), timeout=ANSWER_S)
        next(call)
        call.cancel()
        sent.put(None)

        def ended():
            now = stats().inference_stats
            return now.success.count + now.fail.count == (
                before.inference_stats.success.count + before.inference_stats.fail.count + 10)

        harness.eventually(ended)
        assert stats().execution_count < before.execution_count + 10
