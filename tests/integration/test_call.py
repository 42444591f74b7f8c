"""`tiffin call` against real servers: what it sends and shows, and what it says of mistakes."""

import json
import os
import re
import signal
import socket
import subprocess

import numpy as np
import pytest
from tritonclient.grpc import service_pb2

import harness

PREDICT = "inference_graph_demo.predict"
CLASSIFY = "sentiment_analysis.classify"
SENTIMENT = "sentiment_analysis.sentiment"
MODEL_B = "inference_graph_demo.model_b"
SEVEN = harness.IMAGES / "digit_7.png"
VERDICT_7 = "7 (agree: model_a 7 1.00, model_b 7 1.00)"

TYPES = """
service: types
runners:
  echo: {{backend: testing, options: {{behavior: identity, shape: [-1]}}}}
  half: {{backend: testing, options: {{behavior: identity, dtype: fp16, shape: [-1]}}}}
  blob: {{backend: testing, options: {{behavior: identity, dtype: bytes, shape: []}}}}
  late: {{backend: testing, options: {{behavior: delay, until: {gate}, ms: 60000, shape: [-1]}}}}
  hold: {{backend: testing, options: {{behavior: delay, until: {gate}, ms: 60000, shape: [-1],
         journal: {journal}}}}}
apis:
  every:
    input: {{picture: image, note: text, facts: json, raw: bytes, x: "fp32[2]"}}
    steps:
      y: echo(x)
      picture_back: blob(picture)
      note_back: blob(note)
      facts_back: blob(facts)
      raw_back: blob(raw)
    output: {{y: y, picture: picture_back, raw: raw_back, note: note_back, facts: facts_back}}
  rows:
    input: {{x: "fp32[rows,-1]"}}
    steps: {{y: echo(x)}}
    output: {{y: y}}
  wait:
    input: {{x: "fp32[-1]"}}
    steps: {{y: hold(x)}}
    output: {{y: y}}
  overdue:
    input: {{x: "fp32[-1]"}}
    steps: {{y: late(x)}}
    output: {{y: y}}
"""


@pytest.fixture(scope="module")
def both():
    with harness.Server(harness.DIGITS_SERVICE, harness.SENTIMENT_SERVICE) as server:
        yield server


@pytest.fixture(scope="module")
def types(module_gate, module_journal):
    text = TYPES.format(gate=module_gate.path, journal=module_journal.path)
    with harness.Server(text) as server:
        yield server


def call(server, *args, **kwargs):
    env = {**os.environ, "TIFFIN_ADDRESS": server.address, "LC_ALL": "C.UTF-8"}
    return harness.run(harness.TIFFIN, "call", *args, env=env, **kwargs)


def answer(server, *args, **kwargs):
    made = call(server, *args, **kwargs)
    assert made.returncode == 0, made.stderr
    assert made.stderr == ""
    return made.stdout


def mistake(server, *args, code=2, **kwargs):
    made = call(server, *args, **kwargs)
    assert made.returncode == code, made.stdout + made.stderr
    return made.stderr


def test_an_image_is_sent_and_its_text_shown(both):
    assert answer(both, PREDICT, f"input_image=@{SEVEN}") == VERDICT_7 + "\n"
    assert answer(both, PREDICT, f"@{SEVEN}") == VERDICT_7 + "\n"
    assert "The soup was cold" in answer(
        both, CLASSIFY, f"image=@{harness.TEXT_IMAGES / 'serif.png'}")


def test_stdin_is_a_file(both):
    with open(SEVEN, "rb") as image:
        assert answer(both, PREDICT, "@-", stdin=image) == VERDICT_7 + "\n"
    shown = answer(both, SENTIMENT, "text=@-", input="What a lovely dinner!")
    assert "label: POSITIVE\n" in shown


def test_the_address_may_be_a_flag_or_a_socket(folder):
    with harness.Server(harness.DIGITS_SERVICE, address=f"unix:{folder}/s") as server:
        made = harness.run(harness.TIFFIN, "call", PREDICT, f"@{SEVEN}",
                           "--address", f"unix:{folder}/s")
        assert made.stdout == VERDICT_7 + "\n", server.said()


def test_a_runner_and_its_method_can_be_called(both):
    shown = answer(both, SENTIMENT, "What a lovely dinner!", "--timeout", "30s")
    assert re.search(r"^label: POSITIVE$", shown, re.M)
    assert re.search(r"^score: fp32\[1\] \[0\.\d+\]$", shown, re.M)
    rows = answer(both, SENTIMENT, "text=What a lovely dinner!", "text=The soup was cold.")
    assert "label: POSITIVE\nNEGATIVE\n" in rows


def test_json_is_one_object(both):
    made = json.loads(answer(both, PREDICT, f"@{SEVEN}", "--json", "--request-id", "mine"))
    assert made == {"outputs": {"verdict": VERDICT_7}, "request_id": "mine"}


def test_every_kind_of_value_goes_there_and_back(types, folder):
    (folder / "raw").write_bytes(bytes(range(256)))
    inputs = [f"picture=@{SEVEN}", "note=é = @", 'facts={"a": [1, null]}',
              f"raw=@{folder / 'raw'}", "x=[0.5, -1]"]
    shown = answer(types, "types.every", *inputs)
    assert "y: fp32[2] [0.5, -1]\n" in shown
    assert f"picture: bytes[] <{SEVEN.stat().st_size} bytes>\n" in shown
    outputs = [f"--output=picture={folder / 'picture'}", f"--output=raw={folder / 'back'}",
               f"--output=y={folder / 'y.npy'}", f"--output=note={folder / 'note'}"]
    answer(types, "types.every", *inputs, *outputs)
    assert (folder / "picture").read_bytes() == SEVEN.read_bytes()
    assert (folder / "back").read_bytes() == bytes(range(256))
    assert (folder / "note").read_text() == "é = @"
    assert np.load(folder / "y.npy").tolist() == [0.5, -1]
    made = json.loads(answer(types, "types.every", *inputs, "--json"))["outputs"]
    assert made["y"] == [0.5, -1]


def test_an_array_is_sent_as_npy(types, folder):
    array = np.arange(100, dtype=np.float32).reshape(2, 50)
    np.save(folder / "x.npy", array)
    shown = answer(types, "types.rows", f"@{folder / 'x.npy'}")
    assert shown == ("fp32[2,50] [[0, 1, 2, ..., 47, 48, 49], "
                     "[50, 51, 52, ..., 97, 98, 99]]\n")
    made = json.loads(answer(types, "types.rows", f"@{folder / 'x.npy'}", "--json"))
    assert made["outputs"]["y"] == array.tolist()


def test_half_floats_go_by_npy(types, folder):
    array = np.array([[0.5, 2]], np.float16)
    np.save(folder / "x.npy", array)
    answer(types, "types.half", f"@{folder / 'x.npy'}", "--output", f"OUTPUT0={folder / 'y.npy'}")
    assert np.array_equal(np.load(folder / "y.npy"), array)
    assert "give an .npy file" in mistake(types, "types.half", "[0.5]")
    assert "JSON has not" in mistake(types, "types.half", f"@{folder / 'x.npy'}", "--json", code=1)


def test_one_row_by_itself_will_do(types):
    assert answer(types, "types.rows", "[1, 2.5]") == "fp32[1,2] [[1, 2.5]]\n"
    assert answer(types, "types.rows", "x=[[1, 2.5], [3, 4]]") == "fp32[2,2] [[1, 2.5], [3, 4]]\n"


def test_timing_draws_each_step(both):
    shown = answer(both, PREDICT, f"@{SEVEN}", "--timing")
    first, *steps = shown.splitlines()
    assert re.fullmatch(re.escape(VERDICT_7) + r"    \[\d+\.\d\d ms\]", first)
    bars = [re.match(r"    (\S+) +(\S+) +([.█]{56}) +(\d+) us", line) for line in steps]
    assert [bar.groups()[:2] for bar in bars if bar] == [
        ("features", "preprocess"), ("a", "model_a"), ("b", "model_b"), ("verdict", "(function)")]
    assert re.search(r"compute \d+", shown)
    timing = json.loads(answer(both, PREDICT, f"@{SEVEN}", "--timing", "--json"))["timing"]
    assert [step["name"] for step in timing["steps"]] == ["features", "a", "b", "verdict"]


def test_each_answers_a_line_for_each_file(both):
    files = [harness.IMAGES / f"digit_{digit}.png" for digit in (3, 7)]
    assert [line.partition(": ")[0] for line in
            answer(both, PREDICT, "--each", *files).splitlines()] == ["digit_3.png", "digit_7.png"]
    names = sorted(path.name for path in harness.IMAGES.iterdir())
    shown = answer(both, PREDICT, "--each", harness.IMAGES).splitlines()
    assert [line.partition(": ")[0] for line in shown] == names
    made = [json.loads(line) for line in
            answer(both, PREDICT, "--json", "--each", *files).splitlines()]
    assert [entry["file"] for entry in made] == [str(file) for file in files]
    assert made[1]["outputs"]["verdict"] == VERDICT_7


def test_each_goes_on_after_a_file_that_fails(both):
    made = call(both, PREDICT, "--each", harness.ROOT / "README.md", SEVEN)
    assert made.returncode == 1
    assert made.stdout == f"digit_7.png: {VERDICT_7}\n"
    assert re.search(r"README.md: INVALID_ARGUMENT: .*not an image", made.stderr)


def test_each_goes_on_after_a_file_that_is_no_such_input(both, folder):
    (folder / "a").write_bytes(b"\xff")
    (folder / "b").write_text("What a lovely dinner!")
    made = call(both, SENTIMENT, "--json", "--each", folder)
    assert made.returncode == 2
    assert f"tiffin: {folder / 'a'}: INVALID_ARGUMENT: " in made.stderr
    bad, good = [json.loads(line) for line in made.stdout.splitlines()]
    assert bad["file"] == str(folder / "a")
    assert bad["error"]["code"] == "INVALID_ARGUMENT"
    assert good["outputs"]["label"] == ["POSITIVE"]


@pytest.mark.parametrize("args, code", [
    (["inference_graph_demo.predikt", "x"], "NOT_FOUND"),
    ([PREDICT], "INVALID_ARGUMENT"),
    ([PREDICT, "x", "--address", "unix:/nowhere"], "UNAVAILABLE"),
])
def test_json_of_what_was_never_called_is_an_error_too(both, args, code):
    made = call(both, *args, "--json")
    error = json.loads(made.stdout)
    assert error["error"]["code"] == code
    assert error["error"]["message"] in made.stderr
    assert error["request_id"] is None


def test_each_takes_nothing_that_may_not_end(both, folder):
    os.mkfifo(folder / "fifo")
    for name in ("-", str(folder / "fifo"), "/dev/zero"):
        assert f"--each {name}: " in mistake(both, PREDICT, "--each", name)


def test_an_argument_in_brackets_is_taken_as_it_is(both):
    made = answer(both, PREDICT, f"@{SEVEN}", "--json", "--request-id", "[7]")
    assert json.loads(made)["request_id"] == "[7]"
    assert "--each [none]: can't read it" in mistake(both, PREDICT, "--each", "[none]")


MISTAKES = {
    "missing": ([PREDICT], "input 'input_image' is missing; it is image: write input_image=@FILE"),
    "misspelt": ([PREDICT, f"input_imge=@{SEVEN}"], "did you mean 'input_image'?"),
    "a name instead of the file": ([PREDICT, str(SEVEN)], f"write input_image=@{SEVEN}"),
    "too many": ([PREDICT, f"@{SEVEN}", f"@{SEVEN}"], "'input_image' is given twice"),
    "no such file": ([PREDICT, "@/nowhere.png"], "can't read '/nowhere.png': No such file"),
    "a folder": ([PREDICT, f"@{harness.IMAGES}"], "is a folder"),
    "a shape": ([MODEL_B, "features=[[1, 2]]"],
                "input 'features' is fp32[rows,64], but its shape is [1,2]; write features='[[0, "),
    "no JSON": ([MODEL_B, "features=one"], "is not JSON"),
    "no number": ([MODEL_B, 'features=[["one"]]'], "not a FP32"),
    "a timeout": ([PREDICT, f"@{SEVEN}", "--timeout", "soon"], "as in 500ms or 2s"),
    "metadata": ([PREDICT, f"@{SEVEN}", "--metadata", "X=1"], "lower-case"),
    "an output": ([PREDICT, f"@{SEVEN}", "--output", "verdikt=f"], "did you mean 'verdict'?"),
    "an output twice": ([PREDICT, f"@{SEVEN}", "--output", "verdict=a", "--output", "verdict=b"],
                        "'verdict' has a file already"),
    "an empty folder": ([PREDICT, "--each", "EMPTY"], "there are no files in it"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_with_what_to_write(name, both, folder):
    args, words = MISTAKES[name]
    args = [str(folder) if arg == "EMPTY" else arg for arg in args]
    assert words in mistake(both, *args)


def test_several_inputs_need_names(types):
    said = mistake(types, "types.every", "text")
    assert "'text' has no name" in said
    assert "picture: image, note: text, facts: json, raw: bytes, x: fp32[2]" in said
    said = mistake(types, "types.every", "note=hello")
    for name in ("picture", "facts", "raw", "x"):
        assert f"input '{name}' is missing" in said
    assert "not JSON" in mistake(types, "types.wait", "one")
    np_error = mistake(types, "types.every", f"picture=@{SEVEN}", "note=", "raw=", "x=[1, 2]",
                       "facts={")
    assert "'facts' is json" in np_error


def test_an_array_of_another_type_is_named(types, folder):
    np.save(folder / "x.npy", np.zeros((1, 2)))
    assert "the array is fp64[1,2]: convert it with array.astype()" in mistake(
        types, "types.rows", f"@{folder / 'x.npy'}")


def test_an_error_of_the_server_has_its_code_and_the_request(both):
    said = mistake(both, PREDICT, f"@{harness.ROOT / 'README.md'}", "--request-id", "odd", code=1)
    assert re.match(r"tiffin: INVALID_ARGUMENT: .*not an image.*\(request odd\)", said)
    made = call(both, PREDICT, f"@{harness.ROOT / 'README.md'}", "--json")
    assert made.returncode == 1
    error = json.loads(made.stdout)
    assert error["error"]["code"] == "INVALID_ARGUMENT"
    assert "not an image" in error["error"]["message"]
    assert error["request_id"]


def test_an_unknown_target_is_told_with_what_there_is(both):
    said = mistake(both, "inference_graph_demo.predikt", "x", code=1)
    assert "NOT_FOUND: there is no model 'inference_graph_demo.predikt'" in said
    assert PREDICT in said


def test_nobody_at_the_address(folder):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # Bound, but nobody listens.
        port = unused.getsockname()[1]
        for address in (f"127.0.0.1:{port}", f"unix:{folder}/nothing"):
            made = harness.run(harness.TIFFIN, "call", PREDICT, "x", "--address", address)
            assert made.returncode == 1
            assert f"no gRPC server answers at {address}" in made.stderr
            assert "tiffin serve" in made.stderr
    made = harness.run(harness.TIFFIN, "call", PREDICT, "x", "--address", "http://localhost:8001")
    assert made.returncode == 2
    assert "HOST:PORT" in made.stderr


def test_a_deadline_is_told(types):
    said = mistake(types, "types.overdue", "[1]", "--timeout", "200ms", code=1)
    assert "DEADLINE_EXCEEDED" in said
    assert "--timeout is 200ms" in said


def test_ctrl_c_cancels_the_call(types, module_journal):
    module_journal.all_so_far()

    def failed():
        request = service_pb2.ModelStatisticsRequest(name="types.wait")
        return types.kserve.ModelStatistics(request).model_stats[0].inference_stats.fail.count

    before = failed()
    caller = subprocess.Popen(
        [harness.TIFFIN, "call", "types.wait", "[1]", "--address", types.address],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert module_journal.next() is not None
    caller.send_signal(signal.SIGINT)
    _, said = caller.communicate(timeout=harness.END_S)
    assert caller.returncode == -signal.SIGINT
    assert "CANCELLED" in said
    harness.eventually(lambda: failed() == before + 1)
