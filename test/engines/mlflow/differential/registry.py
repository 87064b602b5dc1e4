"""Registered models, versions, aliases, stages; searched, renamed, deleted."""

from talk import Server

NO_RUN = "f" * 32


def models(api: Server) -> None:
    api.post("registered-models/create", name="reg one", description="first", tags=[{"key": "team", "value": "red"}])
    api.post("registered-models/create", name="reg one")
    api.get("registered-models/get", name="reg one")
    api.get("registered-models/get", name="REG ONE")
    api.post("registered-models/create", name="reg bare")
    api.get("registered-models/get", name="reg bare")
    api.patch("registered-models/update", name="reg one", description="changed")
    api.patch("registered-models/update", name="reg one", description="")
    api.patch("registered-models/update", name="reg one")
    api.post("registered-models/set-tag", name="reg one", key="a", value="1")
    api.post("registered-models/set-tag", name="reg one", key="a", value="2")
    api.post("registered-models/set-tag", name="reg one", key="empty", value="")
    api.delete("registered-models/delete-tag", name="reg one", key="team")
    api.delete("registered-models/delete-tag", name="reg one", key="team")
    api.get("registered-models/get", name="reg one")
    api.post("registered-models/rename", name="reg one", new_name="reg bare")
    api.post("registered-models/rename", name="reg one", new_name="reg two")
    api.post("registered-models/rename", name="reg two", new_name="reg two")
    api.get("registered-models/get", name="reg one")
    api.get("registered-models/get", name="reg two")
    api.delete("registered-models/delete", name="reg bare")
    api.delete("registered-models/delete", name="reg bare")
    api.get("registered-models/get", name="reg bare")
    api.post("registered-models/create", name="reg bare")
    for name in [None, "", " ", 5, ["x"], "a/b", "a:b", "n" * 255, "n" * 256, "n" * 257, "n" * 501, "a.b%c", "é", "🎉", "a\nb", "../x", "'; DROP"]:
        api.post("registered-models/create", name=name)
    api.post("registered-models/create")
    for i, tags in enumerate(["x", {}, [], [{}], [None], [{"key": "", "value": "v"}], [{"key": "k"}], [{"value": "v"}], [{"key": "k", "value": 5}], [{"key": "../k", "value": "v"}], [{"key": "k!", "value": "v"}], [{"key": "k" * 251, "value": "v"}], [{"key": "k", "value": "v" * 5000}],
                              [{"key": "k", "value": "v" * 100_001}], [{"key": "t", "value": "1"}, {"key": "t", "value": "2"}]]):
        api.post("registered-models/create", name=f"reg tags {i}", tags=tags)
    for i, text in enumerate([None, "", 5, "d" * 5000, "d" * 5001]):
        api.post("registered-models/create", name=f"reg text {i}", description=text)
    for path, method, body in [
        ("registered-models/get", "GET", {}),
        ("registered-models/update", "PATCH", {"description": "x"}),
        ("registered-models/rename", "POST", {"new_name": "x"}),
        ("registered-models/delete", "DELETE", {}),
        ("registered-models/set-tag", "POST", {"key": "k", "value": "v"}),
        ("registered-models/delete-tag", "DELETE", {"key": "k"}),
        ("registered-models/get-latest-versions", "POST", {}),
        ("registered-models/alias", "POST", {"alias": "a", "version": "1"}),
        ("registered-models/alias", "DELETE", {"alias": "a"}),
        ("registered-models/alias", "GET", {"alias": "a"}),
        ("model-versions/create", "POST", {"source": "s3://b/k"}),
        ("model-versions/get", "GET", {"version": "1"}),
        ("model-versions/update", "PATCH", {"version": "1", "description": "x"}),
        ("model-versions/delete", "DELETE", {"version": "1"}),
        ("model-versions/transition-stage", "POST", {"version": "1", "stage": "Staging", "archive_existing_versions": False}),
        ("model-versions/get-download-uri", "GET", {"version": "1"}),
        ("model-versions/set-tag", "POST", {"version": "1", "key": "k", "value": "v"}),
        ("model-versions/delete-tag", "DELETE", {"version": "1", "key": "k"}),
    ]:
        for name in ["nowhere", "", None, 5]:
            given = {"name": name, **body}
            if method == "GET":
                api.send(method, path, query={key: value for key, value in given.items() if value is not None})
            else:
                api.send(method, path, body=given)
        if method != "GET":
            api.send(method, path, body={})
            api.send(method, path, body={"name": "reg two"})
    for key in [None, "", 5, "k" * 250, "k" * 251, "../k", "k!", "é"]:
        api.post("registered-models/set-tag", name="reg two", key=key, value="v")
    for value in [None, "", 5, "v" * 5000, "v" * 5001, "v" * 100_000, "v" * 100_001]:
        api.post("registered-models/set-tag", name="reg two", key="value", value=value)
    for name in [None, "", 5, "a/b", "a:b", "n" * 257]:
        api.post("registered-models/rename", name="reg two", new_name=name)


def versions(api: Server) -> None:
    home = api.new_experiment("registry versions")
    run = api.new_run(home, run_name="source")
    model = api.post("logged-models", experiment_id=home, name="logged", source_run_id=run).at("model.info.model_id")
    api.post("registered-models/create", name="ver")
    source = f"mlflow-artifacts:/{home}/{run}/artifacts/model"
    api.post("model-versions/create", name="ver", source=source, run_id=run, description="first", tags=[{"key": "a", "value": "1"}], run_link="https://example.org/run")
    api.post("model-versions/create", name="ver", source=f"mlflow-artifacts:/{home}/models/{model}/artifacts", model_id=model)
    api.post("model-versions/create", name="ver", source=f"models:/{model}", model_id=model, run_id=run)
    api.post("model-versions/create", name="ver", source="s3://bucket/model")
    api.post("model-versions/create", name="ver", source=f"runs:/{run}/model", run_id=run)
    api.post("model-versions/create", name="ver", source="models:/ver/1")
    for version in ["1", "2", "3", "6", 1, "0", "-1", "99", "1.0", "01", "abc", "", "9" * 30, " 1"]:
        api.get("model-versions/get", name="ver", version=version)
    api.get(f"logged-models/{model}")
    for version in ["1", "2", "3", "4", "5"]:
        api.get("model-versions/get-download-uri", name="ver", version=version)
    api.get("registered-models/get", name="ver")
    api.patch("model-versions/update", name="ver", version="1", description="changed")
    api.patch("model-versions/update", name="ver", version="1", description="")
    api.patch("model-versions/update", name="ver", version="1")
    for key, value in [("a", "2"), ("b", ""), ("", "v"), (None, "v"), ("k" * 251, "v"), ("../k", "v"), ("c", 5), ("d", None), ("e", "v" * 5001), ("f", "v" * 100_001), ("é", "ü")]:
        api.post("model-versions/set-tag", name="ver", version="1", key=key, value=value)
    api.delete("model-versions/delete-tag", name="ver", version="1", key="a")
    api.delete("model-versions/delete-tag", name="ver", version="1", key="a")
    api.get("model-versions/get", name="ver", version="1")
    for path, method, body in [
        ("model-versions/update", "PATCH", {"description": "x"}),
        ("model-versions/set-tag", "POST", {"key": "k", "value": "v"}),
        ("model-versions/delete-tag", "DELETE", {"key": "k"}),
        ("model-versions/delete", "DELETE", {}),
        ("registered-models/alias", "POST", {"alias": "x"}),
        ("model-versions/transition-stage", "POST", {"stage": "Staging", "archive_existing_versions": False}),
    ]:
        for version in ["99", "abc", "", None, "1.5", "-1"]:
            api.send(method, path, body={"name": "ver", "version": version, **body})
        api.send(method, path, body={"name": "ver", **body})
    api.post("model-versions/create", name="ver", source="s3://b/k", tags=[{"key": "t", "value": "1"}, {"key": "t", "value": "2"}])
    api.post("model-versions/create", name="ver", source="s3://b/k?x=1")
    api.post("registered-models/create", name="ver bad")
    for tags in ["x", [{}], [None], [{"key": "k", "value": 5}], [{"key": "../k", "value": "v"}]]:
        api.post("model-versions/create", name="ver bad", source="s3://b/k", tags=tags)
    for bad in [None, "", 5, "/etc/passwd", "file:///etc/passwd", "s3://b/../x", "s3://b/%2e%2e/x", "http://h/a/../b", "mlflow-artifacts:/other/x", f"mlflow-artifacts:/{home}/{run}/artifacts/../x", f"runs:/{NO_RUN}/model", "models:/nothing/1", "models:/m-nothing", "nonsense", "relative/path", "x" * 600]:
        api.post("model-versions/create", name="ver bad", source=bad)
    api.post("model-versions/create", name="ver bad", source=source)
    api.post("model-versions/create", name="ver bad", source=source, run_id=NO_RUN)
    api.post("model-versions/create", name="ver bad", source="s3://b/k", run_id="nothing")
    api.post("model-versions/create", name="ver bad", source="s3://b/k", model_id="m-" + NO_RUN)
    api.post("model-versions/create", name="ver bad")
    api.delete("model-versions/delete", name="ver", version="4")
    api.delete("model-versions/delete", name="ver", version="4")
    api.get("model-versions/get", name="ver", version="4")
    api.post("model-versions/create", name="ver", source="s3://b/last")
    api.post("registered-models/rename", name="ver", new_name="ver 2")
    api.get("model-versions/get", name="ver 2", version="1")
    api.get("model-versions/get", name="ver", version="1")
    api.delete("registered-models/delete", name="ver 2")
    api.get("model-versions/get", name="ver 2", version="1")
    api.post("registered-models/create", name="ver 2")
    api.post("model-versions/create", name="ver 2", source="s3://b/k")


def aliases(api: Server) -> None:
    api.post("registered-models/create", name="ali")
    for _ in range(3):
        api.post("model-versions/create", name="ali", source="s3://b/k")
    api.post("registered-models/alias", name="ali", alias="champion", version="1")
    api.post("registered-models/alias", name="ali", alias="challenger", version="2")
    api.post("registered-models/alias", name="ali", alias="also", version="1")
    api.get("registered-models/get", name="ali")
    api.get("model-versions/get", name="ali", version="1")
    api.get("registered-models/alias", name="ali", alias="champion")
    api.get("registered-models/alias", name="ali", alias="Champion")
    api.get("registered-models/alias", name="ali", alias="latest")
    api.post("registered-models/alias", name="ali", alias="champion", version="2")
    api.get("registered-models/alias", name="ali", alias="champion")
    api.get("model-versions/get", name="ali", version="1")
    for alias in [None, "", 5, "latest", "LATEST", "v1", "V12", "1", "a b", "a/b", "a:b", "a.b", "a_b-c", "é", "a" * 255, "a" * 256, "a" * 257, "v1x", "-", "🎉"]:
        api.post("registered-models/alias", name="ali", alias=alias, version="3")
    api.get("model-versions/get", name="ali", version="3")
    api.get("registered-models/get", name="ali")
    api.delete("registered-models/alias", name="ali", alias="champion")
    api.delete("registered-models/alias", name="ali", alias="champion")
    api.get("registered-models/alias", name="ali", alias="champion")
    api.get("registered-models/alias", name="ali", alias="nothing")
    api.get("registered-models/alias", name="ali")
    api.delete("model-versions/delete", name="ali", version="2")
    api.get("registered-models/get", name="ali")
    api.get("registered-models/alias", name="ali", alias="challenger")


def stages(api: Server) -> None:
    api.post("registered-models/create", name="sta")
    for _ in range(3):
        api.post("model-versions/create", name="sta", source="s3://b/k")
    move = lambda version, stage, archive=False: api.post("model-versions/transition-stage", name="sta", version=version, stage=stage, archive_existing_versions=archive)
    for stage in ["None", "none", "Archived", "archived", "None", "nonsense", "", None, 5]:
        move("1", stage)
    move("1", "Staging")
    move("1", "Production")
    move("2", "Archived", True)
    move("2", "None", True)
    for archive in [None, "x", 5]:
        move("3", "Archived", archive)
    api.post("model-versions/transition-stage", name="sta", version="3", stage="None")
    for wanted in [None, [], ["None"], ["none"], ["Archived"], ["Staging", "Production"], ["nonsense"], "None", [5]]:
        api.post("registered-models/get-latest-versions", name="sta", stages=wanted)
    api.get("registered-models/get-latest-versions", name="sta")
    api.get("registered-models/get-latest-versions", name="sta", stages=["None"])
    api.get("registered-models/get", name="sta")
    api.delete("registered-models/delete", name="sta")


def search(api: Server) -> None:
    home = api.new_experiment("registry search")
    run = api.new_run(home, run_name="r")
    for i, (name, team) in enumerate([("find alpha", "red"), ("find Beta", "blue"), ("find gamma_x", None), ("find delta", "Red")]):
        api.post("registered-models/create", name=name, tags=[] if team is None else [{"key": "team", "value": team}, {"key": "Odd Key", "value": "it's"}])
        for n in range(i + 1):
            api.post("model-versions/create", name=name, source=f"s3://bucket/{n}", **({"run_id": run} if n == 1 else {}), tags=[{"key": "n", "value": str(n)}])
    api.post("registered-models/alias", name="find delta", alias="best", version="2")
    mine = "name LIKE 'find%'"
    good = [mine, "name ILIKE 'FIND%'", "name = 'find alpha'", 'name = "find alpha"', "name != 'find alpha' AND name LIKE 'find%'", "name LIKE 'FIND%'", "name LIKE 'find gamma\\_x'", "name LIKE '%a'",
            "tags.team = 'red'", "tags.team != 'red' AND name LIKE 'find%'", "tags.team ILIKE 'red'", "tag.team LIKE 'r%'", "tags.`Odd Key` = \"it's\"", "tags.missing = 'x'", "name LIKE 'find%' and tags.team = 'blue'",
            "attribute.name = 'find alpha'"]
    bad = ["name", "name =", "name = 5", "name > 'a'", "name IN ('find alpha')", "nonsense = 'x'", "tags.team > 'a'", "tags.team = 5", "tags = 'x'", "metrics.x = 1", "name = 'a' OR name = 'b'", "AND name LIKE 'find%' AND", "(name = 'a')",
           "name = 'open", "name = 'a' name = 'b'", "name = 'a';", ";", "foo.name = 'x'", "run_id = 'x'", 5]
    for filter in good + bad:
        api.get("registered-models/search", filter=filter)
        api.get("model-versions/search", filter=filter)
    for filter in [f"run_id = '{run}'", f"run_id IN ('{run}')", f"run_id IN ('{run}', 'x')", "run_id IN ()", "run_id IN ('a'", "run_id IN 'a'", "run_id = '' AND name LIKE 'find%'", "source_path = 's3://bucket/1' AND name LIKE 'find%'", "source_path LIKE 's3://bucket/%' AND name = 'find delta'",
                   "version_number = 2 AND name LIKE 'find%'", "version_number > 2 AND name LIKE 'find%'", "version_number = '2' AND name LIKE 'find%'", "version_number LIKE '2'", "version = 2", "tags.n = '3'", "tags.n != '0' AND name LIKE 'find%'", "current_stage = 'None'", "creation_timestamp > 0 AND name = 'find alpha'", "alias = 'best'"]:
        api.get("model-versions/search", filter=filter)
    for order in ["name", "name ASC", "name DESC", "last_updated_timestamp", "last_updated_timestamp DESC", "timestamp", "timestamp DESC", "creation_timestamp", "version_number DESC", "version_number", "nonsense", "name SIDEWAYS", "name; DROP", "", "tags.team", "attribute.name DESC"]:
        api.get("registered-models/search", filter=mine, order_by=[order])
        api.get("model-versions/search", filter="name = 'find delta'", order_by=[order])
    api.get("model-versions/search", filter=mine, order_by=["version_number DESC", "name"])
    api.get("model-versions/search", filter=mine, order_by=["name DESC", "version_number ASC"])
    for kind in ["registered-models", "model-versions"]:
        page = api.get(f"{kind}/search", filter=mine, max_results=2)
        while isinstance(page.body, dict) and page.body.get("next_page_token"):
            page = api.get(f"{kind}/search", filter=mine, max_results=2, page_token=page.body["next_page_token"])
        for count in ["0", "-1", "1", "1000", "1001", "200000", "200001", "x", "2.5", "1" + "0" * 30]:
            api.get(f"{kind}/search", filter="name = 'find alpha'", max_results=count)
        for token in ["nonsense", "", "e30=", "eyJvZmZzZXQiOiAtMX0=", "é"]:
            api.get(f"{kind}/search", filter=mine, max_results=2, page_token=token)


TALKS = [models, versions, aliases, stages, search]
