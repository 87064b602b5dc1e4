"""Processes that train one model together: tasks of the cluster on Ray, otherwise child processes on one machine."""

from __future__ import annotations

import ctypes
import multiprocessing
import multiprocessing.process
import os
import signal
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any

from .service import RefusedError, is_on_cluster

_START_TIMEOUT_S = 600
_END_WITH_PARENT = 1


def own_address() -> str:
    """Where the other processes of the training reach this one."""
    if not is_on_cluster():
        return "127.0.0.1"
    import ray

    ray.init(ignore_reinit_error=True, log_to_driver=True)
    return str(ray.util.get_node_ip_address())


def run_together(function: Callable[..., Any], each: Sequence[tuple[Any, ...]], common: tuple[Any, ...]) -> list[Any]:
    """
    Calls `function(*each[k], *common)` in one process for every k, all at the same time, and returns what they return.
    A process that fails must end its connections, so that the others do not wait for it.
    """
    return _on_cluster(function, each, common) if is_on_cluster() else _on_machine(function, each, common)


def _on_cluster(function: Callable[..., Any], each: Sequence[tuple[Any, ...]], common: tuple[Any, ...]) -> list[Any]:
    import ray
    from ray.util.placement_group import placement_group
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    shared = [ray.put(value) for value in common]
    # All processes begin together: some without the others would keep their cores and wait for ever.
    group = placement_group([{"CPU": 1}] * len(each))
    if not group.wait(timeout_seconds=float(os.environ.get("MATIH_START_TIMEOUT_S", _START_TIMEOUT_S))):
        raise RefusedError(f"The cluster has had no room for {len(each)} workers at once: ask for fewer, or add nodes.")
    strategy = PlacementGroupSchedulingStrategy(group)
    run = ray.remote(num_cpus=1, max_retries=0, scheduling_strategy=strategy)(function)
    tasks = [run.remote(*own, *shared) for own in each]
    waiting = list(tasks)
    while waiting:
        done, waiting = ray.wait(waiting, num_returns=1)
        ray.get(done)
    found: list[Any] = ray.get(tasks)
    return found


def _on_machine(function: Callable[..., Any], each: Sequence[tuple[Any, ...]], common: tuple[Any, ...]) -> list[Any]:
    """This process is the first one."""
    context = multiprocessing.get_context("spawn")
    processes: list[multiprocessing.process.BaseProcess] = []
    receivers: list[Connection] = []
    try:
        for own in each[1:]:
            receiver, sender = context.Pipe(duplex=False)
            arguments = (sender, os.getpid(), function, (*own, *common))
            process: multiprocessing.process.BaseProcess = context.Process(target=_member, args=arguments, daemon=True)
            process.start()
            # With the only other end in that process, its end is seen here.
            sender.close()
            processes.append(process)
            receivers.append(receiver)
        return [function(*each[0], *common), *(_received(receiver) for receiver in receivers)]
    finally:
        for process in processes:
            process.kill()


def _received(receiver: Connection) -> Any:
    try:
        result, error = receiver.recv()
    except EOFError:
        raise ConnectionError("A process of the training has ended.") from None
    if error is not None:
        raise error
    return result


def _member(sender: Connection, parent: int, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    _end_with(parent)
    try:
        sender.send((function(*arguments), None))
    except Exception as error:
        traceback.print_exc()
        sender.send((None, error))


def _end_with(parent: int) -> None:
    """Lets the kernel end this process together with the one that started it, where the system is Linux."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_END_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
