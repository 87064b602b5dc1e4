"""The service, as a training sees it: files to read and to store, and reports with sequence numbers."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from http.client import HTTPResponse

_TIMEOUT_S = 60.0
_FIRST_WAIT_S = 0.5
_FIRST_PATIENCE_S = 60.0
_LONGEST_WAIT_S = 15.0
_CHUNK_BYTES = 1 << 20
_REPORTS_AT_ONCE = 200
_FLUSH_S = 0.25
_SIGN_OF_LIFE_S = 5.0
_MAX_LINE_CHARACTERS = 2000
_SUPERSEDED_EXIT_CODE = 3


class SupersededError(Exception):
    """The job was cancelled, has ended, or runs elsewhere: stop at once."""


class RefusedError(Exception):
    """The service refuses a request that would be refused again."""


@dataclass(frozen=True)
class StoredFile:
    """A file after its upload."""

    name: str
    size_bytes: int
    sha256: str


def stored_file(name: str, path: Path) -> StoredFile:
    """What is to be known of the content of this path."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return StoredFile(name, path.stat().st_size, digest.hexdigest())


def is_on_cluster() -> bool:
    """Whether the training runs on a cluster, and so reaches the service only over the network."""
    return "MATIH_URL" in os.environ


class Service(Protocol):
    """Where a training reads its files and stores its results."""

    def download(self, name: str, path: Path) -> None:
        """Copies a file of the training."""

    def upload(self, name: str, path: Path) -> StoredFile:
        """Stores a file under this name; it replaces an earlier one."""

    def report(self, reports: list[dict[str, Any]]) -> int:
        """Sends reports in their order, and returns the last number that the service has."""


@dataclass(frozen=True)
class HttpService:
    """The service over HTTP, with the token of the attempt."""

    address: str
    job_id: str
    token: str
    #: How long requests are repeated while the service does not answer.
    patience_s: float = 600.0

    @staticmethod
    def from_environment(environment: Mapping[str, str] = os.environ) -> HttpService:
        """Reads MATIH_URL, MATIH_JOB_ID and MATIH_JOB_TOKEN."""
        return HttpService(
            environment["MATIH_URL"].rstrip("/"), environment["MATIH_JOB_ID"], environment["MATIH_JOB_TOKEN"]
        )

    def require_reachable(self) -> None:
        """Fails soon when the service cannot be reached at all."""
        replace(self, patience_s=_FIRST_PATIENCE_S).report([])

    def download(self, name: str, path: Path) -> None:
        def receive(answer: HTTPResponse) -> None:
            with path.open("wb") as file:
                while chunk := answer.read(_CHUNK_BYTES):
                    file.write(chunk)
            # A connection that is cut ends like a complete answer.
            if answer.length:
                raise ConnectionError(f"{name} ended {answer.length} bytes early.")

        self._send("GET", f"files/{name}", None, receive)

    def upload(self, name: str, path: Path) -> StoredFile:
        stored = stored_file(name, path)
        self._send("PUT", f"files/{name}", path, lambda answer: answer.read())
        return stored

    def report(self, reports: list[dict[str, Any]]) -> int:
        body = json.dumps({"reports": reports}).encode()
        answer = json.loads(self._send("POST", "reports", body, lambda answer: answer.read()))
        return int(answer["acknowledged"])

    def _send(self, method: str, path: str, body: bytes | Path | None, receive: Any) -> Any:
        """Repeats a request while the service is away. Every request may be sent twice."""
        deadline = time.monotonic() + self.patience_s
        wait = _FIRST_WAIT_S
        while True:
            try:
                return self._send_once(method, path, body, receive)
            except urllib.error.HTTPError as error:
                reason = _reason(error)
                if error.code in (401, 409):
                    raise SupersededError(reason) from None
                if error.code < 500 and error.code != 429:
                    raise RefusedError(reason) from None
                problem = reason
            except OSError as error:
                problem = str(error)
            if time.monotonic() + wait > deadline:
                raise ConnectionError(
                    f"The service does not answer at {self.address}, which must be reachable from here: {problem}"
                )
            time.sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT_S)

    def _send_once(self, method: str, path: str, body: bytes | Path | None, receive: Any) -> Any:
        headers = {"authorization": f"Bearer {self.token}", "content-type": "application/octet-stream"}
        url = f"{self.address}/v1/jobs/{self.job_id}/{path}"
        if isinstance(body, Path):
            headers["content-length"] = str(body.stat().st_size)
            with body.open("rb") as file:
                request = urllib.request.Request(url, data=file, headers=headers, method=method)
                with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
                    return receive(answer)
        request = urllib.request.Request(url, data=body, headers=headers, method=method)
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
            return receive(answer)


def _reason(error: urllib.error.HTTPError) -> str:
    try:
        body = json.loads(error.read())
        # Plain routes wrap their errors.
        return str(body.get("error", body)["message"])
    except (ValueError, KeyError, TypeError, AttributeError, OSError):
        return f"HTTP {error.code}"


class Reporter:
    """Sends reports in the background, in their order. A report is sent again until the service has it."""

    def __init__(self, service: Service, first_number: int = 1) -> None:
        self._service = service
        self._next = first_number
        self._waiting: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        self._closed = False
        self._problem: Exception | None = None
        self._thread = threading.Thread(target=self._send_all, daemon=True)
        self._thread.start()

    @property
    def next_number(self) -> int:
        """The number of the next report."""
        return self._next

    def continue_from(self, number: int) -> None:
        """Another process has reported meanwhile, up to the report before this number."""
        self.flush()
        with self._changed:
            self._next = number

    def progress(self, fraction: float, message: str) -> None:
        self._add({"type": "progress", "fraction": min(1.0, max(0.0, fraction)), "message": message})

    def epoch(self, epoch: int, epochs: int, metrics: Mapping[str, float]) -> None:
        finite = {name: value for name, value in metrics.items() if value - value == 0}
        self._add({"type": "epoch", "epoch": epoch, "epochs": epochs, "metrics": finite})

    def log(self, line: str) -> None:
        self._add({"type": "log", "line": line.replace("\n", " ")[:_MAX_LINE_CHARACTERS]})

    def checkpoint(self, epoch: int, file: StoredFile) -> None:
        self._add(
            {
                "type": "checkpoint",
                "epoch": epoch,
                "file": file.name,
                "sizeBytes": file.size_bytes,
                "sha256": file.sha256,
            }
        )

    def flush(self) -> None:
        """Waits until the service has every report."""
        with self._changed:
            while self._waiting and self._problem is None:
                self._changed.wait()
            if self._problem is not None:
                raise self._problem

    def close(self) -> None:
        self.flush()
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _add(self, report: dict[str, Any]) -> None:
        with self._changed:
            if self._problem is not None:
                raise self._problem
            self._waiting.append({"seq": self._next, "at": int(time.time() * 1000), **report})
            self._next += 1
            self._changed.notify_all()

    def _send_all(self) -> None:
        while True:
            with self._changed:
                if not self._waiting and not self._closed:
                    self._changed.wait(_SIGN_OF_LIFE_S)
                if self._closed:
                    return
                batch = self._waiting[:_REPORTS_AT_ONCE]
            try:
                # An empty batch only asks whether the work shall go on.
                acknowledged = self._service.report(batch)
            except SupersededError as error:
                print(f"This work is over: {error}", file=sys.stderr, flush=True)
                os._exit(_SUPERSEDED_EXIT_CODE)
            except Exception as error:
                with self._changed:
                    self._problem = error
                    self._changed.notify_all()
                return
            with self._changed:
                self._waiting = [report for report in self._waiting if report["seq"] > acknowledged]
                self._changed.notify_all()
            time.sleep(_FLUSH_S)
