"""Models of scikit-learn, as runners that are Python.

No worker has an engine for them: they are served by a class in Python. So they are no models of a
store, but a file of code with the model's data beside it, which a service file names.
"""

import os
import pathlib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import sklearn
import skops.io

from tiffin.errors import ModelError
from tiffin.store import PathLike

_TYPES = {
    "bool": "bool", "uint8": "uint8", "uint16": "uint16", "uint32": "uint32", "uint64": "uint64",
    "int8": "int8", "int16": "int16", "int32": "int32", "int64": "int64", "float16": "fp16",
    "float32": "fp32", "float64": "fp64"}

_RUNNER = '''\
"""{name}: {kind} of scikit-learn {version}, written by tiffin.sklearn.write_runner."""

import pathlib

import numpy as np
import skops.io

import tiffin

FILE = pathlib.Path(__file__).with_suffix(".skops")
# Of the types in the file, those that skops doesn't know to be harmless.
TRUSTED = {trusted}


class Model:
    def __init__(self):
        self.model = skops.io.load(FILE, trusted=TRUSTED)

    @tiffin.method(inputs={inputs}, outputs={outputs}, batchable=True, retry_safe=True)
    def run(self, {argument}):
        {compute}
'''
_SCORES = '''\
scores = self.model.predict_proba({argument})
        labels = self.model.classes_[scores.argmax(axis=1)]
        return {{"label": [str(label) for label in labels], "scores": scores.astype(np.float32)}}'''
# An output alone is returned as it is.
_TEXTS = "return [str(text) for text in self.model.{method}({argument})]"
_NUMBERS = "return np.asarray(self.model.{method}({argument}))"


def write_runner(name: str, model: Any, folder: PathLike, *, example: Any,
                 input_name: str = "features", trusted: Sequence[str] = ()) -> pathlib.Path:
    """Writes NAME.skops, which is the model's data, and NAME.py, which serves it, and returns the
    latter's path. A service file names it, with a virtual environment that has scikit-learn and
    skops in it:

        runners:
          iris: {python: iris.py:Model, environment: venv}

    `example`: rows of features, or texts; they tell the type of the input. A classifier with
    probabilities has the outputs `label` and `scores`; what else predicts, `prediction`; and what
    only transforms, `features`.
    Nothing is pickled, for a pickle is code that runs where it is read. What is loaded is what
    skops knows to be harmless, and what `trusted` names, which may do anything. (Trees have to be
    named: what reads them is native code that believes what it reads.)
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ModelError(f"'{name}' can't be a runner's name: it must be small letters, digits and "
                         "_, a letter first")
    rows = np.asarray(example)
    if rows.ndim == 0 or rows.shape[0] == 0:
        raise ModelError("the example must be rows, one at least; give a list")
    outputs, compute = _outputs(model, rows, input_name)
    content = skops.io.dumps(model)
    distrusted = sorted(set(skops.io.get_untrusted_types(data=content)) - set(trusted))
    if distrusted:
        raise ModelError(f"skops doesn't trust {', '.join(distrusted)}; if you do, give it as "
                         f"trusted={distrusted}")
    code = _RUNNER.format(
        name=name, kind=type(model).__name__, version=sklearn.__version__, trusted=list(trusted),
        inputs={input_name: _type_of(rows, "the example")}, outputs=outputs, argument=input_name,
        compute=compute)
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / f"{name}.skops", content)
    _write(folder / f"{name}.py", code.encode())
    return folder / f"{name}.py"


def _outputs(model: Any, rows: Any, argument: str) -> tuple[dict[str, str], str]:
    """Their types, and the code that computes them."""
    found = next((method for method in ("predict_proba", "predict", "transform")
                  if hasattr(model, method)), None)
    if found is None:
        raise ModelError(f"a {type(model).__name__} can neither predict nor transform; give a "
                         "model of scikit-learn that was fitted")
    try:
        answer = getattr(model, found)(rows)
    except Exception as error:  # Whatever the model may throw.
        raise ModelError(f"the model fails on the example, given as an array: {error}") from error
    if isinstance(answer, list) or not hasattr(answer, "dtype") or hasattr(answer, "tocsr"):
        raise ModelError(f"{found}() answers a {type(answer).__name__}, which can't be served; an "
                         "array can")
    if found == "predict_proba":
        return ({"label": "text", "scores": f"fp32[{answer.shape[1]}]"},
                _SCORES.format(argument=argument))
    output = "prediction" if found == "predict" else "features"
    kind = _type_of(answer, f"what {found}() answers")
    template = _TEXTS if kind == "text" else _NUMBERS
    return {output: kind}, template.format(method=found, argument=argument)


def _type_of(array: Any, what: str) -> str:
    """The type of a row, as service files write it."""
    if array.ndim == 1 and array.dtype.kind in "OU" and all(
            isinstance(text, str) for text in array.tolist()):
        return "text"
    if array.dtype.name not in _TYPES:
        raise ModelError(f"{what} is an array of {array.dtype.name}, which can't be served; "
                         "convert it to numbers, or to texts in one dimension")
    return f"{_TYPES[array.dtype.name]}[{','.join(map(str, array.shape[1:]))}]"


def _write(path: pathlib.Path, content: bytes) -> None:
    """At once or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(content)
    os.replace(partial, path)
