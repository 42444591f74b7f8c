"""The in-process reference: it answers what the models answer in Python, and notices when it can't.

Needs the examples' models (the test `make_models`).
"""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

from tokenizers import Tokenizer

from cases import EXAMPLES, ROOT, SENTENCES, framed
from testing import take_programs

PROGRAMS = take_programs()
STORE = ROOT / "build/models"
IMAGES = ROOT / "build/images"
DIGITS = EXAMPLES / "inference_graph_demo/service.yaml"
SENTIMENT = EXAMPLES / "sentiment_analysis/service.yaml"
MODELS = ("digits_xgboost", "digits_torch")


def expected(name: str) -> dict:
    return json.loads((STORE / f"{name}_expected.json").read_text())


def compared(scores: list[list[float]]) -> str:
    """What compare() makes of the two models' scores."""
    best = [max(range(10), key=of_model.__getitem__) for of_model in scores]
    both = ", ".join(f"{name} {digit} {of_model[digit]:.2f}" for name, digit, of_model
                     in zip(("model_a", "model_b"), best, scores, strict=True))
    return f"{best[0]} (agree: {both})" if best[0] == best[1] else f"disagree: {both}"


class InProcess(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(
            tempfile.TemporaryDirectory(prefix="tiffin-bench-test-")))

    def run_graph(self, graph: str, service: pathlib.Path, payloads: list[bytes],
                  *flags: str) -> subprocess.CompletedProcess:
        files = [self.folder / f"payload.{number}" for number in range(len(payloads))]
        for file, payload in zip(files, payloads, strict=True):
            file.write_bytes(framed(payload))
        # Engine threads that wait for one another sleep: other tests want the cores, too.
        environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}
        return subprocess.run(
            [str(PROGRAMS / "bench-in-process"), "--graph", graph, "--service", str(service),
             "--store", str(STORE), "--warm-up", "0", "--seconds", "0.01",
             "--payload", *map(str, files), *flags],
            capture_output=True, text=True, timeout=200, env=environment)

    def answers(self, *arguments) -> list[str]:
        done = self.run_graph(*arguments)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        result = json.loads(done.stdout)
        self.assertGreater(result["p50_us"], 0)
        self.assertGreaterEqual(result["p99_us"], result["p50_us"])
        self.assertGreater(result["throughput"], 0)
        self.assertGreater(result["cpu_us"], 0)
        return result["answers"]

    def test_reads_digits_as_the_models_do(self):
        images = expected("digits")["images"]
        payloads = [(IMAGES / "digits" / name).read_bytes() for name in images]
        for flags in ((), ("--threads", "2", "--batch", "3")):
            self.assertEqual(
                self.answers("digits", DIGITS, payloads, *flags),
                [compared([of_image[model] for model in MODELS]) for of_image in images.values()])

    def test_reads_and_feels_what_is_on_images(self):
        images = {"plain.png": "POSITIVE", "serif.png": "NEGATIVE"}
        texts = expected("sentiment")["images"]
        payloads = [(IMAGES / "sentiment" / name).read_bytes() for name in (*images, "no_text.png")]
        *answers, nothing = self.answers("sentiment", SENTIMENT, payloads, "--threads", "2",
                                         "--batch", "2")
        for answer, (name, label) in zip(answers, images.items(), strict=True):
            self.assertRegex(answer, rf'^{label} \d\.\d\d: "')
            self.assertTrue(answer.endswith(f': "{texts[name]}"'), answer)
        self.assertEqual(nothing, "NO TEXT")

    def test_labels_texts_as_the_model_does(self):
        texts = [text for text in expected("sentiment")["texts"] if text["score"] > 0.6][:12]
        self.assertEqual(
            self.answers("text", SENTIMENT, [text["text"].encode() for text in texts],
                         "--engine-threads", "2", "--batch", "7"),
            [text["label"] for text in texts])

    def test_the_sentences_of_the_benchmark_are_right_and_of_20_tokens(self):
        folder = max((STORE / "sentiment").glob("[0-9]*"), key=lambda path: int(path.name))
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.assertEqual({len(tokenizer.encode(text).ids) for text in SENTENCES}, {20})
        self.assertEqual(
            self.answers("text", SENTIMENT, [text.encode() for text in SENTENCES]),
            list(SENTENCES.values()))

    def test_copies_bytes(self):
        self.assertEqual(self.answers("copy", DIGITS, [b"some bytes"]), [""])

    def test_fails_on_what_is_no_image(self):
        done = self.run_graph("digits", DIGITS, [b"no image"])
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("INVALID_ARGUMENT", done.stderr)

    def test_fails_without_the_runners_that_the_graph_needs(self):
        done = self.run_graph("digits", SENTIMENT, [b"any"])
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("no runner 'preprocess'", done.stderr)

    def test_refuses_an_unknown_graph(self):
        self.assertEqual(self.run_graph("digit", DIGITS, [b"any"]).returncode, 2)


if __name__ == "__main__":
    unittest.main()
