"""What a service file's `monitor` writes down of requests, by a real server."""

import hashlib
import json

import numpy as np
import pytest

import harness
from harness import ANSWER_S

MONITOR = "{file: digits.jsonl, values: [input_image, features, a.scores, b, verdict]}"


def digits_with(folder, monitor):
    """The digits service with a monitor."""
    text = harness.DIGITS_SERVICE.read_text()
    output = "    output: {verdict: verdict}\n"
    assert output in text
    file = folder / "service.yaml"
    file.write_text(text.replace(output, f"{output}    monitor: {monitor}\n"))
    return file


def serve(folder, monitor=MONITOR, *args):
    return harness.Server(digits_with(folder, monitor),
                          args=["--monitor-dir", folder / "monitor", *args])


def predict(server, image, request_id):
    outputs = server.infer("inference_graph_demo.predict", input_image=image,
                           metadata=[("x-request-id", request_id)])
    return outputs["verdict"][0].decode()


def records_of(path, count):
    """The records of a file, once there are that many."""
    def lines():
        found = path.read_text().splitlines() if path.exists() else []
        return found if len(found) >= count else None
    return [json.loads(text) for text in harness.eventually(lines, ANSWER_S, f"{count} records")]


def test_requests_are_written_down(folder):
    image = next(harness.IMAGES.glob("*.png")).read_bytes()
    with serve(folder) as server:
        verdict = predict(server, image, "meal-1")
        (record,) = records_of(folder / "monitor/digits.jsonl", 1)
    assert record["request_id"] == "meal-1" and len(record["trace_id"]) == 32
    assert record["service"] == "inference_graph_demo" and record["api"] == "predict"
    values = record["values"]
    assert list(values) == ["input_image", "features", "a.scores", "b", "verdict"]
    assert values["input_image"] == {"size": len(image),
                                     "sha256": hashlib.sha256(image).hexdigest()}
    assert len(values["features"]) == 64 and len(values["a.scores"]) == 10
    assert abs(sum(values["b"]) - 1) < 1e-4
    assert values["verdict"] == verdict
    (compared,) = record["records"]
    assert compared["event"] == "compare" and compared["answers"] == [
        int(np.argmax(values["a.scores"])), int(np.argmax(values["b"]))]


def test_files_are_rotated_and_the_next_server_goes_on(folder):
    image = next(harness.IMAGES.glob("*.png")).read_bytes()
    monitor = "{file: d.jsonl, values: [features], rotate: {size: 8KiB, keep: 2}}"
    for life in range(2):
        with serve(folder, monitor) as server:
            for index in range(40):
                predict(server, image, f"life-{life}-{index}")
    files = sorted((folder / "monitor").iterdir())
    assert [file.name for file in files] == ["d.1.jsonl", "d.2.jsonl", "d.jsonl"]
    records = [json.loads(text) for file in files for text in file.read_text().splitlines()]
    assert all(file.stat().st_size <= 8 << 10 for file in files)
    assert "life-1-39" in {record["request_id"] for record in records}


def test_several_rows_and_runners_by_themselves(folder):
    service = """
service: rows
runners:
  same: {backend: testing, options: {behavior: identity, shape: [2]}}
apis:
  echo:
    input: {x: "fp32[rows,2]"}
    steps: {a: same(x)}
    output: {y: a}
    monitor: {file: rows.jsonl, values: [y]}
"""
    with harness.Server(service, args=["--monitor-dir", folder / "monitor"]) as server:
        rows = np.arange(4, dtype=np.float32).reshape(2, 2)
        server.infer("rows.same", INPUT0=rows)  # Called by itself, it has no monitor.
        server.infer("rows.echo", x=rows)
        (record,) = records_of(folder / "monitor/rows.jsonl", 1)
    assert record["values"] == {"y": [[0, 1], [2, 3]]}


def test_both_carriers(folder, carrier):
    image = next(harness.IMAGES.glob("*.png")).read_bytes()
    with serve(folder, MONITOR, *carrier) as server:
        for index in range(200):
            predict(server, image, str(index))
        records = records_of(folder / "monitor/digits.jsonl", 200)
    assert [record["request_id"] for record in records] == [str(index) for index in range(200)]


# What is wrong at the start.


def start(file, *args):
    return harness.run(harness.TIFFIN, "serve", file, "--store", harness.MODELS, "--grpc-address",
                       "127.0.0.1:0", "--runtime-dir", file.parent / "run", *args)


def test_a_monitor_needs_a_folder(folder):
    file = digits_with(folder, MONITOR)
    failed = start(file)
    assert failed.returncode == 2
    assert f"{file}:" in failed.stderr and "--monitor-dir" in failed.stderr
    plain = start(harness.DIGITS_SERVICE, "--monitor-dir", folder)
    assert plain.returncode == 2 and "no API has a monitor" in plain.stderr


@pytest.mark.parametrize("make", [lambda path: path.write_text("x"),
                                  lambda path: path.symlink_to("/proc/none")])
def test_a_folder_that_cannot_be_written_is_a_start_error(folder, make):
    make(folder / "monitor")
    failed = start(digits_with(folder, MONITOR), "--monitor-dir", folder / "monitor")
    assert failed.returncode == 2
    assert "--monitor-dir" in failed.stderr and "no folder" in failed.stderr


def test_check_shows_it_and_finds_what_is_wrong(folder):
    shown = harness.run(harness.TIFFIN, "check", digits_with(folder, MONITOR), "--store",
                        harness.MODELS)
    assert shown.returncode == 0, shown.stderr
    assert "monitor digits.jsonl: input_image, features, a.scores, b, verdict" in shown.stdout
    for monitor, errors in (
            ("{file: ../x, values: [nothing], sampel: 1}",
             ("'file' must be a plain name", "unknown value 'nothing'", "'sampel'")),
            ("{file: x, values: [a.score]}", ("step 'a' has no output 'score'",))):
        bad = harness.run(harness.TIFFIN, "check", "--store", harness.MODELS,
                          digits_with(folder, monitor))
        assert bad.returncode == 2
        for text in errors:
            assert text in bad.stderr, bad.stderr
