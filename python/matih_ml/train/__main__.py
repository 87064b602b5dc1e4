"""Runs one training: reads what to do from the service, trains, reports, and stores the result there."""

from __future__ import annotations

import importlib
import json
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

from .arrays import write_arrays
from .folder import service_of_environment, use_channel
from .forest import Forest
from .service import HttpService, RefusedError, Reporter, Service, SupersededError
from .spec import MAIN, REFIT, Rows, Spec
from .training import Network, Train, Trained, Work

#: By the part of an algorithm's name before its task. Only what is used is loaded: the libraries are large.
_TRAINERS = {
    "RANDOM_FOREST": "random_forest",
    "XGBOOST": "boosting",
    "LIGHTGBM": "lightgbm_trees",
    "PYTORCH": "network",
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
        # What is refused, is refused in a sentence.
        name = "" if isinstance(error, RefusedError) else f"{type(error).__name__}: "
        result = {"state": "FAILED", "message": f"{name}{reason}"[:2000]}
    path = folder / "result.json"
    path.write_text(json.dumps(result))
    reporter.flush()
    service.upload("result.json", path)
    reporter.close()


def _result(service: Service, reporter: Reporter, folder: Path) -> dict[str, Any]:
    began = time.monotonic()
    service.download("spec.json", folder / "spec.json")
    if json.loads((folder / "spec.json").read_text())["resumes"]:
        service.download("resume", folder / "resume")
    arrays: dict[str, Any] = {}
    main: Trained | None = None
    for spec in Spec.read(folder / "spec.json"):
        if spec.name == REFIT and main is not None:
            spec = spec.again(main.progress.best_epoch or main.progress.epoch)
        service.download(spec.rows_file, folder / spec.rows_file)
        rows = Rows.read(folder / spec.rows_file, spec)
        about = f"{len(rows.train.target)} training rows of {rows.train.features.shape[1]} columns"
        reporter.log(f"{spec.name}: read {about}")
        trained = _train(Work(spec, rows, service, reporter, folder))
        arrays.update(_arrays(spec, trained))
        if spec.name == MAIN:
            main = trained
    assert main is not None
    reporter.progress(0.95, "Storing the model")
    path = folder / "trained.safetensors"
    write_arrays(path, arrays)
    stored = service.upload("trained.safetensors", path)
    reporter.log(f"trained and stored in {time.monotonic() - began:.1f} s")
    return {
        "state": "TRAINED",
        "sha256": stored.sha256,
        **_kind(main.model),
        "epochsRun": main.progress.epoch,
        "bestEpoch": main.progress.best_epoch,
        "stoppedEarly": main.stopped_early,
        "losses": [{"epoch": epoch, "loss": loss} for epoch, loss in main.progress.losses],
    }


def _train(work: Work) -> Trained:
    name = _TRAINERS[work.spec.algorithm.rsplit("_", 1)[0]]
    try:
        train: Train = importlib.import_module(f"matih_ml.train.{name}").train
        return train(work)
    except ModuleNotFoundError as error:
        raise RefusedError(
            f"The Python of the training has no {error.name}: install the extra `train` of the service's python/ there."
        ) from error


def _kind(model: Forest | Network) -> dict[str, str]:
    """Only trees compare, and have scores that may have to become probabilities."""
    return {"comparison": model.comparison, "link": model.link} if isinstance(model, Forest) else {}


def _arrays(spec: Spec, trained: Trained) -> dict[str, Any]:
    # The model of a fold is only measured.
    model = trained.model.arrays() if spec.name in (MAIN, REFIT) else {}
    arrays = {
        **model,
        "predictions.validation": trained.validation.astype("float64"),
        "predictions.holdout": trained.holdout.astype("float64"),
    }
    return {f"{spec.name}.{name}": values for name, values in arrays.items()}


def main() -> None:
    """Runs the training of this process's environment."""
    with tempfile.TemporaryDirectory() as temporary:
        service = service_of_environment()
        if isinstance(service, HttpService):
            service.require_reachable()
        else:
            use_channel()
        run(service, Path(temporary))


if __name__ == "__main__":
    main()
