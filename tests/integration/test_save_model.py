"""tiffin.save_model: models of Python's libraries are put into a store, served, and answer there as
in Python."""

import numpy as np
import pytest

import harness
from harness import ANSWER_S
from python_package import tiffin

from tiffin.errors import ModelError

SERVICE = """
service: saved
runners:
  it: {{model: "it:latest"}}
apis:
  ask:
    input: {{{inputs}}}
    steps: {{answer: "it({names})"}}
    output: {{{outputs}}}
"""


@pytest.fixture
def store(folder):
    return tiffin.Store(folder / "store", tiffin=harness.TIFFIN)


def ask(store, model, inputs, outputs=("scores",)):
    """The outputs of the model's latest version, asked for as the API of a service."""
    signature = store.find(model.reference).description["methods"]["run"]
    types = {tensor["name"]: tensor["type"] for tensor in signature["inputs"]}

    def with_rows(kind):
        return kind.replace("[", "[rows,").replace(",]", "]") if signature["batchable"] else kind

    service = SERVICE.format(
        inputs=", ".join(f'{name}: "{with_rows(kind)}"' for name, kind in types.items()),
        names=", ".join(types), outputs=", ".join(f"{name}: answer.{name}" for name in outputs))
    with (harness.Server(service, store=store.folder) as server,
          tiffin.Client(server.address, timeout=ANSWER_S) as client):
        return client.call("saved.ask", **inputs)


# PyTorch.


@pytest.fixture(scope="module")
def torch():
    library = pytest.importorskip("torch")
    library.manual_seed(3)
    library.set_num_threads(1)
    return library


def small_network(torch):
    return torch.nn.Sequential(torch.nn.Linear(6, 4), torch.nn.ReLU(), torch.nn.Linear(4, 3),
                               torch.nn.Softmax(dim=1)).eval()


def test_a_module_is_served(store, torch):
    network = small_network(torch)
    example = torch.rand(2, 6)
    saved = tiffin.save_model("it", network, example=example, labels=["a", "b", "c"],
                              metadata={"accuracy": 0.5}, store=store)
    assert (saved.reference, saved.folder) == ("it:1", store.folder / "it/1")
    description = saved.description
    assert description["backend"] == "torch"
    assert description["labels"] == ["a", "b", "c"]
    assert description["metadata"]["accuracy"] == 0.5
    assert description["metadata"]["made_with"] == f"torch {torch.__version__}"
    assert description["methods"]["run"]["batchable"]
    (kept,) = description["example"]["run"].values()
    np.testing.assert_allclose(kept, example[0], rtol=1e-6)

    rows = torch.rand(5, 6)
    reply = ask(store, saved, {"input": rows.numpy()})
    np.testing.assert_allclose(reply.scores, network(rows).detach(), rtol=0, atol=1e-6)


def test_the_next_one_is_the_next_version(store, torch, monkeypatch):
    monkeypatch.setenv("TIFFIN", str(harness.TIFFIN))
    monkeypatch.setenv("TIFFIN_STORE", str(store.folder))
    network = small_network(torch)
    # The program and the store are those of the environment.
    for version in (1, 2):
        saved = tiffin.torch.save_model("it", network, example=np.zeros((1, 6), np.float32))
        assert saved.version == version
    assert store.find("it").version == 2
    assert "it:2" in store.describe("it")


def test_what_code_decides_is_kept(store, torch):
    class Choice(torch.nn.Module):
        def forward(self, x, scale: float = 2.0):
            if x.sum() > 0:
                return x * scale
            return x - 1

    saved = tiffin.save_model("it", Choice().eval(), example={"x": torch.ones(1, 3)}, store=store)
    for value, want in ((1, 2), (-1, -2), (3, 6)):
        x = np.full((1, 3), value, np.float32)
        np.testing.assert_array_equal(ask(store, saved, {"x": x}).scores, np.full((1, 3), want))


def test_what_tracing_took_for_a_constant_is_found(store, torch):
    class CountsRows(torch.nn.Module):
        def forward(self, x):
            return x + float(len(x.tolist()))

    with pytest.raises(ModelError, match="answers otherwise"):
        tiffin.save_model("it", CountsRows().eval(), example=torch.ones(2, 3), how="trace",
                          store=store)


def test_what_cannot_be_scripted_is_traced(store, torch):
    class Network(torch.nn.Module):
        def forward(self, ids, **others):
            return {"twice": ids * 2, "mean": ids.float().mean(dim=1, keepdim=True), **others}

    network = Network().eval()
    with pytest.raises(ModelError, match="can't be scripted"):
        tiffin.save_model("it", network, example={"ids": torch.ones(1, 4, dtype=torch.int64)},
                          how="script", store=store)
    saved = tiffin.save_model(
        "it", network, example={"ids": torch.arange(8).reshape(2, 4)},
        inputs={"ids": "int64[-1]"}, store=store)
    ids = np.arange(7, dtype=np.int64).reshape(1, 7)
    reply = ask(store, saved, {"ids": ids}, outputs=("twice", "mean"))
    np.testing.assert_array_equal(reply.twice, ids * 2)
    np.testing.assert_array_equal(reply["mean"], [[3]])


def test_a_model_without_rows_is_served(store, torch):
    class Pair(torch.nn.Module):
        def forward(self, left, right):
            return left @ right

    example = {"left": torch.rand(2, 3, dtype=torch.float64),
               "right": torch.rand(3, 2, dtype=torch.float64)}
    saved = tiffin.save_model("it", Pair().eval(), example=example, batchable=False,
                              outputs={"product": "fp64[2,2]"}, store=store)
    assert not saved.description["methods"]["run"]["batchable"]
    reply = ask(store, saved, {key: value.numpy() for key, value in example.items()}, ("product",))
    np.testing.assert_allclose(reply["product"], example["left"] @ example["right"])


REFUSED = {
    "rows": lambda torch: torch.tensor(1.0),
    "rows, one at least": lambda torch: torch.ones(0, 6),
    "NaN": lambda torch: torch.full((1, 6), float("nan")),
    "complex64": lambda torch: torch.ones(1, 6, dtype=torch.complex64),
    "fails on the example": lambda torch: torch.ones(1, 5),
}


@pytest.mark.parametrize("words", REFUSED)
def test_an_example_is_refused_with_the_fix(store, torch, words):
    with pytest.raises(ModelError, match=words):
        tiffin.save_model("it", small_network(torch), example=REFUSED[words](torch), store=store)
    assert not (store.folder / "it").exists()


def test_a_module_is_refused_with_the_fix(store, torch):
    example = torch.ones(1, 6)
    with pytest.raises(ModelError, match=r"eval\(\)"):
        tiffin.save_model("it", small_network(torch).train(), example=example, store=store)
    with pytest.raises(ModelError, match=r"cpu\(\)"):
        tiffin.save_model("it", small_network(torch).to("meta"), example=example, store=store)
    with pytest.raises(ModelError, match="no 'y' in the example"):
        tiffin.save_model("it", small_network(torch), example=example, inputs={"y": "fp32[6]"},
                          store=store)
    with pytest.raises(ModelError, match="no torch.nn.Module"):
        tiffin.torch.save_model("it", print, example=example, store=store)


# XGBoost.


@pytest.fixture(scope="module")
def xgboost():
    return pytest.importorskip("xgboost")


def grown(xgboost, **params):
    random = np.random.default_rng(5)
    x = random.random((200, 4), np.float32)
    y = (x[:, 0] + x[:, 1] > 1).astype(int) + (x[:, 2] > 0.8)
    return xgboost.train({"objective": "multi:softprob", "num_class": 3, "nthread": 1, **params},
                         xgboost.DMatrix(x, y), num_boost_round=5), x, y


def test_a_booster_is_served(store, xgboost):
    booster, x, _ = grown(xgboost)
    saved = tiffin.save_model("it", booster, example=x, labels=["a", "b", "c"], store=store)
    description = saved.description
    assert description["backend"] == "xgboost"
    assert description["metadata"]["made_with"] == f"xgboost {xgboost.__version__}"
    np.testing.assert_allclose(description["example"]["run"]["features"], x[0], rtol=1e-6)
    np.testing.assert_array_equal(ask(store, saved, {"features": x[:20]}).scores,
                                  booster.inplace_predict(x[:20]))


def test_of_an_early_stop_the_best_trees_count(store, xgboost):
    random = np.random.default_rng(6)
    x = random.random((300, 3), np.float32)
    y = random.integers(0, 2, 300)  # Nothing to learn, so more trees are worse.
    model = xgboost.XGBClassifier(n_estimators=60, early_stopping_rounds=10, n_jobs=1)
    model.fit(x[:200], y[:200], eval_set=[(x[200:], y[200:])], verbose=False)
    assert model.best_iteration + 1 < model.get_booster().num_boosted_rounds()
    saved = tiffin.xgboost.save_model("it", model, input_name="x", output_name="yes", store=store)
    reply = ask(store, saved, {"x": x[:30]}, ("yes",))
    np.testing.assert_allclose(reply.yes[:, 0], model.predict_proba(x[:30])[:, 1], rtol=1e-6)


def test_a_booster_is_refused_with_the_fix(store, xgboost):
    booster, x, y = grown(xgboost)
    with pytest.raises(ModelError, match="2 features.*4"):
        tiffin.save_model("it", booster, example=[1, 2], store=store)
    with pytest.raises(ModelError, match="NaN"):
        tiffin.save_model("it", booster, example=[np.nan] * 4, store=store)
    zeros = xgboost.XGBClassifier(n_estimators=2, missing=0, n_jobs=1).fit(x, y)
    with pytest.raises(ModelError, match="missing=nan"):
        tiffin.save_model("it", zeros, store=store)


# transformers.


WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] the food was good bad".split()


@pytest.fixture(scope="module")
def classifier():
    """A network and its tokenizer."""
    pytest.importorskip("transformers")
    library = tiffin.transformers.library()
    config = library.BertConfig(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=16, initializer_range=0.5,
        id2label={0: "bad", 1: "good"}, label2id={"bad": 0, "good": 1})
    tokenizer = library.BertTokenizer(
        vocab={word: number for number, word in enumerate(WORDS)}, model_max_length=16)
    return library.BertForSequenceClassification(config).eval(), tokenizer


def test_a_text_classifier_is_served(store, classifier, folder):
    network, tokenizer = classifier
    network.save_pretrained(folder / "net")
    tokenizer.save_pretrained(folder / "net")
    original = tiffin.transformers.load(folder / "net")
    saved = tiffin.save_model("it", network, tokenizer=tokenizer, example="good food",
                              metadata={"license": "MIT"}, store=store)
    # A folder is the same model.
    again = tiffin.save_model("it", folder / "net", max_length=8, store=store)
    assert (saved.version, again.version) == (1, 2)
    assert again.description["options"] == {"max_length": 8}
    assert saved.description["labels"] == ["bad", "good"]
    assert saved.description["metadata"]["license"] == "MIT"
    assert saved.description["example"]["run"]["text"] == "good food"
    service = SERVICE.format(inputs="text: text", names="text",
                             outputs="label: answer.label, scores: answer.scores")
    with (harness.Server(service, store=store.folder) as server,
          tiffin.Client(server.address, timeout=ANSWER_S) as client):
        for text in ("the food was good", "bad"):
            want = tiffin.transformers.classify(original, text)
            reply = client.call("saved.ask", text=text)
            np.testing.assert_allclose(reply.scores, want, rtol=0, atol=1e-5)


def test_a_network_needs_its_tokenizer(store, classifier, folder):
    with pytest.raises(ModelError, match="tokenizer=..."):
        tiffin.save_model("it", classifier[0], store=store)
    with pytest.raises(ModelError, match="leave the other one out"):
        tiffin.save_model("it", folder, tokenizer=classifier[1], store=store)


# The store.


def test_a_model_of_nobody_is_refused(store):
    with pytest.raises(ModelError, match="builtins.dict can't be served.*torch"):
        tiffin.save_model("it", {}, store=store)


def test_the_programs_own_words_are_the_error(store, folder, xgboost):
    booster, _, _ = grown(xgboost)
    with pytest.raises(ModelError, match="'Bad-Name'") as error:
        tiffin.save_model("Bad-Name", booster, store=store)
    assert not str(error.value).startswith("tiffin:")
    (folder / "model.ubj").write_bytes(b"no model")
    with pytest.raises(ModelError, match="not a whole XGBoost model"):
        store.import_model("it", [folder / "model.ubj"])
    with pytest.raises(ModelError, match="no model 'it'"):
        store.find("it")
    nothing = folder / "nothing"
    with pytest.raises(ModelError, match=rf"no program '{nothing}'.*TIFFIN"):
        tiffin.Store(tiffin=nothing)


def test_an_example_may_be_large(store, torch):
    network = torch.nn.Flatten().eval()
    saved = tiffin.save_model("it", network, example=torch.rand(1, 100_000), store=store)
    (kept,) = saved.description["example"]["run"].values()
    assert len(kept) == 100_000
