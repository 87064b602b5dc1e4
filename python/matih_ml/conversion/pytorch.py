"""PyTorch by its own exporter: https://docs.pytorch.org/docs/stable/onnx.html."""

import os

import numpy as np
import torch

from .sample import Sample

CONVERTER = "torch"
PRECISIONS = ("single",)


def load(model_dir: str, flavor: dict):
    path = os.path.join(model_dir, flavor["model_data"], "model.pth")
    model = torch.load(path, map_location="cpu", weights_only=False)
    return model.eval()


def feature_count(model) -> int:
    first = next(layer for layer in model.modules() if isinstance(layer, torch.nn.Linear))
    return first.in_features


def tensor_of(sample: Sample) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(sample.matrix(), dtype=np.float32))


def predict(model, sample: Sample) -> list[np.ndarray]:
    with torch.no_grad():
        answer = model(tensor_of(sample))
    return [part.numpy() for part in (answer if isinstance(answer, tuple | list) else [answer])]


def export(model, sample: Sample, path: str, precision: str) -> None:
    torch.onnx.export(
        model, (tensor_of(sample),), path, input_names=["input"], dynamo=True, external_data=False, dynamic_shapes=({0: torch.export.Dim("batch")},)
    )
