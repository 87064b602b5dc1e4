"""Searching runs: filters of every kind, orders, pages, and what is refused."""

from talk import Server


def seed(api: Server, home: str) -> dict[str, str]:
    """Eight runs; what they lack matters as much as what they have."""
    runs: dict[str, str] = {}
    for i, (name, loss, acc, model, depth, team) in enumerate(
        [
            ("alpha", 0.5, 0.8, "xgboost", "3", "red"),
            ("beta", 0.25, 0.9, "sklearn", "10", "blue"),
            ("Gamma", 0.125, None, "XGBoost", "2", "Red"),
            ("delta", None, 0.7, None, "5", None),
            ("epsilon_x", "NaN", 0.7, "lightgbm", None, "green"),
            ("zeta%", "Infinity", 0.6, "torch", "1.5", "it's"),
            ("eta", "-Infinity", -1, "", "-1", ""),
            ("theta", 0, 0, "xgb boost", "abc", "über"),
        ]
    ):
        runs[name] = run = api.new_run(home, run_name=name, start_time=1700000000000 + i * 1000, tags=[{"key": "mlflow.user", "value": f"user{i % 3}"}], user_id=f"user{i % 3}")
        metrics = [{"key": key, "value": value, "timestamp": 1700000000000, "step": i} for key, value in (("loss", loss), ("val acc", acc)) if value is not None]
        params = [{"key": key, "value": value} for key, value in (("model", model), ("depth", depth)) if value is not None]
        tags = [] if team is None else [{"key": "team", "value": team}, {"key": "mlflow.source.name", "value": f"train{i}.py"}]
        api.post("runs/log-batch", run_id=run, metrics=metrics, params=params, tags=tags)
    api.post("runs/update", run_id=runs["alpha"], status="FINISHED", end_time=1700000050000)
    api.post("runs/update", run_id=runs["beta"], status="FAILED", end_time=1700000060000)
    api.post("runs/update", run_id=runs["Gamma"], status="KILLED", end_time=1700000055000)
    api.post("runs/log-inputs", run_id=runs["alpha"], datasets=[{"dataset": {"name": "iris", "digest": "d1", "source_type": "local", "source": "s"}, "tags": [{"key": "mlflow.data.context", "value": "train"}]}])
    api.post("runs/log-inputs", run_id=runs["beta"], datasets=[{"dataset": {"name": "Wine", "digest": "d2", "source_type": "local", "source": "s"}, "tags": [{"key": "mlflow.data.context", "value": "test"}]}])
    return runs


GOOD = [
    "",
    "metrics.loss < 0.3",
    "metrics.loss <= 0.25",
    "metrics.loss > 0.1",
    "metrics.loss >= 0.5",
    "metrics.loss = 0.125",
    "metrics.loss != 0.125",
    "metrics.loss > -1",
    "metrics.loss < 1e300",
    "metrics.loss > 1e3",
    "metrics.loss = 0",
    "metrics.loss < .3",
    "metrics.loss < +0.3",
    "metric.loss < 0.3",
    "metrics.`val acc` > 0.75",
    'metrics."val acc" > 0.75',
    "metrics.'val acc' > 0.75",
    "metrics.missing > 0",
    "metrics.loss < 0.6 AND metrics.`val acc` > 0.85",
    "metrics.loss < 0.6 and params.model = 'sklearn'",
    "params.model = 'xgboost'",
    "param.model = 'xgboost'",
    "parameters.model = 'xgboost'",
    'params.model = "xgboost"',
    "params.model != 'xgboost'",
    "params.model LIKE 'xg%'",
    "params.model ILIKE 'xg%'",
    "params.model like '%boost'",
    "params.model LIKE '%b_o%'",
    "params.model = ''",
    "params.model != ''",
    "params.depth = '3'",
    "params.missing != 'x'",
    "params.model IS NULL",
    "params.model IS NOT NULL",
    "params.model is null AND metrics.`val acc` > 0",
    "tags.team = 'red'",
    "tag.team = 'red'",
    "tags.team != 'red'",
    "tags.team LIKE 'r%'",
    "tags.team ILIKE 'R%'",
    'tags.team = "it\'s"',
    "tags.team = 'über'",
    "tags.team ILIKE 'ÜB%'",
    "tags.team IS NULL",
    "tags.team IS NOT NULL",
    "tags.mlflow.source.name = 'train1.py'",
    "tags.`mlflow.source.name` LIKE 'train%'",
    "tags.mlflow.user = 'user1'",
    "attributes.status = 'FINISHED'",
    "attribute.status = 'finished'",
    "status = 'RUNNING'",
    "status != 'RUNNING'",
    "attributes.status LIKE '%ED'",
    "attributes.run_name = 'alpha'",
    "run_name = 'alpha'",
    "attributes.`run name` = 'alpha'",
    "attributes.`Run name` = 'alpha'",
    "attributes.run_name LIKE '%eta'",
    "attributes.run_name ILIKE 'g%'",
    "attributes.run_name LIKE 'epsilon\\_x'",
    "attributes.run_name LIKE '%\\%'",
    "attributes.run_name != 'alpha'",
    "attributes.run_name IN ('alpha', 'beta', 'none')",
    "attributes.run_name NOT IN ('alpha', 'beta')",
    "attributes.status IN ('FINISHED', 'FAILED')",
    "attributes.start_time > 1700000003000",
    "attributes.start_time = 1700000003000",
    "attributes.created <= 1700000001000",
    "start_time >= 1700000000000 AND start_time < 1700000002000",
    "attributes.end_time > 0",
    "attributes.end_time != 1700000050000",
    "attributes.user_id = 'user1'",
    "attributes.artifact_uri LIKE '%artifacts'",
    "attributes.lifecycle_stage = 'active'",
    "run.status = 'FINISHED'",
    "attr.status = 'FINISHED'",
    "dataset.name = 'iris'",
    "datasets.name = 'iris'",
    "dataset.name LIKE 'i%'",
    "dataset.name ILIKE 'w%'",
    "dataset.name != 'iris'",
    "dataset.name IN ('iris', 'Wine')",
    "dataset.name NOT IN ('iris')",
    "dataset.digest = 'd2'",
    "dataset.context = 'train'",
    "dataset.name = 'iris' AND dataset.context = 'test'",
    "dataset.name = 'iris' AND metrics.loss > 0",
    "tags.team = 'red' AND params.model = 'xgboost' AND metrics.loss > 0.1 AND attributes.status = 'FINISHED'",
    "   metrics.loss   <   0.3   ",
    "METRICS.loss < 0.3",
    "metrics.loss<0.3",
]

BAD = [
    "metrics",
    "metrics.loss",
    "metrics.loss <",
    "metrics.loss < x",
    "metrics.loss < '0.3'",
    "metrics.loss = 'NaN'",
    "metrics.loss = NaN",
    "metrics.loss LIKE '1%'",
    "metrics.loss IN (1)",
    "metrics.loss < 0.3 OR metrics.loss > 1",
    "(metrics.loss < 0.3)",
    "NOT metrics.loss < 0.3",
    "metrics.loss < 0.3 AND",
    "AND metrics.loss < 0.3",
    "metrics.loss < 0.3 metrics.loss > 0",
    "metrics.loss << 0.3",
    "metrics.loss == 0.3",
    "metrics.loss < 0.3; DROP TABLE runs",
    "metrics.loss < 0.3 --",
    "params.model > 'a'",
    "params.model = 5",
    "params.model = xgboost",
    "params.model = 'open",
    "params.model IN ('a')",
    "params.model IS",
    "params.model IS 5",
    "tags.team > 'a'",
    "tags.team = 5",
    "tags.team IN ('red')",
    "tags = 'x'",
    "nonsense.a = 'x'",
    "nonsense = 'x'",
    "attributes.nonsense = 'x'",
    "attributes.status > 'a'",
    "attributes.status = 5",
    "attributes.start_time LIKE '1%'",
    "attributes.start_time = 'x'",
    "attributes.start_time > '1700000003000'",
    "attributes.run_id > 'a'",
    "attributes.run_id IN 'a'",
    "attributes.run_name IN ()",
    "attributes.run_name IN ('a'",
    "attributes.run_name IN (a)",
    "attributes.run_name IN (5)",
    "attributes.experiment_id = '0'",
    "dataset.nonsense = 'x'",
    "dataset.name > 'x'",
    "dataset.name = 5",
    "dataset = 'x'",
    "= 'x'",
    "'x' = 'x'",
    "metrics. = 1",
    "metrics.`open < 1",
    ".loss < 1",
    "💥",
    ";",
    "%",
    "metrics.loss BETWEEN 0 AND 1",
    "metrics.loss IS NULL",
    5,
    ["metrics.loss < 1"],
    {"a": 1},
]

ORDERS = [
    ["metrics.loss"],
    ["metrics.loss ASC"],
    ["metrics.loss DESC"],
    ["metrics.`val acc` DESC", "metrics.loss"],
    ['metrics."val acc"'],
    ["params.model"],
    ["params.model DESC"],
    ["params.depth ASC"],
    ["tags.team"],
    ["tags.team DESC"],
    ["tag.`mlflow.user`", "attributes.run_name DESC"],
    ["attributes.run_name"],
    ["run_name DESC"],
    ["attributes.start_time"],
    ["attributes.start_time DESC"],
    ["start_time ASC"],
    ["created DESC"],
    ["attributes.end_time"],
    ["attributes.end_time DESC"],
    ["attributes.status", "attributes.run_name"],
    ["metrics.missing", "start_time"],
    ["params.missing DESC"],
    [],
    None,
]

BAD_ORDERS = [
    ["nonsense"],
    ["nonsense.x"],
    ["metrics.loss SIDEWAYS"],
    ["metrics.loss ASC DESC"],
    ["metrics.loss, params.model"],
    ["metrics"],
    [""],
    [" "],
    [5],
    [None],
    "metrics.loss",
    ["attributes.nonsense"],
    ["dataset.name"],
    ["metrics.loss; DROP"],
    ["attributes.lifecycle_stage"],
    ["attributes.experiment_id"],
    ["metrics.loss", "metrics.loss DESC"],
]


def search(api: Server) -> None:
    home, other = api.new_experiment("search runs"), api.new_experiment("search runs too")
    runs = seed(api, home)
    elsewhere = api.new_run(other, run_name="elsewhere", start_time=1700000000500)
    by_name = ["attributes.run_name"]
    for filter in GOOD + BAD:
        api.post("runs/search", experiment_ids=[home], filter=filter, order_by=by_name)
    for filter in [
        f"attributes.run_id = '{runs['alpha']}'",
        f"run_id = '{runs['alpha']}'",
        f"attributes.run_id != '{runs['alpha']}'",
        f"attributes.run_id IN ('{runs['alpha']}', '{runs['beta']}')",
        f"attributes.run_id NOT IN ('{runs['alpha']}', '{runs['beta']}')",
        f"attributes.run_id LIKE '{runs['alpha']}'",
        "attributes.run_id = 'nothing'",
    ]:
        api.post("runs/search", experiment_ids=[home], filter=filter, order_by=by_name)
    for order in ORDERS + BAD_ORDERS:
        api.post("runs/search", experiment_ids=[home], order_by=order)
    for experiments in [[home, other], [other], [], None, ["f" * 32], ["123456789012"], ["abc"], [5], [home, "abc"], home, [""], [None]]:
        api.post("runs/search", experiment_ids=experiments, filter="attributes.run_name LIKE 'e%'", order_by=by_name)
    api.post("runs/search", filter="attributes.run_name = 'alpha'")
    api.post("runs/delete", run_id=runs["theta"])
    for view in ["ACTIVE_ONLY", "DELETED_ONLY", "ALL", 1, 2, 3, "SOME", 9, None]:
        api.post("runs/search", experiment_ids=[home], run_view_type=view, filter="metrics.loss >= 0", order_by=by_name)
    for count in [None, 0, -1, 1, 50000, 50001, "2", "x", 2.5, 10**30, True]:
        api.post("runs/search", experiment_ids=[home], filter="metrics.loss < 0.6", order_by=by_name, max_results=count)
    for order in [by_name, ["metrics.loss"], ["metrics.loss DESC"], ["params.model"], ["tags.team DESC"], ["attributes.end_time"], None]:
        page = api.post("runs/search", experiment_ids=[home], order_by=order, max_results=3)
        while isinstance(page.body, dict) and page.body.get("next_page_token"):
            page = api.post("runs/search", experiment_ids=[home], order_by=order, max_results=3, page_token=page.body["next_page_token"])
    api.post("runs/search", experiment_ids=[home], order_by=by_name, max_results=7)
    api.post("runs/search", experiment_ids=[home], order_by=by_name, max_results=8)
    for token in ["nonsense", "", None, 5, "e30=", "eyJvZmZzZXQiOiAtMX0=", "é"]:
        api.post("runs/search", experiment_ids=[home], order_by=by_name, max_results=2, page_token=token)
    api.get("runs/search", experiment_ids=home, filter="metrics.loss < 0.3")
    api.post("experiments/delete", experiment_id=other)
    api.post("runs/search", experiment_ids=[other])
    api.post("runs/search", experiment_ids=[other], run_view_type="ALL")
    api.get("runs/get", run_id=elsewhere)


TALKS = [search]
