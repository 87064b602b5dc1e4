"""Networks of PyTorch: each strategy takes the same steps as one process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_training import Folder, prepared, trained

from matih_ml.train.arrays import read_arrays

torch = pytest.importorskip("torch")

NETWORK = {"hiddenLayers": [16, 8, 8], "learningRate": 0.01, "optimizer": "ADAMW", "weightDecay": 0.01, "dropout": 0.2}


def network(folder: Path, classes: int | None, **changes: Any) -> Folder:
    folder.mkdir(exist_ok=True)
    given = {"epochs": 6, "checkpointEveryEpochs": 2, "hyperparameters": NETWORK, **changes}
    return prepared(folder, f"PYTORCH_{'REGRESSOR' if classes is None else 'CLASSIFIER'}", classes, **given)


def losses(result: dict[str, Any]) -> list[float]:
    return [one["loss"] for one in result["losses"]]


@pytest.fixture
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the processes of a training see; their reports pass it by."""
    monkeypatch.setattr(Folder, "report", lambda _folder, reports: reports[-1]["seq"] if reports else 0)
    folder = tmp_path / "together"
    monkeypatch.setenv("MATIH_FOLDER", str(folder))
    return folder


@pytest.mark.parametrize(
    ("strategy", "classes"), [("DATA_PARALLEL", None), ("MODEL_PARALLEL", 2), ("PIPELINE_PARALLEL", 3)]
)
def test_each_strategy_gives_the_losses_of_one_process(
    tmp_path: Path, inside: Path, strategy: str, classes: int | None
) -> None:
    alone = trained(network(tmp_path / "alone", classes))
    together = trained(network(inside, classes, workers=2, strategy=strategy))
    assert alone["epochsRun"] == together["epochsRun"] == 6
    assert losses(alone)[-1] < losses(alone)[0]
    assert np.abs(np.array(losses(alone)) - np.array(losses(together))).max() <= 1e-4
    one, other = (read_arrays(folder / "trained.safetensors") for folder in (tmp_path / "alone", inside))
    assert one.keys() == other.keys()
    for name in one:
        assert np.abs(one[name] - other[name]).max() <= 1e-3, name


def test_three_processes_share_batches_that_do_not_divide(tmp_path: Path, inside: Path) -> None:
    given = {**NETWORK, "batchSize": 31}
    alone = trained(network(tmp_path / "alone", 2, hyperparameters=given))
    together = trained(network(inside, 2, hyperparameters=given, workers=3, strategy="DATA_PARALLEL"))
    assert np.abs(np.array(losses(alone)) - np.array(losses(together))).max() <= 1e-4


@pytest.mark.parametrize("strategy", [None, "PIPELINE_PARALLEL"])
def test_a_resumed_network_is_the_same(tmp_path: Path, inside: Path, strategy: str | None) -> None:
    workers = {"workers": 1 if strategy is None else 2, "strategy": strategy}
    whole = trained(network(tmp_path / "whole", 3))
    network(inside, 3, **workers)
    trained(network(inside, 3, **workers))
    (inside / "resume").write_bytes((inside / "checkpoint-4").read_bytes())
    result = trained(network(inside, 3, resumes=True, **workers))
    assert result["epochsRun"] == 6
    assert np.abs(np.array(losses(whole)) - np.array(losses(result))).max() <= 1e-4


def test_the_arrays_are_the_network(tmp_path: Path) -> None:
    trained(network(tmp_path, 3))
    stored = read_arrays(tmp_path / "trained.safetensors")
    arrays = {name.removeprefix("main."): np.asarray(values) for name, values in stored.items()}
    rows = read_arrays(tmp_path / "rows-main.safetensors")
    values = rows["holdout.numeric"] @ arrays["network.numeric_0"] + arrays["network.bias_0"]
    values = values + arrays["network.indicator_0"][rows["holdout.indicators"]].sum(axis=1)
    for layer in (1, 2, 3):
        values = np.maximum(values, 0) @ arrays[f"network.weight_{layer}"] + arrays[f"network.bias_{layer}"]
    raised = np.exp(values - values.max(axis=1, keepdims=True))
    assert np.abs(raised / raised.sum(axis=1, keepdims=True) - arrays["predictions.holdout"]).max() < 1e-5


def test_early_stopping_keeps_the_best_epoch(tmp_path: Path, inside: Path) -> None:
    given = {"epochs": 200, "earlyStopping": {"patience": 3, "minDelta": 0}}
    for result in (
        trained(network(tmp_path / "alone", 2, **given)),
        trained(network(inside, 2, workers=2, strategy="MODEL_PARALLEL", **given)),
    ):
        assert result["stoppedEarly"]
        assert result["bestEpoch"] == result["epochsRun"] - 3
        assert losses(result)[result["bestEpoch"] - 1] == min(losses(result))


def test_a_loss_that_is_no_number_ends_the_training(tmp_path: Path) -> None:
    given = {**NETWORK, "optimizer": "SGD", "learningRate": 1e30}
    result = trained(network(tmp_path, None, hyperparameters=given))
    assert result["state"] == "FAILED"
    assert "smaller learningRate" in result["message"]


def test_the_program_runs_in_a_folder(tmp_path: Path) -> None:
    network(tmp_path, 2, workers=2, strategy="PIPELINE_PARALLEL")
    receiver, sender = os.pipe()
    code = f"import os; os.dup2({sender}, 3); from matih_ml.train.__main__ import main; main()"
    environment = {**os.environ, "MATIH_FOLDER": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[1])}
    with os.fdopen(receiver) as lines:
        subprocess.run([sys.executable, "-c", code], env=environment, pass_fds=[sender], check=True, timeout=600)
        os.close(sender)
        said = [line for line in lines if '"type": "epoch"' in line]
    assert len(said) == 6
    assert (tmp_path / "result.json").exists()
