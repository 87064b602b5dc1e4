"""Fills a tracking server with a thing of every kind that an import brings over; prints the ids as JSON."""

import json
import math
import os
import tempfile

import mlflow
import numpy as np
from mlflow import MlflowClient
from mlflow.entities import Metric
from sklearn.linear_model import LogisticRegression

client = MlflowClient()
mlflow.set_experiment("flights (größe)")
client.set_experiment_tag(mlflow.get_experiment_by_name("flights (größe)").experiment_id, "team", "air")

with mlflow.start_run(run_name="parent") as parent:
    mlflow.log_params({f"p{i}": str(i) for i in range(150)})
    points = [Metric("loss", 1 / (step + 1), 1_700_000_000_000 + step, step) for step in range(2500)]
    for start in range(0, len(points), 1000):
        client.log_batch(parent.info.run_id, metrics=points[start : start + 1000])
    mlflow.log_metric("odd", math.nan, step=0)
    mlflow.log_metric("odd", 1.5, step=-1)
    mlflow.log_metric("odd", math.nan, step=3)
    mlflow.set_tag("mlflow.note.content", "a note")
    data = mlflow.data.from_numpy(np.arange(6).reshape(3, 2), targets=np.arange(3), name="numbers")
    mlflow.log_input(data, context="training")
    with tempfile.TemporaryDirectory() as folder:
        os.makedirs(os.path.join(folder, "deep", "ünder"))
        with open(os.path.join(folder, "deep", "ünder", "a b.txt"), "w") as file:
            file.write("hello")
        with open(os.path.join(folder, "big.bin"), "wb") as file:
            file.write(bytes(range(256)) * 4096)
        mlflow.log_artifacts(folder, "files")
    with mlflow.start_run(run_name="child", nested=True) as child:
        model = LogisticRegression().fit(np.array([[0.0], [1.0], [2.0], [3.0]]), [0, 0, 1, 1])
        logged = mlflow.sklearn.log_model(model, name="classifier", params={"c": "1"})
        mlflow.log_metric("accuracy", 0.9, model_id=logged.model_id)

with mlflow.start_run(run_name="gone") as gone:
    mlflow.log_param("x", "1")
client.delete_run(gone.info.run_id)
failed = client.create_run(parent.info.experiment_id, run_name="failed")
client.set_terminated(failed.info.run_id, "FAILED")

for _ in range(3):
    mlflow.register_model(f"models:/{logged.model_id}", "delays")
client.delete_model_version("delays", "1")
client.set_registered_model_tag("delays", "owner", "tess")
client.update_registered_model("delays", description="how late")
client.set_model_version_tag("delays", "2", "quality", "good")
client.update_model_version("delays", "2", description="second")
client.set_registered_model_alias("delays", "champion", "2")
client.transition_model_version_stage("delays", "2", "Production")
client.transition_model_version_stage("delays", "3", "Staging")

print(
    json.dumps(
        {
            "experiment": parent.info.experiment_id,
            "parent": parent.info.run_id,
            "child": child.info.run_id,
            "gone": gone.info.run_id,
            "failed": failed.info.run_id,
            "model": logged.model_id,
        }
    )
)
