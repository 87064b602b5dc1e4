"""What stands around the endpoints: probes, prefixes, methods, content types, bodies that are no requests."""

from talk import Server


def envelope(api: Server) -> None:
    for path in ["/version", "/health", "/api/3.0/mlflow/server-info", "/ajax-api/3.0/mlflow/server-info"]:
        api.send("GET", path)
    api.send("GET", "/ajax-api/2.0/mlflow/experiments/get", query={"experiment_id": "123456789012"})
    for path in ["nothing", "experiments", "experiments/nothing", "runs/get/more", "runs/"]:
        api.get(path)
        api.post(path)
    for method, path in [("POST", "experiments/get"), ("GET", "experiments/create"), ("PUT", "experiments/create"), ("DELETE", "runs/delete"), ("GET", "runs/delete"), ("PATCH", "runs/update")]:
        api.send(method, path, body={})
    home = api.new_experiment("protocol")
    run = api.new_run(home, run_name="protocol")
    as_json = {"Content-Type": "application/json"}
    for data in ["", "null", "[]", "5", '"x"', "{", "{}", '{"run_id": }', "not json", '[{"run_id": 1}]', f'"{{\\"run_id\\": \\"{run}\\", \\"key\\": \\"k\\"}}"', '{"run_id": "a", "run_id": "b"}', "\ufeff{}", "{'a': 1}", '{"key": "\\u0000"}', '{"a": ' + "[" * 50 + "]" * 50 + "}"]:
        api.send("POST", "runs/set-tag", data=data, headers=as_json)
    good = f'{{"run_id": "{run}", "key": "k", "value": "v"}}'
    for kind in ["application/json", "application/json; charset=utf-8", "text/plain", "application/x-www-form-urlencoded", "Application/JSON", "application/json5", ""]:
        api.send("POST", "runs/set-tag", data=good, headers={"Content-Type": kind})
    api.send("POST", "runs/set-tag", data=good.encode("utf-16"), headers=as_json, shown="UTF-16")
    api.send("POST", "runs/set-tag", data=b"\xff\xfe\xfa", headers=as_json, shown="bytes that are no text")
    api.send("POST", "runs/set-tag", body={"run_id": run, "key": "k", "value": "v", "unknown": 1})
    api.send("POST", "runs/set-tag", body={"runId": run, "key": "camel", "value": "v"})
    api.send("POST", "runs/set-tag", body={"run_id": run, "runId": run, "key": "both", "value": "v"})
    api.send("POST", "runs/set-tag", body={"RUN_ID": run, "key": "k", "value": "v"})
    api.send("POST", "runs/set-tag", query={"run_id": run}, body={"key": "k", "value": "v"})
    api.send("GET", "runs/get", query={"run_id": [run, "x"]})
    api.send("GET", "runs/get", query={"runId": run})
    api.send("GET", "runs/get", query={"run_id": run, "unknown": "1"})
    api.send("GET", "runs/get", data=f'{{"run_id": "{run}"}}', headers=as_json)
    api.post("runs/log-metric", run_id=run, key="camel", value=1, timestamp=1, modelId="m-" + "f" * 32)
    api.get("runs/get", run_id=run)


TALKS = [envelope]
