"""Random forests of scikit-learn, grown in steps so that metrics are live and a training can be resumed."""

from __future__ import annotations

import pickle
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from .arrays import Array
from .forest import forest_of_sklearn
from .metrics import loss_of
from .service import is_on_cluster
from .spec import Part, Spec
from .training import Trained, Work, sample_of

#: Steps in which a forest grows, so that its curve has as many points.
_STEPS = 20


def train(work: Work) -> Trained:
    spec, rows = work.spec, work.rows
    progress, saved = work.resumed()
    model = _new(spec) if saved is None else pickle.loads(saved)
    step = max(1, spec.epochs // _STEPS)
    sample = sample_of(rows.train)
    with _pool(spec):
        while progress.epoch < spec.epochs:
            trees = min(spec.epochs, progress.epoch + step)
            model.set_params(n_estimators=trees, warm_start=True)
            model.fit(rows.train.features, rows.train.target, sample_weight=rows.train.weights)
            on_validation = _predict(spec, model, rows.validation)
            progress.see(spec, trees, loss_of(rows.validation, on_validation))
            work.report(trees, sample, _predict(spec, model, sample), on_validation, unit="Tree")
            if trees < spec.epochs and trees // spec.checkpoint_every > (trees - step) // spec.checkpoint_every:
                work.save(progress, pickle.dumps(model))
    progress.best_epoch = progress.epoch
    return Trained(
        model=forest_of_sklearn(model, spec.classes),
        progress=progress,
        stopped_early=False,
        validation=_predict(spec, model, rows.validation),
        holdout=_predict(spec, model, rows.holdout),
    )


def _new(spec: Spec) -> Any:
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    given = spec.hyperparameters
    kind = RandomForestRegressor if spec.classes is None else RandomForestClassifier
    model = kind(
        max_depth=given.get("maxDepth") or None,
        min_samples_leaf=given.get("minLeafRows", 1),
        max_features=given.get("featureShare") or ("sqrt" if spec.classes is not None else 1.0),
        random_state=spec.seed,
        # On a cluster, the pool of workers says how many.
        n_jobs=None if is_on_cluster() else spec.threads,
    )
    return model


def _pool(spec: Spec) -> AbstractContextManager[object]:
    """Grows the trees of a step on the workers of the cluster."""
    if spec.workers == 1 or not is_on_cluster():
        return nullcontext()
    import joblib
    from ray.util.joblib import register_ray

    register_ray()
    context: AbstractContextManager[object] = joblib.parallel_config(backend="ray", n_jobs=spec.workers)
    return context


def _predict(spec: Spec, model: Any, part: Part) -> Array:
    if spec.classes is None:
        values: Array = model.predict(part.features)
        return values
    # A class that no training row has gets no probability.
    shares = np.zeros((len(part.target), spec.classes))
    shares[:, model.classes_.astype(int)] = model.predict_proba(part.features)
    return shares
