"""Datasets and models that runs read and wrote."""

from talk import Server


def datasets(api: Server) -> None:
    home = api.new_experiment("inputs")
    run, other = api.new_run(home, run_name="reads"), api.new_run(home, run_name="reads too")
    iris = {"name": "iris", "digest": "abc123", "source_type": "local", "source": '{"uri": "iris.csv"}', "schema": '{"a": 1}', "profile": '{"rows": 150}'}
    context = lambda value: [{"key": "mlflow.data.context", "value": value}]
    api.post("runs/log-inputs", run_id=run, datasets=[{"dataset": iris, "tags": context("training")}])
    api.get("runs/get", run_id=run)
    api.post("runs/log-inputs", run_id=run, datasets=[{"dataset": iris, "tags": context("training")}])
    api.post("runs/log-inputs", run_id=run, datasets=[{"dataset": iris, "tags": context("evaluation")}])
    api.post("runs/log-inputs", run_id=run, datasets=[{"dataset": {**iris, "digest": "def456"}, "tags": []}])
    api.post("runs/log-inputs", run_id=run, datasets=[{"dataset": {"name": "bare", "digest": "1", "source_type": "s3", "source": "s3://b/k"}}])
    api.get("runs/get", run_id=run)
    api.post("runs/log-inputs", run_id=other, datasets=[{"dataset": {**iris, "source": "other"}, "tags": context("training")}])
    api.get("runs/get", run_id=other)
    search = "/ajax-api/2.0/mlflow/experiments/search-datasets"
    api.post(search, experiment_ids=[home])
    api.post(search, experiment_ids=["123456789012"])
    api.post(search, experiment_ids=[])
    api.post(search)
    api.post(search, experiment_ids=[str(i) for i in range(21)])
    for filter in ["dataset.name = 'iris'", "datasets.name LIKE 'ir%'", "dataset.digest = 'def456'", "dataset.context = 'training'", "datasets.context IN ('training', 'x')", "dataset.name = 'none'", "dataset.profile = 'x'"]:
        api.post("runs/search", experiment_ids=[home], filter=filter, order_by=["attributes.run_name"])
    for missing in ["name", "digest", "source_type", "source"]:
        api.post("runs/log-inputs", run_id=run, datasets=[{"dataset": {name: value for name, value in iris.items() if name != missing}}])
    for broken in ["x", {}, None, [{}], [None], ["x"], [{"dataset": None}], [{"dataset": {}}], [{"tags": []}], [{"dataset": {**iris, "name": 5}}], [{"dataset": {**iris, "name": "n" * 501}}],
                   [{"dataset": {**iris, "digest": "d" * 37}}], [{"dataset": {**iris, "name": "long type", "source_type": "s" * 37}}], [{"dataset": {**iris, "source": ""}}],
                   [{"dataset": iris, "tags": [{"key": "k" * 256, "value": "v"}]}], [{"dataset": iris, "tags": [{"key": "k", "value": "v" * 501}]}], [{"dataset": iris, "tags": [{"key": "", "value": "v"}]}],
                   [{"dataset": {**iris, "schema": "s" * 1_048_577}}], [{"dataset": {**iris, "profile": "p" * 16_777_217}}]]:
        api.post("runs/log-inputs", run_id=run, datasets=broken)
    api.post("runs/log-inputs", run_id=run)


def models(api: Server) -> None:
    home = api.new_experiment("inputs models")
    run = api.new_run(home, run_name="models")
    model = api.post("logged-models", experiment_id=home, name="made", source_run_id=run).at("model.info.model_id")
    second = api.post("logged-models", experiment_id=home, name="made too", source_run_id=run).at("model.info.model_id")
    api.post("runs/outputs", run_id=run, models=[{"model_id": model, "step": 3}, {"model_id": second}])
    api.post("runs/outputs", run_id=run, models=[{"model_id": model, "step": 3}])
    api.get("runs/get", run_id=run)
    api.post("runs/log-inputs", run_id=run, models=[{"model_id": second}])
    api.post("runs/log-inputs", run_id=run, models=[{"model_id": second}])
    api.get("runs/get", run_id=run)
    for broken in ["x", {}, [{}], [None], [{"model_id": ""}], [{"model_id": "nothing"}], [{"model_id": "m-" + "f" * 32}], [{"model_id": model, "step": "x"}]]:
        api.post("runs/outputs", run_id=run, models=broken)
        api.post("runs/log-inputs", run_id=run, models=broken)
    api.post("runs/outputs", run_id=run)


TALKS = [datasets, models]
