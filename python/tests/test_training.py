"""Trainings as the cluster runs them, with a folder in the place of the service."""

from __future__ import annotations

import json
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from xgboost.tracker import RabitTracker

from matih_ml.train import boosting
from matih_ml.train.__main__ import run
from matih_ml.train.arrays import read_arrays, write_arrays
from matih_ml.train.boosting import shards
from matih_ml.train.forest import Forest
from matih_ml.train.metrics import roc_auc
from matih_ml.train.service import Reporter, StoredFile
from matih_ml.train.spec import Part, Rows, Spec
from matih_ml.train.training import Progress

ROWS = 800


class Folder:
    """A service whose files are a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.reports: list[dict[str, Any]] = []
        self._known = 0

    def download(self, name: str, path: Path) -> None:
        path.write_bytes((self.path / name).read_bytes())

    def upload(self, name: str, path: Path) -> StoredFile:
        (self.path / name).write_bytes(path.read_bytes())
        return StoredFile(name, path.stat().st_size, "0" * 64)

    def report(self, reports: list[dict[str, Any]]) -> int:
        fresh = [report for report in reports if report["seq"] > self._known]
        for report in fresh:
            assert report["seq"] == self._known + 1
            self._known += 1
        self.reports += fresh
        return self._known

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [report for report in self.reports if report["type"] == kind]


#: The rows of one model, as the service describes them.
PART = {"name": "main", "watches": True, "targetStd": 2.0, "numericWidth": 3, "indicatorCount": 7}


def prepared(folder: Path, algorithm: str, classes: int | None, **changes: Any) -> Folder:
    """Writes a problem whose target follows from its columns."""
    rng = np.random.default_rng(0)
    arrays = {}
    for part in ("train", "validation", "holdout"):
        numeric = rng.normal(size=(ROWS, 3)).astype(np.float32)
        indicators = np.stack([rng.integers(0, 4, ROWS), 4 + rng.integers(0, 3, ROWS)], axis=1).astype(np.int32)
        score = numeric[:, 0] * 2 + numeric[:, 1] ** 2 + (indicators[:, 0] == 2) + rng.normal(size=ROWS) * 0.3
        if classes is None:
            target = (score - score.mean()) / score.std()
        else:
            target = np.digitize(score, np.quantile(score, np.linspace(0, 1, classes + 1)[1:-1])).astype(np.int32)
        arrays.update({f"{part}.numeric": numeric, f"{part}.indicators": indicators, f"{part}.target": target})
    write_arrays(folder / "rows-main.safetensors", arrays)
    spec = {
        **{"algorithm": algorithm, "classes": classes, "parts": [PART]},
        **{"hyperparameters": {}, "epochs": 40, "earlyStopping": None, "checkpointEveryEpochs": 10},
        **{"workers": 1, "strategy": None, "threads": 1, "seed": 1, "fingerprint": "f", "resumes": False},
        **changes,
    }
    (folder / "spec.json").write_text(json.dumps(spec))
    return Folder(folder)


def trained(service: Folder) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        run(service, Path(folder))
    result: dict[str, Any] = json.loads((service.path / "result.json").read_text())
    return result


@pytest.mark.parametrize("classes", [None, 2, 3])
@pytest.mark.parametrize("library", ["RANDOM_FOREST", "XGBOOST", "LIGHTGBM"])
def test_the_arrays_answer_like_the_library(tmp_path: Path, library: str, classes: int | None) -> None:
    service = prepared(tmp_path, f"{library}_{'REGRESSOR' if classes is None else 'CLASSIFIER'}", classes)
    result = trained(service)
    assert result["state"] == "TRAINED"
    arrays = read_arrays(tmp_path / "trained.safetensors")
    parts = {name[12:]: array for name, array in arrays.items() if name.startswith("main.forest.")}
    forest = Forest(**parts, comparison=result["comparison"], link=result["link"])
    rows = read_arrays(tmp_path / "rows-main.safetensors")
    features = np.zeros((ROWS, 10), dtype=np.float32)
    features[:, :3] = rows["holdout.numeric"]
    for slot in range(2):
        features[np.arange(ROWS), 3 + rows["holdout.indicators"][:, slot]] = 1
    scores = forest.scores(features)
    if result["link"] == "SIGMOID":
        scores = 1 / (1 + np.exp(-scores))
    if result["link"] == "SOFTMAX":
        raised = np.exp(scores - scores.max(axis=1, keepdims=True))
        scores = raised / raised.sum(axis=1, keepdims=True)
    predictions = arrays["main.predictions.holdout"].reshape(ROWS, -1)
    if classes == 2:
        predictions = predictions[:, 1:]
    assert np.abs(scores - predictions).max() < 1e-5
    assert service.of("epoch")[-1]["epoch"] == 40
    assert service.of("epoch")[-1]["metrics"]["validation.loss"] == result["losses"][-1]["loss"]


@pytest.mark.parametrize("algorithm", ["RANDOM_FOREST_CLASSIFIER", "XGBOOST_CLASSIFIER", "LIGHTGBM_CLASSIFIER"])
def test_a_resumed_training_gives_the_same_model(tmp_path: Path, algorithm: str) -> None:
    whole, half = tmp_path / "whole", tmp_path / "half"
    for folder in (whole, half):
        folder.mkdir()
    trained(prepared(whole, algorithm, 2))
    trained(prepared(half, algorithm, 2))
    (half / "resume").write_bytes((half / "checkpoint-20").read_bytes())
    service = prepared(half, algorithm, 2, resumes=True)
    trained(service)
    assert service.of("epoch")[0]["epoch"] > 20
    expected, got = (read_arrays(folder / "trained.safetensors") for folder in (whole, half))
    assert np.abs(expected["main.predictions.holdout"] - got["main.predictions.holdout"]).max() < 1e-5


@pytest.mark.parametrize("algorithm", ["RANDOM_FOREST_CLASSIFIER", "XGBOOST_CLASSIFIER", "LIGHTGBM_CLASSIFIER"])
def test_folds_and_all_rows_are_trained_beside_the_training(tmp_path: Path, algorithm: str) -> None:
    names = ["fold-1", "fold-2", "main", "refit"]
    stopping = {"patience": 2, "minDelta": 0}
    service = prepared(
        tmp_path,
        algorithm,
        2,
        parts=[{**PART, "name": name, "watches": name == "main"} for name in names],
        **({"earlyStopping": stopping} if algorithm != "RANDOM_FOREST_CLASSIFIER" else {}),
    )
    for name in names:
        (tmp_path / f"rows-{name}.safetensors").write_bytes((tmp_path / "rows-main.safetensors").read_bytes())
    result = trained(service)
    assert result["state"] == "TRAINED"
    arrays = read_arrays(tmp_path / "trained.safetensors")
    # Only the training itself reports epochs, and only the last two models are kept.
    assert [report["epoch"] for report in service.of("epoch")][-1] == result["epochsRun"]
    assert {name.split(".")[0] for name in arrays if name.endswith("forest.roots")} == {"main", "refit"}
    # The same rows for the best number of epochs give the same model; a fold that nothing stops, all epochs.
    equal = [np.abs(arrays[f"{name}.predictions.holdout"] - arrays["main.predictions.holdout"]).max() for name in names]
    assert equal[3] < 1e-6
    assert (equal[0] < 1e-6) == (result["bestEpoch"] == 40)
    fractions = [report["fraction"] for report in service.of("progress")]
    assert fractions == sorted(fractions)


@pytest.mark.parametrize("algorithm", ["RANDOM_FOREST_REGRESSOR", "XGBOOST_REGRESSOR", "LIGHTGBM_REGRESSOR"])
def test_rows_without_weight_do_not_count(tmp_path: Path, algorithm: str) -> None:
    prepared(tmp_path, algorithm, None)
    path = tmp_path / "rows-main.safetensors"
    arrays = {name: np.array(values) for name, values in read_arrays(path).items()}
    weights = (arrays["train.numeric"][:, 2] > 0).astype(np.float64) * 3
    arrays["train.target"] = np.where(weights > 0, arrays["train.target"], 1000.0)
    write_arrays(
        path,
        {
            **arrays,
            "train.weights": weights,
            **{f"{part}.weights": np.ones(ROWS) for part in ("validation", "holdout")},
        },
    )
    service = Folder(tmp_path)
    assert trained(service)["state"] == "TRAINED"
    predictions = read_arrays(tmp_path / "trained.safetensors")["main.predictions.holdout"]
    assert np.abs(predictions).max() < 10
    assert service.of("epoch")[-1]["metrics"]["train.r2"] > 0.5


@pytest.mark.parametrize("library", ["XGBOOST", "LIGHTGBM"])
def test_early_stopping_keeps_the_best_round(tmp_path: Path, library: str) -> None:
    stopping = {"patience": 5, "minDelta": 0}
    result = trained(prepared(tmp_path, f"{library}_CLASSIFIER", 2, epochs=400, earlyStopping=stopping))
    assert result["stoppedEarly"]
    assert result["bestEpoch"] == result["epochsRun"] - 5
    losses = {loss["epoch"]: loss["loss"] for loss in result["losses"]}
    assert losses[result["bestEpoch"]] == min(losses.values())


def test_a_checkpoint_of_another_version_is_left_and_training_begins_anew(tmp_path: Path) -> None:
    trained(prepared(tmp_path, "XGBOOST_REGRESSOR", None))
    (tmp_path / "resume").write_bytes((tmp_path / "checkpoint-10").read_bytes())
    service = prepared(tmp_path, "XGBOOST_REGRESSOR", None, resumes=True, fingerprint="other")
    trained(service)
    assert service.of("epoch")[0]["epoch"] == 1


def test_reports_have_numbers_without_gaps(tmp_path: Path) -> None:
    service = Folder(tmp_path)
    reporter = Reporter(service)
    for line in range(500):
        reporter.log(f"line {line}")
    reporter.close()
    assert [report["line"] for report in service.reports] == [f"line {line}" for line in range(500)]


def test_shards_have_every_row_once() -> None:
    part = Part(np.arange(14, dtype=np.float32).reshape(7, 2), np.arange(7, dtype=np.int32))
    targets = np.concatenate([shard.target for shard in shards(part, 3)])
    assert sorted(targets.tolist()) == list(range(7))


def test_roc_auc_counts_ties_half() -> None:
    # The pairs are (0.1, 0.4), (0.1, 0.35), (0.4, 0.4), (0.4, 0.35): right, right, a tie, wrong.
    labels, scores = np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.4, 0.35])
    assert roc_auc(labels, scores, None) == 0.625
    # As with scikit-learn's sample_weight: a row of weight 2 counts like two rows.
    assert roc_auc(labels, scores, np.array([2.0, 1, 1, 1])) == 0.75
    assert np.isnan(roc_auc(np.ones(2), np.ones(2), None))


def _grow_connected(spec: Spec, shard: Part, rows: Rows, arguments: dict[str, Any], number: int) -> tuple[bytes, bool]:
    def watcher() -> Any:
        validation = boosting.matrix(rows.validation)
        return lambda booster, epoch: len(boosting.predict(spec, booster, validation)) == 0 or epoch == 30

    watch = watcher() if number == 0 else lambda _booster, _epoch: False
    with boosting._connected(arguments, number) as agree:
        return boosting.grow(spec, shard, Progress(), None, watch, agree)


def test_two_processes_train_one_model_over_all_rows(tmp_path: Path) -> None:
    prepared(tmp_path, "XGBOOST_CLASSIFIER", 2)
    spec = Spec.read(tmp_path / "spec.json")[0]
    rows = Rows.read(tmp_path / "rows-main.safetensors", spec)
    tracker = RabitTracker(n_workers=2, host_ip="127.0.0.1")
    tracker.start()
    arguments = tracker.worker_args()
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        running = [
            pool.submit(_grow_connected, spec, shard, rows, arguments, number)
            for number, shard in enumerate(shards(rows.train, 2))
        ]
        (one, stopped), (other, also_stopped) = (future.result(timeout=120) for future in running)
    assert one == other
    # The first process has stopped both before the last round.
    assert stopped and also_stopped
    alone, _ = boosting.grow(spec, rows.train, Progress(), None, lambda _, epoch: epoch == 30, lambda stop: stop)
    labels = np.asarray(rows.holdout.target)
    together, single = (
        roc_auc(
            labels, boosting.predict(spec, boosting._booster(spec, model), boosting.matrix(rows.holdout))[:, 1], None
        )
        for model in (one, alone)
    )
    assert abs(together - single) < 0.01
