"""TensorFlow and Keras by tf2onnx: https://github.com/onnx/tensorflow-onnx."""

import os
from typing import Any

import numpy as np
import tensorflow
import tf2onnx

from .sample import Sample

CONVERTER = "tf2onnx"
PRECISIONS = ("single",)


def load(model_dir: str, flavor: dict) -> Any:
    folder = os.path.join(model_dir, flavor.get("data", "data"))
    files = [name for name in os.listdir(folder) if name.endswith((".keras", ".h5"))]
    return tensorflow.keras.models.load_model(os.path.join(folder, files[0] if files else "model"), compile=False)


def feature_count(model: Any) -> int:
    return int(model.input_shape[-1])


def feature_names(model: Any) -> list[str] | None:
    return None


def predict(model: Any, sample: Sample) -> list[np.ndarray]:
    return [np.asarray(model(sample.matrix().astype(np.float32)))]


def export(model: Any, sample: Sample, path: str, precision: str) -> None:
    signature = [tensorflow.TensorSpec([None, *model.input_shape[1:]], tensorflow.float32, name="input")]
    tf2onnx.convert.from_function(
        tensorflow.function(lambda input: model(input)), input_signature=signature, output_path=path
    )
