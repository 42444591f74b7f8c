"""Errors of both Python clients: their classes, and what they name."""

import time

import numpy as np
import pytest

import harness
from harness import ANSWER_S
from python_clients import all_kinds
from python_clients import client, make, server  # noqa: F401 - fixtures.
from python_package import tiffin
from tiffin import errors


@pytest.mark.parametrize("name, value, words", [
    ("t", b"bytes", "'t' of 'kinds.of_all' must be a str"),
    ("j", {1, 2}, "'j' of 'kinds.of_all' is no JSON value"),
    ("j", float("nan"), "'j' of 'kinds.of_all' is no JSON value"),
    ("b", 7, "'b' of 'kinds.of_all' must be bytes"),
    ("f", [[1], [2, 3]], "'f' of 'kinds.of_all' can't be made a tensor of FP32"),
    ("f", np.array([[1j]]), "'f' of 'kinds.of_all' is an array of complex128"),
    ("f", np.array([[None]]), "'f' of 'kinds.of_all' has a NoneType among its elements"),
    # The server's own words.
    ("f", np.zeros((2, 3)), "'f' has dtype 'FP64', expected FP32"),
    ("f", np.zeros((3, 3), np.float32), "'f'"),
])
def test_a_wrong_value_is_named(client, name, value, words):
    with pytest.raises(errors.InvalidArgument, match=words) as error:
        client.call("kinds.of_all", **all_kinds(**{name: value}))
    assert isinstance(error.value, tiffin.TiffinError)
    assert error.value.code == "INVALID_ARGUMENT"


def test_a_single_value_is_no_rows(client):
    with pytest.raises(errors.InvalidArgument, match="'t' of 'kinds.of_rows' takes rows"):
        client.call("kinds.of_rows", t="one")


def test_what_is_missing_or_unknown_is_named(client):
    with pytest.raises(errors.InvalidArgument, match="'x' of 'kinds.be_full' is missing") as error:
        client.call("kinds.be_full")
    assert error.value.request_id
    with pytest.raises(errors.InvalidArgument, match=r"no input 'y' \(it has x\)"):
        client.call("kinds.be_full", y=[1])
    with pytest.raises(errors.NotFound, match="no service 'dinner'.*kinds, names"):
        client.call("dinner.eat")
    with pytest.raises(errors.NotFound, match="'kinds' has no API 'eat'.*of_all"):
        client.call("kinds.eat")
    with pytest.raises(TypeError, match=r"kinds.be_full: inputs are given by their names"):
        client.service("kinds").be_full([1])
    for name in ("kinds", "kinds.of_all.more"):
        with pytest.raises(errors.InvalidArgument, match="SERVICE.API"):
            client.call(name)
    with pytest.raises(errors.NotFound, match="kinds.nobody"):
        client.infer("kinds.nobody", {"x": "y"})


def test_an_error_is_of_the_class_of_its_code(client):
    with pytest.raises(errors.ResourceExhausted, match="full") as error:
        client.with_options(request_id="lunch").call("kinds.be_full", x=[1])
    assert error.value.code == "RESOURCE_EXHAUSTED"
    assert error.value.request_id == "lunch"
    with pytest.raises(tiffin.TiffinError) as error:
        client.call("kinds.be_odd", x=[1])
    assert type(error.value) is tiffin.TiffinError and error.value.code == "OUT_OF_RANGE"


def test_each_class_has_its_code():
    for kind in tiffin.TiffinError.__subclasses__():
        error = errors.of_code(kind.code, "why")
        assert type(error) is kind and str(error) == f"{kind.code}: why"


def test_a_deadline_holds(client):
    started = time.monotonic()
    with pytest.raises(errors.DeadlineExceeded):
        client.with_options(timeout=0.2).call("kinds.wait_for_it", x=[1])
    assert time.monotonic() - started < 10 * harness.SLOWNESS


def test_a_server_that_is_not_there_is_unavailable(make, folder):
    client = make(f"unix:{folder}/nobody", timeout=ANSWER_S)
    with pytest.raises(errors.Unavailable):
        client.call("kinds.of_all", **all_kinds())
    with pytest.raises(errors.Unavailable):
        client.models()
    assert client.ready() is False
