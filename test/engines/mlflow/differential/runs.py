"""Runs: made, shown, updated, nested, deleted, restored; what is logged to them, one by one and in batches."""

import json

from talk import UNKNOWN_IDS, Server

NO_RUN = "f" * 32


def life(api: Server) -> None:
    home = api.new_experiment("runs life")
    bare = api.post("runs/create", experiment_id=home).at("run.info.run_id")
    api.get("runs/get", run_id=bare)
    api.get("runs/get", run_uuid=bare)
    full = api.post(
        "runs/create",
        experiment_id=home,
        user_id="ann",
        start_time=1700000000123,
        run_name="full",
        tags=[{"key": "a", "value": "1"}, {"key": "mlflow.user", "value": "ann"}, {"key": "mlflow.note.content", "value": "n"}],
    ).at("run.info.run_id")
    api.new_run(home, tags=[{"key": "mlflow.runName", "value": "by tag"}], start_time=1)
    api.post("runs/create", experiment_id=home, run_name="one", tags=[{"key": "mlflow.runName", "value": "other"}])
    api.new_run(home, run_name="same", tags=[{"key": "mlflow.runName", "value": "same"}])
    child = api.new_run(home, run_name="child", tags=[{"key": "mlflow.parentRunId", "value": full}])
    api.get("runs/get", run_id=child)
    api.new_run(home, run_name="orphan", tags=[{"key": "mlflow.parentRunId", "value": NO_RUN}])
    api.new_run(home, run_name="stray", tags=[{"key": "mlflow.parentRunId", "value": "nothing"}])
    api.post("runs/create")
    api.post("runs/create", experiment_id="")
    for status in ["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED", 1, 2, 3, 4, 5, 0, 9, "DONE", "finished", None, [], "3"]:
        api.post("runs/update", run_id=full, status=status)
    for end in [1700000009999, "1700000010000", 0, -1, 1.5, "x", None, True, 10**20, 1700000000000]:
        api.post("runs/update", run_id=full, end_time=end)
    for name in ["renamed", "", None, 5, "n" * 250, "n" * 251, "n" * 8001]:
        api.post("runs/update", run_id=full, run_name=name)
    api.get("runs/get", run_id=full)
    api.post("runs/set-tag", run_id=full, key="mlflow.runName", value="named by tag")
    api.post("runs/update", run_id=full)
    api.post("runs/update", run_id=full, status="FINISHED", end_time=1700000020000, run_name="done")
    api.get("runs/get", run_id=full)
    api.post("runs/delete-tag", run_id=full, key="mlflow.runName")
    api.get("runs/get", run_id=full)
    api.post("runs/update", run_uuid=full, status="FAILED")
    api.post("runs/delete", run_id=full)
    api.get("runs/get", run_id=full)
    api.get("runs/get", run_id=child)
    for path, body in [
        ("runs/delete", {}),
        ("runs/update", {"status": "RUNNING"}),
        ("runs/log-metric", {"key": "m", "value": 1, "timestamp": 1}),
        ("runs/log-parameter", {"key": "p", "value": "v"}),
        ("runs/set-tag", {"key": "t", "value": "v"}),
        ("runs/delete-tag", {"key": "a"}),
        ("runs/log-batch", {}),
        ("runs/log-batch", {"metrics": [{"key": "m", "value": 1, "timestamp": 1, "step": 0}]}),
        ("runs/log-inputs", {"datasets": [{"dataset": {"name": "d", "digest": "1", "source_type": "local", "source": "s"}}]}),
        ("runs/log-inputs", {}),
        ("runs/outputs", {"models": []}),
        ("runs/log-model", {"model_json": json.dumps({"artifact_path": "m", "flavors": {}, "utc_time_created": "2023-01-01", "run_id": full})}),
    ]:
        api.post(path, run_id=full, **body)
    api.get("metrics/get-history", run_id=full, metric_key="m")
    api.get("artifacts/list", run_id=full)
    api.post("runs/restore", run_id=full)
    api.post("runs/restore", run_id=full)
    api.get("runs/get", run_id=full)
    for start in [-1, 0, "5", "x", 1.5, 2.0, None, True, 10**20, 253402300800000]:
        api.new_run(home, start_time=start, run_name=f"at {start}")
    for name in [None, 5, ["x"], "n" * 250, "n" * 251, "a\nb"]:
        api.new_run(home, run_name=name, start_time=1)
    for tags in ["x", {}, [{}], [{"key": "", "value": "v"}], [{"key": "k"}], [{"value": "v"}], [{"key": "k", "value": 1}], [{"key": "k!", "value": "v"}],
                 [{"key": "../k", "value": "v"}], [{"key": "k" * 251, "value": "v"}], [{"key": "k", "value": "v" * 8001}],
                 [{"key": "t", "value": "1"}, {"key": "t", "value": "2"}], [None], ["x"]]:
        api.new_run(home, run_name="tags", start_time=1, tags=tags)


def unknown(api: Server) -> None:
    for run in UNKNOWN_IDS + ["F" * 32, "f" * 31, "f" * 33, "ffffffff-ffff-ffff-ffff-ffffffffffff"]:
        api.get("runs/get", run_id=run)
        api.post("runs/log-metric", run_id=run, key="m", value=1, timestamp=1)
    for path, body in [
        ("runs/update", {"status": "FINISHED"}),
        ("runs/delete", {}),
        ("runs/restore", {}),
        ("runs/log-parameter", {"key": "p", "value": "v"}),
        ("runs/set-tag", {"key": "t", "value": "v"}),
        ("runs/delete-tag", {"key": "t"}),
        ("runs/log-batch", {}),
        ("runs/log-batch", {"params": [{"key": "p", "value": "v"}]}),
        ("runs/log-inputs", {"datasets": []}),
        ("runs/outputs", {"models": [{"model_id": "m-" + NO_RUN, "step": 0}]}),
        ("runs/log-model", {"model_json": "{}"}),
    ]:
        for run in [None, "", 5, NO_RUN, "abc"]:
            api.post(path, run_id=run, **body)
        api.post(path, **body)
        api.post(path)
    api.get("runs/get")
    api.get("runs/get", run_id="")
    api.get("metrics/get-history", run_id=NO_RUN, metric_key="m")
    api.get("metrics/get-history", metric_key="m")
    api.get("metrics/get-history", run_id=NO_RUN)
    api.get("artifacts/list", run_id=NO_RUN)
    api.get("artifacts/list")


def logging(api: Server) -> None:
    home = api.new_experiment("runs logging")
    run = api.new_run(home, run_name="logs")
    for value in [1, 1.5, -0.0, 0, "2.5", "NaN", "Infinity", "-Infinity", float("nan"), float("inf"), 1e308, 1e-320, 10**20, None, "", "x", True, [1], {"a": 1}, "1e400", "0x1", " 1 ", "1_000"]:
        api.post("runs/log-metric", run_id=run, key="value", value=value, timestamp=1700000000000, step=1)
    for timestamp in [0, 1, -1, "5", "x", 1.5, 2.0, None, True, 10**13, 2**63 - 1, 2**63]:
        api.post("runs/log-metric", run_id=run, key="time", value=1, timestamp=timestamp)
    for step in [0, -1, -(2**40), "7", "x", 1.5, 2.0, None, True, 2**53 - 1, 2**53, 2**63 - 1, 2**63]:
        api.post("runs/log-metric", run_id=run, key="step", value=1, timestamp=1, step=step)
    for key in [None, "", 5, "k" * 250, "k" * 251, "../k", "/k", "k/", "./k", "a//b", ".", "a/./b", "a:b", "a;b", "a b", "a-b.c_d/e", "é", "🎉", "日本", "a\nb", "a,b", "a%b", "(x)"]:
        api.post("runs/log-metric", run_id=run, key=key, value=1, timestamp=1)
        api.post("runs/log-parameter", run_id=run, key=key, value="v")
        api.post("runs/set-tag", run_id=run, key=key, value="v")
    api.post("runs/log-metric", run_id=run)
    api.post("runs/log-metric", run_id=run, key="m")
    api.post("runs/log-metric", run_id=run, key="m", value=1)
    api.post("runs/log-parameter", run_id=run, key="p", value="1")
    api.post("runs/log-parameter", run_id=run, key="p", value="1")
    api.post("runs/log-parameter", run_id=run, key="p", value="2")
    api.post("runs/log-parameter", run_id=run, key="P", value="2")
    for i, value in enumerate([None, "", 5, True, 1.5, {"a": 1}, "v" * 500, "v" * 501, "v" * 6000, "v" * 6001, "line\nbreak", "🎉", "'; DROP"]):
        api.post("runs/log-parameter", run_id=run, key=f"p{i}", value=value)
        api.post("runs/set-tag", run_id=run, key=f"t{i}", value=value)
    api.post("runs/log-parameter", run_id=run, key="no value")
    api.post("runs/set-tag", run_id=run, key="no value")
    api.post("runs/log-parameter", run_id=run)
    api.post("runs/set-tag", run_id=run)
    api.post("runs/set-tag", run_id=run, key="long", value="v" * 8000)
    api.post("runs/set-tag", run_id=run, key="longer", value="v" * 8001)
    api.post("runs/set-tag", run_id=run, key="t", value="1")
    api.post("runs/set-tag", run_id=run, key="t", value="2")
    api.post("runs/delete-tag", run_id=run, key="t")
    api.post("runs/delete-tag", run_id=run, key="t")
    api.post("runs/delete-tag", run_id=run)
    api.post("runs/delete-tag", run_id=run, key="")
    api.post("runs/delete-tag", run_id=run, key=5)
    api.get("runs/get", run_id=run)


def batches(api: Server) -> None:
    home = api.new_experiment("runs batches")
    run = api.new_run(home, run_name="batch")
    metric = {"key": "m", "value": 1.5, "timestamp": 1700000000000, "step": 1}
    api.post(
        "runs/log-batch",
        run_id=run,
        metrics=[metric, {**metric, "step": 2, "value": 2}, {**metric, "key": "n", "value": "NaN"}, metric],
        params=[{"key": "p", "value": "1"}, {"key": "q", "value": ""}],
        tags=[{"key": "t", "value": "1"}, {"key": "t", "value": "2"}],
    )
    api.get("runs/get", run_id=run)
    api.post("runs/log-batch", run_id=run)
    api.post("runs/log-batch", run_id=run, metrics=[], params=[], tags=[])
    api.post("runs/log-batch", run_id=run, metrics=[metric], params=[{"key": "p", "value": "1"}])
    api.post("runs/log-batch", run_id=run, metrics=[{**metric, "key": "lost"}], params=[{"key": "p", "value": "2"}], tags=[{"key": "lost", "value": "1"}])
    api.post("runs/log-batch", run_id=run, params=[{"key": "p", "value": "2"}, {"key": "q", "value": "3"}, {"key": "new", "value": "4"}])
    api.post("runs/log-batch", run_id=run, params=[{"key": "two", "value": "1"}, {"key": "two", "value": "2"}])
    api.post("runs/log-batch", run_id=run, params=[{"key": "twice", "value": "1"}, {"key": "twice", "value": "1"}])
    api.get("runs/get", run_id=run)
    for field, items in [
        ("metrics", ["x", {}, None, [{}], [None], ["x"], [{"key": "m"}], [{"key": "m", "value": 1}], [{"value": 1, "timestamp": 1}], [{**metric, "key": ""}],
                     [{**metric, "value": None}], [{**metric, "value": "x"}], [{**metric, "value": ""}], [{**metric, "timestamp": "x"}], [{**metric, "timestamp": -1}], [{**metric, "timestamp": None}],
                     [{**metric, "step": "x"}], [{**metric, "step": None}], [{"key": "nostep", "value": 1, "timestamp": 1}], [{**metric, "key": "../m"}], [{**metric, "key": "k" * 251}], [metric, {**metric, "key": "a;b"}],
                     [{**metric, "extra": 1}]]),
        ("params", ["x", {}, None, [{}], [None], [{"key": "a"}], [{"value": "a"}], [{"key": "", "value": "a"}], [{"key": 5, "value": "a"}], [{"key": "b", "value": 5}], [{"key": "c", "value": None}],
                    [{"key": "../a", "value": "a"}], [{"key": "k" * 251, "value": "a"}], [{"key": "d", "value": "v" * 6001}]]),
        ("tags", ["x", {}, None, [{}], [None], [{"key": "a"}], [{"value": "a"}], [{"key": "", "value": "a"}], [{"key": 5, "value": "a"}], [{"key": "b", "value": 5}], [{"key": "c", "value": None}],
                  [{"key": "../a", "value": "a"}], [{"key": "k" * 251, "value": "a"}], [{"key": "d", "value": "v" * 8001}]]),
    ]:
        for item in items:
            api.post("runs/log-batch", run_id=run, **{field: item})
    many = lambda count: [{"key": f"k{i}", "value": str(i)} for i in range(count)]
    points = lambda count: [{**metric, "key": f"many{i}"} for i in range(count)]
    for body in [
        {"metrics": points(1000)},
        {"metrics": points(1001)},
        {"params": many(100)},
        {"params": many(101)},
        {"tags": many(100)},
        {"tags": many(101)},
        {"metrics": points(801), "params": many(100), "tags": many(100)},
        {"metrics": points(800), "params": many(100), "tags": many(100)},
    ]:
        other = api.new_run(home, run_name="limits")
        api.send("POST", "runs/log-batch", body={"run_id": other, **body}, shown=json.dumps({name: len(items) for name, items in body.items()}))
    api.send("POST", "runs/log-batch", body={"run_id": run, "tags": [{"key": "big", "value": "x" * 1_100_000}]}, shown="a body of more than 1 MB")
    model = {"artifact_path": "model", "flavors": {"python_function": {"config": {"a": 1}, "env": "x"}}, "utc_time_created": "2023-11-14 22:13:20", "run_id": run}
    api.post("runs/log-model", run_id=run, model_json=json.dumps(model))
    api.post("runs/log-model", run_id=run, model_json=json.dumps({**model, "artifact_path": "other", "model_uuid": "u", "extra": 1}))
    for text in [None, "", "x", "[]", "5", "{}", json.dumps({"artifact_path": "m", "flavors": {}, "run_id": run})]:
        api.post("runs/log-model", run_id=run, model_json=text)
    api.get("runs/get", run_id=run)


def histories(api: Server) -> None:
    home = api.new_experiment("runs histories")
    first, second = api.new_run(home, run_name="h1"), api.new_run(home, run_name="h2")
    points = [{"key": "loss", "value": 10 / (step + 1), "timestamp": 1700000000000 + 10 * (step % 7), "step": step} for step in range(12)]
    special = [{"key": "loss", "value": value, "timestamp": 1700000000500, "step": 20} for value in ("NaN", "Infinity", "-Infinity", 0)]
    for run in (first, second):
        api.post("runs/log-batch", run_id=run, metrics=points + special)
    api.post("runs/log-batch", run_id=first, metrics=[{"key": "late", "value": 1, "timestamp": 5, "step": 3}, {"key": "late", "value": 2, "timestamp": 4, "step": 3}, {"key": "late", "value": 3, "timestamp": 9, "step": 1}])
    api.get("runs/get", run_id=first)
    api.get("metrics/get-history", run_id=first, metric_key="loss")
    api.get("metrics/get-history", run_uuid=first, metric_key="late")
    api.get("metrics/get-history", run_id=first, metric_key="nothing")
    api.get("metrics/get-history", run_id=first)
    page = api.get("metrics/get-history", run_id=first, metric_key="loss", max_results=5)
    while isinstance(page.body, dict) and page.body.get("next_page_token"):
        page = api.get("metrics/get-history", run_id=first, metric_key="loss", max_results=5, page_token=page.body["next_page_token"])
    for count in ["0", "-1", "x", "1.5", "16", "17", "1000000", ""]:
        api.get("metrics/get-history", run_id=first, metric_key="late", max_results=count)
    for token in ["nonsense", "", "e30=", "eyJvZmZzZXQiOiAtMX0="]:
        api.get("metrics/get-history", run_id=first, metric_key="late", max_results=2, page_token=token)
    bulk = "/ajax-api/2.0/mlflow/metrics/get-history-bulk"
    api.get(bulk, run_id=[first], metric_key="loss")
    api.get(bulk, run_id=[second], metric_key="loss", max_results=3)
    api.get(bulk, run_id=[NO_RUN, first], metric_key="late")
    api.get(bulk, metric_key="loss")
    api.get(bulk, run_id=[first])
    api.get(bulk, run_id=[NO_RUN] * 101, metric_key="loss")
    interval = "/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval"
    api.get(interval, run_ids=[first], metric_key="loss")
    api.get(interval, run_ids=[first, second], metric_key="loss", max_results=4)
    api.get(interval, run_ids=[first], metric_key="loss", start_step=2, end_step=6)
    api.get(interval, run_ids=[first], metric_key="loss", start_step=2, end_step=9, max_results=3)
    api.get(interval, run_ids=[first], metric_key="loss", start_step=6, end_step=2)
    api.get(interval, run_ids=[first], metric_key="loss", start_step=2)
    api.get(interval, run_ids=[first], metric_key="loss", end_step=2)
    api.get(interval, run_ids=[first], metric_key="loss", max_results=0)
    api.get(interval, run_ids=[first], metric_key="loss", max_results=2501)
    api.get(interval, run_ids=[first], metric_key="loss", start_step="x", end_step="y")
    api.get(interval, run_ids=[first], metric_key="nothing")
    api.get(interval, run_ids=[first])
    api.get(interval, metric_key="loss")
    api.get(interval, run_ids=[NO_RUN], metric_key="loss")
    api.get(interval, run_ids=[NO_RUN] * 101, metric_key="loss")


TALKS = [life, unknown, logging, batches, histories]
