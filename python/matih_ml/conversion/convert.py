"""Makes a checked model.onnx from a folder with an MLmodel file."""

import os
from importlib import import_module, metadata
from importlib.util import find_spec
from typing import Any

import numpy as np
import onnx
import yaml

from .sample import Sample, read_sample

# The modules that the conversion of each framework imports, by the name of its extra.
NEEDED = {
    "sklearn": ["sklearn", "skl2onnx", "pandas"],
    "xgboost": ["xgboost", "onnxmltools", "skl2onnx", "sklearn", "pandas"],
    "lightgbm": ["lightgbm", "onnxmltools", "skl2onnx", "sklearn", "pandas"],
    "pytorch": ["torch", "onnxscript"],
    "tensorflow": ["tensorflow", "tf2onnx"],
}
FLAVORS = {
    "sklearn": "sklearn",
    "xgboost": "xgboost",
    "lightgbm": "lightgbm",
    "pytorch": "pytorch",
    "tensorflow": "tensorflow",
    "keras": "tensorflow",
}

MAX_REASON_CHARACTERS = 2000
MAX_CLASSES = 1000
MAX_CLASS_CHARACTERS = 250


class ConversionFailed(Exception):
    """Ends a conversion with a result that says why."""

    def __init__(self, state: str, **facts: Any) -> None:
        super().__init__(state)
        self.result = {"state": state, **facts}


def convert(model_dir: str, output: str, sample_rows: dict | None, tolerance: float) -> dict:
    with open(os.path.join(model_dir, "MLmodel"), encoding="utf-8") as file:
        mlmodel = yaml.safe_load(file)
    flavors = mlmodel.get("flavors") or {}
    flavor = next((name for name in FLAVORS if name in flavors), None)
    if flavor is None:
        known = ", ".join(FLAVORS)
        raise ConversionFailed(
            "UNSUPPORTED", reason=f"The model has the flavors {', '.join(flavors) or 'none'}; one of {known} is needed."
        )
    framework = FLAVORS[flavor]
    missing = [name for name in NEEDED[framework] if find_spec(name) is None]
    if missing:
        raise ConversionFailed(
            "MISSING_CONVERTER", framework=framework, missing=missing, install=f"pip install 'matih-ml[{framework}]'"
        )
    converter = import_module(f".{framework}", __package__)
    model = converter.load(model_dir, flavors[flavor])
    try:
        sample = read_sample(model_dir, mlmodel, sample_rows, model, lambda: converter.feature_count(model))
    except KeyError as error:
        raise ConversionFailed(
            "NEEDS_SAMPLE", reason=f"The sample has no column {error}, which the model takes."
        ) from error
    try:
        expected = converter.predict(model, sample)
    except Exception as error:
        # Many models accept no missing values.
        complete = sample.complete()
        if len(complete) in (0, len(sample)):
            kind = "random rows" if sample.source == "GENERATED" else "these sample rows"
            reason = f"The model does not take {kind} ({error})."
            raise ConversionFailed("NEEDS_SAMPLE", reason=reason[:MAX_REASON_CHARACTERS]) from error
        sample = complete
        expected = converter.predict(model, sample)
    best: dict = {}
    reasons = []
    for precision in converter.PRECISIONS:
        path = f"{output}.{precision}"
        try:
            found = attempt(converter, model, sample, expected, path, precision)
        except Exception as error:
            reasons.append(f"{type(error).__name__}: {error}"[:MAX_REASON_CHARACTERS])
            continue
        if not best or found["maxScaledDiff"] < best["maxScaledDiff"]:
            best = found
            os.replace(path, output)
        if best["maxScaledDiff"] <= tolerance:
            break
    if not best:
        raise ConversionFailed("FAILED", reason=reasons[0])
    return {
        "state": "CONVERTED" if best["maxScaledDiff"] <= tolerance else "DISAGREES",
        "framework": framework,
        "frameworkVersion": version_of(NEEDED[framework][0]),
        "converter": f"{converter.CONVERTER} {version_of(converter.CONVERTER)}",
        "sampleRows": len(sample),
        "sampleSource": sample.source,
        "columns": columns_of(converter, model, sample),
        "classes": classes_of(model),
        **best,
    }


def columns_of(converter: Any, model: Any, sample: Sample) -> list[dict] | None:
    """The columns that fill the model's input, in order: names of the sample, or those that the model has stored."""
    if sample.columns is not None:
        kinds = {"b": "BOOLEAN", "O": "STRING", "U": "STRING"}
        return [
            {"name": str(name), "type": kinds.get(column.dtype.kind, "NUMBER")}
            for name, column in sample.columns.items()
        ]
    names = converter.feature_names(model)
    if not names or len(names) != sample.matrix().shape[-1]:
        return None
    return [{"name": str(name), "type": "NUMBER"} for name in names]


def classes_of(model: Any) -> list[str] | None:
    """The class of each probability, in order, as the training data spells it; None when it predicts no classes."""
    classes = getattr(model, "classes_", None) if hasattr(model, "predict_proba") else None
    try:
        names = [str(name) for name in np.asarray(classes)] if classes is not None and np.ndim(classes) == 1 else []
    except Exception:
        return None
    return (
        names
        if 2 <= len(names) <= MAX_CLASSES and all(0 < len(name) <= MAX_CLASS_CHARACTERS for name in names)
        else None
    )


def attempt(converter: Any, model: Any, sample: Sample, expected: list[np.ndarray], path: str, precision: str) -> dict:
    """One attempt with one precision.

    Most runtimes prefer single; double also agrees when single precision rounds across a threshold.
    """
    converter.export(model, sample, path, precision)
    name_default_opset(path)
    absolute, scaled = differences(expected, run_onnx(path, sample, precision))
    opsets = {
        entry.domain or "ai.onnx": entry.version for entry in onnx.load(path, load_external_data=False).opset_import
    }
    return {"precision": precision, "opsets": opsets, "maxAbsDiff": absolute, "maxScaledDiff": scaled}


def name_default_opset(path: str) -> None:
    """A graph of trees only does not state the version of the standard operator set, but the format requires it."""
    model = onnx.load(path, load_external_data=False)
    if not any(entry.domain in ("", "ai.onnx") for entry in model.opset_import):
        model.opset_import.append(onnx.helper.make_opsetid("", 15))
        onnx.save(model, path)


def run_onnx(path: str, sample: Sample, precision: str) -> list[np.ndarray]:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return [np.asarray(answer) for answer in session.run(None, sample.feed(session.get_inputs(), precision))]


def differences(expected: list[np.ndarray], got: list[np.ndarray]) -> tuple[float, float]:
    """The largest |a - b| and |a - b| / max(1, |a|) over all outputs; labels that differ count as 1."""
    if len(expected) != len(got):
        raise ValueError(f"the original gives {len(expected)} outputs, the converted model {len(got)}")
    absolute = scaled = 0.0
    for ours, theirs in zip(expected, got, strict=True):
        ours = np.asarray(ours)
        if ours.size != theirs.size:
            raise ValueError(f"an output has the shape {ours.shape}, that of the converted model {theirs.shape}")
        theirs = theirs.reshape(ours.shape)
        if not np.issubdtype(ours.dtype, np.number):
            share = float(np.any(ours.astype(str) != theirs.astype(str)))
            absolute, scaled = max(absolute, share), max(scaled, share)
            continue
        a, b = ours.astype(np.float64), theirs.astype(np.float64)
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        with np.errstate(invalid="ignore"):
            distance = np.where(same, 0.0, np.abs(a - b))
        distance = np.where(np.isnan(distance), np.inf, distance)
        absolute = max(absolute, float(distance.max(initial=0.0)))
        scaled = max(
            scaled, float((distance / np.maximum(1.0, np.where(np.isfinite(a), np.abs(a), 1.0))).max(initial=0.0))
        )
    return absolute, scaled


def version_of(module: str) -> str:
    names = metadata.packages_distributions().get(module, [module])
    return metadata.version(names[0])
