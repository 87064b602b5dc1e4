"""What a replica of Ray Serve does, without Ray."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from matih_ml.serve.model import OnnxModel, RefusedValues, download
from matih_ml.serve.wire import InvalidRequest, decode_request, encode_answer


def _double() -> bytes:
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "x"], ["y"])],
        "double",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 2])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    content: bytes = model.SerializeToString()
    return content


def _request(*tensors: tuple[str, str, list[int], bytes], **parameters: Any) -> tuple[bytes, int]:
    inputs = [
        {"name": name, "datatype": datatype, "shape": shape, "parameters": {"binary_data_size": len(raw)}}
        for name, datatype, shape, raw in tensors
    ]
    header = json.dumps({"inputs": inputs, "parameters": parameters}).encode()
    return header + b"".join(raw for _, _, _, raw in tensors), len(header)


def test_tensors_come_and_go_as_bytes() -> None:
    numbers = np.array([[1, 2**53 + 1]], dtype=np.int64)
    text = "größer".encode()
    texts = len(text).to_bytes(4, "little") + text
    body, length = _request(("n", "INT64", [1, 2], numbers.tobytes()), ("t", "BYTES", [1], texts), alone=True)
    arrays, parameters = decode_request(body, length)
    assert parameters == {"alone": True}
    assert arrays["n"].tolist() == [[1, 2**53 + 1]]
    assert arrays["t"].tolist() == ["größer"]
    answer, header_bytes = encode_answer("model", {"n": arrays["n"], "t": arrays["t"]})
    header = json.loads(answer[:header_bytes])
    assert [output["datatype"] for output in header["outputs"]] == ["INT64", "BYTES"]
    assert answer[header_bytes:] == numbers.tobytes() + texts


@pytest.mark.parametrize(
    ("tensors", "what"),
    [
        ([("x", "FP32", [2, 2], b"\0" * 12)], "reshape"),
        ([("x", "COMPLEX", [1], b"\0" * 4)], "COMPLEX"),
        ([("x", "BYTES", [1], b"\0")], "unpack"),
    ],
)
def test_wrong_tensors_are_refused(tensors: list[tuple[str, str, list[int], bytes]], what: str) -> None:
    body, length = _request(*tensors)
    with pytest.raises(InvalidRequest, match=what):
        decode_request(body, length)


def test_requests_run_together_and_each_gets_its_own_rows() -> None:
    model = OnnxModel(_double(), joins=True, threads=1)
    rows = [np.full((count, 2), count, dtype=np.float32) for count in (1, 3, 2)]
    answers = model.answer_all([({"x": array}, index == 1) for index, array in enumerate(rows)])
    for array, answer in zip(rows, answers, strict=True):
        assert not isinstance(answer, Exception)
        np.testing.assert_array_equal(answer["y"], array * 2)
    assert model.running_since is None


def test_only_the_wrong_request_fails() -> None:
    model = OnnxModel(_double(), joins=True, threads=1)
    good = np.ones((1, 2), dtype=np.float32)
    wrong = np.ones((1, 3), dtype=np.float32)
    first, second, third = model.answer_all([({"x": good}, False), ({"x": wrong}, False), ({"x": good}, False)])
    assert isinstance(second, RefusedValues)
    assert not isinstance(first, Exception) and not isinstance(third, Exception)


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    content = _double()
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    assert download(path.as_uri(), hashlib.sha256(content).hexdigest()) == content
    path.write_bytes(content + b"x")
    with pytest.raises(ValueError, match="SHA-256"):
        download(path.as_uri(), hashlib.sha256(content).hexdigest())
