"""The Python package's clients, with threads and with asyncio, on real servers."""

import asyncio
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
from tritonclient.grpc import service_pb2

import fixtures
import harness
from authority import Authority
from harness import ANSWER_S
from python_package import PACKAGE, async_clients, sync_clients, tiffin

from tiffin import errors  # isort: skip - the line above says where it is.

SERVICE = """
service: kinds
runners:
  word: {backend: testing, options: {behavior: identity, dtype: bytes, shape: []}}
  words: {backend: testing, options: {behavior: identity, dtype: bytes, shape: [-1]}}
  echo: {backend: testing, options: {behavior: identity, shape: [-1]}}
  brain: {backend: testing, options: {behavior: identity, dtype: bf16, shape: [-1]}}
  adder: {backend: testing, options: {behavior: add_sub}}
  held: {backend: testing, options: {behavior: delay, until: GATE, shape: [-1]}}
  watched: {backend: testing, options: {behavior: delay, until: GATE, journal: JOURNAL,
            shape: [-1]}}
  full: {backend: testing, options: {behavior: fail, code: RESOURCE_EXHAUSTED, shape: [-1]}}
  odd: {backend: testing, options: {behavior: fail, code: OUT_OF_RANGE, shape: [-1]}}
apis:
  of_all:
    input: {t: text, j: json, b: bytes, i: image, f: "fp32[2,-1]"}
    steps: {a: word(i)}
    output: {t: t, j: j, b: b, f: f, a: a}
  of_rows:
    input: {t: "text[rows]", x: "fp32[rows,-1]", j: "json[rows]", w: "bytes[rows,-1]"}
    steps: {a: word(t), o: echo(x)}
    output: {t: t, x: o, j: j, a: a, w: w}
  of_numbers:
    input: {NUMBERS}
    steps: {a: word('x')}
    output: {a: a, OUTPUTS}
  wait_for_it:
    input: {x: "fp32[-1]"}
    steps: {a: held(x)}
    output: {y: a}
  wait_watched:
    input: {x: "fp32[-1]"}
    steps: {a: watched(x)}
    output: {y: a}
  be_full:
    input: {x: "fp32[-1]"}
    steps: {a: full(x)}
    output: {y: a}
  be_odd:
    input: {x: "fp32[-1]"}
    steps: {a: odd(x)}
    output: {y: a}
"""
NUMBERS = ["bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "fp16",
           "fp32", "fp64"]
# Named as in Python, which the client has to cope with.
ODD_NAMES = """
service: names
runners:
  word: {backend: testing, options: {behavior: identity, dtype: bytes, shape: []}}
apis:
  call:
    input: {self: text, api: text, timeout: text, class: text}
    steps: {a: word(self)}
    output: {request_id: self, timing: api, get: timeout, class: class, a: a}
"""
PIXELS = b"\x89PNG\r\n\0\xff"
TREE = {"list": [1, 2.5, None, {"deep": "ä"}], "yes": True}


def all_kinds(**changed):
    return {"t": "hällo", "j": TREE, "b": bytes(range(256)), "i": PIXELS,
            "f": np.arange(6, dtype=np.float32).reshape(2, 3)} | changed


@pytest.fixture(scope="module")
def server(module_gate, module_journal):
    text = SERVICE.replace("GATE", str(module_gate.path)).replace(
        "JOURNAL", str(module_journal.path)).replace(
        "NUMBERS", ", ".join(f'{name}_x: "{name}[-1]"' for name in NUMBERS)).replace(
        "OUTPUTS", ", ".join(f"{name}_x: {name}_x" for name in NUMBERS))
    with harness.Server(text, ODD_NAMES, args=["--client-shared-memory"]) as started:
        yield started
        module_gate.open()


@pytest.fixture(params=[sync_clients, async_clients], ids=["Client", "AsyncClient"])
def make(request):
    with request.param() as made:
        yield made


@pytest.fixture
def client(make, server):
    return make(server.address, timeout=ANSWER_S)


# Values.


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


# Errors.


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
    with pytest.raises(errors.NotFound, match="'kinds' has no API 'eat'.*OfAll"):
        client.call("kinds.eat")
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


# Metadata.


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


# KServe v2, health, and what there is.


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


# Security.


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls"))


def test_tls_both_ways_with_a_token(make, authority, folder):
    pair, own = authority.make("server"), authority.make("client")
    tokens = folder / "tokens.yaml"
    made = harness.run(harness.TIFFIN, "token", "me", "--service", "names", "--append", tokens)
    assert made.returncode == 0, made.stderr
    (folder / "token").write_text(made.stdout)
    token = made.stdout.strip()
    text = {"self": "s", "api": "a", "timeout": "t", "class": "c"}
    args = [*pair.flags, "--tls-client-ca", authority.certificate, "--tokens", tokens]
    other = ODD_NAMES.replace("names", "foreign")
    with harness.Server(ODD_NAMES, other, args=args) as server:
        tls = {"tls_ca": authority.certificate, "tls_certificate": own.certificate,
               "tls_key": own.key, "timeout": ANSWER_S}
        client = make(server.address, token=token, **tls)
        assert client.call("names.call", **text)["get"] == "t"
        assert {model.name for model in client.models()} == {"names.call", "names.word"}
        assert make(server.address, token_file=folder / "token", **tls).call(
            "names.call", **text)["get"] == "t"
        with pytest.raises(errors.PermissionDenied, match="foreign"):
            client.call("foreign.call", **text)
        for wrong in (make(server.address, **tls), make(server.address, token="x" * 43, **tls)):
            with pytest.raises(errors.Unauthenticated):
                wrong.call("names.call", **text)
            assert wrong.ready() is True  # Health needs none.
        del tls["tls_certificate"], tls["tls_key"]
        with pytest.raises(errors.Unavailable):
            make(server.address, token=token, **tls).call("names.call", **text)


def test_the_name_in_a_certificate_can_be_given(make, authority):
    pair = authority.make("elsewhere", names="DNS:tiffin.example")
    with harness.Server(ODD_NAMES, args=pair.flags) as server:
        tls = {"tls_ca": authority.certificate, "timeout": ANSWER_S}
        assert make(server.address, **tls).ready() is False
        assert make(server.address, tls_server_name="tiffin.example", **tls).ready() is True


@pytest.mark.parametrize("options, words", [
    ({"token": "secret"}, "not the loopback"), ({"token": "two words"}, "one word"),
    ({"token": ""}, "one word"), ({"token": "a", "token_file": "b"}, "two tokens"),
    ({"tls_server_name": "x"}, "for TLS"), ({"tls_key": "x"}, "go together"),
    ({"retries": 5}, "0 to 4"), ({"retries": -1}, "0 to 4")])
def test_options_that_make_no_sense_are_refused(make, options, words):
    with pytest.raises(ValueError, match=words) as error:
        make("example.org:8001", **options)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("address, is_loopback", [
    ("127.0.0.1:1", True), ("127.8.8.8:1", True), ("[::1]:1", True), ("localhost:1", True),
    ("unix:/x", True), ("dns:///localhost:1", True), ("10.0.0.1:1", False),
    ("localhost.example.org:1", False), ("[2001:db8::1]:1", False)])
def test_a_token_is_sent_in_plaintext_to_the_loopback_only(make, address, is_loopback):
    make(address, token="t", tokens_in_plaintext=True)
    if is_loopback:
        make(address, token="t")
    else:
        with pytest.raises(ValueError, match="not the loopback"):
            make(address, token="t")


def test_the_environment_has_defaults(make, server, monkeypatch):
    monkeypatch.setenv("TIFFIN_ADDRESS", server.address)
    assert make(timeout=ANSWER_S).ready() is True
    monkeypatch.setenv("TIFFIN_TOKEN", "from the environment")
    with pytest.raises(ValueError, match="one word"):
        make()
    monkeypatch.setenv("TIFFIN_TOKEN", "secret")
    assert "secret" not in repr(vars(make("localhost:1").own)["_connection"])


# Attempts.

FLAKY = """
service: flaky
runners:
  lamp: {backend: testing, options: {behavior: fail, code: %s, times: 2, retry_safe: false,
         shape: [-1]}}
apis:
  light:
    input: {x: "fp32[-1]"}
    steps: {a: lamp(x)}
    output: {y: a}
"""


@pytest.mark.parametrize("code, retries, works", [
    ("UNAVAILABLE", 2, True), ("UNAVAILABLE", 1, False), ("UNAVAILABLE", 0, False),
    ("RESOURCE_EXHAUSTED", 4, False)])
def test_only_what_was_unavailable_is_tried_again_and_only_when_asked(make, code, retries, works):
    with harness.Server(FLAKY % code) as server:
        client = make(server.address, retries=retries, timeout=ANSWER_S)
        # Larger than what gRPC would keep by itself.
        x = np.ones(1_000_000, np.float32)
        if works:
            np.testing.assert_array_equal(client.call("flaky.light", x=x).y, x)
        else:
            with pytest.raises(tiffin.TiffinError) as error:
                client.call("flaky.light", x=x)
            assert error.value.code == code


# Another server at the same address.

MENU = """
service: menu
runners:
  word: {backend: testing, options: {behavior: identity, dtype: bytes, shape: []}}
apis:
  order:
    input: {%s}
    steps: {a: word(soup)}
    output: {%s}
"""


@pytest.mark.parametrize("by_error", [True, False], ids=["called_meanwhile", "idle_meanwhile"])
def test_a_server_that_has_changed_is_learnt_again(make, folder, by_error, monkeypatch):
    if by_error:  # As if another call had connected again before it is looked at.
        for kind in (tiffin.Client, tiffin.AsyncClient):
            monkeypatch.setattr(kind, "_is_connected", lambda self: True)
    address = f"unix:{folder}/s"
    client = make(address, timeout=ANSWER_S)
    order = {"soup": "hot", "side": "bread"}
    with harness.Server(MENU % ("soup: text, side: text", "soup: soup, side: side, a: a"),
                        address=address):
        assert client.call("menu.order", **order).soup == "hot"
    if by_error:
        with pytest.raises(errors.Unavailable):
            client.call("menu.order", **order)
    # The inputs have other numbers.
    with harness.Server(MENU % ("side: text, soup: text", "soup: soup, side: side, a: a"),
                        address=address):
        if by_error:
            harness.eventually(client.ready)
        reply = client.call("menu.order", **order)
        assert {name: reply[name] for name in order} == order


def test_an_input_that_is_new_is_looked_for(make, folder):
    address = f"unix:{folder}/s"
    client = make(address, timeout=ANSWER_S)
    with harness.Server(MENU % ("soup: text", "soup: soup, a: a"), address=address):
        assert client.call("menu.order", soup="hot").soup == "hot"
    with harness.Server(MENU % ("soup: text, side: text", "side: side, a: a"), address=address):
        harness.eventually(client.ready)
        assert client.call("menu.order", soup="hot", side="bread").side == "bread"


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


# The package.


def python(code, *path, **env):
    made = subprocess.run(
        [sys.executable, "-B", "-c", code], text=True, capture_output=True, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path)), **env})
    assert made.returncode == 0, made.stderr
    return made.stdout


def test_importing_it_imports_nothing_else():
    heavy = python(
        "import sys, tiffin; "
        "print([name for name in ('grpc', 'numpy', 'google.protobuf', 'asyncio') "
        "if name in sys.modules])", PACKAGE)
    assert heavy.strip() == "[]"
    asked = python("import sys, tiffin; tiffin.Timing, tiffin.ModelError; "
                   "print('grpc' in sys.modules)", PACKAGE)
    assert asked.strip() == "False"


def test_what_it_exports_is_there():
    python("import tiffin\nfor name in tiffin.__all__: getattr(tiffin, name)\n"
           "assert set(tiffin.__all__) <= set(dir(tiffin))\n"
           "try: tiffin.nothing\nexcept AttributeError: pass\nelse: raise SystemExit(1)", PACKAGE)


def test_generated_stubs_have_room_beside_it(server, folder):
    protos = fixtures.write_protos(folder, *server.files)
    modules = folder / "stubs"
    modules.mkdir()
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={protos}",
         f"--python_out={modules}", f"--grpc_python_out={modules}",
         "tiffin/v1/tensor.proto", "tiffin/services/kinds/service.proto"], check=True, cwd=protos)
    python("import tiffin\n"
           "from tiffin.services.kinds import service_pb2\nfrom tiffin.v1 import tensor_pb2\n"
           f"with tiffin.Client({server.address!r}) as client:\n"
           "    client.infer('kinds.echo', {'INPUT0': [[1]]})\n", modules, PACKAGE)


def test_its_version_is_the_servers():
    versions = [re.search(pattern, (harness.ROOT / file).read_text(), re.M).group(1)
                for file, pattern in (("common/version.h", r'kVersion.* = "(.+)"'),
                                      ("common/python/pyproject.toml", r'^version = "(.+)"'))]
    assert versions[0] == versions[1]


def test_it_installs_from_the_clone(server, folder):
    # A copy, for setuptools builds beside the sources.
    source = shutil.copytree(PACKAGE, folder / "python", ignore=shutil.ignore_patterns(
        "__pycache__", "build", "*.egg-info"))
    venv = folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    (venv / "lib" / f"python3.{sys.version_info.minor}" / "site-packages/outer.pth").write_text(
        "\n".join(path for path in sys.path if path.endswith("site-packages")))
    made = harness.run(
        sys.executable, "-m", "pip", "--python", venv / "bin/python", "install", "--no-deps",
        "--no-build-isolation", "--no-index", "--disable-pip-version-check", source)
    assert made.returncode == 0, made.stderr
    code = ("import pathlib, sys, tiffin; here = pathlib.Path(tiffin.__file__).parent; "
            "assert (here / 'py.typed').is_file(); assert sys.prefix in str(here); "
            f"print(tiffin.Client({server.address!r}).services())")
    made = harness.run(venv / "bin/python", "-c", code, cwd=folder)
    assert (made.returncode, made.stdout) == (0, "['kinds', 'names']\n"), made.stderr
