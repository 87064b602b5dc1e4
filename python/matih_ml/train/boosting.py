"""XGBoost: one model over all rows, by one process or by several that each have a share of the rows."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .arrays import Array
from .folder import service_of_environment
from .forest import forest_of_xgboost
from .group import own_address, run_together
from .metrics import loss_of
from .service import Reporter
from .spec import Part, Rows, Spec
from .training import Progress, Trained, Work, as_answer, sample_of

#: Rows from which the score before the first tree is found.
_BASELINE_ROWS = 200


@dataclass(frozen=True)
class Outcome:
    """What the process that reports gives back."""

    model: bytes
    progress: Progress
    stopped_early: bool
    next_number: int


def train(work: Work) -> Trained:
    spec, rows = work.spec, work.rows
    progress, saved = work.resumed()
    outcome = _alone(work, progress, saved) if spec.workers == 1 else _together(work, progress, saved)
    booster = _booster(spec, outcome.model)
    best = outcome.progress.best_epoch or outcome.progress.epoch
    booster = booster[:best]
    return Trained(
        model=forest_of_xgboost(booster, spec.classes, rows.train.features[:_BASELINE_ROWS]),
        progress=outcome.progress,
        stopped_early=outcome.stopped_early,
        validation=predict(spec, booster, matrix(rows.validation)),
        holdout=predict(spec, booster, matrix(rows.holdout)),
    )


def parameters(spec: Spec) -> dict[str, Any]:
    """The settings of XGBoost."""
    given = spec.hyperparameters
    objective = (
        {"objective": "reg:squarederror"}
        if spec.classes is None
        else {"objective": "binary:logistic"}
        if spec.classes == 2
        else {"objective": "multi:softprob", "num_class": spec.classes}
    )
    return {
        **objective,
        "tree_method": "hist",
        "max_depth": given.get("maxDepth", 6),
        "learning_rate": given.get("learningRate", 0.3),
        "lambda": given.get("l2", 1),
        "min_child_weight": given.get("minChildWeight", 1),
        "subsample": given.get("rowShare", 1),
        "colsample_bytree": given.get("featureShare", 1),
        "seed": spec.seed,
        "nthread": spec.threads,
        "verbosity": 0,
    }


def matrix(part: Part) -> Any:
    """The features of rows, in the form of XGBoost."""
    import xgboost

    return xgboost.DMatrix(part.features)


def predict(spec: Spec, booster: Any, features: Any) -> Array:
    return as_answer(spec, np.asarray(booster.predict(features)))


def grow(
    spec: Spec,
    shard: Part,
    progress: Progress,
    saved: bytes | None,
    watch: Callable[[Any, int], bool],
    agree: Callable[[bool], bool],
) -> tuple[bytes, bool]:
    """
    Runs rounds until the last one, or until `watch` says so. With several processes, each calls this with its shard;
    XGBoost adds up their histograms, and all get the same model. `agree` tells all what the first one has decided.
    """
    import xgboost

    data = xgboost.DMatrix(shard.features, label=shard.target, weight=shard.weights)
    booster = xgboost.Booster(parameters(spec), [data])
    if saved is not None:
        booster.load_model(bytearray(saved))
        booster.set_param(parameters(spec))
    stopped = False
    for epoch in range(progress.epoch, spec.epochs):
        booster.update(data, epoch)
        stopped = agree(watch(booster, epoch + 1))
        if stopped:
            break
    return bytes(booster.save_raw("ubj")), stopped


class Watcher:
    """
    Measures the model after each round, reports it and keeps checkpoints. Make it before the processes are connected:
    to make a matrix is a common step of all connected processes, which would wait for each other.
    """

    def __init__(self, work: Work, progress: Progress) -> None:
        self.progress = progress
        self._work = work
        self._sample = sample_of(work.rows.train)
        self._sample_matrix = matrix(self._sample)
        self._validation_matrix = matrix(work.rows.validation)

    def __call__(self, booster: Any, epoch: int) -> bool:
        spec, rows = self._work.spec, self._work.rows
        on_validation = predict(spec, booster, self._validation_matrix)
        stop = self.progress.see(spec, epoch, loss_of(rows.validation, on_validation))
        self._work.report(epoch, self._sample, predict(spec, booster, self._sample_matrix), on_validation)
        if epoch % spec.checkpoint_every == 0 and epoch < spec.epochs and not stop:
            self._work.save(self.progress, bytes(booster.save_raw("ubj")))
        return stop


def _booster(spec: Spec, model: bytes) -> Any:
    import xgboost

    booster = xgboost.Booster(parameters(spec))
    booster.load_model(bytearray(model))
    return booster


def _alone(work: Work, progress: Progress, saved: bytes | None) -> Outcome:
    watcher = Watcher(work, progress)
    model, stopped = grow(work.spec, work.rows.train, progress, saved, watcher, lambda stop: stop)
    return Outcome(model, watcher.progress, stopped, work.reporter.next_number)


def shards(part: Part, count: int) -> list[Part]:
    """Every `count`-th row, so that all shards have about the same share of everything."""
    return [part.at(slice(k, None, count)) for k in range(count)]


def _together(work: Work, progress: Progress, saved: bytes | None) -> Outcome:
    """Trains with several processes; the first of them reports."""
    from xgboost.core import XGBoostError
    from xgboost.tracker import RabitTracker

    spec, rows = work.spec, work.rows
    tracker = RabitTracker(n_workers=spec.workers, host_ip=own_address())
    tracker.start()
    arguments = tracker.worker_args()
    work.reporter.flush()
    each = [(number, shard) for number, shard in enumerate(shards(rows.train, spec.workers))]
    try:
        # Only the process that reports needs all rows.
        outcomes = run_together(_run_shard, each, (spec, arguments, rows, progress, saved, work.reporter.next_number))
    except XGBoostError as error:
        # Mostly another process of the training is gone; a later attempt can continue.
        raise ConnectionError(f"A process of the training failed: {error}") from error
    outcome: Outcome = outcomes[0]
    work.reporter.continue_from(outcome.next_number)
    return outcome


def _run_shard(
    number: int,
    shard: Part,
    spec: Spec,
    arguments: Mapping[str, Any],
    rows: Rows,
    progress: Progress,
    saved: bytes | None,
    first_report: int,
) -> Outcome | None:
    if number > 0:
        with _connected(arguments, number) as agree:
            grow(spec, shard, progress, saved, lambda _booster, _epoch: False, agree)
        return None
    service = service_of_environment()
    reporter = Reporter(service, first_report)
    with tempfile.TemporaryDirectory() as folder:
        watcher = Watcher(Work(spec, rows, service, reporter, Path(folder)), progress)
        with _connected(arguments, number) as agree:
            model, stopped = grow(spec, shard, progress, saved, watcher, agree)
    reporter.close()
    return Outcome(model, watcher.progress, stopped, reporter.next_number)


@contextmanager
def _connected(arguments: Mapping[str, Any], number: int) -> Iterator[Callable[[bool], bool]]:
    """Connects this process with the others, and gives a function that tells all what process 0 has decided."""
    from xgboost import collective

    with collective.CommunicatorContext(**arguments, dmlc_task_id=f"matih-{number}"):
        # The ranks are given by the tracker.
        mine = collective.get_rank() if number == 0 else 0
        root = int(collective.allreduce(np.array([mine]), collective.Op.SUM)[0])
        yield lambda stop: bool(collective.broadcast(stop, root))
