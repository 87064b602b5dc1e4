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
    by_class = losses if part.class_weights is None else losses * part.class_weights
    metrics = {
        "loss": np.average(by_class, weights=part.row_weights),
        "log_loss": np.average(losses, weights=part.row_weights),
        "accuracy": np.average(probabilities.argmax(axis=1) == labels, weights=part.row_weights),
    }
    if probabilities.shape[1] == 2:
        auc = roc_auc(labels, probabilities[:, 1], part.row_weights)
        if auc == auc:
            metrics["roc_auc"] = auc
    return metrics


def roc_auc(labels: Array, scores: Array, weights: Array | None) -> float:
    """The share of pairs of both classes in the right order, by weight; equal scores count half. NaN without pairs."""
    each = np.ones(len(labels)) if weights is None else weights
    _, place = np.unique(scores, return_inverse=True)
    positive = np.bincount(place, weights=each * (labels == 1))
    negative = np.bincount(place, weights=each * (labels == 0))
    pairs = positive.sum() * negative.sum()
    if pairs == 0:
        return float("nan")
    below = np.cumsum(negative) - negative
    return float((positive * (below + negative / 2)).sum() / pairs)


def _regression(part: Part, values: Array, target_std: float) -> dict[str, float]:
    errors = values.astype(np.float64) - part.target
    squared = float(np.average(errors**2, weights=part.row_weights))
    mean = np.average(part.target, weights=part.row_weights)
    variance = float(np.average((part.target - mean) ** 2, weights=part.row_weights))
    metrics = {
        "loss": squared,
        "rmse": squared**0.5 * target_std,
        "mae": float(np.average(np.abs(errors), weights=part.row_weights)) * target_std,
    }
    if variance > 0:
        metrics["r2"] = 1 - squared / variance
    return metrics
