"""The sentiment service from end to end: real images of text, a real model, what transformers says
of the same text beside."""

import difflib
import json
import re

import numpy as np
import pytest

import harness
from harness import ANSWER_S, refused
from grpc import StatusCode as Code

EXPECTED = json.loads((harness.MODELS / "sentiment_expected.json").read_text())
IMAGES = EXPECTED["images"]  # File name -> the text on it.
ANSWER = re.compile(r'(?P<label>POSITIVE|NEGATIVE) (?P<score>0\.\d\d|1\.00): "(?P<text>.+)"')
# Of the characters on the images that the tests and the demo use, as difflib counts.
READ_WELL = 0.97


def classify(server, image, **kwargs):
    (answer,) = server.infer("sentiment_analysis.classify", image=image, **kwargs)["text"]
    return answer.decode()


def image_of(name):
    return (harness.TEXT_IMAGES / name).read_bytes()


def test_there_are_images_with_text_and_one_without():
    assert len(IMAGES) >= 5 and "" in IMAGES.values()


@pytest.mark.parametrize("name", [name for name, text in IMAGES.items() if text])
def test_an_image_is_answered_in_a_fixed_form(name, sentiment):
    answer = ANSWER.fullmatch(classify(sentiment, image_of(name)))
    assert answer is not None
    read = answer["text"]
    assert difflib.SequenceMatcher(None, read, IMAGES[name], False).ratio() >= READ_WELL, read

    # What the runners say by themselves adds up to the same.
    said = sentiment.infer("sentiment_analysis.ocr", image=image_of(name))["text"]
    assert " ".join(said[0].decode().split()) == read
    parts = sentiment.infer("sentiment_analysis.sentiment", text=read)
    assert parts["label"] == [answer["label"].encode()]
    assert f"{parts['score'][0]:.2f}" == answer["score"]
    assert parts["score"][0] == parts["scores"].max()
    assert parts["label"][0].decode() == EXPECTED["labels"][parts["scores"].argmax()]


@pytest.mark.parametrize("name, label", [("plain.png", "POSITIVE"), ("serif.png", "NEGATIVE")])
def test_praise_and_blame_are_told_apart(name, label, sentiment):
    assert classify(sentiment, image_of(name)).startswith(label)


@pytest.mark.parametrize("name", [name for name, text in IMAGES.items() if not text])
def test_an_image_without_text_is_an_answer(name, sentiment):
    assert classify(sentiment, image_of(name)) == "NO TEXT"


def test_the_served_model_says_what_transformers_says(sentiment):
    texts = EXPECTED["texts"]
    # All at once, so the last ones wait for all the others.
    futures = [sentiment.infer_later("sentiment_analysis.sentiment", text=text["text"],
                                     timeout=4 * ANSWER_S) for text in texts]
    right = []
    for text, future in zip(texts, futures, strict=True):
        said = harness.outputs_of(future.result())
        np.testing.assert_allclose(said["scores"][0], text["scores"], rtol=0, atol=1e-4,
                                   err_msg=repr(text["text"]))
        assert said["label"] == [text["label"].encode()]
        assert abs(said["score"][0] - text["score"]) <= 1e-4
        if "truth" in text:
            right.append(text["truth"] == text["label"])
    # Of a part of what was held out: the mark itself is for all of it.
    assert len(right) >= 300 and np.mean(right) >= 0.8


def test_the_mark_was_reached():
    shown = harness.run(harness.TIFFIN, "models", "show", "sentiment", "--json",
                        "--store", harness.MODELS)
    model = json.loads(shown.stdout)
    assert model["metadata"]["accuracy"] >= 0.84
    assert model["labels"] == EXPECTED["labels"]
    for word in ("Hutto", "Gilbert", "2014"):
        assert word in model["metadata"]["source"]


def test_the_signatures_are_those_of_the_parts(sentiment):
    def outputs(model):
        metadata = sentiment.kserve.ModelMetadata(
            harness.service_pb2.ModelMetadataRequest(name=model), timeout=ANSWER_S)
        return {tensor.name: (tensor.datatype, list(tensor.shape)) for tensor in metadata.outputs}

    assert outputs("sentiment_analysis.classify") == {"text": ("BYTES", [1])}
    assert outputs("sentiment_analysis.ocr") == {"text": ("BYTES", [1])}
    assert outputs("sentiment_analysis.sentiment") == {
        "label": ("BYTES", [-1]), "score": ("FP32", [-1]), "scores": ("FP32", [-1, 2])}


def test_what_is_not_an_image_is_refused_by_step_and_runner(sentiment):
    with refused(Code.INVALID_ARGUMENT, "read", "ocr", "image"):
        classify(sentiment, b"not an image")


def test_text_that_is_not_utf_8_is_refused(sentiment):
    with refused(Code.INVALID_ARGUMENT, "UTF-8"):
        sentiment.infer("sentiment_analysis.sentiment", text=b"caf\xe9")


def test_one_gateway_serves_both_examples():
    with harness.Server(harness.DIGITS_SERVICE, harness.SENTIMENT_SERVICE) as server:
        name = next(name for name, text in IMAGES.items() if text)
        assert ANSWER.fullmatch(classify(server, image_of(name)))
        digit = min(harness.IMAGES.glob("*.png")).read_bytes()
        (verdict,) = server.infer("inference_graph_demo.predict", input_image=digit)["verdict"]
        assert verdict[:1].isdigit()
