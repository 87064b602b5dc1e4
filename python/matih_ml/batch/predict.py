"""Predicts one part after the other: the same code in the processes of Ray and of Spark."""

from __future__ import annotations

import json
import tempfile
from functools import lru_cache
from math import prod
from pathlib import Path

import numpy as np
import onnxruntime
import pyarrow.parquet as parquet

from ..train.arrays import Array, write_arrays
from ..train.service import RefusedError, Service
from .spec import Input, Part, Spec

#: Failures that the same rows would cause again.
_FINAL = (ValueError, TypeError, KeyError, RefusedError, MemoryError)


class Predictor:
    """A model in ONNX Runtime, with one thread: whoever wants more speed asks for more processes."""

    def __init__(self, service: Service, spec: Spec) -> None:
        self._service = service
        self._spec = spec
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "model.onnx")
            service.download("model.onnx", path)
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def predict(self, part: Part) -> str | None:
        """Reads the part's rows, stores the model's outputs; returns why this can never work, or None."""
        try:
            with tempfile.TemporaryDirectory() as folder:
                self._predict_in(part, Path(folder))
            return None
        except _FINAL as error:
            return _reason(part, error)
        except Exception as error:
            # The runtime's own errors have no common class of their own.
            if type(error).__module__.startswith("onnxruntime"):
                return _reason(part, error)
            raise

    def _predict_in(self, part: Part, folder: Path) -> None:
        rows = folder / "rows.parquet"
        self._service.download(f"inputs-{part.end}.parquet", rows)
        outputs = self._session.run(list(self._spec.outputs), read_inputs(rows, self._spec.inputs))
        path = folder / "outputs"
        write_arrays(path, dict(stored(name, values) for name, values in zip(self._spec.outputs, outputs, strict=True)))
        self._service.upload(f"outputs-{part.end}", path)


@lru_cache(maxsize=1)
def predictor_of(service: Service, spec: Spec) -> Predictor:
    """The predictor of this process: it loads a model once for all parts."""
    return Predictor(service, spec)


def read_inputs(path: Path, inputs: tuple[Input, ...]) -> dict[str, Array]:
    """The model's inputs from the columns `<input>.<element>` of a Parquet file."""
    names = [f"{place}.{element}" for place, each in enumerate(inputs) for element in range(prod(each.shape))]
    table = parquet.read_table(path, columns=names)
    feeds: dict[str, Array] = {}
    for place, each in enumerate(inputs):
        columns = []
        for element in range(prod(each.shape)):
            # A missing value of a number is NaN.
            column = table.column(f"{place}.{element}").to_numpy(zero_copy_only=False)
            columns.append(column.astype(each.dtype))
        feeds[each.name] = np.stack(columns, axis=1).reshape(table.num_rows, *each.shape)
    return feeds


def stored(name: str, values: object) -> tuple[str, Array]:
    """An output as the file of arrays has it: texts are a JSON list, small whole numbers have 32 bits."""
    if not isinstance(values, np.ndarray):
        raise TypeError(f"The output {name} is no tensor.")
    if values.dtype.kind in "OUS":
        return f"{name}.text", np.frombuffer(json.dumps([str(each) for each in values.reshape(-1)]).encode(), np.uint8)
    if values.dtype in (np.float32, np.float64, np.int64, np.int32):
        return name, values
    if values.dtype.kind == "b" or values.dtype.itemsize < 4:
        return name, values.astype(np.int32)
    raise TypeError(f"The output {name} has the type {values.dtype}, which no result can have.")


def _reason(part: Part, error: Exception) -> str:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return f"rows {part.start + 1} to {part.end}: {reason}"[:2000]
