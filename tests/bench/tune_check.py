"""Is what `tiffin tune` chooses as good as what people try by hand?

Tunes both example services in a store of their own. Then the tuned server and one with another
allocation, written into the service file, run side by side and are loaded in turns, so that what
else the machine does meets both alike; what counts is the ratio of neighbours. Exits 1 if an
allocation tried by hand is faster by more than what measuring it again gives.

    build/venv/bin/python tests/bench/tune_check.py [--rounds 5] [--seconds 1] [--only NAME]
"""

import argparse
import contextlib
import dataclasses
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

import cases
import servers

ROOT = cases.ROOT
TUNED = "tuned"
LEAST_SPREAD = 0.05  # Of ratios, however alike a few of them are.


@dataclasses.dataclass(frozen=True)
class Example:
    case: cases.Case
    models: tuple[str, ...]
    in_flight: int
    tune: tuple[str, ...]  # More arguments of `tiffin tune`.
    # Runner -> (replicas, threads), for each allocation to try.
    by_hand: tuple[dict[str, tuple[int, int]], ...]


def digits() -> Example:
    tried = ((1, 1), (1, 2), (2, 1))
    return Example(
        cases.all_cases()["inference_graph_demo"], ("digits_xgboost", "digits_torch"), 32, (),
        tuple({"preprocess": a, "model_a": b} for a in tried for b in tried if (1, 1) in (a, b)))


def sentiment(images: pathlib.Path) -> Example:
    image = images / "sentiment/serif.png"
    case = cases.Case(
        "sentiment_analysis", ROOT / "deploy/examples/sentiment_analysis/service.yaml",
        "sentiment_analysis.classify", "image", "BYTES", (1,),
        (image,), needs_models=True)
    return Example(case, ("sentiment",), 8, ("--example", f"ocr.image=@{image}"), tuple(
        {"ocr": ocr, "sentiment": text}
        for ocr in ((1, 1), (1, 2), (2, 1)) for text in ((1, 1), (1, 2), (2, 1))))


def copy_newest(models: pathlib.Path, name: str, store: pathlib.Path) -> None:
    newest = max((models / name).iterdir(), key=lambda version: int(version.name))
    shutil.copytree(newest, store / name / newest.name)


def with_allocation(text: str, allocation: dict[str, tuple[int, int]]) -> str:
    """The service file with the runners' replicas and threads written into it."""
    for runner, (replicas, threads) in allocation.items():
        assert f"\n  {runner}: {{" in text
        text = text.replace(f"\n  {runner}: {{", f"\n  {runner}: {{replicas: {replicas}, "
                            f"resources: {{threads: {threads}}}, ", 1)
    return text


class Checker:
    def __init__(self, args: argparse.Namespace, example: Example, folder: pathlib.Path):
        self._args = args
        self._example = example
        self._folder = folder
        self._store = folder / "store"
        self._files = {}  # What it is called -> its service file.
        (folder / "payload").write_bytes(example.case.payload_bytes()[0])

    def tune(self) -> None:
        for model in self._example.models:
            copy_newest(self._args.models, model, self._store)
        tuned = subprocess.run(
            [self._args.bin / "tiffin", "tune", self._example.case.service_file, "--store",
             self._store, *self._example.tune], stdout=subprocess.PIPE, text=True, check=True)
        print(tuned.stdout)

    def write_files(self) -> None:
        text = self._example.case.service_file.read_text()
        self._files[TUNED] = self._example.case.service_file
        for index, allocation in enumerate(self._example.by_hand):
            name = ", ".join(f"{runner} {replicas}x{threads}"
                             for runner, (replicas, threads) in allocation.items())
            self._files[name] = self._folder / f"{index}.yaml"
            self._files[name].write_text(with_allocation(text, allocation))

    def load(self, address: str, in_flight: int) -> dict:
        case = self._example.case
        made = subprocess.run(
            [self._args.bin / "bench-load-generator", "--address", address, "--protocol", "infer",
             "--payload", self._folder / "payload", "--model", case.model, "--input",
             case.input_name, "--datatype", case.datatype, "--shape",
             ",".join(str(size) for size in case.shape), "--in-flight", str(in_flight),
             "--seconds", str(self._args.seconds), "--warm-up", "0.2"],
            stdout=subprocess.PIPE, text=True, check=True)
        return json.loads(made.stdout)

    def serve(self, name: str) -> servers.Server:
        command = [self._args.bin / "tiffin", "serve", self._files[name], "--store", self._store,
                   "--grpc-address", "127.0.0.1:0", "--runtime-dir", self._folder / "run"]
        log = self._folder / f"{self._files[name].stem}.log"
        return servers.Server(name, [str(part) for part in command], log)

    def run(self) -> bool:
        """True if nothing tried by hand is faster than the tuned one, beyond the spread."""
        self.tune()
        self.write_files()
        print(f"{self._example.case.name}, {self._example.in_flight} in flight, "
              f"{self._args.rounds} rounds of {self._args.seconds} s; tuned / by hand, with "
              "quartiles:")
        good = True
        with self.serve(TUNED) as tuned:
            for name in self._files:
                if name != TUNED:
                    with self.serve(name) as other:
                        good = self.compare(tuned, other) and good
        return good

    def compare(self, tuned: servers.Server, other: servers.Server) -> bool:
        rates, latencies = [], []
        for number in range(self._args.rounds):
            pair = [tuned, other] if number % 2 == 0 else [other, tuned]
            many = {server: self.load(server.address, self._example.in_flight)["throughput"]
                    for server in pair}
            alone = {server: self.load(server.address, 1)["p50_us"] for server in pair}
            rates.append((many[tuned], many[other]))
            latencies.append((alone[tuned], alone[other]))
        low, ratio, high = statistics.quantiles([mine / its for mine, its in rates], n=4)
        slower = statistics.median(mine / its for mine, its in latencies)
        good = ratio >= 1 - max(LEAST_SPREAD, high - low)
        mine, its = (statistics.median(found) for found in zip(*rates))
        print(f"  {other.name:32} {mine:7.1f}/s / {its:7.1f}/s = "
              f"{ratio:.2f} [{low:.2f}, {high:.2f}], p50 alone {slower:.2f}: "
              f"{'not worse' if good else 'WORSE'}", flush=True)
        return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/release/bin")
    parser.add_argument("--models", type=pathlib.Path, default=ROOT / "build/models")
    parser.add_argument("--images", type=pathlib.Path, default=ROOT / "build/images")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--only", help="inference_graph_demo or sentiment_analysis")
    args = parser.parse_args()
    good = True
    for example in (digits(), sentiment(args.images)):
        if args.only in (None, example.case.name):
            with contextlib.ExitStack() as stack:
                # Short: paths of Unix sockets end at 108 bytes.
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="tf-"))
                good = Checker(args, example, pathlib.Path(folder)).run() and good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
