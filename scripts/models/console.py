"""What the scripts say, under the name of the one that runs."""

import pathlib
import sys

from tiffin.errors import ModelError

# An end that the user can do something about: the text says what is wrong, and the fix.
Problem = ModelError


def program():
    return pathlib.Path(sys.argv[0]).stem


def say(text):
    print(f"{program()}: {text}", flush=True)
