"""Runs one training: reads what to do from the service, trains, reports, and stores the result there."""

from __future__ import annotations

import json
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

from . import boosting, random_forest
from .arrays import write_arrays
from .service import HttpService, RefusedError, Reporter, Service, SupersededError
from .spec import Rows, Spec
from .training import Train, Trained, Work

_ALGORITHMS: dict[str, Train] = {
    "RANDOM_FOREST_CLASSIFIER": random_forest.train,
    "RANDOM_FOREST_REGRESSOR": random_forest.train,
    "XGBOOST_CLASSIFIER": boosting.train,
    "XGBOOST_REGRESSOR": boosting.train,
}
#: Failures that the same input would cause again.
_FINAL = (ValueError, TypeError, KeyError, RefusedError, MemoryError)


def run(service: Service, folder: Path) -> None:
    """Trains, and stores `result.json` last: whoever finds it finds everything."""
    reporter = Reporter(service)
    try:
        result = _result(service, reporter, folder)
    except SupersededError as error:
        print(f"This work is over: {error}", file=sys.stderr)
        return
    except _FINAL as error:
        traceback.print_exc()
        reason = str(error).splitlines()[0] if str(error) else "no reason"
        result = {"state": "FAILED", "message": f"{type(error).__name__}: {reason}"[:2000]}
    path = folder / "result.json"
    path.write_text(json.dumps(result))
    reporter.flush()
    service.upload("result.json", path)
    reporter.close()


def _result(service: Service, reporter: Reporter, folder: Path) -> dict[str, Any]:
    began = time.monotonic()
    for name in ("spec.json", "rows.safetensors"):
        service.download(name, folder / name)
    spec = Spec.read(folder / "spec.json")
    if json.loads((folder / "spec.json").read_text())["resumes"]:
        service.download("resume", folder / "resume")
    rows = Rows.read(folder / "rows.safetensors", spec)
    reporter.log(f"read {len(rows.train.target)} training rows of {rows.train.features.shape[1]} columns")
    trained = _ALGORITHMS[spec.algorithm](Work(spec, rows, service, reporter, folder))
    reporter.progress(0.95, "Storing the model")
    path = folder / "trained.safetensors"
    write_arrays(path, _arrays(trained))
    stored = service.upload("trained.safetensors", path)
    reporter.log(f"trained and stored in {time.monotonic() - began:.1f} s")
    return {
        "state": "TRAINED",
        "sha256": stored.sha256,
        "comparison": trained.forest.comparison,
        "link": trained.forest.link,
        "epochsRun": trained.progress.epoch,
        "bestEpoch": trained.progress.best_epoch,
        "stoppedEarly": trained.stopped_early,
        "losses": [{"epoch": epoch, "loss": loss} for epoch, loss in trained.progress.losses],
    }


def _arrays(trained: Trained) -> dict[str, Any]:
    return {
        **trained.forest.arrays(),
        "predictions.validation": trained.validation.astype("float64"),
        "predictions.holdout": trained.holdout.astype("float64"),
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        of_environment = HttpService.from_environment()
        of_environment.require_reachable()
        run(of_environment, Path(temporary))
