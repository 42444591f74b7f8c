import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

from fixtures import *  # noqa: E402,F403 - pytest finds fixtures in this module's names.
