"""A user's script: artifacts, models and the registry through the MLflow client. Prints what it found as one line of JSON."""

import json
import os
import tempfile
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")
os.environ["MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD"] = "true"
os.environ["MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD"] = "true"
os.environ["MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE"] = str(8 * 1024**2)
os.environ["MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE"] = str(6 * 1024**2)
os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "1"

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import mlflow
import numpy as np
import pandas as pd
import xgboost
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature
from sklearn.linear_model import LogisticRegression

found = {}
client = MlflowClient()
mlflow.set_experiment("registry")
rng = np.random.default_rng(7)
X = pd.DataFrame(rng.normal(size=(200, 3)), columns=["a", "b", "c"])
y = (X["a"] - X["b"] > 0).astype(int)


def refused(call):
    try:
        call()
    except MlflowException as error:
        return [error.error_code, error.message]
    raise AssertionError("the call was expected to fail")


def stage(call):
    try:
        return call().current_stage
    except MlflowException as error:
        return [error.error_code, error.message]


with mlflow.start_run(run_name="files") as run:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "deep" / "größe").mkdir(parents=True)
        (root / ".gitattributes").write_text("*.bin filter=lfs")
        (root / "deep" / "größe" / "模型 1.txt").write_text("unicode")
        (root / "empty").write_text("")
        big = np.random.default_rng(1).bytes(20 * 1024**2)
        (root / "deep" / "big.bin").write_bytes(big)
        mlflow.log_artifacts(folder, "all")
        mlflow.log_artifact(str(root / "empty"))
    mlflow.log_dict({"a": [1, 2]}, "config/settings.json")
    mlflow.log_text("first", "note.txt")
    mlflow.log_text("second", "note.txt")
    figure, axes = plt.subplots()
    axes.plot([1, 2, 3])
    mlflow.log_figure(figure, "plots/curve.png")
    mlflow.log_image(np.zeros((4, 4, 3), dtype=np.uint8), "plots/black.png")
    mlflow.log_table({"q": ["x"], "a": ["y"]}, "table.json")

run_id = run.info.run_id
found["root"] = sorted([item.path, item.is_dir] for item in client.list_artifacts(run_id))
found["deep"] = sorted([item.path, item.is_dir, item.file_size] for item in client.list_artifacts(run_id, "all/deep"))
with tempfile.TemporaryDirectory() as folder:
    local = Path(mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path="all", dst_path=folder))
    found["same_bytes"] = (local / "deep" / "big.bin").read_bytes() == big
    found["unicode"] = (local / "deep" / "größe" / "模型 1.txt").read_text()
    found["dot_file"] = (local / ".gitattributes").read_text()
found["replaced"] = mlflow.artifacts.load_text(f"runs:/{run_id}/note.txt")
found["settings"] = mlflow.artifacts.load_dict(f"runs:/{run_id}/config/settings.json")
found["missing"] = refused(lambda: mlflow.artifacts.load_text(f"runs:/{run_id}/none.txt"))[1].split("\n")[0][:60]

with mlflow.start_run(run_name="models"):
    sklearn_model = LogisticRegression().fit(X, y)
    logged = mlflow.sklearn.log_model(
        sklearn_model,
        name="classifier",
        signature=infer_signature(X, sklearn_model.predict(X)),
        input_example=X.head(3),
        pip_requirements=["scikit-learn"],
    )
    booster = xgboost.XGBClassifier(n_estimators=3, max_depth=2).fit(X, y)
    boosted = mlflow.xgboost.log_model(
        booster, name="boosted", signature=infer_signature(X, booster.predict(X)), pip_requirements=["xgboost"]
    )

NAME = "churn model (größe)"
first = mlflow.register_model(logged.model_uri, NAME, tags={"team": "risk"})
second = mlflow.register_model(boosted.model_uri, NAME)
found["versions"] = [first.version, second.version, first.status, second.current_stage]
client.set_registered_model_alias(NAME, "champion", "1")
client.set_registered_model_alias(NAME, "champion", "2")
client.set_registered_model_alias(NAME, "old", "1")
found["alias"] = client.get_model_version_by_alias(NAME, "champion").version
found["aliases"] = client.get_registered_model(NAME).aliases
client.delete_registered_model_alias(NAME, "old")
client.set_registered_model_tag(NAME, "owner", "tess")
client.set_model_version_tag(NAME, "1", "quality", "good")
client.delete_model_version_tag(NAME, "1", "team")
client.update_registered_model(NAME, description="who leaves")
client.update_model_version(NAME, "1", description="linear")
shown = client.get_model_version(NAME, "1")
found["version"] = [shown.description, shown.tags, shown.run_id == logged.run_id, shown.source == logged.model_uri]

predicted = mlflow.pyfunc.load_model(f"models:/{NAME}/1").predict(X)
found["same_predictions"] = bool((predicted == sklearn_model.predict(X)).all())
by_alias = mlflow.pyfunc.load_model(f"models:/{NAME}@champion").predict(X)
found["same_boosted"] = bool((by_alias == booster.predict(X)).all())
found["native"] = type(mlflow.sklearn.load_model(logged.model_uri)).__name__

info = mlflow.models.get_model_info(logged.model_uri)
found["signature"] = [info.signature.inputs.input_names(), info.signature.outputs is not None]
found["example"] = mlflow.pyfunc.load_model(logged.model_uri).input_example.equals(X.head(3))

found["staging"] = stage(lambda: client.transition_model_version_stage(NAME, "1", "Staging"))
found["production"] = stage(lambda: client.transition_model_version_stage(NAME, "1", "Production"))
found["none"] = client.transition_model_version_stage(NAME, "1", "None").current_stage
found["archived"] = client.transition_model_version_stage(NAME, "1", "Archived").current_stage
found["back"] = client.transition_model_version_stage(NAME, "1", "None").current_stage
found["latest"] = [item.version for item in client.get_latest_versions(NAME)]

client.create_registered_model("another", tags={"owner": "bob"})
found["models"] = [item.name for item in client.search_registered_models(order_by=["name DESC"])]
found["by_name"] = [item.name for item in client.search_registered_models("name ILIKE '%MODEL%'")]
found["by_tag"] = [item.name for item in client.search_registered_models("tags.owner = 'bob'")]
page = client.search_registered_models(max_results=1)
found["pages"] = [len(page), len(client.search_registered_models(max_results=1, page_token=page.token))]
found["version_search"] = [
    [item.version for item in client.search_model_versions(f"name = '{NAME}'", order_by=["version_number ASC"])],
    [item.version for item in client.search_model_versions(f"run_id = '{logged.run_id}' AND version_number > 1")],
    [item.version for item in client.search_model_versions("tags.quality = 'good'")],
]
found["logged_models"] = sorted(model.name for model in mlflow.search_logged_models(output_format="list"))
found["model_tag"] = json.loads(mlflow.get_logged_model(logged.model_id).tags["mlflow.modelVersions"])

client.rename_registered_model("another", "renamed")
found["renamed"] = client.get_registered_model("renamed").name
copied = client.copy_model_version(f"models:/{NAME}/1", "copy")
found["copied"] = [copied.version, copied.run_id == logged.run_id]
found["bad"] = [
    refused(lambda: client.create_registered_model("a/b"))[0],
    refused(lambda: client.create_registered_model(NAME))[0],
    refused(lambda: client.get_model_version(NAME, "99"))[0],
    refused(lambda: client.create_model_version(NAME, "/etc/passwd"))[0],
    refused(lambda: client.create_model_version(NAME, f"runs:/{run_id}/../x", run_id))[0],
    refused(lambda: client.search_registered_models("nme = 'x'"))[0],
]
client.delete_model_version(NAME, "2")
client.delete_registered_model("renamed")
found["left"] = [
    [item.version for item in client.search_model_versions(f"name = '{NAME}'")],
    sorted(item.name for item in client.search_registered_models()),
]

mlflow.autolog(disable=False, silent=True)
with mlflow.start_run(run_name="autolog sklearn") as auto:
    LogisticRegression(max_iter=50).fit(X, y)
mlflow.sklearn.autolog(disable=True)
with mlflow.start_run(run_name="autolog xgboost") as auto_boost:
    xgboost.train({"max_depth": 2, "objective": "binary:logistic"}, xgboost.DMatrix(X, y), num_boost_round=3)
found["autolog"] = [
    client.get_run(auto.info.run_id).data.params["max_iter"],
    "training_accuracy_score" in client.get_run(auto.info.run_id).data.metrics,
    client.get_run(auto_boost.info.run_id).data.params["max_depth"],
    sorted(item.path for item in client.list_artifacts(auto_boost.info.run_id)),
    len(mlflow.search_logged_models(output_format="list")),
]

from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

get_artifact_repository(run.info.artifact_uri).delete_artifacts("all")
found["deleted"] = sorted(item.path for item in client.list_artifacts(run_id))
print(json.dumps(found, ensure_ascii=False))
