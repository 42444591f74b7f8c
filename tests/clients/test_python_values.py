"""What Python values go to a server and come back as, by both clients."""

import numpy as np
import pytest

from python_clients import NUMBERS, PIXELS, TREE, all_kinds
from python_clients import client, make, server  # noqa: F401 - fixtures.
from tiffin import errors


def test_each_kind_goes_in_and_comes_out(client):
    reply = client.call("kinds.of_all", **all_kinds())
    assert dict(reply) == {**reply} and list(reply) == ["t", "j", "b", "f", "a"]
    assert reply.t == "hällo" and reply["t"] == "hällo"
    assert reply.j == TREE
    assert reply.b == bytes(range(256))
    np.testing.assert_array_equal(reply.f, all_kinds()["f"], strict=True)
    assert reply.a.shape == () and reply.a.item() == PIXELS


def test_a_service_has_its_apis_as_methods(client):
    assert client.service("kinds").of_all(**all_kinds(t="soup")).t == "soup"


def test_a_file_is_named_by_a_path(client, folder):
    file = folder / "image.png"
    file.write_bytes(PIXELS)
    assert client.call("kinds.of_all", **all_kinds(i=file)).a.item() == PIXELS
    with pytest.raises(errors.InvalidArgument, match="'i' of 'kinds.of_all'.*pathlib.Path"):
        client.call("kinds.of_all", **all_kinds(i=str(file)))


@pytest.mark.parametrize("value", [
    [[1, 2, 3], [4, 5, 6]], [[1.5], [2]], np.ones((2, 5), np.float32)[:, ::2],
    np.arange(4, dtype=">f4").reshape(2, 2), np.zeros((2, 0), np.float32)])
def test_a_tensor_is_an_array_or_nested_lists(client, value):
    reply = client.call("kinds.of_all", **all_kinds(f=value))
    np.testing.assert_array_equal(reply.f, np.asarray(value, np.float32), strict=True)


def test_a_tensor_of_another_library_is_taken_by_its_array(client):
    class Other:
        def __array__(self, dtype=None, copy=None):
            return np.full((2, 1), 7, np.float32)

    assert client.call("kinds.of_all", **all_kinds(f=Other())).f.tolist() == [[7], [7]]


@pytest.mark.parametrize("value", [None, False, 0, -2.5, "text", [], {}, [[]], 2**53])
def test_json_is_any_value(client, value):
    reply = client.call("kinds.of_all", **all_kinds(j=value))
    assert reply.j == value and type(reply.j) is type(value)


def test_each_dtype_goes_in_and_comes_out(client):
    names = {"bool": np.bool_, "fp16": np.float16, "fp32": np.float32, "fp64": np.float64}
    arrays = {f"{name}_x": np.array([0, 1, 1], names.get(name, name)) for name in NUMBERS}
    reply = client.call("kinds.of_numbers", **arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(reply[name], array, strict=True)


def test_bf16_is_that_of_ml_dtypes(client):
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    for value in ([[1.5, -2]], np.array([[1.5, -2]], bfloat16)):
        got = client.infer("kinds.brain", {"INPUT0": value})["OUTPUT0"]
        assert got.dtype == bfloat16 and got.tolist() == [[1.5, -2]]


def test_rows_are_lists_and_first_dimensions(client):
    rows = {"t": ["a", "", "ö"], "x": [[1, 2], [3, 4], [5, 6]], "j": [TREE, None, 7],
            "w": [["a", b"b"], ["", "d"], [b"\xff", "f"]]}
    reply = client.call("kinds.of_rows", **rows)
    assert reply.t == rows["t"] and reply.j == rows["j"]
    np.testing.assert_array_equal(reply.x, np.array(rows["x"], np.float32), strict=True)
    assert reply.a.tolist() == [b"a", b"", "ö".encode()]
    assert reply.w.tolist() == [[b"a", b"b"], [b"", b"d"], [b"\xff", b"f"]]


def test_names_of_python_are_no_trouble(client):
    reply = client.call("names.call", **{"self": "s", "api": "a", "timeout": "t", "class": "c"})
    assert dict(reply.items()) == {"request_id": "s", "timing": "a", "get": "t", "class": "c",
                                   "a": reply["a"]}
    assert reply.request_id != "s" and reply.timing is None
