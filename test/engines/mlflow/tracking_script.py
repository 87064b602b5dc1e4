"""A user's script, as it runs against any MLflow server: only MLFLOW_TRACKING_URI and the credentials say which."""

import json
import math
import sys
import tempfile
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunStatus, RunTag, ViewType
from mlflow.exceptions import MlflowException

client = MlflowClient()


def refused(code, call, *args, **kwargs):
    """The call is refused with this error code."""
    try:
        call(*args, **kwargs)
    except MlflowException as error:
        assert error.error_code == code, f"expected {code}, got {error.error_code}: {error}"
        return str(error)
    raise AssertionError(f"{call.__name__} was not refused")


# Experiments: the default one, one of our own with tags, renamed, deleted, restored, searched.
assert client.get_experiment("0").name == "Default"
experiment_id = client.create_experiment("trees", tags={"team": "growth"})
refused("RESOURCE_ALREADY_EXISTS", client.create_experiment, "trees")
refused("RESOURCE_DOES_NOT_EXIST", client.get_experiment, "4711")

assert client.get_experiment_by_name("nobody") is None
client.rename_experiment(experiment_id, "forests")
client.set_experiment_tag(experiment_id, "phase", "one")
client.delete_experiment_tag(experiment_id, "team")
experiment = client.get_experiment_by_name("forests")
assert experiment.experiment_id == experiment_id and experiment.tags == {"phase": "one"}
assert [e.name for e in client.search_experiments(filter_string="name LIKE 'fo%' AND tags.phase = 'one'")] == ["forests"]
assert {e.name for e in mlflow.search_experiments(order_by=["name"])} == {"Default", "forests"}
client.delete_experiment(experiment_id)
assert client.get_experiment(experiment_id).lifecycle_stage == "deleted"
assert [e.name for e in client.search_experiments(view_type=ViewType.DELETED_ONLY)] == ["forests"]
client.restore_experiment(experiment_id)

# The fluent API: nested runs, parameters, metrics, tags, data.
mlflow.set_experiment("forests")
data = pd.DataFrame({"x": [1.0, 2.0, 3.0], "y": [0, 1, 1]})
with mlflow.start_run(run_name="parent", description="looks for the best depth", tags={"owner": "ann"}) as parent:
    assert mlflow.active_run().info.run_id == parent.info.run_id
    mlflow.log_params({"depth": 3, "criterion": "gini", "seeds": [1, 2]})
    mlflow.log_param("depth", 3)
    message = refused("INVALID_PARAMETER_VALUE", mlflow.log_param, "depth", 4)
    assert "Changing param values is not allowed" in message, message
    for step in range(5):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
    mlflow.log_metrics({"train/accuracy": 0.5, "auc": math.nan, "best": math.inf, "worst": -math.inf}, step=4)
    mlflow.set_tags({"stage": "search", "mlflow.note.content": "**better**"})
    mlflow.log_input(mlflow.data.from_pandas(data, source="memory", name="toy", targets="y"), context="training")
    children = []
    for depth in (1, 2):
        with mlflow.start_run(run_name=f"depth-{depth}", nested=True) as child:
            mlflow.log_param("depth", depth)
            mlflow.log_metric("loss", 1 / depth)
            children.append(child.info.run_id)

run = mlflow.get_run(parent.info.run_id)
assert run.info.status == "FINISHED" and run.info.end_time >= run.info.start_time > 1_600_000_000_000
assert run.info.run_name == "parent" and run.info.lifecycle_stage == "active"
assert run.info.artifact_uri == f"mlflow-artifacts:/{experiment_id}/{run.info.run_id}/artifacts"
assert run.data.params == {"depth": "3", "criterion": "gini", "seeds": "[1, 2]"}
assert run.data.metrics["loss"] == 0.2 and run.data.metrics["train/accuracy"] == 0.5
assert math.isnan(run.data.metrics["auc"])
assert run.data.metrics["best"] == sys.float_info.max and run.data.metrics["worst"] == -sys.float_info.max
assert run.data.tags["owner"] == "ann" and run.data.tags["mlflow.note.content"] == "**better**"
assert run.data.tags["mlflow.source.name"].endswith("tracking_script.py")
[dataset_input] = run.inputs.dataset_inputs
assert dataset_input.dataset.name == "toy" and json.loads(dataset_input.dataset.profile)["num_rows"] == 3
assert [(tag.key, tag.value) for tag in dataset_input.tags] == [("mlflow.data.context", "training")]
assert [mlflow.get_parent_run(child).info.run_id for child in children] == [run.info.run_id] * 2
assert [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, "loss")] == [(s, 1 / (s + 1)) for s in range(5)]

# A run that fails says so.
try:
    with mlflow.start_run(run_name="broken") as broken:
        raise ValueError("on purpose")
except ValueError:
    pass
assert client.get_run(broken.info.run_id).info.status == "FAILED"

# The client API: one batch of everything, twice the same, and its limits.
batched = client.create_run(experiment_id, start_time=1_700_000_000_000, tags={"mlflow.user": "bob"}, run_name="batched")
run_id = batched.info.run_id
assert batched.info.start_time == 1_700_000_000_000 and batched.info.user_id == "bob"
metrics = [Metric("curve", i / 1000, 1_700_000_000_000 + i, i) for i in range(900)]
for _ in range(2):
    client.log_batch(run_id, metrics, [Param("p", "v")], [RunTag("t", "1")])
assert [m.step for m in client.get_metric_history(run_id, "curve")] == list(range(900))
client.log_batch(run_id, metrics=[Metric("many", i, i, i) for i in range(2500)])
assert len(client.get_metric_history(run_id, "many")) == 2500
client.log_metric(run_id, "negative", -1.5, timestamp=5, step=-3)
assert [(m.step, m.timestamp) for m in client.get_metric_history(run_id, "negative")] == [(-3, 5)]
client.set_tag(run_id, "mlflow.runName", "renamed")
assert client.get_run(run_id).info.run_name == "renamed"
client.delete_tag(run_id, "t")
refused("RESOURCE_DOES_NOT_EXIST", client.delete_tag, run_id, "t")
client.update_run(run_id, status="KILLED", name="again")
assert (client.get_run(run_id).info.status, client.get_run(run_id).info.run_name) == ("KILLED", "again")
client.set_terminated(run_id, RunStatus.to_string(RunStatus.FINISHED), end_time=1_700_000_009_000)
assert client.get_run(run_id).info.end_time == 1_700_000_009_000
refused("INVALID_PARAMETER_VALUE", client.log_metric, run_id, "bad*key", 1)
refused("RESOURCE_DOES_NOT_EXIST", client.get_run, "f" * 32)

# Deleted and restored.
client.delete_run(run_id)
assert client.get_run(run_id).info.lifecycle_stage == "deleted"
refused("INVALID_PARAMETER_VALUE", client.log_metric, run_id, "curve", 1)
client.restore_run(run_id)

# A run is taken up again.
with mlflow.start_run(run_id=children[0]):
    mlflow.log_metric("late", 1)
assert client.get_run(children[0]).data.metrics["late"] == 1

# Search.
found = mlflow.search_runs(search_all_experiments=True, filter_string="metrics.loss < 0.6 AND params.depth = '2'")
assert list(found["run_id"]) == [children[1]], found
ordered = client.search_runs([experiment_id], "tags.mlflow.parentRunId = '%s'" % run.info.run_id, order_by=["metrics.loss ASC"])
assert [r.info.run_id for r in ordered] == [children[1], children[0]]
pages = client.search_runs([experiment_id], max_results=2, order_by=["attributes.start_time DESC"])
seen = [r.info.run_id for r in pages]
while pages.token:
    pages = client.search_runs([experiment_id], max_results=2, order_by=["attributes.start_time DESC"], page_token=pages.token)
    seen += [r.info.run_id for r in pages]
assert len(seen) == len(set(seen)) == 5, seen
refused("INVALID_PARAMETER_VALUE", client.search_runs, [experiment_id], "nonsense")

# Logged models.
model = mlflow.initialize_logged_model(name="forest", source_run_id=run.info.run_id, tags={"kind": "tree"}, params={"n": "5"}, experiment_id=experiment_id)
assert model.status.value == "PENDING" and model.model_id.startswith("m-")
mlflow.log_metric("quality", 0.75, run_id=run.info.run_id, model_id=model.model_id, dataset=mlflow.data.from_pandas(data, name="toy"))
mlflow.finalize_logged_model(model.model_id, "READY")
mlflow.set_logged_model_tags(model.model_id, {"extra": "1"})
mlflow.delete_logged_model_tag(model.model_id, "extra")
model = mlflow.get_logged_model(model.model_id)
assert model.status.value == "READY" and model.params == {"n": "5"}, model
assert model.tags["kind"] == "tree" and "extra" not in model.tags, model.tags
[metric] = model.metrics
assert (metric.key, metric.value, metric.dataset_name, metric.run_id) == ("quality", 0.75, "toy", run.info.run_id)
models = mlflow.search_logged_models(
    experiment_ids=[experiment_id],
    filter_string="metrics.quality > 0.5 AND params.n = '5'",
    order_by=[{"field_name": "metrics.quality", "ascending": False}],
    output_format="list",
)
assert [m.model_id for m in models] == [model.model_id]
client.delete_logged_model(model.model_id)
refused("RESOURCE_DOES_NOT_EXIST", client.get_logged_model, model.model_id)

print(json.dumps({"experiment_id": experiment_id, "run_id": run.info.run_id, "children": children}))
