"""Artifacts through the server: put, listed, read, deleted; paths that lead elsewhere."""

from talk import Server

PROXY = "/api/2.0/mlflow-artifacts"
TRAVERSALS = [
    "../secret",
    "..%2fsecret",
    "%2e%2e/secret",
    "%252e%252e/secret",
    "a/../../secret",
    "a/%2e%2e/%2e%2e/secret",
    "a\\..\\..\\secret",
    "%5c..%5csecret",
    "//etc/passwd",
    "%2fetc%2fpasswd",
    "a/%00",
    "C:/x",
    "file:x",
    "a//b",
    "./a",
    "a/./b",
    "~/x",
    "a b",
    "é.txt",
    "a?b",
    "a%23b",
    "x" * 300,
]


def proxy(api: Server) -> None:
    home = api.new_experiment("artifacts")
    run = api.new_run(home, run_name="files")
    root = f"{PROXY}/artifacts/{home}/{run}/artifacts"
    put = lambda path, data=b"text": api.send("PUT", f"{root}/{path}", data=data, headers={"Content-Type": "application/octet-stream"})
    api.get("artifacts/list", run_id=run)
    put("a.txt", b"alpha")
    put("a.txt", b"alpha again")
    put("empty.bin", b"")
    put("folder/b.txt", b"beta")
    put("folder/deep/c.json", b'{"c": 1}')
    put("with space.txt", b"space")
    put("umlaut ü.txt", b"umlaut")
    put("script.html", b"<script>alert(1)</script>")
    for path in [None, "", "folder", "folder/", "folder/deep", "a.txt", "nothing", "fold", "..", "../x", "/", "/folder", ".", "folder/..", "%2e%2e", "with space.txt"]:
        api.get("artifacts/list", **({"run_id": run} if path is None else {"run_id": run, "path": path}))
    api.get("artifacts/list", run_uuid=run)
    for path in ["a.txt", "empty.bin", "folder/b.txt", "folder", "nothing", "with space.txt", "umlaut ü.txt", "script.html", ""]:
        api.send("GET", f"{root}/{path}")
        api.send("GET", "/get-artifact", query={"run_id": run, "path": path})
    for query in [{"run_id": run}, {"path": "a.txt"}, {}, {"run_id": "f" * 32, "path": "a.txt"}, {"run_id": run, "path": "../x"}]:
        api.send("GET", "/get-artifact", query=query)
    for path in [f"{home}/{run}/artifacts", f"{home}/{run}/artifacts/folder", f"{home}/{run}", home, "", "..", f"{home}/{'f' * 32}/artifacts", f"123456789012/{run}/artifacts", "../../etc", f"{home}/{run}/artifacts/a.txt"]:
        api.send("GET", f"{PROXY}/artifacts", query={"path": path})
    api.send("GET", f"{PROXY}/artifacts")
    for path in TRAVERSALS:
        put(path)
        api.send("GET", f"{root}/{path}")
        api.send("GET", "/get-artifact", query={"run_id": run, "path": path})
    for outside in [f"{home}/x.txt", "x.txt", f"{home}/{'f' * 32}/artifacts/x.txt", f"{home}/{run}/x.txt", f"123456789012/{run}/artifacts/x.txt"]:
        api.send("PUT", f"{PROXY}/artifacts/{outside}", data=b"x")
        api.send("GET", f"{PROXY}/artifacts/{outside}")
    api.send("GET", f"{PROXY}/presigned/{home}/{run}/artifacts/a.txt")
    api.post("artifacts/presigned-upload-url", run_id=run, path="a.txt")
    api.post("artifacts/presigned-download-url", run_id=run, path="a.txt")
    for action, body in [("create", {"path": "big.bin", "num_parts": 2}), ("create", {}), ("complete", {"path": "big.bin", "upload_id": "x", "parts": []}), ("abort", {"path": "big.bin", "upload_id": "x"})]:
        api.send("POST", f"{PROXY}/mpu/{action}/{home}/{run}/artifacts", body=body)
    for path in ["a.txt", "a.txt", "folder/deep", "folder", "nothing", "../x", ""]:
        api.send("DELETE", f"{root}/{path}", headers={"Content-Type": "application/json"})
    api.get("artifacts/list", run_id=run)
    api.post("runs/delete", run_id=run)
    put("late.txt", b"late")
    api.send("GET", f"{root}/script.html")


TALKS = [proxy]
