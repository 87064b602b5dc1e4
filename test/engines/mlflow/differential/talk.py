"""A conversation with one MLflow server, written down so that another server's can be laid beside it.

What a server chooses (ids, times, random names, tokens) becomes a placeholder, numbered in the order of its appearance.
"""

import json
import math
import re
import time
from typing import Any

import requests

# The kinds of ids, by the fields that bring them.
ID_FIELDS = {
    "experiment_id": "experiment",
    "run_id": "run",
    "run_uuid": "run",
    "source_run_id": "run",
    "model_id": "model",
    "dataset_id": "dataset",
    "upload_id": "upload",
}
ID = re.compile(r"m-[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}|\b\d{9,18}\b")
RANDOM_NAME = re.compile(r"[a-z]+-[a-z]+-\d+")
# Lists without an order of their own.
UNORDERED = {"tags", "params", "aliases", "model_inputs", "model_outputs", "dataset_inputs", "dataset_summaries"}
LONG_TEXT = 400
# A set that Python shows has no order either.
SET = re.compile(r"\{('[^']*'(?:, '[^']*')+)\}")
# Whatever is newer was made by a server: the scripts' own times are years old.
NEW_SINCE_MS = int(time.time() * 1000) - 3_600_000


class Answer:
    def __init__(self, status: int, body: Any, headers: Any):
        self.status = status
        self.body = body
        self.headers = headers

    def at(self, path: str) -> Any:
        """The value at a path as `run.info.run_id`; a text where there is none, so that a script goes on."""
        value = self.body
        for key in path.split("."):
            if isinstance(value, list) and key.isdigit() and int(key) < len(value):
                value = value[int(key)]
            elif isinstance(value, dict) and key in value:
                value = value[key]
            else:
                return f"no-{path.replace('.', '-')}"
        return value


class Names:
    """Placeholders for what the server chose."""

    def __init__(self, uri: str):
        self.uri = uri
        self.placeholders: dict[str, str] = {}

    def learn(self, value: Any, exchange: int) -> None:
        """Ids are named by the exchange that brought them: what one server makes and the other refuses shifts no others."""
        if isinstance(value, list):
            for item in value:
                self.learn(item, exchange)
        elif isinstance(value, dict):
            for key in sorted(value):
                kind, item = ID_FIELDS.get(key), value[key]
                if kind and isinstance(item, str) and ID.fullmatch(item) and len(set(item.removeprefix("m-"))) > 1 and item not in self.placeholders:
                    others = sum(name.startswith(f"<{kind} {exchange}") for name in self.placeholders.values())
                    self.placeholders[item] = f"<{kind} {exchange}{'abcdefghijklmnopqrstuvwxyz'[others - 1] if others else ''}>"
                self.learn(item, exchange)

    def text(self, text: str) -> str:
        text = SET.sub(lambda found: "{%s}" % ", ".join(sorted(found[1].split(", "))), text)
        named = ID.sub(lambda found: self.placeholders.get(found[0], found[0]), text.replace(self.uri, "<server>"))
        return named if len(named) <= LONG_TEXT else f"{named[:LONG_TEXT]}… ({len(named)} characters)"

    def value(self, value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            shown = {self.text(name): self.value(item, name) for name, item in value.items()}
            # The metrics of a run or model have no order, those of a history have.
            if key == "data" and "metrics" in shown:
                shown["metrics"] = sorted(shown["metrics"], key=lambda metric: json.dumps(metric, sort_keys=True))
            return shown
        if isinstance(value, list):
            items = [self.value(item, key) for item in value]
            return sorted(items, key=lambda item: json.dumps(item, sort_keys=True)) if key in UNORDERED else items
        if isinstance(value, str):
            if key == "next_page_token":
                return "<token>"
            if key in ("run_name", "name", "value") and RANDOM_NAME.fullmatch(value):
                return "<random name>"
            return self.text(value)
        if isinstance(value, float) and not math.isfinite(value):
            return f"bare {value}"
        if isinstance(value, int) and not isinstance(value, bool) and value > NEW_SINCE_MS and value < 2 * NEW_SINCE_MS:
            return "<now>"
        return value


class Server:
    def __init__(self, uri: str, token: str):
        self.uri = uri.rstrip("/")
        self.token = token
        self.transcript: list[dict[str, Any]] = []
        self.session = requests.Session()
        self.begin("")

    def begin(self, topic: str) -> None:
        """Placeholders are counted anew in each topic, so that one can be held alone."""
        self.topic = topic
        self.names = Names(self.uri)
        self.given_tokens: set[str] = set()
        self.exchanges = 1

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Any = None,
        body: Any = None,
        data: bytes | str | None = None,
        headers: dict[str, str] | None = None,
        shown: str | None = None,
    ) -> Answer:
        """One request, written down with its answer. A path without a slash in front is under /api/2.0/mlflow/."""
        url = self.uri + (path if path.startswith("/") else f"/api/2.0/mlflow/{path}")
        sent = {"Authorization": f"Bearer {self.token}"} | (headers or {})
        if body is not None:
            # As clients do: Python's json, so that NaN is written bare.
            data, sent = json.dumps(body), {"Content-Type": "application/json"} | sent
        if isinstance(data, str):
            data = data.encode()
        request = requests.Request(method, url, params=query, data=data, headers=sent)
        prepared = self.session.prepare_request(request)
        try:
            response = self.session.send(prepared, timeout=60)
        except requests.ConnectionError:
            # Servers close a connection whose body they refused unread.
            response = self.session.send(prepared, timeout=60)
        answer = Answer(response.status_code, read(response), response.headers)
        what = body if body is not None else query if query is not None else data
        self.names.learn(answer.body, self.exchanges)
        asked = shown if shown is not None else self.show(what)
        self.note(f"{method} {self.names.text(path)} {asked}".strip(), answer.status, answer.body)
        return answer

    def show(self, what: Any) -> str:
        if what is None:
            return ""
        if isinstance(what, bytes):
            what = what.decode(errors="replace")
        return self.names.text(what if isinstance(what, str) else json.dumps(self.hide_tokens(what)))

    def hide_tokens(self, what: Any) -> Any:
        """A token that this server gave differs from the other's; one that a script made up does not."""
        if isinstance(what, dict) and what.get("page_token") in self.given_tokens:
            return {**what, "page_token": "<token>"}
        return what

    def note(self, request: str, status: int, body: Any) -> None:
        """Writes down one exchange."""
        if isinstance(body, dict) and isinstance(body.get("next_page_token"), str):
            self.given_tokens.add(body["next_page_token"])
        self.exchanges += 1
        self.transcript.append({"topic": self.topic, "request": request, "status": status, "body": self.names.value(body)})

    def get(self, path: str, /, **query: Any) -> Answer:
        return self.send("GET", path, query=query)

    def post(self, path: str, /, **body: Any) -> Answer:
        return self.send("POST", path, body=body)

    def patch(self, path: str, /, **body: Any) -> Answer:
        return self.send("PATCH", path, body=body)

    def delete(self, path: str, /, **body: Any) -> Answer:
        return self.send("DELETE", path, body=body)

    def new_experiment(self, name: str, **more: Any) -> str:
        return self.post("experiments/create", name=name, **more).at("experiment_id")

    def new_run(self, experiment_id: str, **more: Any) -> str:
        # Made by whom the token names, as everything else.
        return self.post("runs/create", **{"experiment_id": experiment_id, "start_time": 1700000000000, "user_id": "tess", **more}).at("run.info.run_id")


def read(response: requests.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return {"text": response.text}


# Ids of nothing, in many shapes.
UNKNOWN_IDS = ["f" * 32, "123456789012", "abc", "-1", "1.5", "0x1", "9" * 40, "a b", "../0", "%2e%2e", "0' OR '1'='1", "é", "x" * 300]
