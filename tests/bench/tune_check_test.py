"""The examples that tune_check.py tries: their requests, and the allocations written into them."""

import argparse
import pathlib
import tempfile
import unittest

import tune_check
from cases import framed


class TuneCheck(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(
            tempfile.TemporaryDirectory(prefix="tiffin-bench-test-")))

    def checker(self, example: tune_check.Example) -> tune_check.Checker:
        return tune_check.Checker(argparse.Namespace(), example, self.folder)

    def test_asks_for_a_digit(self):
        self.checker(tune_check.digits())
        self.assertIn(b"PNG", (self.folder / "payload").read_bytes())

    def test_asks_for_the_text_on_a_picture(self):
        image = self.folder / "sentiment/serif.png"
        image.parent.mkdir()
        image.write_bytes(b"some picture")
        self.checker(tune_check.sentiment(self.folder))
        self.assertEqual((self.folder / "payload").read_bytes(), framed(b"some picture"))

    def test_writes_the_allocations_into_the_service_files(self):
        for example in (tune_check.digits(), tune_check.sentiment(self.folder)):
            (self.folder / "sentiment").mkdir(exist_ok=True)
            (self.folder / "sentiment/serif.png").touch()
            self.checker(example).write_files()
            written = (self.folder / "0.yaml").read_text()
            for runner in example.by_hand[0]:
                self.assertIn(f"{runner}: {{replicas: 1, resources: {{threads: 1}}, ", written)


if __name__ == "__main__":
    unittest.main()
