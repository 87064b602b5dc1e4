"""PyTorch by its own exporter: https://docs.pytorch.org/docs/stable/onnx.html."""

import os
from typing import Any

import numpy as np
import torch

from .sample import Sample

CONVERTER = "torch"
PRECISIONS = ("single",)


def load(model_dir: str, flavor: dict) -> Any:
    folder = os.path.join(model_dir, flavor["model_data"])
    traced = os.path.join(folder, "model.pt2")
    if os.path.exists(traced):
        # MLflow 3's default format: a traced graph, which is in evaluation mode already.
        return torch.export.load(traced).module()
    return torch.load(os.path.join(folder, "model.pth"), map_location="cpu", weights_only=False).eval()


def feature_count(model: Any) -> int:
    first = next((layer for layer in model.modules() if isinstance(layer, torch.nn.Linear)), None)
    if first is None:
        raise ValueError(
            "the model has no linear layer that tells how many values it takes; log it with an input_example"
        )
    return first.in_features


def feature_names(model: Any) -> list[str] | None:
    return None


def tensor_of(sample: Sample) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(sample.matrix(), dtype=np.float32))


def predict(model: Any, sample: Sample) -> list[np.ndarray]:
    with torch.no_grad():
        answer = model(tensor_of(sample))
    return [part.numpy() for part in (answer if isinstance(answer, tuple | list) else [answer])]


def export(model: Any, sample: Sample, path: str, precision: str) -> None:
    torch.onnx.export(
        model,
        (tensor_of(sample),),
        path,
        input_names=["input"],
        dynamo=True,
        external_data=False,
        dynamic_shapes=({0: torch.export.Dim("batch")},),
    )
