"""Uploads and downloads files with MLflow's own client: each line of stdin is a command in JSON; stdout gets its milliseconds."""

import json
import logging
import os
import pathlib
import shutil
import sys
import tempfile
import time

import mlflow

os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
logging.getLogger("mlflow").setLevel(logging.ERROR)

# MLflow itself prints the URL of a run.
answers, sys.stdout = sys.stdout, sys.stderr

with tempfile.TemporaryDirectory() as home:
    run_id = None
    for line in sys.stdin:
        command = json.loads(line)
        folder = pathlib.Path(home, command["folder"])
        if run_id is None:
            with mlflow.start_run() as run:
                run_id = run.info.run_id
        if command["do"] == "up":
            folder.mkdir()
            for i in range(command["files"]):
                (folder / f"{i}.bin").write_bytes(os.urandom(command["bytes"]))
            started = time.perf_counter()
            mlflow.log_artifacts(str(folder), command["folder"], run_id=run_id)
            ms = (time.perf_counter() - started) * 1000
        else:
            target = tempfile.mkdtemp(dir=home)
            started = time.perf_counter()
            found = mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path=command["folder"], dst_path=target)
            ms = (time.perf_counter() - started) * 1000
            for sent in folder.iterdir():
                if sent.read_bytes() != pathlib.Path(found, sent.name).read_bytes():
                    raise SystemExit(f"{sent.name} came back with other bytes")
            shutil.rmtree(target)
            shutil.rmtree(folder)
        print(json.dumps(ms), file=answers, flush=True)
