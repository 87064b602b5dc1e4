"""Holds every conversation with one server: python differential URI TRANSCRIPT [TOPIC …]; the token is in MLFLOW_TRACKING_TOKEN."""

import json
import os
import sys
import traceback

import artifacts
import client
import experiments
import inputs
import logged_models
import protocol
import registry
import runs
import search_runs
from talk import Server

MODULES = [protocol, experiments, runs, inputs, search_runs, artifacts, logged_models, registry, client]


def main(uri: str, transcript: str, wanted: list[str]) -> None:
    server = Server(uri, os.environ.get("MLFLOW_TRACKING_TOKEN", ""))
    for module in MODULES:
        for talk in module.TALKS:
            topic = f"{module.__name__} {talk.__name__}"
            if wanted and topic not in wanted and module.__name__ not in wanted:
                continue
            server.begin(topic)
            try:
                talk(server)
            except Exception:
                server.note("the script ended", 0, {"text": traceback.format_exc()})
    with open(transcript, "w") as file:
        json.dump(server.transcript, file)


main(sys.argv[1], sys.argv[2], sys.argv[3:])
