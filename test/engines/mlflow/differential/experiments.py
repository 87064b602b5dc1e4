"""Experiments: made, found, renamed, tagged, deleted, restored; searched."""

from talk import UNKNOWN_IDS, Server


def life(api: Server) -> None:
    api.get("experiments/get", experiment_id="0")
    api.get("experiments/get-by-name", experiment_name="Default")
    first = api.new_experiment("exp first", tags=[{"key": "team", "value": "growth"}, {"key": "empty", "value": ""}])
    api.get("experiments/get", experiment_id=first)
    api.get("experiments/get-by-name", experiment_name="exp first")
    api.get("experiments/get-by-name", experiment_name="EXP FIRST")
    api.get("experiments/get-by-name", experiment_name="nowhere")
    api.post("experiments/create", name="exp first")
    second = api.new_experiment("exp second", artifact_location="mlflow-artifacts:/elsewhere")
    api.get("experiments/get", experiment_id=second)
    api.post("experiments/update", experiment_id=second, new_name="exp first")
    api.post("experiments/update", experiment_id=second, new_name="exp 2")
    api.post("experiments/update", experiment_id=second, new_name="exp 2")
    api.post("experiments/update", experiment_id=second, new_name="")
    api.post("experiments/update", experiment_id=second)
    api.get("experiments/get", experiment_id=second)
    for key, value in [("a", "1"), ("a", "2"), ("b", ""), ("mlflow.note.content", "note"), ("é ü", "ß"), ("x/y", "z")]:
        api.post("experiments/set-experiment-tag", experiment_id=first, key=key, value=value)
    api.post("experiments/delete-experiment-tag", experiment_id=first, key="team")
    api.post("experiments/delete-experiment-tag", experiment_id=first, key="team")
    api.get("experiments/get", experiment_id=first)
    run = api.new_run(first)
    deleted_run = api.new_run(first)
    api.post("runs/delete", run_id=deleted_run)
    api.post("experiments/delete", experiment_id=first)
    api.get("experiments/get", experiment_id=first)
    api.get("experiments/get-by-name", experiment_name="exp first")
    api.get("runs/get", run_id=run)
    for path, body in [
        ("experiments/delete", {}),
        ("experiments/update", {"new_name": "exp deleted"}),
        ("experiments/set-experiment-tag", {"key": "k", "value": "v"}),
        ("experiments/delete-experiment-tag", {"key": "a"}),
        ("runs/create", {}),
    ]:
        api.post(path, experiment_id=first, **body)
    api.post("experiments/create", name="exp first")
    api.post("runs/set-tag", run_id=run, key="k", value="v")
    api.post("experiments/restore", experiment_id=first)
    api.post("experiments/restore", experiment_id=first)
    api.get("experiments/get", experiment_id=first)
    api.get("runs/get", run_id=run)
    api.get("runs/get", run_id=deleted_run)
    api.post("experiments/delete", experiment_id=second)
    api.post("experiments/create", name="exp 2")
    api.post("experiments/update", experiment_id=first, new_name="exp 2")


def errors(api: Server) -> None:
    own = api.new_experiment("exp errors")
    for name in [None, "", " ", 5, True, ["x"], {"a": 1}, "n" * 500, "m" * 501, "exp\nline", "../x", "exp/slash", "exp 日本", "'; DROP TABLE x"]:
        api.post("experiments/create", name=name)
    api.post("experiments/create")
    for tags in [
        "x",
        {},
        [],
        [{}],
        [{"key": "", "value": "v"}],
        [{"value": "v"}],
        [{"key": "k"}],
        [{"key": "k", "value": 5}],
        [{"key": "k" * 251, "value": "v"}],
        [{"key": "k", "value": "v" * 5001}],
        [{"key": "k", "value": "v" * 20001}],
        [{"key": "../k", "value": "v"}],
        [{"key": "k!", "value": "v"}],
        [{"key": "twice", "value": "1"}, {"key": "twice", "value": "2"}],
        ["x"],
        [None],
    ]:
        api.post("experiments/create", name=f"exp with {len(str(tags))} {str(tags)[:8]}", tags=tags)
    for location in ["s3://bucket/x", "file:///etc", "/tmp/x", "mlflow-artifacts:/x#frag", "mlflow-artifacts:/x?q=1", "http://x/../y", "x y", 7]:
        api.post("experiments/create", name=f"exp at {location}", artifact_location=location)
    for unknown in UNKNOWN_IDS:
        api.get("experiments/get", experiment_id=unknown)
        api.post("experiments/delete", experiment_id=unknown)
        api.post("runs/create", experiment_id=unknown)
    for path, body in [
        ("experiments/restore", {}),
        ("experiments/update", {"new_name": "n"}),
        ("experiments/set-experiment-tag", {"key": "k", "value": "v"}),
        ("experiments/delete-experiment-tag", {"key": "k"}),
    ]:
        for unknown in [None, "", 7, "f" * 32, "123456789012", "abc"]:
            api.post(path, experiment_id=unknown, **body)
        api.post(path, **body)
        api.post(path)
    api.get("experiments/get")
    api.get("experiments/get", experiment_id="")
    api.get("experiments/get-by-name")
    api.get("experiments/get-by-name", experiment_name="")
    api.post("experiments/delete")
    for key in [None, "", 5, "k" * 250, "k" * 251, "../k", "/k", "k/", "./k", "k//l", "a:b", "a;b", "a,b", "a\nb", "🎉"]:
        api.post("experiments/set-experiment-tag", experiment_id=own, key=key, value="v")
    for value in [None, "", 5, True, {"a": 1}, "v" * 5000, "v" * 5001, "v" * 20000, "v" * 20001, "line\nbreak", "🎉"]:
        api.post("experiments/set-experiment-tag", experiment_id=own, key="value", value=value)
    for key in [None, "", 5, "k!", "k" * 251, "nothing"]:
        api.post("experiments/delete-experiment-tag", experiment_id=own, key=key)
    api.post("experiments/update", experiment_id=own, new_name=5)
    api.post("experiments/update", experiment_id=own, new_name="n" * 501)


def search(api: Server) -> None:
    ids = {}
    for name in ["look alpha", "look beta", "look Gamma", "look delta", "look_x"]:
        ids[name] = api.new_experiment(name, tags=[{"key": "kind", "value": name[5:]}, {"key": "n", "value": str(len(name))}])
    api.post("experiments/set-experiment-tag", experiment_id=ids["look beta"], key="Odd Key", value="it's")
    api.post("experiments/delete", experiment_id=ids["look delta"])
    mine = "name LIKE 'look%'"
    for filter in [
        mine,
        "name ILIKE 'LOOK%'",
        "name = 'look alpha'",
        "attribute.name = 'look alpha'",
        "attributes.name = 'look alpha'",
        "attr.name = 'look alpha'",
        'name = "look alpha"',
        "name != 'look alpha' AND name LIKE 'look%'",
        "name LIKE 'look _eta'",
        "name LIKE 'look\\_x'",
        "name LIKE 'LOOK%'",
        "name ilike '%GAMMA'",
        "tags.kind = 'beta'",
        "tag.kind = 'beta'",
        "tags.kind != 'beta' AND name LIKE 'look%'",
        "tags.kind LIKE '%a' AND name LIKE 'look%'",
        "tags.kind ILIKE 'GAM%'",
        "tags.`Odd Key` = \"it's\"",
        'tags."Odd Key" = "it\'s"',
        "tags.missing = 'x'",
        "tags.n = '10' and tags.kind = 'alpha'",
        "creation_time > 0 AND name LIKE 'look%'",
        "last_update_time >= 0 AND name LIKE 'look%'",
        "attributes.creation_time < 5",
        "creation_time = 5",
        f"experiment_id = '{ids['look beta']}'",
        "name LIKE '%'' OR 1=1'",
        "  name  LIKE  'look%'  ",
        "NAME = 'look alpha'",
    ]:
        api.post("experiments/search", filter=filter, max_results=20, order_by=["name ASC"])
    for view in ["ACTIVE_ONLY", "DELETED_ONLY", "ALL", 1, 2, 3, "SOME", 9, None]:
        api.post("experiments/search", filter=mine, view_type=view, max_results=20, order_by=["name"])
    for order in [
        ["name"],
        ["name DESC"],
        ["name asc"],
        ["attribute.name DESC"],
        ["creation_time"],
        ["creation_time DESC", "name"],
        ["last_update_time DESC"],
        ["experiment_id ASC"],
        ["lifecycle_stage"],
        ["tags.kind"],
        ["nonsense"],
        ["name SIDEWAYS"],
        ["name; DROP"],
        [""],
        [5],
        "name",
        [],
    ]:
        api.post("experiments/search", filter=mine, max_results=20, order_by=order)
    for filter in [
        "name",
        "name =",
        "name = look",
        "name = 5",
        "name > 'a'",
        "name IN ('look alpha')",
        "= 'x'",
        "nonsense = 'x'",
        "tags.kind > 'a'",
        "tags.kind = 5",
        "tags = 'x'",
        "metrics.x = 1",
        "params.x = 'y'",
        "name = 'a' OR name = 'b'",
        "name = 'a' AND",
        "AND name LIKE 'look%' AND",
        "(name = 'a')",
        "NOT name = 'a'",
        "name = 'a' name = 'b'",
        "name = 'unclosed",
        "name == 'a'",
        "creation_time LIKE 'x'",
        "creation_time = 'x'",
        "creation_time > '5'",
        "a.b.c = 'x'",
        "foo.name = 'x'",
        "lifecycle_stage = 'active'",
        ";",
        "name = 'a';",
        "-- comment",
        "tags.'x' = 'y' ) (",
        5,
        None,
        "",
    ]:
        api.post("experiments/search", filter=filter if filter not in ("", None) else filter, max_results=1 if filter in ("", None) else 20, order_by=["experiment_id"] if filter in ("", None) else ["name"])
    page = api.post("experiments/search", filter=mine, max_results=2, order_by=["name"])
    while isinstance(page.body, dict) and page.body.get("next_page_token"):
        page = api.post("experiments/search", filter=mine, max_results=2, order_by=["name"], page_token=page.body["next_page_token"])
    for count in [None, 0, -1, 1, 50000, 50001, "2", "x", 2.5, 10**30]:
        api.post("experiments/search", filter="name = 'look alpha'", max_results=count)
    for token in ["nonsense", "", None, 5, "e30=", "eyJvZmZzZXQiOiAtMX0=", "é"]:
        api.post("experiments/search", filter=mine, max_results=2, order_by=["name"], page_token=token)
    api.get("experiments/search", filter=mine, max_results=2, order_by=["name"])
    api.get("experiments/search", filter=mine, max_results=20, order_by=["name DESC"], view_type="ALL")


TALKS = [life, errors, search]
