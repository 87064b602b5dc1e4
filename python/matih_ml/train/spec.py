"""What a training is to do, as the service has written it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from .arrays import Array, read_arrays

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int32]
Strategy = Literal["DATA_PARALLEL", "MODEL_PARALLEL", "PIPELINE_PARALLEL"]


@dataclass(frozen=True)
class EarlyStopping:
    """Stops when the validation loss has not fallen by `min_delta` for `patience` epochs."""

    patience: int
    min_delta: float


@dataclass(frozen=True)
class Spec:
    """One training."""

    algorithm: str
    #: Number of classes; None for a regression.
    classes: int | None
    #: Of the target of a regression, whose values here are in units of it; 1 for classes.
    target_std: float
    numeric_width: int
    indicator_count: int
    hyperparameters: Mapping[str, Any]
    epochs: int
    early_stopping: EarlyStopping | None
    checkpoint_every: int
    #: Processes that train one model together.
    workers: int
    #: How several processes share the work; None when the algorithm has one way only.
    strategy: Strategy | None
    #: Of each process.
    threads: int
    seed: int
    #: Of the configuration and the rows: a checkpoint continues only the training that wrote it.
    fingerprint: str

    @staticmethod
    def read(path: Path) -> Spec:
        given = json.loads(path.read_text())
        stopping = given.get("earlyStopping")
        return Spec(
            algorithm=given["algorithm"],
            classes=given["classes"],
            target_std=given["targetStd"],
            numeric_width=given["numericWidth"],
            indicator_count=given["indicatorCount"],
            hyperparameters=given["hyperparameters"],
            epochs=given["epochs"],
            early_stopping=EarlyStopping(stopping["patience"], stopping["minDelta"]) if stopping else None,
            checkpoint_every=given["checkpointEveryEpochs"],
            workers=given["workers"],
            strategy=given["strategy"],
            threads=given["threads"],
            seed=given["seed"],
            fingerprint=given["fingerprint"],
        )


@dataclass(frozen=True)
class Part:
    """Rows with their target: class indices, or values in standard units."""

    features: Floats
    target: Integers | Doubles
    #: One weight per row; None when all are equal.
    weights: Doubles | None

    def at(self, chosen: slice | npt.NDArray[np.int64]) -> Part:
        """Some of the rows."""
        return Part(self.features[chosen], self.target[chosen], None if self.weights is None else self.weights[chosen])


@dataclass(frozen=True)
class Rows:
    """The rows of a training. The service has encoded them as for its own models."""

    train: Part
    validation: Part
    holdout: Part

    @staticmethod
    def read(path: Path, spec: Spec) -> Rows:
        arrays = read_arrays(path)
        weights = arrays.get("classWeights")
        return Rows(*(_part(arrays, name, spec, weights) for name in ("train", "validation", "holdout")))


def _part(arrays: Mapping[str, Array], name: str, spec: Spec, class_weights: Array | None) -> Part:
    target = np.asarray(arrays[f"{name}.target"])
    return Part(
        features=dense(arrays.get(f"{name}.numeric"), arrays.get(f"{name}.indicators"), len(target), spec),
        target=target,
        weights=None if class_weights is None else class_weights[target],
    )


def dense(numeric: Array | None, indicators: Array | None, rows: int, spec: Spec) -> Floats:
    """The scaled numbers, and then one column per indicator."""
    features = np.zeros((rows, spec.numeric_width + spec.indicator_count), dtype=np.float32)
    if numeric is not None:
        features[:, : spec.numeric_width] = numeric
    if indicators is not None:
        for slot in range(indicators.shape[1]):
            features[np.arange(rows), spec.numeric_width + indicators[:, slot]] = 1
    return features
