"""The digits service from end to end: real images, real models, Python's own answers beside."""

import json
import re

import numpy as np
import pytest

import harness
from harness import ANSWER_S

EXPECTED = json.loads((harness.MODELS / "digits_expected.json").read_text())["images"]
VERDICT = re.compile(
    r"(?P<both>\d) \(agree: model_a \d \d\.\d\d, model_b \d \d\.\d\d\)"
    r"|disagree: model_a \d \d\.\d\d, model_b \d \d\.\d\d")
# The served models, and the names of what Python answers.
SERVED = {"model_a": "digits_xgboost", "model_b": "digits_torch"}


def text_of(a, b):
    """What `compare` must say of two score vectors; the first of equal scores counts."""
    first, second = int(np.argmax(a)), int(np.argmax(b))
    both = f"model_a {first} {a[first]:.2f}, model_b {second} {b[second]:.2f}"
    return f"{first} (agree: {both})" if first == second else f"disagree: {both}"


def predict(digits, image, **kwargs):
    outputs = digits.infer("inference_graph_demo.predict", input_image=image, **kwargs)
    (verdict,) = outputs["verdict"]
    return verdict.decode()


def scores_of(digits, runner, features):
    rows = np.asarray(features, np.float32)
    return digits.infer(f"inference_graph_demo.{runner}", features=rows)["scores"]


def test_there_are_images_of_all_digits():
    assert {image["label"] for image in EXPECTED.values()} == set(range(10))
    assert set(EXPECTED) <= {path.name for path in harness.IMAGES.iterdir()}


@pytest.mark.parametrize("name", EXPECTED)
def test_an_image_is_answered_as_python_would(name, digits):
    expected = EXPECTED[name]
    image = (harness.IMAGES / name).read_bytes()

    features = digits.infer("inference_graph_demo.preprocess", image=image)["features"]
    assert np.array_equal(features, np.array([expected["features"]], np.float32))

    served = {runner: scores_of(digits, runner, [expected["features"]])[0] for runner in SERVED}
    for runner, model in SERVED.items():
        np.testing.assert_allclose(served[runner], expected[model], rtol=0, atol=1e-5)
        assert abs(served[runner].sum() - 1) < 1e-5

    verdict = predict(digits, image)
    assert VERDICT.fullmatch(verdict), verdict
    assert verdict == text_of(served["model_a"], served["model_b"])
    by_python = [np.array(expected[model]) for model in SERVED.values()]
    said = [int(answer) for answer in re.findall(r"model_[ab] (\d)", verdict)]
    assert said == [int(scores.argmax()) for scores in by_python]


@pytest.mark.parametrize("runner", SERVED)
def test_a_batch_gets_each_rows_own_scores(runner, digits):
    rows = [image["features"] for image in EXPECTED.values()]
    expected = [image[SERVED[runner]] for image in EXPECTED.values()]
    np.testing.assert_allclose(scores_of(digits, runner, rows), expected, rtol=0, atol=1e-5)


def test_a_batch_of_images_is_preprocessed_row_by_row(digits):
    names = list(EXPECTED)
    images = [(harness.IMAGES / name).read_bytes() for name in names]
    request = harness.infer_request("inference_graph_demo.preprocess")
    harness.add_input(request, "image", "BYTES", [len(images)], harness.frame(*images))
    outputs = harness.outputs_of(digits.kserve.ModelInfer(request, timeout=ANSWER_S))
    expected = np.array([EXPECTED[name]["features"] for name in names], np.float32)
    assert np.array_equal(outputs["features"], expected)


def test_many_requests_at_once_are_answered_each_with_its_own(digits):
    images = {name: (harness.IMAGES / name).read_bytes() for name in EXPECTED}
    wanted = {name: predict(digits, image) for name, image in images.items()}
    futures = [(name, digits.infer_later("inference_graph_demo.predict", input_image=images[name]))
               for _ in range(20) for name in images]
    for name, future in futures:
        (verdict,) = harness.outputs_of(future.result())["verdict"]
        assert verdict.decode() == wanted[name]


def test_every_answer_is_logged_with_its_request_id(digits):
    name, expected = next(iter(EXPECTED.items()))
    predict(digits, (harness.IMAGES / name).read_bytes(),
            metadata=[("x-request-id", "logged-meal-1")])
    line = digits.wait_for_line("logged-meal-1")
    record = json.loads(line[line.index("{"):line.rindex("}") + 1])
    if "message" in record and isinstance(record["message"], dict):
        record = record["message"]
    assert record["request_id"] == "logged-meal-1"
    answers = [int(np.argmax(expected[model])) for model in SERVED.values()]
    assert record["answers"] == answers
    assert record["agree"] == (answers[0] == answers[1])
    assert record["names"] == list(SERVED)
    np.testing.assert_allclose(
        record["scores"], [max(expected[model]) for model in SERVED.values()], atol=1e-5)


def test_models_are_listed_and_shown():
    listed = harness.run(harness.TIFFIN, "models", "list", "--store", harness.MODELS)
    assert listed.returncode == 0, listed.stderr
    for model in SERVED.values():
        assert model in listed.stdout
        shown = harness.run(harness.TIFFIN, "models", "show", model, "--store", harness.MODELS)
        assert shown.returncode == 0, shown.stderr
        for word in ("scores", "features", "64", "accuracy"):
            assert word in shown.stdout
    missing = harness.run(harness.TIFFIN, "models", "show", "nothing", "--store", harness.MODELS)
    assert missing.returncode in (1, 2)
    assert "nothing" in missing.stderr


def test_the_marks_were_reached():
    for model, mark in (("digits_xgboost", 0.95), ("digits_torch", 0.97)):
        shown = harness.run(harness.TIFFIN, "models", "show", model, "--json",
                            "--store", harness.MODELS)
        assert json.loads(shown.stdout)["metadata"]["accuracy"] >= mark


@pytest.mark.parametrize("content, suffix, word", [
    (b"not a model", ".pt", "model.pt"), (b"{}", ".json", "model.json"), (b"", ".ubj", "model.ubj"),
    (b"anything", ".txt", "--backend")])
def test_a_file_that_is_no_model_is_not_imported(content, suffix, word, folder):
    file = folder / f"model{suffix}"
    file.write_bytes(content)
    made = harness.run(harness.TIFFIN, "models", "import", "bad", file, "--store", folder / "store",
                       "--input", "features:fp32[64]", "--output", "scores:fp32[10]")
    assert made.returncode in (1, 2)
    assert word in made.stderr, made.stderr
    assert not (folder / "store/bad").exists(), "nothing half-made stays in the store"
