"""LightGBM by onnxmltools: https://github.com/onnx/onnxmltools."""

import os
from typing import Any

import lightgbm
import numpy as np
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType

from .pickled import load_pickled
from .sample import Sample
from .sklearn import answers

CONVERTER = "onnxmltools"
PRECISIONS = ("single",)


def load(model_dir: str, flavor: dict) -> Any:
    path = os.path.join(model_dir, flavor["data"])
    return load_pickled(path) if path.endswith((".pkl", ".skops")) else lightgbm.Booster(model_file=path)


def feature_count(model: Any) -> int:
    return model.num_feature() if isinstance(model, lightgbm.Booster) else int(model.n_features_in_)


def feature_names(model: Any) -> list[str] | None:
    names = model.feature_name() if isinstance(model, lightgbm.Booster) else list(model.feature_name_)
    # LightGBM's names for columns without names.
    return None if names == [f"Column_{i}" for i in range(len(names))] else names


def predict(model: Any, sample: Sample) -> list[np.ndarray]:
    frame = sample.frame()
    if not isinstance(model, lightgbm.Booster):
        return answers(model, frame)
    predicted = np.asarray(model.predict(frame))
    # The outputs that the converter makes for a classifier: labels, then the probabilities of every class.
    objective = model.params.get("objective") or str(model.dump_model().get("objective", ""))
    if objective.startswith("binary"):
        return [(predicted > 0.5).astype(np.int64), np.stack([1 - predicted, predicted], axis=1)]
    if objective.startswith("multiclass"):
        return [predicted.argmax(axis=1), predicted]
    return [predicted]


def export(model: Any, sample: Sample, path: str, precision: str) -> None:
    exported = convert_lightgbm(
        model, initial_types=[("input", FloatTensorType([None, feature_count(model)]))], zipmap=False
    )
    with open(path, "wb") as file:
        file.write(exported.SerializeToString())
