"""Logged models: made, finished, tagged, searched, deleted."""

from talk import Server

NO_MODEL = "m-" + "f" * 32


def life(api: Server) -> None:
    home = api.new_experiment("models life")
    run = api.new_run(home, run_name="trains")
    made = api.post(
        "logged-models",
        experiment_id=home,
        name="first",
        model_type="classifier",
        source_run_id=run,
        params=[{"key": "depth", "value": "3"}],
        tags=[{"key": "team", "value": "red"}],
    )
    model = made.at("model.info.model_id")
    one = f"logged-models/{model}"
    api.get(one)
    api.patch(one, model_id=model, status="LOGGED_MODEL_READY")
    api.get(one)
    api.patch(one, model_id=model, status=3)
    for status in ["LOGGED_MODEL_PENDING", "READY", "nonsense", "", None, 0, 9, 1, 2]:
        api.patch(one, model_id=model, status=status)
    api.patch(one)
    api.patch(f"{one}/tags", model_id=model, tags=[{"key": "team", "value": "blue"}, {"key": "new", "value": ""}])
    api.delete(f"{one}/tags/new", model_id=model, tag_key="new")
    api.delete(f"{one}/tags/new", model_id=model, tag_key="new")
    api.post(f"{one}/params", params=[{"key": "eta", "value": "0.1"}])
    for value in ["0.1", "0.1", "0.2"]:
        api.post(f"{one}/params", model_id=model, params=[{"key": "eta", "value": value}])
    api.get(one)
    for step, (name, value, dataset) in enumerate([("acc", 0.9, None), ("acc", 0.95, ("iris", "d1")), ("loss", "NaN", None)]):
        extra = {} if dataset is None else {"dataset_name": dataset[0], "dataset_digest": dataset[1]}
        api.post("runs/log-metric", run_id=run, key=name, value=value, timestamp=1700000000000, step=step, model_id=model, **extra)
    api.post("runs/log-batch", run_id=run, metrics=[{"key": "f1", "value": 0.5, "timestamp": 1700000000001, "step": 2, "model_id": model}])
    api.post("runs/log-metric", run_id=run, key="stray", value=1, timestamp=1, model_id=NO_MODEL)
    api.post("runs/log-metric", run_id=run, key="half", value=1, timestamp=1, model_id=model, dataset_name="only name")
    api.get(one)
    api.get("runs/get", run_id=run)
    api.get("metrics/get-history", run_id=run, metric_key="acc")
    api.post("logged-models", experiment_id=home)
    api.post("logged-models", experiment_id=home, name="first")
    api.send("GET", f"{one}/artifacts/directories")
    api.send("GET", f"{one}/artifacts/directories", query={"artifact_directory_path": "x"})
    api.send("PUT", f"/api/2.0/mlflow-artifacts/artifacts/{home}/models/{model}/artifacts/MLmodel", data=b"flavors: {}")
    api.send("GET", f"{one}/artifacts/directories")
    api.send("GET", "/ajax-api/2.0/mlflow/" + one + "/artifacts/files", query={"artifact_file_path": "MLmodel"})
    api.send("GET", "/ajax-api/2.0/mlflow/" + one + "/artifacts/files")
    api.delete(one)
    api.get(one)
    api.get(one, allow_deleted="true")
    api.get(one, allow_deleted="maybe")
    api.delete(one)
    api.patch(f"{one}/tags", model_id=model, tags=[{"key": "late", "value": "1"}])
    api.patch(one, model_id=model, status="LOGGED_MODEL_READY")


def errors(api: Server) -> None:
    home = api.new_experiment("models errors")
    model = api.post("logged-models", experiment_id=home, name="errors").at("model.info.model_id")
    one = f"logged-models/{model}"
    for unknown in [NO_MODEL, "f" * 32, "m-1", "abc", "é", "x" * 300, "m-" + "F" * 32]:
        api.get(f"logged-models/{unknown}")
        api.patch(f"logged-models/{unknown}", model_id=unknown, status="LOGGED_MODEL_READY")
        api.delete(f"logged-models/{unknown}")
    api.patch(f"logged-models/{NO_MODEL}/tags", model_id=NO_MODEL, tags=[{"key": "a", "value": "b"}])
    api.delete(f"logged-models/{NO_MODEL}/tags/a")
    api.post(f"logged-models/{NO_MODEL}/params", model_id=NO_MODEL, params=[{"key": "a", "value": "b"}])
    api.send("GET", f"logged-models/{NO_MODEL}/artifacts/directories")
    for experiment in [None, "", "f" * 32, "123456789012", "abc", 5]:
        api.post("logged-models", experiment_id=experiment, name="x")
    api.post("logged-models")
    for name in [None, "", 5, "a/b", "a:b", "a.b", "a%b", "a\"b", "a'b", "n" * 500, "n" * 501, "a b", "é"]:
        api.post("logged-models", experiment_id=home, name=name)
    api.post("logged-models", experiment_id=home, name="run", source_run_id="f" * 32)
    api.post("logged-models", experiment_id=home, name="type", model_type="t" * 501)
    for items in ["x", {}, [{}], [None], [{"key": "", "value": "v"}], [{"key": "k"}], [{"value": "v"}], [{"key": "k", "value": 5}], [{"key": "../k", "value": "v"}], [{"key": "k" * 251, "value": "v"}], [{"key": "k", "value": "v" * 8001}], []]:
        api.post("logged-models", experiment_id=home, name="params", params=items)
        api.post("logged-models", experiment_id=home, name="tags", tags=items)
        api.patch(f"{one}/tags", model_id=model, tags=items)
        api.post(f"{one}/params", model_id=model, params=items)
    api.patch(f"{one}/tags")
    api.post(f"{one}/params")
    api.delete(f"{one}/tags/nothing")
    api.get(one)


def search(api: Server) -> None:
    home, other = api.new_experiment("models search"), api.new_experiment("models search too")
    run = api.new_run(home, run_name="source")
    models = {}
    for i, (name, kind, team, acc) in enumerate([("apple", "tree", "red", 0.9), ("Banana", "net", "blue", 0.8), ("cherry", "tree", None, None), ("date_x", "", "Red", 0.7), ("elder", "net", "green", 0.95)]):
        tags = [] if team is None else [{"key": "team", "value": team}]
        models[name] = model = api.post("logged-models", experiment_id=home, name=name, model_type=kind, source_run_id=run, tags=tags, params=[{"key": "depth", "value": str(i)}]).at("model.info.model_id")
        if acc is not None:
            api.post("runs/log-metric", run_id=run, key="acc", value=acc, timestamp=1700000000000 + i, step=i, model_id=model, dataset_name="iris" if i % 2 else "wine", dataset_digest=f"d{i % 2}")
    api.patch(f"logged-models/{models['apple']}", model_id=models["apple"], status="LOGGED_MODEL_READY")
    api.patch(f"logged-models/{models['Banana']}", model_id=models["Banana"], status="LOGGED_MODEL_UPLOAD_FAILED")
    api.post("logged-models", experiment_id=other, name="elsewhere")
    by_name = [{"field_name": "name"}]
    find = lambda **query: api.post("logged-models/search", **{"experiment_ids": [home], "order_by": by_name, **query})
    for filter in [
        "",
        "name = 'apple'",
        "name != 'apple'",
        "name LIKE '%a%'",
        "name ILIKE 'b%'",
        "name IN ('apple', 'cherry')",
        "name NOT IN ('apple', 'cherry')",
        "attributes.name = 'apple'",
        "attribute.name = 'apple'",
        "model_type = 'tree'",
        "model_type = ''",
        "status = 'READY'",
        "status = 'LOGGED_MODEL_READY'",
        "status = 'Pending'",
        f"source_run_id = '{run}'",
        f"model_id = '{models['apple']}'",
        f"model_id IN ('{models['apple']}')",
        "tags.team = 'red'",
        "tags.team != 'red'",
        "tags.team ILIKE 'RED'",
        "tags.team IS NULL",
        "params.depth = '1'",
        "params.depth != '1'",
        "metrics.acc > 0.75",
        "metrics.acc >= 0.9 AND model_type = 'tree'",
        "metrics.missing > 0",
        "creation_timestamp > 0",
        "creation_timestamp < 5",
        "last_updated_timestamp > 0",
        "creation_timestamp > 'x'",
        "name > 'a'",
        "name = 5",
        "metrics.acc = 'x'",
        "metrics.acc LIKE 'x'",
        "nonsense = 'x'",
        "nonsense.a = 'x'",
        "name = 'a' OR name = 'b'",
        "name",
        "name = 'open",
        "(name = 'a')",
        "AND",
        "params.depth > '1'",
        "dataset.name = 'iris'",
        5,
        None,
    ]:
        find(filter=filter)
    for order in [
        [{"field_name": "name", "ascending": False}],
        [{"field_name": "name", "ascending": True}],
        [{"field_name": "creation_timestamp"}],
        [{"field_name": "creation_timestamp", "ascending": False}],
        [{"field_name": "creation_time", "ascending": False}],
        [{"field_name": "last_updated_timestamp"}, {"field_name": "name"}],
        [{"field_name": "model_type"}, {"field_name": "name"}],
        [{"field_name": "status"}, {"field_name": "name"}],
        [{"field_name": "metrics.acc"}],
        [{"field_name": "metrics.acc", "ascending": False}],
        [{"field_name": "metrics.acc", "dataset_name": "iris", "dataset_digest": "d1"}],
        [{"field_name": "metrics.acc", "dataset_name": "iris"}],
        [{"field_name": "metrics.acc", "dataset_digest": "d1"}],
        [{"field_name": "name", "dataset_name": "iris"}],
        [{"field_name": "attributes.name"}],
        [{"field_name": "params.depth"}],
        [{"field_name": "tags.team"}],
        [{"field_name": "nonsense"}],
        [{"field_name": ""}],
        [{}],
        ["name"],
        "name",
        [],
        None,
        [{"field_name": "name", "ascending": "x"}],
    ]:
        find(order_by=order)
    for datasets in [[{"dataset_name": "iris"}], [{"dataset_name": "iris", "dataset_digest": "d1"}], [{"dataset_name": "iris", "dataset_digest": "none"}], [{"dataset_name": "none"}], [{"dataset_name": "wine"}, {"dataset_name": "iris"}], [{"dataset_digest": "d1"}], [{}], "x", []]:
        find(datasets=datasets)
        find(datasets=datasets, filter="metrics.acc > 0.75")
    for experiments in [[home, other], [other], [], None, ["f" * 32], ["123456789012"], ["abc"], [5], "x"]:
        find(experiment_ids=experiments)
    api.post("logged-models/search")
    page = find(max_results=2)
    while isinstance(page.body, dict) and page.body.get("next_page_token"):
        page = find(max_results=2, page_token=page.body["next_page_token"])
    for count in [None, 0, -1, 5, 50, 51, 1000, 100000, "2", "x", 2.5]:
        find(max_results=count, filter="name = 'apple'")
    for token in ["nonsense", "", None, 5, "e30=", "é"]:
        find(max_results=2, page_token=token)
    api.delete(f"logged-models/{models['elder']}")
    find()


TALKS = [life, errors, search]
