"""Serves the ONNX model of the benchmark by Ray Serve with its default proxy. Arguments: path of the model, port."""

import json
import signal
import sys
import threading

import numpy as np
import onnxruntime as ort
import ray
from ray import serve
from starlette.requests import Request
from starlette.responses import JSONResponse

PATH, PORT = sys.argv[1], int(sys.argv[2])


@serve.deployment(max_ongoing_requests=1_000)
class OnnxModel:
    def __init__(self):
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = ort.InferenceSession(PATH, options, providers=["CPUExecutionProvider"])

    async def __call__(self, request: Request):
        given = (await request.json())["inputs"][0]
        x = np.asarray(given["data"], np.float32).reshape(given["shape"])
        y = self.session.run(["y"], {"x": x})[0]
        output = {"name": "y", "datatype": "FP32", "shape": list(y.shape), "data": y.flatten().tolist()}
        return JSONResponse({"model_name": "bench", "outputs": [output]})


ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False, configure_logging=False)
serve.start(http_options={"host": "127.0.0.1", "port": PORT})
serve.run(OnnxModel.bind(), route_prefix="/")
print(json.dumps({"port": PORT}), flush=True)
ended = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: ended.set())
ended.wait()
serve.shutdown()
ray.shutdown()
