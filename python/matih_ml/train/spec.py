"""What a training is to do, as the service has written it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from .arrays import Array, read_arrays

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int32]
#: The parts of a training that are not folds.
MAIN = "main"
REFIT = "refit"
#: The share of the whole progress after which the models are stored.
_TRAINED = 0.9
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
    #: `main`, or the name of a fold, or `refit`: the same once more on all rows. Only `main` reports epochs and keeps
    #: checkpoints.
    name: str = MAIN
    #: The part of the whole progress that this training is.
    progress: tuple[float, float] = (0.0, _TRAINED)

    @property
    def rows_file(self) -> str:
        return f"rows-{self.name}.safetensors"

    @property
    def title(self) -> str:
        """What people read while it runs."""
        if self.name == MAIN:
            return ""
        return "All rows, " if self.name == REFIT else f"{self.name.replace('fold-', 'Fold ')}, "

    def again(self, epochs: int) -> Spec:
        """The same for this number of epochs, which nothing stops."""
        return replace(self, epochs=max(1, epochs), early_stopping=None)

    @staticmethod
    def read(path: Path) -> list[Spec]:
        """What is to be trained, in this order."""
        given = json.loads(path.read_text())
        parts = given["parts"]
        step = _TRAINED / len(parts)
        return [Spec._of(given, part, (at * step, step)) for at, part in enumerate(parts)]

    @staticmethod
    def _of(given: Mapping[str, Any], part: Mapping[str, Any], progress: tuple[float, float]) -> Spec:
        stopping = given.get("earlyStopping") if part["watches"] else None
        return Spec(
            algorithm=given["algorithm"],
            classes=given["classes"],
            target_std=part["targetStd"],
            numeric_width=part["numericWidth"],
            indicator_count=part["indicatorCount"],
            hyperparameters=given["hyperparameters"],
            epochs=given["epochs"],
            early_stopping=EarlyStopping(stopping["patience"], stopping["minDelta"]) if stopping else None,
            checkpoint_every=given["checkpointEveryEpochs"],
            workers=given["workers"],
            strategy=given["strategy"],
            threads=given["threads"],
            seed=given["seed"],
            fingerprint=given["fingerprint"],
            name=part["name"],
            progress=progress,
        )


@dataclass(frozen=True)
class Part:
    """Rows with their target: class indices, or values in standard units."""

    features: Floats
    target: Integers | Doubles
    #: The weight of each row by its class; None when all are equal.
    class_weights: Doubles | None = None
    #: How much each row counts, divided by the mean of the training rows; None when all are equal.
    row_weights: Doubles | None = None

    @property
    def weights(self) -> Doubles | None:
        """What a training multiplies the loss of each row with; None when all are equal."""
        if self.class_weights is None or self.row_weights is None:
            return self.row_weights if self.class_weights is None else self.class_weights
        return self.class_weights * self.row_weights

    def at(self, chosen: slice | npt.NDArray[np.int64]) -> Part:
        """Some of the rows."""
        return Part(
            self.features[chosen],
            self.target[chosen],
            None if self.class_weights is None else self.class_weights[chosen],
            None if self.row_weights is None else self.row_weights[chosen],
        )


@dataclass(frozen=True)
class Rows:
    """The rows of a training. The service has encoded them as for its own models."""

    train: Part
    validation: Part
    holdout: Part

    @staticmethod
    def read(path: Path, spec: Spec) -> Rows:
        arrays = read_arrays(path)
        return Rows(*(_part(arrays, name, spec) for name in ("train", "validation", "holdout")))


def _part(arrays: Mapping[str, Array], name: str, spec: Spec) -> Part:
    class_weights = arrays.get("classWeights")
    row_weights = arrays.get(f"{name}.weights")
    target = np.asarray(arrays[f"{name}.target"])
    return Part(
        features=dense(arrays.get(f"{name}.numeric"), arrays.get(f"{name}.indicators"), len(target), spec),
        target=target,
        class_weights=None if class_weights is None else class_weights[target],
        row_weights=None if row_weights is None else row_weights / arrays["train.weights"].mean(),
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
