"""What the trainings of all algorithms have in common."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .arrays import Array
from .forest import Forest
from .metrics import measure
from .service import Reporter, Service
from .spec import MAIN, Part, Rows, Spec

_SAMPLE_ROWS = 20_000


@dataclass
class Progress:
    """How far a training has come; the state of its model stands beside it in a checkpoint."""

    epoch: int = 0
    best_epoch: int = 0
    best_loss: float | None = None
    epochs_since_best: int = 0
    #: The validation loss after each reported epoch.
    losses: list[tuple[int, float]] = field(default_factory=list)

    def see(self, spec: Spec, epoch: int, loss: float) -> bool:
        """Notes the loss of an epoch; True when the training shall stop."""
        self.epoch = epoch
        self.losses.append((epoch, loss))
        if spec.early_stopping is None:
            return False
        if self.best_loss is None or loss < self.best_loss - spec.early_stopping.min_delta:
            self.best_loss, self.best_epoch, self.epochs_since_best = loss, epoch, 0
            return False
        self.epochs_since_best += 1
        return self.epochs_since_best >= spec.early_stopping.patience


@dataclass(frozen=True)
class Network:
    """The weights of a feed-forward network, by the names that the service gives them."""

    weights: dict[str, Array]

    def arrays(self) -> dict[str, Array]:
        return {f"network.{name}": values for name, values in self.weights.items()}


@dataclass(frozen=True)
class Trained:
    """A finished model."""

    model: Forest | Network
    progress: Progress
    stopped_early: bool
    #: Predictions by the library that trained the model, with which the service compares the exported one.
    validation: Array
    holdout: Array


@dataclass(frozen=True)
class Work:
    """What an algorithm works with."""

    spec: Spec
    rows: Rows
    service: Service
    reporter: Reporter
    folder: Path

    def report(self, epoch: int, sample: Part, on_sample: Array, on_validation: Array, unit: str = "Epoch") -> None:
        """Reports an epoch: the metrics of a sample of the training rows and of the validation rows."""
        spec = self.spec
        if spec.name == MAIN:
            self.reporter.epoch(
                epoch,
                spec.epochs,
                {
                    **measure("train", sample, on_sample, spec.target_std),
                    **measure("validation", self.rows.validation, on_validation, spec.target_std),
                },
            )
        begin, share = spec.progress
        message = f"{unit} {epoch} of {spec.epochs}"
        title = f"{spec.title}{message[0].lower()}{message[1:]}" if spec.title else message
        self.reporter.progress(begin + share * epoch / spec.epochs, title)

    def save(self, progress: Progress, model: bytes) -> None:
        """Stores a checkpoint. The service keeps the newest ones."""
        if self.spec.name != MAIN:
            return
        name = f"checkpoint-{progress.epoch}"
        path = self.folder / name
        path.write_bytes(pickle.dumps({"of": self.spec.fingerprint, "progress": progress, "model": model}))
        self.reporter.flush()
        self.reporter.checkpoint(progress.epoch, self.service.upload(name, path))
        path.unlink()

    def resumed(self) -> tuple[Progress, bytes | None]:
        """The checkpoint from which to continue; a new progress when there is none."""
        path = self.folder / "resume"
        if self.spec.name != MAIN or not path.exists():
            return Progress(), None
        # The service returns only bytes that it has got from a training of this job, and checks their hash.
        found: dict[str, Any] = pickle.loads(path.read_bytes())
        if found["of"] != self.spec.fingerprint:
            self.reporter.log("the checkpoint is of another version of the service: the training begins anew")
            return Progress(), None
        progress: Progress = found["progress"]
        self.reporter.log(f"continued from the checkpoint of epoch {progress.epoch}")
        return progress, found["model"]


def sample_of(part: Part) -> Part:
    """Training rows whose metrics are computed in every step."""
    if len(part.target) <= _SAMPLE_ROWS:
        return part
    return part.at(np.linspace(0, len(part.target) - 1, _SAMPLE_ROWS).astype(np.int64))


Train = Callable[[Work], Trained]


def as_answer(spec: Spec, predicted: Array) -> Array:
    """Probabilities as rows x classes, also when the library gives only those of the second class."""
    if spec.classes == 2 and predicted.ndim == 1:
        return np.stack([1 - predicted, predicted], axis=1)
    return predicted
