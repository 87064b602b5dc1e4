"""The service on this machine: files in a folder, and reports as lines for the process that started the training."""

from __future__ import annotations

import json
import os
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .service import HttpService, Service, StoredFile, is_on_cluster, stored_file

#: The descriptor of the channel to the service, and what takes its place here: child processes inherit only this one.
_CHANNEL = 3
_STANDARD_OUTPUT = 1
#: Two reporters of one process must not cut each other's lines.
_SPEAKING = threading.Lock()


@dataclass(frozen=True)
class FolderService:
    """Files that both sides see, and a channel that is never away."""

    path: Path

    def download(self, name: str, path: Path) -> None:
        path.symlink_to(self.path / name)

    def upload(self, name: str, path: Path) -> StoredFile:
        unfinished = self.path / f"{name}.unfinished"
        shutil.copyfile(path, unfinished)
        stored = stored_file(name, unfinished)
        unfinished.replace(self.path / name)
        return stored

    def report(self, reports: list[dict[str, Any]]) -> int:
        # An empty line is a sign of life.
        lines = "".join(f"{json.dumps(report)}\n" for report in reports) or "\n"
        rest = memoryview(lines.encode())
        with _SPEAKING:
            while rest:
                rest = rest[os.write(_STANDARD_OUTPUT, rest) :]
        return int(reports[-1]["seq"]) if reports else 0


def use_channel() -> None:
    """From here on, standard output is the channel: what libraries print there becomes the log of the run."""
    os.dup2(_CHANNEL, _STANDARD_OUTPUT)


def service_of_environment() -> Service:
    """The service of this process, and of the processes that it starts: MATIH_URL or MATIH_FOLDER says where it is."""
    if is_on_cluster():
        return HttpService.from_environment()
    return FolderService(Path(os.environ["MATIH_FOLDER"]))
