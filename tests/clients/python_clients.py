"""What the tests of the Python package's clients share: servers, values, and both clients."""

import numpy as np
import pytest

import harness
from harness import ANSWER_S
from python_package import async_clients, sync_clients

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
