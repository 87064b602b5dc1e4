"""The application: Ray Serve calls `build` with the arguments of the service, and `reconfigure` with the file."""

import asyncio
import json
import time
from typing import Any

from ray import serve
from starlette.requests import Request
from starlette.responses import Response

from matih_ml.serve.model import OnnxModel, RefusedValues, download
from matih_ml.serve.wire import LENGTH_HEADER, Arrays, InvalidRequest, decode_request, encode_answer

MOST_TOGETHER = 64


class Replica:
    """One replica. A run that takes longer than `hang_s` makes it unhealthy, so that Ray Serve replaces it."""

    def __init__(self, name: str, joins: bool, threads: int, hang_s: float) -> None:
        self.name = name
        self.joins = joins
        self.threads = threads
        self.hang_s = hang_s
        self.sha256: str | None = None
        self.model: OnnxModel | None = None

    def reconfigure(self, config: dict[str, Any]) -> None:
        """A new address for the same file changes nothing."""
        if config["sha256"] == self.sha256:
            return
        self.model = OnnxModel(download(config["url"], config["sha256"]), self.joins, self.threads)
        self.sha256 = config["sha256"]

    def check_health(self) -> None:
        since = self.model.running_since if self.model else None
        if since is not None and time.monotonic() - since > self.hang_s:
            raise RuntimeError(f"a run of the model takes longer than {self.hang_s} s")

    async def __call__(self, request: Request) -> Response:
        path = request.url.path
        if request.method == "GET" and path.endswith("/ready"):
            return Response()
        if request.method != "POST" or not path.endswith("/infer"):
            return _refusal(404, f"there is no {request.method} {path}")
        try:
            json_bytes = int(request.headers.get(LENGTH_HEADER, "0"))
            arrays, parameters = decode_request(await request.body(), json_bytes)
            answer = await self.answer((arrays, bool(parameters.get("alone", False))))
            if isinstance(answer, Exception):
                raise answer
            body, length = encode_answer(self.name, answer)
        except RefusedValues as error:
            return _refusal(400, f"INVALID_TENSOR: {error}")
        except (InvalidRequest, ValueError) as error:
            return _refusal(400, str(error))
        return Response(body, media_type="application/octet-stream", headers={LENGTH_HEADER: str(length)})

    @serve.batch(max_batch_size=MOST_TOGETHER, batch_wait_timeout_s=0)
    async def answer(self, requests: list[tuple[Arrays, bool]]) -> list[Arrays | Exception]:
        """What waits runs at once: while a run takes its time, the next requests come together."""
        assert self.model is not None
        return await asyncio.to_thread(self.model.answer_all, requests)


def _refusal(status: int, message: str) -> Response:
    return Response(json.dumps({"error": message}), status, media_type="application/json")


def build(args: dict[str, Any]) -> serve.Application:
    """`args`: name, joins, threads and hang_s of the model."""
    deployment = serve.deployment(name="Model")(Replica)
    return deployment.bind(args["name"], args["joins"], args["threads"], args["hang_s"])
