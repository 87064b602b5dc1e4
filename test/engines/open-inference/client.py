"""Calls a service with Triton's client as its users do, and prints what came as one line of JSON.

Settings: URL and GRPC (host:port each), TOKEN, and the endpoints NUMBERS (y = 2x + 1) and TEXTS (t = s).
"""

import asyncio
import json
import os
import queue

import numpy as np
import tritonclient.grpc as tgrpc
import tritonclient.grpc.aio as tgrpc_aio
import tritonclient.http as thttp
import tritonclient.http.aio as thttp_aio
from tritonclient.grpc import model_config_pb2, service_pb2
from tritonclient.utils import InferenceServerException

URL, GRPC = os.environ["URL"], os.environ["GRPC"]
TOKEN = os.environ["TOKEN"]
NUMBERS, TEXTS = "numbers", "texts"
LARGE = np.arange(2_000, dtype=np.float32).reshape(-1, 1)


def headers():
    """A new one for each call, because the HTTP client adds headers of the call to it."""
    return {"authorization": f"Bearer {TOKEN}"}


def numbers(module, values, binary=None):
    values = np.asarray(values, dtype=np.float32).reshape(-1, 1)
    tensor = module.InferInput("x", list(values.shape), "FP32")
    if binary is None:
        tensor.set_data_from_numpy(values)
    else:
        tensor.set_data_from_numpy(values, binary_data=binary)
    return [tensor]


def texts(module, values):
    values = np.array(values, dtype=object).reshape(-1, 1)
    tensor = module.InferInput("s", list(values.shape), "BYTES")
    tensor.set_data_from_numpy(values)
    return [tensor]


def y_of(result):
    return result.as_numpy("y").flatten().tolist()


def texts_of(result):
    return [text.decode() for text in result.as_numpy("t").flatten()]


def refused(call):
    try:
        call()
    except InferenceServerException as error:
        return [error.status(), error.message()]
    return None


def described(client, as_json):
    about = {"as_json": True} if as_json else {}
    return {
        "live": client.is_server_live(headers=headers()),
        "ready": client.is_server_ready(headers=headers()),
        "modelReady": client.is_model_ready(NUMBERS, headers=headers()),
        "server": client.get_server_metadata(headers=headers(), **about),
        "metadata": client.get_model_metadata(NUMBERS, headers=headers(), **about),
        "config": client.get_model_config(NUMBERS, headers=headers(), **about),
        "statistics": client.get_inference_statistics(NUMBERS, headers=headers(), **about),
        "allStatistics": client.get_inference_statistics(headers=headers(), **about),
        "index": client.get_model_repository_index(headers=headers(), **about),
    }


def switched(client, wanted):
    """Unloads and loads again; the answers before, between and after."""
    answers = [y_of(client.infer(NUMBERS, wanted, headers=headers()))]
    client.unload_model(NUMBERS, headers=headers())
    answers.append(refused(lambda: client.infer(NUMBERS, wanted, headers=headers())) is not None)
    client.load_model(NUMBERS, headers=headers())
    answers.append(y_of(client.infer(NUMBERS, wanted, headers=headers())))
    return answers


def over_http():
    client = thttp.InferenceServerClient(URL, concurrency=8, network_timeout=60)
    infer = lambda inputs, model=NUMBERS, **more: client.infer(model, inputs, headers=headers(), **more)
    answers = {
        "described": described(client, False),
        "binary": y_of(infer(numbers(thttp, [1, 2]), request_id="7")),
        "json": y_of(infer(numbers(thttp, [1, 2], binary=False))),
        "jsonOut": y_of(
            infer(numbers(thttp, [1, 2]), outputs=[thttp.InferRequestedOutput("y", binary_data=False)])
        ),
        "id": infer(numbers(thttp, [1]), request_id="7").get_response()["id"],
        "texts": texts_of(infer(texts(thttp, ["a", "", "é"]), model=TEXTS)),
        "classes": [
            text.decode()
            for text in infer(
                numbers(thttp, [1]), outputs=[thttp.InferRequestedOutput("y", class_count=1)]
            )
            .as_numpy("y")
            .flatten()
        ],
        "priority": y_of(infer(numbers(thttp, [1]), priority=1, timeout=2_000_000, sequence_id=3)),
        "parameters": y_of(infer(numbers(thttp, [1]), parameters={"routing_key": "k"})),
    }
    for algorithm in ("gzip", "deflate"):
        result = infer(
            numbers(thttp, LARGE),
            request_compression_algorithm=algorithm,
            response_compression_algorithm=algorithm,
        )
        answers[algorithm] = y_of(result) == (2 * LARGE + 1).flatten().tolist()
    pending = [client.async_infer(NUMBERS, numbers(thttp, [i]), headers=headers()) for i in range(20)]
    answers["async"] = [y_of(one.get_result())[0] for one in pending]
    answers["refused"] = [
        refused(lambda: infer(numbers(thttp, [1]), model="absent")),
        refused(lambda: infer(numbers(thttp, [1]), model_version="999")),
        refused(lambda: infer(numbers(thttp, [float("nan")]))),
        refused(lambda: client.infer(NUMBERS, numbers(thttp, [1]))),
    ]
    answers["switched"] = switched(client, numbers(thttp, [4]))
    client.close()
    return answers


async def over_http_aio():
    async with thttp_aio.InferenceServerClient(URL) as client:
        calls = [client.infer(NUMBERS, numbers(thttp, [i]), headers=headers()) for i in range(20)]
        return [y_of(result)[0] for result in await asyncio.gather(*calls)]


def over_grpc():
    client = tgrpc.InferenceServerClient(GRPC)
    infer = lambda inputs, model=NUMBERS, **more: client.infer(model, inputs, headers=headers(), **more)
    answers = {
        "described": described(client, True),
        "binary": y_of(infer(numbers(tgrpc, [1, 2]), request_id="7")),
        "id": infer(numbers(tgrpc, [1]), request_id="7").get_response().id,
        "texts": texts_of(infer(texts(tgrpc, ["a", "", "é"]), model=TEXTS)),
        "priority": y_of(infer(numbers(tgrpc, [1]), priority=1, timeout=2_000_000, sequence_id="s")),
        "deadline": y_of(infer(numbers(tgrpc, [1]), client_timeout=10)),
    }
    for algorithm in ("gzip", "deflate"):
        result = infer(numbers(tgrpc, LARGE), compression_algorithm=algorithm)
        answers[algorithm] = y_of(result) == (2 * LARGE + 1).flatten().tolist()
    done = queue.Queue()
    for i in range(20):
        client.async_infer(
            NUMBERS,
            numbers(tgrpc, [i]),
            lambda result, error: done.put(error or y_of(result)[0]),
            headers=headers(),
        )
    answers["async"] = sorted(done.get(timeout=30) for _ in range(20))
    client.start_stream(lambda result, error: done.put((result, error)), headers=headers())
    for i in range(20):
        client.async_stream_infer(NUMBERS if i != 10 else "absent", numbers(tgrpc, [i]), request_id=str(i))
    streamed = [done.get(timeout=30) for _ in range(20)]
    client.stop_stream()
    answers["stream"] = [y_of(result)[0] if error is None else error.message() for result, error in streamed]
    answers["refused"] = [
        refused(lambda: infer(numbers(tgrpc, [1]), model="absent")),
        refused(lambda: infer(numbers(tgrpc, [1]), model_version="999")),
        refused(lambda: infer(numbers(tgrpc, [float("nan")]))),
        refused(lambda: client.infer(NUMBERS, numbers(tgrpc, [1]))),
    ]
    answers["switched"] = switched(client, numbers(tgrpc, [4]))
    client.close()
    return answers


async def over_grpc_aio():
    async with tgrpc_aio.InferenceServerClient(GRPC) as client:
        calls = [client.infer(NUMBERS, numbers(tgrpc, [i]), headers=headers()) for i in range(20)]
        answers = [y_of(result)[0] for result in await asyncio.gather(*calls)]

        async def requests():
            for i in range(5):
                yield {"model_name": NUMBERS, "inputs": numbers(tgrpc, [i])}

        stream = client.stream_infer(requests(), headers=headers())
        async for result, error in stream:
            answers.append(error.message() if error else y_of(result)[0])
        return answers


def fields():
    """The numbers of the fields of Triton's messages, by message and field."""
    found = {}

    def add(prefix, messages):
        for name, message in messages.items():
            found[prefix + name] = {field.name: field.number for field in message.fields}
            add(f"{prefix}{name}.", message.nested_types_by_name)

    add("", service_pb2.DESCRIPTOR.message_types_by_name)
    add("", model_config_pb2.DESCRIPTOR.message_types_by_name)
    return found


print(
    json.dumps(
        {
            "http": over_http(),
            "httpAio": asyncio.run(over_http_aio()),
            "grpc": over_grpc(),
            "grpcAio": asyncio.run(over_grpc_aio()),
            "fields": fields(),
        }
    )
)
