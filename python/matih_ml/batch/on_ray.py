"""Batch inference as a job of Ray Data: a pool of processes, each with the model, takes part after part."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..train.service import HttpService, RefusedError
from .predict import Predictor
from .spec import Part, Spec
from .work import run

_START_TIMEOUT_S = 600


class PartPredictor:
    """One process of the pool. Ray starts another when it dies, and gives it the same part again."""

    def __init__(self, service: HttpService, spec: Spec) -> None:
        self._predictor = Predictor(service, spec)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        parts = [Part(int(start), int(end)) for start, end in zip(batch["start"], batch["end"], strict=True)]
        failures = [self._predictor.predict(part) or "" for part in parts]
        return {"end": batch["end"], "failure": np.array(failures, dtype=np.object_)}


def predict_all(service: HttpService, spec: Spec) -> Iterator[str | None]:
    import ray
    from ray.exceptions import GetTimeoutError

    context = ray.data.DataContext.get_current()
    context.wait_for_min_actors_s = int(float(os.environ.get("MATIH_START_TIMEOUT_S", _START_TIMEOUT_S)))
    context.enable_progress_bars = False
    # In the order of the rows, so that the service can take them one after the other.
    context.execution_options.preserve_order = True
    parts = ray.data.from_items(
        [{"start": part.start, "end": part.end} for part in spec.parts], override_num_blocks=len(spec.parts)
    )
    predicted = parts.map_batches(
        PartPredictor,
        batch_size=1,
        num_cpus=1,
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=spec.workers),
        fn_constructor_args=(service, spec),
    )
    try:
        for row in predicted.iter_rows():
            yield row["failure"] or None
    except GetTimeoutError:
        raise RefusedError("The cluster has had no room for one worker: add nodes, or wait until others end.") from None


if __name__ == "__main__":
    run(predict_all)
