"""Text that is none, or too much of it, sent to the sentiment service: a clear refusal each or the
right answer, and no harm to others. And tokenizers that are not the model's."""

import json
import time

import grpc
import numpy as np
import pytest
import tokenizers

import harness
from harness import ANSWER_S, refused

Code = grpc.StatusCode

CLASSIFY = "sentiment_analysis.classify"
SENTIMENT = "sentiment_analysis.sentiment"
SENTENCE = "The film is a delight from start to finish."
# Far more than is needed, on a machine that is busy too.
LARGE_S = 60 * harness.SLOWNESS
LARGE = 10 << 20
PNG = (harness.TEXT_IMAGES / "plain.png").read_bytes()
# How PDFs begin: with a comment that tells of bytes beyond ASCII.
PDF = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"


def feel(server, *rows, timeout=ANSWER_S):
    """Label, score and scores of each row."""
    request = harness.infer_request(SENTIMENT)
    framed = harness.frame(*(row.encode() for row in rows))
    harness.add_input(request, "text", "BYTES", [len(rows)], framed)
    outputs = harness.outputs_of(server.kserve.ModelInfer(request, timeout=timeout))
    scores = outputs["scores"]
    assert scores.shape == (len(rows), 2)
    assert (scores >= 0).all() and np.isfinite(scores).all()
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=0, atol=1e-5)
    assert np.array_equal(outputs["score"], scores.max(axis=1))
    assert outputs["label"] == [[b"NEGATIVE", b"POSITIVE"][best] for best in scores.argmax(axis=1)]
    return scores


@pytest.fixture
def no_harm_to_texts(sentiment):
    """After the test the same workers answer a good request, with what they answered before."""
    pids = sentiment.worker_pids()
    before = feel(sentiment, SENTENCE)
    yield
    np.testing.assert_allclose(feel(sentiment, SENTENCE), before, rtol=0, atol=1e-6)
    assert before.argmax() == 1
    assert sentiment.worker_pids() == pids, sentiment.said()


@pytest.mark.usefixtures("no_harm_to_texts")
@pytest.mark.parametrize("text", [
    b"\xff\xfe", b"caf\xe9 au lait", b"cut \xe4\xb8", b"\xed\xa0\x80", b"\xc0\x80",
    b"\xf5\x80\x80\x80", b"good\0\x80", SENTENCE.encode("utf-16"), PNG, PDF],
    ids=["BOM", "Latin-1", "cut", "surrogate", "overlong", "too large", "NUL", "UTF-16", "PNG",
         "PDF"])
def test_what_is_not_utf_8_is_refused(text, sentiment):
    with refused(Code.INVALID_ARGUMENT, "'text'", "UTF-8"):
        sentiment.infer(SENTIMENT, text=text)
    request = harness.infer_request(SENTIMENT)
    harness.add_input(request, "text", "BYTES", [3], harness.frame(b"good", text, b"bad"))
    with refused(Code.INVALID_ARGUMENT, "'text'", "UTF-8"):
        sentiment.kserve.ModelInfer(request, timeout=ANSWER_S)


@pytest.mark.usefixtures("no_harm_to_texts")
@pytest.mark.parametrize("piece", [
    "It was good, and then it was not. ", "!", "\u4e2d", "a", " ", "\0", "e\u0301", "\U0001f600"],
    ids=["words", "exclamation marks", "CJK", "one word", "spaces", "NULs", "accents", "emoji"])
def test_ten_megabytes_are_answered_as_their_beginning(piece, sentiment):
    count = LARGE // len(piece.encode())
    start = time.monotonic()
    scores = feel(sentiment, piece * count, timeout=LARGE_S)
    took = time.monotonic() - start
    assert took < LARGE_S
    # Of which the model looks at less, and the one word is longer than a word may be.
    np.testing.assert_allclose(scores, feel(sentiment, piece * 1000), rtol=0, atol=1e-5)


@pytest.mark.usefixtures("no_harm_to_texts")
def test_others_are_answered_beside_ten_megabytes(sentiment):
    texts = ["!" * LARGE, "\u4e2d" * (LARGE // 3)]
    large = [sentiment.infer_later(SENTIMENT, text=text, timeout=LARGE_S) for text in texts]
    small = [feel(sentiment, SENTENCE, timeout=LARGE_S) for _ in range(10)]
    for scores in small:
        np.testing.assert_allclose(scores, small[0], rtol=0, atol=1e-5)
    for future in large:
        scores = harness.outputs_of(future.result(LARGE_S))["scores"]
        np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=0, atol=1e-5)


@pytest.mark.usefixtures("no_harm_to_texts")
def test_empty_text_is_answered(sentiment):
    empty = feel(sentiment, "")
    # For the model nothing else is there either.
    np.testing.assert_allclose(feel(sentiment, " \n\t "), empty, rtol=0, atol=1e-5)
    np.testing.assert_allclose(feel(sentiment, "\0" * 5), empty, rtol=0, atol=1e-5)
    beside = feel(sentiment, SENTENCE, "", SENTENCE)
    np.testing.assert_allclose(beside[1:2], empty, rtol=0, atol=1e-5)
    np.testing.assert_allclose(beside[:1], feel(sentiment, SENTENCE), rtol=0, atol=1e-5)


@pytest.mark.usefixtures("no_harm_to_texts")
@pytest.mark.parametrize("text", [
    "\0" + SENTENCE, SENTENCE + "\0", SENTENCE.replace(" ", " \0"), "\0".join(SENTENCE)],
    ids=["first", "last", "in words", "all over"])
def test_nul_characters_are_passed_over(text, sentiment):
    np.testing.assert_allclose(feel(sentiment, text), feel(sentiment, SENTENCE), rtol=0, atol=1e-5)


def one_input(model, *tensor):
    request = harness.infer_request(model)
    harness.add_input(request, *tensor)
    return request


def surplus(model, **inputs):
    return harness.infer_request(model, extra=np.zeros(1, np.float32), **inputs)


TWO = harness.frame(b"good", b"bad")
# name: (the request, words that the message must have)
BAD_REQUESTS = {
    "wrong dtype": (
        one_input(SENTIMENT, "text", "INT32", [1], b"\0" * 4), ["'text'", "INT32", "BYTES"]),
    "UINT8": (one_input(SENTIMENT, "text", "UINT8", [4], b"good"), ["'text'", "UINT8", "BYTES"]),
    "unknown dtype": (one_input(SENTIMENT, "text", "STRING", [1], TWO), ["'text'", "STRING"]),
    "two dimensions": (one_input(SENTIMENT, "text", "BYTES", [1, 2], TWO), ["'text'", "[1,2]"]),
    "no dimension": (
        one_input(SENTIMENT, "text", "BYTES", [], harness.frame(b"good")), ["'text'", "[]"]),
    "negative": (one_input(SENTIMENT, "text", "BYTES", [-1], TWO), ["'text'", "-1"]),
    "more than told": (one_input(SENTIMENT, "text", "BYTES", [1], TWO), ["'text'"]),
    "less than told": (one_input(SENTIMENT, "text", "BYTES", [3], TWO), ["'text'"]),
    "not framed": (one_input(SENTIMENT, "text", "BYTES", [1], SENTENCE.encode()), ["'text'"]),
    "cut frame": (one_input(SENTIMENT, "text", "BYTES", [2], TWO[:-1]), ["'text'"]),
    "no content": (one_input(SENTIMENT, "text", "BYTES", [1]), ["'text'"]),
    "wrong name": (
        one_input(SENTIMENT, "words", "BYTES", [2], TWO), [SENTIMENT, "'words'", "takes text"]),
    "surplus input": (surplus(SENTIMENT, text="good"), ["'extra'"]),
    "no input": (harness.infer_request(SENTIMENT), ["'text'"]),
    "classify, wrong dtype": (
        one_input(CLASSIFY, "image", "UINT8", [4], b"good"), ["'image'", "UINT8", "BYTES"]),
    "classify, two images": (
        one_input(CLASSIFY, "image", "BYTES", [2], harness.frame(PNG, PNG)), ["'image'", "[2]"]),
    "classify, surplus input": (surplus(CLASSIFY, image=PNG), ["'extra'"]),
    "classify, text": (
        harness.infer_request(CLASSIFY, text="good"), [CLASSIFY, "'text'", "takes image"]),
}


@pytest.mark.usefixtures("no_harm_to_texts")
@pytest.mark.parametrize("name", BAD_REQUESTS)
def test_a_request_that_does_not_fit_is_refused(name, sentiment):
    request, words = BAD_REQUESTS[name]
    # The gateway refuses it before a runner has a part in it, so it names the input only.
    with refused(Code.INVALID_ARGUMENT, *words):
        sentiment.kserve.ModelInfer(request, timeout=ANSWER_S)


# Tokenizers.

STORED = max((harness.MODELS / "sentiment").glob("[0-9]*"), key=lambda path: int(path.name))


def import_sentiment(store, tokenizer):
    return harness.run(
        harness.TIFFIN, "models", "import", "sentiment", STORED / "model.pt", tokenizer,
        "--store", store, "--backend", "torch", "--labels", "NEGATIVE,POSITIVE",
        "--option", "max_length=256")


@pytest.fixture(scope="module")
def store(module_folder):
    """With the model and its own tokenizer, as version 1."""
    made = import_sentiment(module_folder / "store", STORED / "tokenizer.json")
    assert made.returncode == 0, made.stderr
    return module_folder / "store"


def changed(change):
    content = json.loads((STORED / "tokenizer.json").read_text("utf-8"))
    change(content)
    return json.dumps(content)


def bpe():
    """A tokenizer of GPT-2's kind, trained as one is."""
    made = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel()
    specials = ["[UNK]", "[CLS]", "[SEP]", "[PAD]"]
    made.train_from_iterator([SENTENCE] * 10, tokenizers.trainers.BpeTrainer(
        vocab_size=300, special_tokens=specials, show_progress=False))
    return made.to_str()


def of_a_larger_model(content):
    """As many tokens as the cased, multilingual BERT has."""
    vocabulary = content["model"]["vocab"]
    for number in range(len(vocabulary), 119_547):
        vocabulary[f"more{number}"] = number


# name: (tokenizer.json, words that the message must have)
WRONG_TOKENIZERS = {
    "not JSON": ("This is no JSON.", ["JSON"]),
    "cut": ((STORED / "tokenizer.json").read_text("utf-8")[:-100], ["JSON"]),
    "empty": ("", ["JSON"]),
    "BPE": (bpe(), ["BPE", "WordPiece"]),
    "of a larger vocabulary": (changed(of_a_larger_model), ["119546", "tokenizer"]),
    "without [UNK]": (changed(lambda content: content["model"]["vocab"].pop("[UNK]")), ["[UNK]"]),
}


@pytest.mark.parametrize("name", WRONG_TOKENIZERS)
def test_a_wrong_tokenizer_is_not_imported(name, store, folder):
    content, words = WRONG_TOKENIZERS[name]
    (folder / "tokenizer.json").write_text(content, "utf-8")
    made = import_sentiment(store, folder / "tokenizer.json")
    assert made.returncode == 2, made.stderr
    for word in ("tokenizer.json", *words):
        assert word in made.stderr, made.stderr
    # The version before is as it was, and nothing is left of the new one.
    assert [entry.name for entry in (store / "sentiment").iterdir()] == ["1"]
    listed = harness.run(harness.TIFFIN, "models", "show", "sentiment", "--json", "--store", store)
    assert json.loads(listed.stdout)["version"] == 1
