"""Tensors of the Open Inference Protocol as bytes behind JSON, as its extension for binary data says."""

import json
import struct
from typing import Any

import numpy as np
import numpy.typing as npt

Arrays = dict[str, npt.NDArray[Any]]

LENGTH_HEADER = "inference-header-content-length"

_TYPES: dict[str, Any] = {
    "BOOL": np.bool_,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "UINT8": np.uint8,
    "FP32": np.float32,
    "FP64": np.float64,
}
_NAMES = {np.dtype(kind): name for name, kind in _TYPES.items()}


class InvalidRequest(Exception):
    """The request is wrong; the message says how."""


def decode_request(body: bytes, json_bytes: int) -> tuple[Arrays, dict[str, Any]]:
    """The tensors of a request, and its parameters. Every tensor must come as bytes."""
    try:
        header = json.loads(body[:json_bytes])
        arrays: Arrays = {}
        at = json_bytes
        for tensor in header["inputs"]:
            size = tensor["parameters"]["binary_data_size"]
            arrays[tensor["name"]] = _decode(tensor["datatype"], tensor["shape"], body[at : at + size])
            at += size
        return arrays, header.get("parameters", {})
    except (KeyError, TypeError, ValueError, struct.error) as error:
        raise InvalidRequest(f"the request is no tensors as bytes: {error}") from error


def encode_answer(name: str, outputs: Arrays) -> tuple[bytes, int]:
    """The body of an answer, and how many of its bytes are JSON."""
    raw: list[bytes] = []
    listed = []
    for output, array in outputs.items():
        datatype, content = _encode(array)
        raw.append(content)
        listed.append(
            {
                "name": output,
                "datatype": datatype,
                "shape": list(array.shape),
                "parameters": {"binary_data_size": len(content)},
            }
        )
    header = json.dumps({"model_name": name, "model_version": "1", "outputs": listed}).encode()
    return b"".join([header, *raw]), len(header)


def _decode(datatype: str, shape: list[int], content: bytes) -> npt.NDArray[Any]:
    if datatype != "BYTES":
        return np.frombuffer(content, dtype=_TYPES[datatype]).reshape(shape)
    texts: list[str] = []
    at = 0
    while at < len(content):
        (length,) = struct.unpack_from("<I", content, at)
        at += 4 + length
        texts.append(content[at - length : at].decode())
    return np.array(texts, dtype=object).reshape(shape)


def _encode(array: npt.NDArray[Any]) -> tuple[str, bytes]:
    name = _NAMES.get(array.dtype)
    if name is not None:
        return name, np.ascontiguousarray(array).tobytes()
    if array.dtype != np.object_ and array.dtype.kind != "U":
        raise InvalidRequest(f"an output has the datatype {array.dtype}, which cannot be returned")
    texts = [str(item).encode() for item in array.ravel()]
    return "BYTES", b"".join(struct.pack("<I", len(text)) + text for text in texts)
