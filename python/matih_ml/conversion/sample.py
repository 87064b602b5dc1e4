"""The rows on which the original and the converted model are compared."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

MAX_ROWS = 1000
GENERATED_ROWS = 64


@dataclass
class Sample:
    """Rows by column, or one array when the model takes one."""

    source: str
    columns: dict[str, np.ndarray] | None = None
    array: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.array) if self.columns is None else len(next(iter(self.columns.values())))

    def complete(self) -> "Sample":
        """The rows without missing values."""
        if self.columns is None:
            return Sample(
                self.source,
                array=self.array[~np.isnan(self.array.astype(np.float64)).any(axis=tuple(range(1, self.array.ndim)))],
            )
        missing = np.zeros(len(self), dtype=bool)
        for column in self.columns.values():
            missing |= (column == "") if column.dtype == object else np.isnan(column.astype(np.float64))
        return Sample(self.source, columns={name: column[~missing] for name, column in self.columns.items()})

    def frame(self) -> Any:
        """The rows in the form that the framework's own Python code takes."""
        if self.columns is None:
            return self.array
        import pandas

        return pandas.DataFrame(self.columns)

    def matrix(self) -> np.ndarray:
        if self.columns is None:
            return self.array
        return np.stack([column.astype(np.float64) for column in self.columns.values()], axis=1)

    def feed(self, inputs: Any, precision: str) -> dict[str, np.ndarray]:
        """The inputs of the converted model: one tensor for all columns, or one per column."""
        real = np.float32 if precision == "single" else np.float64
        if len(inputs) == 1 and (self.columns is None or len(self.columns) > 1 or inputs[0].name not in self.columns):
            return {inputs[0].name: typed(self.matrix(), inputs[0].type, real)}
        return {entry.name: typed(self.columns[entry.name].reshape(-1, 1), entry.type, real) for entry in inputs}


def typed(values: np.ndarray, onnx_type: str, real: Any) -> np.ndarray:
    types = {
        "tensor(float)": np.float32,
        "tensor(double)": np.float64,
        "tensor(int64)": np.int64,
        "tensor(int32)": np.int32,
        "tensor(bool)": np.bool_,
    }
    if onnx_type == "tensor(string)":
        return values.astype(str).astype(object)
    return values.astype(types.get(onnx_type, real))


def read_sample(
    model_dir: str, mlmodel: dict, rows: dict | None, model: Any, feature_count: Callable[[], int]
) -> Sample:
    """The given rows; otherwise the input example that was logged with the model; otherwise random rows."""
    columns = signature_columns(mlmodel)
    if rows is not None:
        given = from_rows(rows["columns"], rows["rows"], "DATASET")
        wanted = [name for name, _ in columns] if columns else list(getattr(model, "feature_names_in_", given.columns))
        return Sample("DATASET", columns={name: given.columns[name] for name in wanted})
    example = read_example(model_dir, mlmodel)
    if example is not None:
        return example
    generator = np.random.default_rng(0)
    if columns is not None:
        return Sample("GENERATED", columns={name: generated(kind, generator) for name, kind in columns})
    return Sample("GENERATED", array=generator.standard_normal((GENERATED_ROWS, feature_count())))


def from_rows(columns: list[str], rows: list[list], source: str) -> Sample:
    taken = rows[:MAX_ROWS]
    by_column = {name: column_of([row[i] for row in taken]) for i, name in enumerate(columns)}
    return Sample(source, columns=by_column)


def column_of(values: list) -> np.ndarray:
    if any(isinstance(value, str) for value in values):
        return np.array(["" if value is None else str(value) for value in values], dtype=object)
    if all(isinstance(value, bool) for value in values):
        return np.array(values, dtype=np.bool_)
    if all(isinstance(value, int) for value in values):
        return np.array(values, dtype=np.int64)
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def read_example(model_dir: str, mlmodel: dict) -> Sample | None:
    info = mlmodel.get("saved_input_example_info") or {}
    path = info.get("artifact_path")
    if not path or not os.path.exists(os.path.join(model_dir, path)):
        return None
    with open(os.path.join(model_dir, path), encoding="utf-8") as file:
        example = json.load(file)
    if isinstance(example, list):
        return Sample("INPUT_EXAMPLE", array=np.asarray(example, dtype=np.float64))
    if isinstance(example, dict) and "data" in example:
        if "columns" not in example:
            return Sample("INPUT_EXAMPLE", array=np.asarray(example["data"], dtype=np.float64))
        return from_rows([str(name) for name in example["columns"]], example["data"], "INPUT_EXAMPLE")
    if isinstance(example, dict) and "inputs" in example:
        inputs = example["inputs"]
        if isinstance(inputs, dict):
            return Sample("INPUT_EXAMPLE", columns={name: np.asarray(values) for name, values in inputs.items()})
        return Sample("INPUT_EXAMPLE", array=np.asarray(inputs))
    return None


def signature_columns(mlmodel: dict) -> list[tuple[str, str]] | None:
    """Name and type of each column that the signature names; None for tensors and for no signature."""
    text = (mlmodel.get("signature") or {}).get("inputs")
    inputs = json.loads(text) if text else None
    if not inputs or any(entry.get("type") == "tensor" or "name" not in entry for entry in inputs):
        return None
    return [(entry["name"], entry["type"]) for entry in inputs]


def generated(kind: str, generator: np.random.Generator) -> np.ndarray:
    if kind in ("long", "integer"):
        return generator.integers(0, 10, GENERATED_ROWS)
    if kind == "boolean":
        return generator.integers(0, 2, GENERATED_ROWS).astype(np.bool_)
    if kind == "string":
        return np.array([f"value {i % 3}" for i in range(GENERATED_ROWS)], dtype=object)
    return generator.standard_normal(GENERATED_ROWS)
