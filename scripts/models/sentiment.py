"""The model of the sentiment example: fine-tuned once, kept as a Hugging Face folder, imported.

Leaves images of sentences to read, and what transformers answers to several hundred held-out
sentences, to compare with.
"""

import contextlib
import fcntl
import itertools
import json
import os
import pathlib
import re
import shutil
import tempfile

from models import cache, fine_tune, hugging_face, reviews, text_images
from models.console import say
from models.made import write_json

MODELS = ("sentiment",)
EXPECTED = "sentiment_expected.json"
FOLDER = cache.ROOT / "build/sentiment"
EXAMPLE = "The food was good, and everybody was friendly."
EXPECTED_REVIEWS = 400
# What held-out reviews don't have. The last one is cut, being longer than the model takes.
AWKWARD = (
    "", " ", "!", "good", "BAD!!!", "not bad at all", "caf\u00e9 cr\u00e8me, na\u00efvet\u00e9",
    "\u597d\u5403", "so happy \U0001f600\U0001f600", "[CLS] [SEP] [MASK] [PAD]", "tabs\tand\nlines",
    "x" * 300, "It was fine, and then it was not. " * 60,
)
# One's own words, next to those of reviews.
OWN_SENTENCES = (
    "What a wonderful evening, thank you for the lovely dinner!",
    "The soup was cold and the waiter was rude.",
    "We would happily come back here every single day.",
    "This is the worst phone of them all, a complete waste of money.",
)
# What is good to read on an image: whole sentences of a few lines, in plain letters. An I by itself
# is a mere bar in fonts without serifs; two apostrophes are how the film reviews quote.
READABLE = re.compile(r"(?!.*(?:\bI\b|''))[A-Z][A-Za-z ,.'!?-]{40,110}[.!?]")
CLEAR_RATING = 2
CLEAR_SCORE = 0.95


def training_key():
    """What the network is made from; all else can change without training it again."""
    return cache.key(("fine_tune", "reviews"), fine_tune.PACKAGES)


def made_from():
    return cache.key(
        ("sentiment", cache.PACKAGE / "transformers", cache.PACKAGE / "store", "text_images"),
        ("pillow",), training_key())


@contextlib.contextmanager
def locked(folder):
    """One process at a time makes the folder, whichever stores they fill."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.parent / f".{folder.name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def make_folder(folder, held_out, to_learn):
    """Fine-tunes, unless the folder is there and of the same making; returns what was measured."""
    made_as = training_key()
    stamp = folder / ".made_from"
    with locked(folder):
        if stamp.is_file() and stamp.read_text() == made_as:
            say(f"the network in {folder} is up to date")
        else:
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".training-") as scratch:
                staged = pathlib.Path(scratch) / folder.name
                staged.mkdir()
                fine_tune.fine_tune(staged, to_learn, held_out)
                (staged / stamp.name).write_text(made_as)
                shutil.rmtree(folder, ignore_errors=True)
                os.rename(staged, folder)
        return json.loads((folder / "metrics.json").read_text())


def answer(classifier, text):
    scores = hugging_face.classify(classifier, text)
    best = max(range(len(scores)), key=scores.__getitem__)
    return {"text": text, "label": classifier.labels[best], "score": scores[best],
            "scores": scores}


def answer_all(classifier, held_out):
    say(f"asking transformers about {EXPECTED_REVIEWS} held-out sentences, one by one")
    answers = [{**answer(classifier, text), "source": "awkward"} for text in AWKWARD]
    for review in held_out[:EXPECTED_REVIEWS]:
        truth = fine_tune.LABELS[review.positive]
        answers.append(
            {**answer(classifier, review.text), "source": review.source, "truth": truth})
    return answers


def undoubted(classifier, held_out, positive):
    """Held-out reviews that people and the model feel alike about, clearly."""
    for review in held_out:
        if (review.positive == positive and abs(review.rating) >= CLEAR_RATING
                and READABLE.fullmatch(review.text)):
            said = answer(classifier, review.text)
            if said["label"] == fine_tune.LABELS[positive] and said["score"] >= CLEAR_SCORE:
                yield review.text


def choose_texts(classifier, held_out):
    """As many as there are looks: own sentences, and held-out reviews of both feelings."""
    wanted = len(text_images.LOOKS) - len(OWN_SENTENCES)
    praise = itertools.islice(undoubted(classifier, held_out, True), wanted // 2)
    blame = itertools.islice(undoubted(classifier, held_out, False), wanted - wanted // 2)
    return [*OWN_SENTENCES, *praise, *blame]


def make(store, images, folder=FOLDER):
    to_learn, held_out = reviews.load()
    metrics = make_folder(folder, held_out, to_learn)
    made_as = made_from()
    classifier = hugging_face.load(folder)
    metadata = {
        **metrics,
        "source": reviews.CITATION,
        "base": fine_tune.BASE,
        "made_from": made_as,
    }
    _, difference = hugging_face.save_classifier(
        "sentiment", classifier, example=EXAMPLE, metadata=metadata, store=store)
    say(f"imported sentiment into {store.folder}; traced, its logits differ by at most "
        f"{difference:.1g}")
    written = text_images.write(images, choose_texts(classifier, held_out))
    write_json(store.folder / EXPECTED, {
        "made_from": made_as,
        "labels": classifier.labels,
        "max_length": classifier.max_length,
        "texts": answer_all(classifier, held_out),
        "images": written,
    })
    say(f"wrote {len(written)} images of sentences to {images}")
