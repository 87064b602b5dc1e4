"""Runs a model.onnx inside of Triton's backend for Python. The service copies this file beside each model."""

import os
import sys

# The interpreter of the backend is isolated: it ignores PYTHONPATH, so that its packages must be found by hand.
sys.path[:0] = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]

import hashlib  # noqa: E402
import json  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402
import numpy.typing as npt  # noqa: E402
import onnxruntime as ort  # noqa: E402
import triton_python_backend_utils as pb  # noqa: E402

Arrays = dict[str, npt.NDArray[Any]]


def check_declared(declared: list[dict[str, Any]], found: list[Any]) -> None:
    """Whether the file has the tensors of its registered signature; else an error that Triton passes on."""
    shapes = {spec.name: spec.shape for spec in found}
    for tensor in declared:
        name = tensor["name"]
        if name not in shapes:
            raise ValueError(f"the file has no tensor {name}, which its signature names")
        inner = shapes[name][1:]
        wanted = tensor["dims"][-len(inner) :] if inner else []
        if any(isinstance(size, int) and int(dim) not in (-1, size) for size, dim in zip(inner, wanted, strict=False)):
            raise ValueError(f"tensor {name} has the shape {shapes[name]} and not that of its signature")


class TritonPythonModel:
    """The class that Triton looks for."""

    def initialize(self, args: dict[str, str]) -> None:
        config = json.loads(args["model_config"])
        parameters = config["parameters"]
        path = os.path.join(args["model_repository"], args["model_version"], "model.onnx")
        with open(path, "rb") as file:
            content = file.read()
        if hashlib.sha256(content).hexdigest() != parameters["sha256"]["string_value"]:
            raise ValueError("model.onnx is not the file that was registered")
        options = ort.SessionOptions()
        options.intra_op_num_threads = int(parameters["threads"]["string_value"])
        options.inter_op_num_threads = 1
        self.session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        check_declared(config["input"], self.session.get_inputs())
        check_declared(config["output"], self.session.get_outputs())
        self.ranks = {spec.name: len(spec.shape) for spec in self.session.get_inputs()}
        self.outputs = [spec.name for spec in self.session.get_outputs()]
        # Only then may requests run together.
        self.joins = parameters["joins"]["string_value"] == "true"

    def execute(self, requests: list[Any]) -> list[Any]:
        inputs = [self._inputs_of(request) for request in requests]
        answers: list[Any] = [None] * len(requests)
        groups: dict[Any, list[int]] = {}
        for index, (request, arrays) in enumerate(zip(requests, inputs, strict=True)):
            alone = not self.joins or json.loads(request.parameters() or "{}").get("alone", False)
            inner = index if alone else tuple((name, array.shape[1:]) for name, array in sorted(arrays.items()))
            groups.setdefault(inner, []).append(index)
        for group in groups.values():
            for index, answer in zip(group, self._answers_of([inputs[index] for index in group]), strict=True):
                answers[index] = answer
        return answers

    def _inputs_of(self, request: Any) -> Arrays:
        arrays: Arrays = {}
        for name, rank in self.ranks.items():
            array = pb.get_input_tensor_by_name(request, name).as_numpy()
            if array.dtype == np.object_:
                array = np.array([item.decode() for item in array.ravel()], dtype=object).reshape(array.shape)
            # Triton knows no lists of plain numbers: they come as lists of one.
            arrays[name] = array.reshape(array.shape[:rank]) if array.ndim == rank + 1 else array
        return arrays

    def _answers_of(self, requests: list[Arrays]) -> list[Any]:
        if len(requests) == 1:
            return [self._answer_of(requests[0])]
        rows = [next(iter(arrays.values())).shape[0] for arrays in requests]
        try:
            joined = {name: np.concatenate([arrays[name] for arrays in requests]) for name in self.ranks}
            outputs = self.session.run(self.outputs, joined)
        except Exception:
            # Each alone, so that only the one that causes it fails.
            return [self._answer_of(arrays) for arrays in requests]
        parts = [np.split(output, np.cumsum(rows)[:-1]) for output in outputs]
        return [self._response([part[index] for part in parts]) for index in range(len(requests))]

    def _answer_of(self, arrays: Arrays) -> Any:
        try:
            return self._response(self.session.run(self.outputs, arrays))
        except Exception as error:
            return pb.InferenceResponse(error=pb.TritonError(f"INVALID_TENSOR: {error}"))

    def _response(self, outputs: list[npt.NDArray[Any]]) -> Any:
        tensors = []
        for name, output in zip(self.outputs, outputs, strict=True):
            array = output
            if array.dtype == np.object_ or array.dtype.kind == "U":
                array = np.array([str(item).encode() for item in array.ravel()], dtype=object).reshape(array.shape)
            if array.ndim < 2:
                array = array.reshape((*array.shape, 1))
            tensors.append(pb.Tensor(name, np.ascontiguousarray(array)))
        return pb.InferenceResponse(tensors)
