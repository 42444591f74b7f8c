"""Models of any kind, into the store."""

import importlib
import os
from typing import Any

from tiffin.errors import ModelError
from tiffin.store import SavedModel

# The package that a model's class is of -> what saves it. A class has several: its own is first.
_SAVERS = ("transformers", "xgboost", "torch")


def save_model(name: str, model: Any, /, **options: Any) -> SavedModel:
    """Puts a model into the store, as the next version of `name`: a module of PyTorch, a model of
    XGBoost, or a text classifier of transformers, or its folder. What the options are is said by
    `save_model` of `tiffin.torch`, `tiffin.xgboost` and `tiffin.transformers`. For instance:

        tiffin.save_model("digits", network, example=torch.zeros(1, 64), store="models")
    """
    saver: Any = importlib.import_module(f"tiffin.{_package_of(model)}")
    saved: SavedModel = saver.save_model(name, model, **options)
    return saved


def _package_of(model: Any) -> str:
    if isinstance(model, (str, os.PathLike)):
        return "transformers"
    for kind in type(model).__mro__:
        package = kind.__module__.partition(".")[0]
        if package in _SAVERS:
            return package
        if package == "sklearn":
            raise ModelError("no engine runs models of scikit-learn, so they are none of a store; "
                             "tiffin.sklearn.write_runner makes a runner in Python of one")
    raise ModelError(f"a {type(model).__module__}.{type(model).__qualname__} can't be served; the "
                     f"packages whose models can are {', '.join(_SAVERS)}")
