"""LightGBM: gradient-boosted trees that grow leaf by leaf, by one process."""

from __future__ import annotations

from typing import Any

import numpy as np

from .arrays import Array
from .forest import forest_of_lightgbm
from .metrics import loss_of
from .spec import Part, Spec
from .training import Progress, Trained, Work, as_answer, sample_of


def train(work: Work) -> Trained:
    import lightgbm

    spec, rows = work.spec, work.rows
    progress, saved = work.resumed()
    data = lightgbm.Dataset(rows.train.features, label=rows.train.target, weight=rows.train.weights)
    before = None if saved is None else lightgbm.Booster(model_str=saved.decode())
    watcher = _Watcher(work, progress, before)
    booster = lightgbm.train(
        parameters(spec),
        data,
        num_boost_round=spec.epochs - progress.epoch,
        init_model=before,
        callbacks=[watcher],
    )
    best = progress.best_epoch or progress.epoch
    return Trained(
        model=forest_of_lightgbm(booster.dump_model(num_iteration=best), spec.classes),
        progress=progress,
        stopped_early=watcher.stopped,
        validation=_answer(spec, _scores(booster, rows.validation, num_iteration=best)),
        holdout=_answer(spec, _scores(booster, rows.holdout, num_iteration=best)),
    )


def parameters(spec: Spec) -> dict[str, Any]:
    """The settings of LightGBM."""
    given = spec.hyperparameters
    objective = (
        {"objective": "regression"}
        if spec.classes is None
        else {"objective": "binary"}
        if spec.classes == 2
        else {"objective": "multiclass", "num_class": spec.classes}
    )
    return {
        **objective,
        "learning_rate": given.get("learningRate", 0.1),
        "num_leaves": given.get("maxLeaves", 31),
        "max_depth": given.get("maxDepth") or -1,
        "min_data_in_leaf": given.get("minLeafRows", 20),
        "lambda_l2": given.get("l2", 0),
        "bagging_fraction": given.get("rowShare", 1),
        "bagging_freq": 1,
        "feature_fraction": given.get("featureShare", 1),
        # The encoded rows have no missing values.
        "use_missing": False,
        "seed": spec.seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": spec.threads,
        "verbosity": -1,
    }


def _scores(booster: Any, part: Part, **which: int) -> Array:
    """The sums of the leaves of some or all trees."""
    return np.asarray(booster.predict(part.features, raw_score=True, **which))


def _answer(spec: Spec, scores: Array) -> Array:
    """Probabilities, or values, from the sums of the leaves."""
    if spec.classes is None:
        return scores
    if spec.classes == 2:
        return as_answer(spec, 1 / (1 + np.exp(-scores)))
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    answer: Array = raised / raised.sum(axis=1, keepdims=True)
    return answer


class _Scores:
    """The sums of the leaves for some rows, to which each round adds its trees."""

    def __init__(self, part: Part, before: Any | None) -> None:
        self.part = part
        self._sums: Any = 0.0 if before is None else _scores(before, part)

    def add(self, booster: Any, round_number: int) -> Array:
        self._sums = self._sums + _scores(booster, self.part, start_iteration=round_number, num_iteration=1)
        sums: Array = self._sums
        return sums


class _Watcher:
    """Measures the model after each round, reports it and keeps checkpoints."""

    order = 0

    def __init__(self, work: Work, progress: Progress, before: Any | None) -> None:
        self.stopped = False
        self._work = work
        self._progress = progress
        self._train = _Scores(sample_of(work.rows.train), before)
        self._validation = _Scores(work.rows.validation, before)

    def __call__(self, state: Any) -> None:
        from lightgbm.callback import EarlyStopException

        spec, booster = self._work.spec, state.model
        epoch = self._progress.epoch + 1
        on_train, on_validation = (
            _answer(spec, scores.add(booster, epoch - 1)) for scores in (self._train, self._validation)
        )
        self.stopped = self._progress.see(spec, epoch, loss_of(self._validation.part, on_validation))
        self._work.report(epoch, self._train.part, on_train, on_validation)
        if self.stopped:
            raise EarlyStopException(epoch - 1, [])
        if epoch % spec.checkpoint_every == 0 and epoch < spec.epochs:
            self._work.save(self._progress, booster.model_to_string().encode())
