"""Makes the models of the examples and imports them into a model store.

digits: a booster and a small network that read handwritten digits. sentiment: a transformer that
tells whether a sentence is positive or negative, fine-tuned and kept as a Hugging Face folder in
build/sentiment too. Each must reach a mark on data that it never saw. With the models come images
to try, and what Python answers to them, for the tests. What is there already, made from the same
scripts and packages, is not made again.
"""

import argparse
import fcntl
import pathlib
import sys
import time

from models import digits, sentiment
from models.cache import ROOT
from models.console import Problem, say
from models.made import is_made
from models.store import Store

EXAMPLES = {"digits": digits, "sentiment": sentiment}


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="make_models", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("examples", nargs="*", metavar="EXAMPLE",
                        help=f"{' or '.join(EXAMPLES)} (default: all of them)")
    parser.add_argument("--tiffin", type=pathlib.Path, default=ROOT / "build/release/bin/tiffin",
                        help="the program that imports (default: the release build's)")
    parser.add_argument("--store", type=pathlib.Path, default=ROOT / "build/models",
                        help="the store (default: build/models)")
    parser.add_argument("--images", type=pathlib.Path, default=ROOT / "build/images",
                        help="where images go, a folder for each example (default: build/images)")
    args = parser.parse_args()
    for name in args.examples:
        if name not in EXAMPLES:
            parser.error(f"no example '{name}'; there are {', '.join(EXAMPLES)}")
    return args


def main():
    args = parse_arguments()
    store = Store(args.store, tiffin=args.tiffin)
    args.store.mkdir(parents=True, exist_ok=True)
    with open(args.store / ".make_models.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in args.examples or EXAMPLES:
            started = time.monotonic()
            images = args.images / name
            if is_made(EXAMPLES[name], store, images):
                say(f"{name}: what is in {args.store} is up to date")
                continue
            EXAMPLES[name].make(store, images)
            say(f"{name}: done in {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    try:
        main()
    except Problem as problem:
        print(f"make_models: {problem}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
