"""The data sets of bench:trees, and scikit-learn, LightGBM and XGBoost on them.

peers.py sets <folder of vega-datasets' data> <folder to write to>: writes each data set as CSV and prints them as JSON.
peers.py fit <library> <set as JSON> <threads>: fits one library and prints seconds, score and peak memory as JSON.
"""

import json
import pathlib
import resource
import sys
import time

import numpy as np
import pandas as pd
from sklearn import datasets
from sklearn.metrics import log_loss, root_mean_squared_error

SPLITS = 20
FLIGHTS = 1_250_000
ITERATIONS = 100


def flights(vega):
    frame = pd.read_parquet(vega / "flights-3m.parquet").sample(FLIGHTS, random_state=1)
    frame["hour"], frame["weekday"], frame["month"] = frame.date.dt.hour, frame.date.dt.weekday, frame.date.dt.month
    frame["late"] = np.where(frame.delay > 15, "yes", "no")
    return frame.drop(columns="date")


def bundled(loader):
    data = loader()
    names = [str(name).replace(" ", "_") for name in data.feature_names]
    frame = pd.DataFrame(data.data, columns=names)
    frame["target"] = [f"c{value}" for value in data.target] if hasattr(data, "target_names") else data.target
    return frame, names


def all_sets(vega):
    sky = flights(vega)
    times = ["hour", "weekday", "month", "distance"]
    yield "flights", sky, "CLASSIFICATION", "late", times, ["origin", "destination"], 1
    yield "flight delay", sky.head(250_000), "REGRESSION", "delay", times, ["origin", "destination"], 1
    movies = pd.read_json(vega / "movies.json").dropna(subset=["IMDB Rating"])
    numbers = ["US Gross", "Worldwide Gross", "Production Budget", "Running Time min", "Rotten Tomatoes Rating", "IMDB Votes"]
    movies[numbers] = movies[numbers].apply(pd.to_numeric, errors="coerce")
    kinds = ["MPAA Rating", "Source", "Major Genre", "Creative Type"]
    yield "movies", movies[[*numbers, *kinds, "IMDB Rating"]], "REGRESSION", "IMDB Rating", numbers, kinds, SPLITS
    weather = pd.read_csv(vega / "seattle-weather.csv")
    yield "seattle-weather", weather, "CLASSIFICATION", "weather", ["precipitation", "temp_max", "temp_min", "wind"], [], SPLITS
    for name, loader in [("digits", datasets.load_digits), ("breast cancer", datasets.load_breast_cancer)]:
        frame, names = bundled(loader)
        yield name, frame, "CLASSIFICATION", "target", names, [], SPLITS


def write_sets(vega, folder):
    written = []
    for name, frame, task, target, numeric, categorical, splits in all_sets(vega):
        frame = frame.reset_index(drop=True)[[*numeric, *categorical, target]].copy()
        for split in range(splits):
            order = np.random.default_rng(split).permutation(len(frame))
            parts = np.full(len(frame), "train", dtype=object)
            parts[order[: len(frame) // 5]] = "holdout"
            # The trainer here wants some; nobody learns from them.
            parts[order[len(frame) // 5 : len(frame) // 5 + 50]] = "validation"
            frame[f"split {split}"] = parts
        path = folder / f"{name}.csv"
        frame.to_csv(path, index=False)
        written.append({"name": name, "path": str(path), "task": task, "target": target, "numeric": numeric,
                        "categorical": categorical, "splits": splits, "rows": len(frame)})
    print(json.dumps(written))


def fit(library, of, threads):
    frame = pd.read_csv(of["path"], keep_default_na=False, na_values=[""])
    for column in of["categorical"]:
        frame[column] = frame[column].astype("category")
    columns = of["numeric"] + of["categorical"]
    is_class = of["task"] == "CLASSIFICATION"
    results = []
    for split in range(of["splits"]):
        train, holdout = (frame[frame[f"split {split}"] == part] for part in ("train", "holdout"))
        x, y, seen, truth = train[columns], train[of["target"]], holdout[columns], holdout[of["target"]]
        if is_class:
            classes = {name: code for code, name in enumerate(sorted(y.unique()))}
            y, truth = y.map(classes), truth.map(classes)
        model = model_of(library, is_class, threads)
        started = time.perf_counter()
        model.fit(x, y)
        seconds = time.perf_counter() - started
        if is_class:
            score = log_loss(truth, model.predict_proba(seen), labels=list(range(len(classes))))
        else:
            score = root_mean_squared_error(truth, model.predict(seen))
        results.append({"seconds": seconds, "score": score})
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"results": results, "peakMiB": peak}))


def model_of(library, is_class, threads):
    if library == "scikit-learn":
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        kind = HistGradientBoostingClassifier if is_class else HistGradientBoostingRegressor
        return kind(max_iter=ITERATIONS, early_stopping=False, categorical_features="from_dtype")
    if library == "LightGBM":
        import lightgbm

        kind = lightgbm.LGBMClassifier if is_class else lightgbm.LGBMRegressor
        return kind(n_estimators=ITERATIONS, num_leaves=31, learning_rate=0.1, min_child_samples=20, n_jobs=threads, verbose=-1)
    import xgboost

    kind = xgboost.XGBClassifier if is_class else xgboost.XGBRegressor
    return kind(n_estimators=ITERATIONS, tree_method="hist", grow_policy="lossguide", max_leaves=31, max_depth=0,
                learning_rate=0.1, min_child_weight=1, reg_lambda=0, enable_categorical=True, n_jobs=threads)


if sys.argv[1] == "sets":
    write_sets(*map(pathlib.Path, sys.argv[2:4]))
else:
    fit(sys.argv[2], json.loads(sys.argv[3]), int(sys.argv[4]))
