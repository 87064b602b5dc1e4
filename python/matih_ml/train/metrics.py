"""Metrics under the names that the service's own trainings use."""

from __future__ import annotations

import numpy as np

from .arrays import Array
from .spec import Part

_SMALLEST = 1e-15


def measure(prefix: str, part: Part, predictions: Array, target_std: float) -> dict[str, float]:
    """Of probabilities (rows x classes), or of values in standard units of the target."""
    is_classes = predictions.ndim == 2
    found = _classification(part, predictions) if is_classes else _regression(part, predictions, target_std)
    return {f"{prefix}.{name}": float(value) for name, value in found.items()}


def loss_of(part: Part, predictions: Array) -> float:
    """What early stopping watches: the weighted log loss in nats, or the mean squared error in standard units."""
    found = _classification(part, predictions) if predictions.ndim == 2 else _regression(part, predictions, 1)
    return float(found["loss"])


def _classification(part: Part, probabilities: Array) -> dict[str, float]:
    labels = np.asarray(part.target)
    chosen = np.clip(probabilities[np.arange(len(labels)), labels].astype(np.float64), _SMALLEST, 1)
    losses = -np.log(chosen)
    weighted = losses if part.weights is None else losses * part.weights
    metrics = {
        "loss": weighted.mean(),
        "log_loss": losses.mean(),
        "accuracy": (probabilities.argmax(axis=1) == labels).mean(),
    }
    if probabilities.shape[1] == 2 and 0 < labels.sum() < len(labels):
        metrics["roc_auc"] = roc_auc(labels, probabilities[:, 1])
    return metrics


def roc_auc(labels: Array, scores: Array) -> float:
    """The share of pairs of both classes in the right order; equal scores count half."""
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks = (ends - (counts - 1) / 2)[place]
    positive = labels == 1
    count = int(positive.sum())
    wins = ranks[positive].sum() - count * (count + 1) / 2
    return float(wins / (count * (len(labels) - count)))


def _regression(part: Part, values: Array, target_std: float) -> dict[str, float]:
    errors = values.astype(np.float64) - part.target
    squared = float((errors**2).mean())
    variance = float(np.var(part.target))
    metrics = {
        "loss": squared,
        "rmse": squared**0.5 * target_std,
        "mae": float(np.abs(errors).mean()) * target_std,
    }
    if variance > 0:
        metrics["r2"] = 1 - squared / variance
    return metrics
