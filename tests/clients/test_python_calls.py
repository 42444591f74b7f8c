"""What both Python clients call besides typed APIs, and what calls tell: ids, times, KServe v2."""

import numpy as np
import pytest

from python_clients import PIXELS, all_kinds
from python_clients import client, make, server  # noqa: F401 - fixtures.
from python_package import tiffin
from tiffin import errors


def test_a_request_has_an_id(client):
    named = client.with_options(request_id="lunch-1")
    assert named.call("kinds.of_all", **all_kinds()).request_id == "lunch-1"
    assert named.infer("kinds.echo", {"INPUT0": [[1]]}).request_id == "lunch-1"
    assert client.call("kinds.of_all", **all_kinds()).request_id not in (None, "", "lunch-1")


def test_timings_come_when_asked_for(client):
    assert client.call("kinds.of_all", **all_kinds()).timing is None
    timed = client.with_options(timing=True)
    for timing in (timed.call("kinds.of_all", **all_kinds()).timing,
                   timed.infer("kinds.of_all", all_kinds(t="x", j="{}")).timing):
        assert timing.critical_path == ("a",) and not timing.truncated
        assert timing.step("a").runner == "word"
        parts = timing.parse_us + timing.dispatch_us + timing.gather_us
        step = timing.step("a")
        assert parts + step.end_us - step.start_us == timing.total_us
        with pytest.raises(KeyError):
            timing.step("b")


def test_a_timing_of_a_newer_server_can_be_read():
    timing = tiffin.Timing.parse(
        '{"total_us": 5, "parse_us": 1, "dispatch_us": 0, "gather_us": 1, "critical_path": ["a"],'
        ' "steps": [{"name": "a", "runner": "r", "start_us": 1, "end_us": 4, "retries": 1,'
        ' "retry_us": 2, "calls": 3, "cooled_us": 1}], "weight": 3, "truncated": true}')
    assert timing.truncated and timing.step("a").retries == 1 and timing.step("a").calls == 3


def test_metadata_is_added(make, server):
    # An id given as the metadata that it is.
    client = make(server.address).with_options(metadata=[("x-request-id", "by-hand")])
    assert client.call("kinds.of_all", **all_kinds()).request_id == "by-hand"


def test_a_runner_is_called_with_arrays(client):
    reply = client.infer("kinds.adder", {
        "INPUT0": np.arange(16, dtype=np.int32)[None], "INPUT1": [list(range(16))]})
    assert reply["OUTPUT0"].tolist() == [[2 * number for number in range(16)]]
    assert not reply["OUTPUT1"].any()


@pytest.mark.parametrize("value, elements", [
    ("ö", ["ö".encode()]), (b"\xff", [b"\xff"]), (["a", "b"], [b"a", b"b"]),
    (np.array(["a", b"b"], object), [b"a", b"b"]), (np.array(["a", "bc"]), [b"a", b"bc"])])
def test_bytes_are_strings_too(client, value, elements):
    reply = client.infer("kinds.word", {"INPUT0": value})
    assert reply["OUTPUT0"].tolist() == elements


def test_an_api_is_called_over_kserve(client, folder):
    file = folder / "image.png"
    file.write_bytes(PIXELS)
    reply = client.infer("kinds.of_all", all_kinds(i=file, f=[[1], [2]]), outputs=["j", "a", "f"])
    assert set(reply) == {"j", "a", "f"}
    assert reply.a.tolist() == PIXELS or reply.a.item() == PIXELS
    assert reply.f.tolist() == [[1], [2]]
    assert b'"deep"' in reply.j.item()


def test_an_input_that_is_unknown_is_named_over_kserve(client):
    with pytest.raises(errors.InvalidArgument, match="no input 'x'.*INPUT0"):
        client.infer("kinds.echo", {"x": [1]})


def test_models_are_described(client):
    models = {model.name: model for model in client.models()}
    assert {"kinds.of_all", "kinds.echo", "names.call", "names.word"} <= set(models)
    echo = models["kinds.echo"]
    assert (echo.platform, echo.version, echo.ready) == ("testing", "1", True)
    assert echo.inputs == (tiffin.TensorInfo("INPUT0", "FP32", (-1, -1), "fp32[-1]"),)
    assert [tensor.type for tensor in models["kinds.of_all"].inputs] == [
        "text", "json", "bytes", "image", "fp32[2,-1]"]
    assert client.model("kinds.echo") == echo


def test_services_and_health_are_told(client):
    assert client.services() == ["kinds", "names"]
    assert client.ready() is True and client.ready("kinds") is True
    with pytest.raises(errors.NotFound):
        client.ready("dinner")
