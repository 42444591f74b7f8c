"""What the tests of this folder share."""

import argparse
import pathlib
import sys


def take_programs() -> pathlib.Path:
    """The folder of the programs to test: takes `--bin DIR` off the command line."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    known, rest = parser.parse_known_args()
    sys.argv[1:] = rest
    return known.bin
