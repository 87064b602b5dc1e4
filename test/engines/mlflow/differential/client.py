"""The Python client's own view: what its methods return, rather than what is said on the wire."""

import os
import tempfile
from typing import Any

from talk import Server


def show(value: Any) -> Any:
    from mlflow.entities._mlflow_object import _MlflowObject
    from mlflow.store.entities import PagedList

    if isinstance(value, PagedList):
        return {"items": [show(item) for item in value], "more": bool(value.token)}
    if isinstance(value, _MlflowObject):
        return {name: show(item) for name, item in dict(value).items()}
    if hasattr(value, "to_dict") and hasattr(value, "columns"):
        return [{name: show(row[name]) for name in sorted(row)} for row in value.to_dict("records")]
    if isinstance(value, dict):
        return {str(name): show(item) for name, item in sorted(value.items())}
    if isinstance(value, (list, tuple)):
        return [show(item) for item in value]
    if isinstance(value, float) and value != value:
        return "not a number"
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def life(api: Server) -> None:
    os.environ["MLFLOW_TRACKING_TOKEN"] = api.token
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    os.environ["GIT_PYTHON_REFRESH"] = "quiet"
    import mlflow
    import pandas
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param, RunTag, ViewType
    from mlflow.exceptions import MlflowException

    mlflow.set_tracking_uri(api.uri)
    client = MlflowClient()

    def call(name: str, /, *args: Any, of: Any = client, **kwargs: Any) -> Any:
        said = ", ".join([repr(show(arg)) for arg in args] + [f"{key}={show(arg)!r}" for key, arg in kwargs.items()])
        try:
            value = getattr(of, name)(*args, **kwargs)
        except MlflowException as error:
            api.note(api.names.text(f"{name}({said})"), 400, {"error_code": error.error_code, "message": error.message})
            return None
        shown = show(value)
        api.names.learn(shown, api.exchanges)
        api.note(api.names.text(f"{name}({said})"), 200, shown)
        return value

    home = client.create_experiment("client life", tags={"a": "1"})
    api.names.learn({"experiment_id": home}, api.exchanges)
    call("get_experiment_by_name", "client life")
    call("get_experiment_by_name", "client nowhere")
    call("create_experiment", "Default")
    call("search_experiments", filter_string="name = 'client life'")
    run = call("create_run", home, start_time=1700000000000, run_name="client", tags={"mlflow.user": "ann", "t": "1"})
    run_id = run.info.run_id
    call("log_batch", run_id, [Metric("loss", value, 1700000000000 + i, i) for i, value in enumerate([3.0, 2.0, float("nan"), float("inf")])], [Param("p", "1")], [RunTag("u", "2")])
    call("log_metric", run_id, "acc", 0.5, 1700000000000, 7)
    call("log_param", run_id, "q", 5)
    call("log_param", run_id, "q", 6)
    call("set_tag", run_id, "mlflow.note.content", "note")
    call("delete_tag", run_id, "u")
    call("delete_tag", run_id, "u")
    call("get_run", run_id)
    call("get_metric_history", run_id, "loss")
    call("get_metric_history", run_id, "nothing")
    child = call("create_run", home, start_time=1700000001000, run_name="child", tags={"mlflow.parentRunId": run_id, "mlflow.user": "ann"})
    call("get_parent_run", child.info.run_id)
    call("search_runs", [home], "metrics.loss > 0 AND params.p = '1'")
    call("search_runs", [home], order_by=["attributes.start_time DESC"], max_results=1)
    call("search_runs", [home], "nonsense")
    call("search_runs", experiment_ids=[home], order_by=["attributes.start_time"], of=mlflow)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "file.txt")
        with open(path, "w") as file:
            file.write("content")
        client.log_artifact(run_id, path, "deep/folder")
        client.log_dict(run_id, {"a": 1}, "settings.json")
        client.log_text(run_id, "text", "note.txt")
        call("list_artifacts", run_id)
        call("list_artifacts", run_id, "deep")
        call("list_artifacts", run_id, "nothing")
        downloaded = client.download_artifacts(run_id, "deep", folder)
        api.note("downloaded", 200, sorted(os.path.relpath(os.path.join(root, name), downloaded) for root, _, names in os.walk(downloaded) for name in names))
    call("load_text", f"runs:/{run_id}/note.txt", of=mlflow.artifacts)
    call("load_dict", f"runs:/{run_id}/settings.json", of=mlflow.artifacts)
    call("set_terminated", run_id, "FINISHED", 1700000009000)
    call("update_run", run_id, name="renamed")
    call("delete_run", child.info.run_id)
    call("search_runs", [home], run_view_type=ViewType.DELETED_ONLY)
    call("restore_run", child.info.run_id)
    data = pandas.DataFrame({"x": [1.0, 2.0], "y": [0, 1]})
    with mlflow.start_run(run_id=run_id):
        mlflow.log_input(mlflow.data.from_pandas(data, source="memory", name="toy", targets="y"), context="training")
    call("get_run", run_id)
    model = call("create_logged_model", home, name="model", source_run_id=run_id, tags={"k": "v"}, params={"n": "5"}, model_type="tree")
    call("finalize_logged_model", model.model_id, "READY")
    call("set_logged_model_tags", model.model_id, {"extra": "1"})
    call("delete_logged_model_tag", model.model_id, "extra")
    call("delete_logged_model_tag", model.model_id, "extra")
    call("log_metric", run_id, "quality", 0.75, 1700000000000, 1, model_id=model.model_id)
    call("get_logged_model", model.model_id)
    call("search_logged_models", [home], "metrics.quality > 0.5", order_by=[{"field_name": "metrics.quality", "ascending": False}])
    call("create_registered_model", "client model", tags={"a": "1"}, description="words")
    call("create_model_version", "client model", f"models:/{model.model_id}", run_id, model_id=model.model_id, await_creation_for=0)
    call("create_model_version", "client model", "s3://bucket/path", await_creation_for=0)
    call("set_registered_model_alias", "client model", "champion", "2")
    call("get_model_version_by_alias", "client model", "champion")
    call("get_model_version", "client model", "1")
    call("set_model_version_tag", "client model", "1", "k", "v")
    call("update_model_version", "client model", "1", "changed")
    call("get_registered_model", "client model")
    call("get_latest_versions", "client model")
    call("get_model_version_download_uri", "client model", "1")
    call("search_registered_models", "name = 'client model'")
    call("search_model_versions", "name = 'client model'", order_by=["version_number ASC"])
    call("transition_model_version_stage", "client model", "2", "Archived")
    call("transition_model_version_stage", "client model", "2", "None")
    call("rename_registered_model", "client model", "client renamed")
    call("delete_registered_model_alias", "client renamed", "champion")
    call("delete_model_version", "client renamed", "1")
    call("delete_registered_model", "client renamed")
    call("get_registered_model", "client renamed")
    call("get_run", "f" * 32)
    call("delete_logged_model", model.model_id)
    call("get_logged_model", model.model_id)
    call("delete_experiment", home)
    call("get_experiment", home)
    call("create_run", home)
    call("restore_experiment", home)
    call("get_run", run_id)


TALKS = [life]
