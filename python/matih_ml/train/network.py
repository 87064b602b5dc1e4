"""Feed-forward networks of PyTorch, by one process or by several, in which each strategy makes the same steps."""

from __future__ import annotations

import pickle
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .arrays import Array
from .folder import service_of_environment
from .group import own_address, run_together
from .layers import FullState, Layers, answer_of, batch_size, seeded_order
from .metrics import loss_of
from .service import RefusedError, Reporter
from .spec import Part, Rows, Spec
from .steps import Alone, DataParallel, Stages, Steps
from .training import Network, Progress, Trained, Work, sample_of

if TYPE_CHECKING:
    from torch.distributed import TCPStore

_START_TIMEOUT = timedelta(minutes=10)
#: A process that hears nothing from the others for so long gives up.
_SILENCE = timedelta(minutes=10)


def train(work: Work) -> Trained:
    spec, rows = work.spec, work.rows
    progress, saved = work.resumed()
    _use_threads(spec)
    if spec.workers == 1:
        state, stopped = _fit(work, Alone(spec, rows.train), progress, saved)
    else:
        state, progress, stopped = _together(work, progress, saved)
    layers = Layers(spec)
    layers.put(state.best or state.weights)
    return Trained(
        model=_network_of(spec, state.best or state.weights),
        progress=progress,
        stopped_early=stopped,
        validation=answer_of(spec, layers.predict(rows.validation)),
        holdout=answer_of(spec, layers.predict(rows.holdout)),
    )


def _use_threads(spec: Spec) -> None:
    import torch

    torch.set_num_threads(spec.threads)


def _fit(work: Work, steps: Steps, progress: Progress, saved: bytes | None) -> tuple[FullState, bool]:
    """Runs the epochs in the process that reports."""
    spec, rows = work.spec, work.rows
    sample = sample_of(rows.train)
    stop = False
    _restore(steps, saved)
    for epoch in range(progress.epoch + 1, spec.epochs + 1):
        _run_epoch(spec, steps, epoch)
        on_sample, on_validation = (_answer(spec, steps, part) for part in (sample, rows.validation))
        loss = loss_of(rows.validation, on_validation)
        if not np.isfinite(loss):
            raise RefusedError(f"The loss is no number after epoch {epoch}: try a smaller learningRate.")
        stop = progress.see(spec, epoch, loss)
        work.report(epoch, sample, on_sample, on_validation)
        is_saved = epoch % spec.checkpoint_every == 0 and epoch < spec.epochs and not stop
        steps.agree(stop, progress.best_epoch == epoch, is_saved)
        if progress.best_epoch == epoch:
            steps.keep_best()
        if is_saved:
            work.save(progress, pickle.dumps(steps.gather()))
        if stop:
            break
    state = steps.gather()
    assert state is not None
    return state, stop


def _follow(spec: Spec, rows: Rows, steps: Steps, progress: Progress, saved: bytes | None) -> None:
    """Runs the same epochs in every other process."""
    sample = sample_of(rows.train)
    _restore(steps, saved)
    for epoch in range(progress.epoch + 1, spec.epochs + 1):
        _run_epoch(spec, steps, epoch)
        for part in (sample, rows.validation):
            steps.predict(part)
        stop, is_best, is_saved = steps.agree(False, False, False)
        if is_best:
            steps.keep_best()
        if is_saved:
            steps.gather()
        if stop:
            break
    steps.gather()


def _run_epoch(spec: Spec, steps: Steps, epoch: int) -> None:
    rows = steps.row_count
    size = batch_size(spec, rows)
    order = seeded_order(spec, epoch, rows)
    each = -(-rows // size)
    for number in range(each):
        steps.step(order[number * size : (number + 1) * size], (epoch - 1) * each + number)


def _restore(steps: Steps, saved: bytes | None) -> None:
    if saved is not None:
        steps.restore(pickle.loads(saved))


def _answer(spec: Spec, steps: Steps, part: Part) -> Array:
    outputs = steps.predict(part)
    assert outputs is not None
    return answer_of(spec, outputs)


def _together(work: Work, progress: Progress, saved: bytes | None) -> tuple[FullState, Progress, bool]:
    """Trains with several processes; the first of them reports."""
    from torch.distributed import TCPStore

    spec, rows = work.spec, work.rows
    address = own_address()
    # The processes find each other here.
    store = TCPStore(address, 0, None, is_master=True, wait_for_workers=False, timeout=_START_TIMEOUT)
    work.reporter.flush()
    each = [(number,) for number in range(spec.workers)]
    common = (spec, address, store.port, rows, progress, saved, work.reporter.next_number)
    try:
        outcomes = run_together(_member, each, common)
    except RuntimeError as error:
        # Mostly another process of the training is gone; a later attempt can continue.
        raise ConnectionError(f"A process of the training failed: {error}") from error
    state, progress, stopped, next_number = outcomes[0]
    work.reporter.continue_from(next_number)
    return pickle.loads(state), progress, stopped


def _member(
    number: int,
    spec: Spec,
    address: str,
    port: int,
    rows: Rows,
    progress: Progress,
    saved: bytes | None,
    first_report: int,
) -> tuple[bytes, Progress, bool, int] | None:
    import torch.distributed as group
    from torch.distributed import TCPStore

    _use_threads(spec)
    store: TCPStore = TCPStore(address, port, None, is_master=False, timeout=_START_TIMEOUT)
    group.init_process_group("gloo", store=store, rank=number, world_size=spec.workers, timeout=_SILENCE)
    try:
        kind = DataParallel if spec.strategy == "DATA_PARALLEL" else Stages
        steps: Steps = kind(spec, rows.train, number)
        if number > 0:
            _follow(spec, rows, steps, progress, saved)
            return None
        service = service_of_environment()
        reporter = Reporter(service, first_report)
        with tempfile.TemporaryDirectory() as folder:
            state, stopped = _fit(Work(spec, rows, service, reporter, Path(folder)), steps, progress, saved)
        reporter.close()
        # Between processes, tensors would pass as files that end with their process.
        return pickle.dumps(state), progress, stopped, reporter.next_number
    finally:
        group.destroy_process_group()


def _network_of(spec: Spec, weights: dict[str, Any]) -> Network:
    """The service keeps the weights of numbers and of indicators apart, each by input and unit."""
    named: dict[str, Array] = {}
    for name, tensor in weights.items():
        layer, kind = name.split(".")
        values = np.ascontiguousarray(tensor.numpy().T)
        if kind == "bias":
            named[f"bias_{layer}"] = values
        elif layer != "0":
            named[f"weight_{layer}"] = values
        else:
            numeric, indicators = np.split(values, [spec.numeric_width])
            if len(numeric) > 0:
                named["numeric_0"] = numeric
            if len(indicators) > 0:
                named["indicator_0"] = indicators
    return Network(named)
