"""The examples with runners in Python."""

import numpy as np
import pytest

import harness
from harness import DIGITS_SERVICE, IMAGES, SENTIMENT_SERVICE, Server

EXAMPLES = harness.ROOT / "deploy/examples"
PYTHON_SERVICE = EXAMPLES / "inference_graph_python/service.yaml"
PICTURES = sorted(IMAGES.glob("*.png"))


@pytest.fixture(scope="module")
def both():
    with Server(DIGITS_SERVICE, PYTHON_SERVICE) as server:
        yield server


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.stem)
def test_preprocessing_in_python_gives_the_same(both, picture):
    image = picture.read_bytes()
    ours = both.infer("inference_graph_demo.preprocess", image=image)["features"]
    python = both.infer("inference_graph_python.preprocess", image=image)["features"]
    assert ours.shape == python.shape == (1, 64)
    # Pillow and OpenCV round differently: by a level of gray or two of 255, times 0.0625.
    assert np.abs(ours - python).max() <= 2 * 0.0625
    verdicts = [both.infer(f"{service}.predict", input_image=image)["verdict"][0].decode()
                for service in ("inference_graph_demo", "inference_graph_python")]
    assert verdicts[0].split()[0] == verdicts[1].split()[0]
    assert "agree" in verdicts[1]


def test_a_class_can_be_tested_without_a_server(monkeypatch):
    monkeypatch.syspath_prepend(str(harness.ROOT / "common/python"))
    monkeypatch.syspath_prepend(str(PYTHON_SERVICE.parent))
    import preprocess  # pylint: disable=import-outside-toplevel
    import tiffin  # pylint: disable=import-outside-toplevel

    runner = preprocess.Preprocess()
    runner.load({"size": [8, 8]})
    image = tiffin.Image("gray").decode(PICTURES[0].read_bytes())
    features = runner.run([image, image])
    assert features.shape == (2, 64) and features.dtype == np.float32
    context = tiffin.context()
    assert context.time_left() == float("inf")
    assert not context.cancelled and context.request_ids == ()


def test_a_pipeline_of_transformers_says_what_the_engine_says():
    images = sorted(harness.TEXT_IMAGES.glob("*.png"))[:3]
    with Server(SENTIMENT_SERVICE, EXAMPLES / "sentiment_python/service.yaml") as server:
        for image in images:
            said = server.infer("sentiment_python.classify", image=image.read_bytes())
            label, text = (said[name][0].decode() for name in ("label", "text"))
            score = said["score"].item()
            ours = server.infer("sentiment_analysis.classify", image=image.read_bytes())["text"]
            assert ours[0].decode() == f'{label} {score:.2f}: "{text}"'


def test_a_model_of_scikit_learn():
    with Server(EXAMPLES / "digits_scikit_learn/service.yaml") as server:
        for picture in PICTURES:
            if picture.stem.startswith("digit_"):
                answer = server.infer("digits_scikit_learn.predict",
                                      input_image=picture.read_bytes())
                assert answer["digit"] == int(picture.stem.removeprefix("digit_"))


def test_there_are_pictures():
    assert len(PICTURES) >= 10
