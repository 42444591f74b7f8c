"""Models of XGBoost, into a model store."""

import math
import pathlib
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xgboost

from tiffin.errors import ModelError
from tiffin.store import PathLike, SavedModel, Store, opened


def save_model(name: str, model: Any, *, example: Any = None, input_name: str = "features",
               output_name: str = "scores", labels: Sequence[str] = (),
               metadata: Mapping[str, Any] | None = None,
               store: Store | PathLike | None = None) -> SavedModel:
    """Puts a Booster, or a model of XGBoost's scikit-learn interface, into the store, as the next
    version of `name`.

    What is served are the scores that the booster predicts: of a classifier the probabilities (of
    the second class alone where there are two). Where training stopped early, only the trees up to
    the best iteration count, as in Python. `example`: rows of features, the first of which is kept
    with the model.
    """
    booster = _booster(model)
    row = None
    if example is not None:
        row = np.asarray(example, np.float32)
        row = row.reshape(-1, row.shape[-1])[0]
        if row.size != booster.num_features():
            raise ModelError(f"the example has {row.size} features, and the model "
                             f"{booster.num_features()}; give rows of features")
        if not np.isfinite(row).all():
            raise ModelError("the example's first row has values that JSON has not (NaN or "
                             "infinite); give another one")
    scores = booster.inplace_predict(
        np.zeros((2, booster.num_features()), np.float32), strict_shape=True)
    with tempfile.TemporaryDirectory() as scratch:
        file = pathlib.Path(scratch) / "model.ubj"
        booster.save_model(file)
        return opened(store).import_model(
            name, [file], backend="xgboost", labels=labels,
            inputs={input_name: f"fp32[{booster.num_features()}]"},
            outputs={output_name: f"fp32[{math.prod(scores.shape[1:])}]"},
            example=None if row is None else {input_name: row.tolist()},
            metadata={"made_with": f"xgboost {xgboost.__version__}", **(metadata or {})})


def _booster(model: Any) -> Any:
    if isinstance(model, xgboost.Booster):
        return model
    if not isinstance(model, xgboost.XGBModel):
        raise ModelError(f"a {type(model).__name__} is no model of XGBoost; give a Booster, or a "
                         "model such as XGBClassifier")
    if not math.isnan(model.missing):
        raise ModelError(f"the model takes {model.missing} for a missing value, and the server "
                         "takes NaN; train it with missing=nan")
    booster = model.get_booster()
    best = getattr(model, "best_iteration", None) if model.early_stopping_rounds else None
    return booster if best is None else booster[:best + 1]
