"""What to predict: the model's inputs and outputs, and the parts of the rows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

#: Types of NumPy by the names of the Open Inference Protocol.
_DTYPES: dict[str, Any] = {
    "BOOL": np.bool_,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "UINT8": np.uint8,
    "FP32": np.float32,
    "FP64": np.float64,
    "BYTES": np.object_,
}


@dataclass(frozen=True)
class Input:
    """An input of the model."""

    name: str
    dtype: Any
    #: Without the rows.
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Part:
    """Rows of the dataset, by their numbers from 0."""

    start: int
    #: The number of the row after the last one; files of the part are named by it.
    end: int


@dataclass(frozen=True)
class Spec:
    """One batch inference."""

    inputs: tuple[Input, ...]
    outputs: tuple[str, ...]
    parts: tuple[Part, ...]
    #: Ray: processes that predict.
    workers: int

    @staticmethod
    def read(path: Path) -> Spec:
        given = json.loads(path.read_text())
        return Spec(
            inputs=tuple(
                Input(each["name"], _DTYPES[each["datatype"]], tuple(each["shape"])) for each in given["inputs"]
            ),
            outputs=tuple(given["outputs"]),
            parts=tuple(Part(each["start"], each["end"]) for each in given["parts"]),
            workers=given["workers"],
        )
