"""tiffin.sklearn.write_runner: models of scikit-learn become runners in Python."""

import importlib.util
import sys
import types

import numpy as np
import pytest

import harness
from harness import ANSWER_S
from python_package import tiffin

from tiffin.errors import ModelError

SERVICE = """
service: learnt
runners:
  it: {{python: "{file}:Model", environment: "{environment}"}}
apis:
  ask:
    input: {{features: "{kind}"}}
    steps: {{answer: it(features)}}
    output: {{{outputs}}}
"""
TEXTS = ["good soup", "bad soup", "good bread", "bad bread"] * 5
X = np.random.default_rng(2).random((60, 3))
Y = (X[:, 0] > 0.5).astype(int) + (X[:, 1] > 0.5)


TREE = "sklearn.tree._tree.Tree"  # Which skops leaves to its users.


def write(model, folder, example):
    return tiffin.sklearn.write_runner("it", model, folder, example=example, trusted=[TREE])


def classifier():
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression().fit(X, np.array(["none", "one", "both"])[Y])


def regressor():
    from sklearn.ensemble import RandomForestRegressor

    return RandomForestRegressor(3, random_state=0, n_jobs=1).fit(X.astype(np.float32), Y)


def text_classifier():
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    return make_pipeline(TfidfVectorizer(), LinearSVC()).fit(
        TEXTS, [text.split()[0] for text in TEXTS])


def scaler():
    from sklearn.preprocessing import StandardScaler

    return StandardScaler().fit(X)


KINDS = {
    # The example, its type with rows, and what Python answers.
    "a classifier": (classifier, X, "fp64[rows,3]", lambda model, x: {
        "label": list(model.predict(x)), "scores": model.predict_proba(x)}),
    "a regressor": (regressor, X.astype(np.float32), "fp32[rows,3]", lambda model, x: {
        "prediction": model.predict(x)}),
    "a classifier of texts": (text_classifier, TEXTS, "text[rows]", lambda model, x: {
        "prediction": list(model.predict(x))}),
    "a transformer": (scaler, X, "fp64[rows,3]", lambda model, x: {
        "features": model.transform(x)}),
}


def check(got, want):
    assert set(got) == set(want)
    for name, value in want.items():
        if isinstance(value, list):
            assert got[name] == value
        else:
            np.testing.assert_allclose(got[name], value, rtol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_the_code_answers_as_the_model(kind, folder, monkeypatch):
    make, example, _, answer = KINDS[kind]
    model = make()
    file = write(model, folder / "new", example)
    assert sorted(path.name for path in file.parent.iterdir()) == ["it.py", "it.skops"]
    marked = {}
    monkeypatch.setitem(sys.modules, "tiffin", types.SimpleNamespace(
        method=lambda **says: marked.update(says) or (lambda function: function)))
    spec = importlib.util.spec_from_file_location("written", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    want = answer(model, example[:7])
    assert marked["batchable"] and marked["retry_safe"]
    assert list(marked["outputs"]) == list(want)
    got = module.Model().run(features=example[:7])
    check(got if isinstance(got, dict) else dict.fromkeys(want, got), want)
    assert isinstance(got, dict) == (len(want) > 1)  # One output is returned as it is.


@pytest.mark.parametrize("kind", KINDS)
def test_the_runner_is_served(kind, folder):
    make, example, type_of_rows, answer = KINDS[kind]
    model = make()
    file = write(model, folder, example)
    want = answer(model, example[:7])
    service = SERVICE.format(
        file=file, environment=harness.ROOT / "build/venv", kind=type_of_rows,
        outputs=", ".join(f"{name}: answer.{name}" for name in want))
    with (harness.Server(service) as server,
          tiffin.Client(server.address, timeout=ANSWER_S) as client):
        check(client.call("learnt.ask", features=example[:7]), want)


def test_what_skops_does_not_trust_is_named(folder):
    with pytest.raises(ModelError, match=rf"doesn't trust {TREE}; .*trusted=\['{TREE}'\]"):
        tiffin.sklearn.write_runner("it", regressor(), folder, example=X)
    assert not list(folder.iterdir())
    file = tiffin.sklearn.write_runner("it", regressor(), folder, example=X, trusted=[TREE])
    assert f"TRUSTED = ['{TREE}']" in file.read_text()


@pytest.mark.parametrize("name, make, example, words", [
    ("It", scaler, X, "small letters"), ("it", scaler, X[:0], "rows"),
    ("it", scaler, X[:, :2], "fails on the example"), ("it", lambda: print, X, "neither"),
    ("it", scaler, X.astype(complex), "fails on the example")])
def test_a_model_is_refused_with_the_fix(name, make, example, words, folder):
    with pytest.raises(ModelError, match=words):
        tiffin.sklearn.write_runner(name, make(), folder, example=example)
    assert not list(folder.iterdir())


def test_save_model_says_where_to_go():
    with pytest.raises(ModelError, match="tiffin.sklearn.write_runner"):
        tiffin.save_model("it", scaler())
