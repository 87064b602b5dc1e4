"""XGBoost by onnxmltools: https://github.com/onnx/onnxmltools."""

import os
from importlib import import_module
from typing import Any

import numpy as np
from onnxmltools import convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType

from .pickled import load_pickled
from .sample import Sample
from .sklearn import answers

CONVERTER = "onnxmltools"
# XGBoost's trees compare single-precision numbers.
PRECISIONS = ("single",)


def load(model_dir: str, flavor: dict) -> Any:
    path = os.path.join(model_dir, flavor["data"])
    if path.endswith((".pkl", ".skops")):
        return load_pickled(path)
    module, _, name = flavor.get("model_class", "xgboost.core.Booster").rpartition(".")
    model = getattr(import_module(module), name)()
    model.load_model(path)
    return model


def booster_of(model: Any) -> Any:
    return model.get_booster() if hasattr(model, "get_booster") else model


def feature_count(model: Any) -> int:
    return booster_of(model).num_features()


def feature_names(model: Any) -> list[str] | None:
    return booster_of(model).feature_names


def predict(model: Any, sample: Sample) -> list[np.ndarray]:
    import xgboost

    frame = sample.frame()
    if not hasattr(model, "get_booster"):
        return [model.predict(xgboost.DMatrix(frame))]
    return answers(model, frame)


def export(model: Any, sample: Sample, path: str, precision: str) -> None:
    booster = booster_of(model)
    # The converter knows features only by their numbers.
    names, booster.feature_names = booster.feature_names, None
    try:
        exported = convert_xgboost(model, initial_types=[("input", FloatTensorType([None, feature_count(model)]))])
    finally:
        booster.feature_names = names
    with open(path, "wb") as file:
        file.write(exported.SerializeToString())
