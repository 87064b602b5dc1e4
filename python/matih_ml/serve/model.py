"""A model.onnx that answers the requests that wait for it, together where its rows are independent."""

import hashlib
import time
from typing import Any
from urllib.request import urlopen

import numpy as np
import onnxruntime as ort

from matih_ml.serve.wire import Arrays

DOWNLOAD_TIMEOUT_S = 60


class RefusedValues(Exception):
    """The model refused the values of a request."""


def download(url: str, sha256: str) -> bytes:
    """The file at a signed address; a ValueError when it is not the one that was registered."""
    with urlopen(url, timeout=DOWNLOAD_TIMEOUT_S) as answer:
        content: bytes = answer.read()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError("the downloaded model.onnx is not the file that was registered: its SHA-256 differs")
    return content


class OnnxModel:
    """Runs the file. `joins` says whether rows of several requests may run together."""

    def __init__(self, content: bytes, joins: bool, threads: int) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self.session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        self.outputs = [spec.name for spec in self.session.get_outputs()]
        self.joins = joins
        self.running_since: float | None = None

    def answer_all(self, requests: list[tuple[Arrays, bool]]) -> list[Arrays | Exception]:
        """The answers in the order of the requests; the flag of each says that it must run alone."""
        answers: list[Arrays | Exception] = [RefusedValues("not run")] * len(requests)
        groups: dict[Any, list[int]] = {}
        for index, (arrays, alone) in enumerate(requests):
            together = self.joins and not alone
            key = tuple((name, array.shape[1:]) for name, array in sorted(arrays.items())) if together else index
            groups.setdefault(key, []).append(index)
        self.running_since = time.monotonic()
        try:
            for group in groups.values():
                found = self._answer_group([requests[index][0] for index in group])
                for index, answer in zip(group, found, strict=True):
                    answers[index] = answer
        finally:
            self.running_since = None
        return answers

    def _answer_group(self, requests: list[Arrays]) -> list[Arrays | Exception]:
        if len(requests) > 1:
            rows = [next(iter(arrays.values())).shape[0] for arrays in requests]
            joined = {name: np.concatenate([arrays[name] for arrays in requests]) for name in requests[0]}
            answer = self._answer(joined)
            if not isinstance(answer, Exception):
                parts = {name: np.split(array, np.cumsum(rows)[:-1]) for name, array in answer.items()}
                return [{name: part[index] for name, part in parts.items()} for index in range(len(requests))]
        # Each alone, so that only the one that causes an error fails.
        return [self._answer(arrays) for arrays in requests]

    def _answer(self, arrays: Arrays) -> Arrays | Exception:
        try:
            return dict(zip(self.outputs, map(np.asarray, self.session.run(self.outputs, arrays)), strict=True))
        except Exception as error:
            return RefusedValues(str(error))
