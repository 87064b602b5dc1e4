"""scikit-learn by skl2onnx: https://onnx.ai/sklearn-onnx/."""

import os
import re
from typing import Any

import numpy as np
from skl2onnx import to_onnx
from skl2onnx.common.data_types import BooleanTensorType, DoubleTensorType, FloatTensorType, StringTensorType

from .pickled import load_pickled
from .sample import Sample

CONVERTER = "skl2onnx"
PRECISIONS = ("single", "double")


def load(model_dir: str, flavor: dict) -> Any:
    return load_pickled(os.path.join(model_dir, flavor["pickled_model"]))


def feature_count(model: Any) -> int:
    return int(model.n_features_in_)


def feature_names(model: Any) -> list[str] | None:
    names = getattr(model, "feature_names_in_", None)
    return None if names is None else list(names)


def predict(model: Any, sample: Sample) -> list[np.ndarray]:
    return answers(model, sample.frame())


def answers(model: Any, frame: Any) -> list[np.ndarray]:
    """In the order of the converted model's outputs: label and probabilities of a classifier, else the prediction."""
    predicted = np.asarray(model.predict(frame))
    return [predicted, np.asarray(model.predict_proba(frame))] if hasattr(model, "predict_proba") else [predicted]


def export(model: Any, sample: Sample, path: str, precision: str) -> None:
    real = FloatTensorType if precision == "single" else DoubleTensorType
    numeric = sample.columns is None or all(column.dtype.kind in "fiu" for column in sample.columns.values())
    by_column = needs_columns(model)
    if not numeric and not by_column:
        raise ValueError("columns of text need a ColumnTransformer that says what becomes of each")
    if by_column:
        # A whole number must be accepted in a column where other rows have fractions.
        kinds = {"b": BooleanTensorType, "O": StringTensorType, "U": StringTensorType}
        types = [(name, kinds.get(column.dtype.kind, real)([None, 1])) for name, column in sample.columns.items()]
    else:
        types = [("input", real([None, sample.matrix().shape[1]]))]
    options = {id(model): {"zipmap": False}} if hasattr(model, "predict_proba") else None
    exported = to_onnx(model, initial_types=types, options=options)
    if by_column:
        name_inputs(exported, [name for name, _ in types])
    with open(path, "wb") as file:
        file.write(exported.SerializeToString())


def needs_columns(model: Any) -> bool:
    """Whether a step selects columns by their names."""
    return any(type(part).__name__ == "ColumnTransformer" for part in [model, *steps_of(model)])


def steps_of(model: Any) -> list:
    steps = [step for _, step in getattr(model, "steps", [])]
    return steps + [inner for step in steps for inner in steps_of(step)]


def name_inputs(exported: Any, names: list[str]) -> None:
    """The converter turns names into identifiers, but callers know the names of the data."""
    changed = {
        entry.name: name for name in names for entry in exported.graph.input if entry.name == re.sub(r"\W", "_", name)
    }
    for entry in exported.graph.input:
        entry.name = changed.get(entry.name, entry.name)
    for node in exported.graph.node:
        node.input[:] = [changed.get(name, name) for name in node.input]
