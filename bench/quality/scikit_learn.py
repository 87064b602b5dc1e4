"""Writes the data sets of bench:quality as CSV with their splits, and measures scikit-learn on each split.

Called by bench/quality.ts: scikit_learn.py <folder of vega-datasets' data> <folder to write to>. Prints JSON.
"""

import csv
import json
import pathlib
import sys
import warnings

import numpy as np
from sklearn import datasets
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, log_loss, r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

warnings.filterwarnings("ignore")
VEGA, OUT = map(pathlib.Path, sys.argv[1:3])
SPLITS = 10
VALIDATION, HOLDOUT = 0.1, 0.2
# Multiples of the default penalty.
STRENGTHS = [0.01, 0.1, 1, 10, 100]


def vega_rows(name):
    path = VEGA / name
    rows = json.loads(path.read_text()) if path.suffix == ".json" else list(csv.DictReader(path.open()))
    return [{key: "" if value in (None, "") else str(value) for key, value in row.items()} for row in rows]


def bunch_rows(loader):
    data = loader()
    names = [str(name).replace(" ", "_") for name in data.feature_names]
    rows = [{**{name: repr(float(x)) for name, x in zip(names, values)}, "target": str(target)} for values, target in zip(data.data, data.target)]
    return rows, names


def vega(file, task, target, numeric, categorical):
    return {"rows": vega_rows(file), "task": task, "target": target, "numeric": numeric, "categorical": categorical}


def bundled(loader, task):
    rows, names = bunch_rows(loader)
    return {"rows": rows, "task": task, "target": "target", "numeric": names, "categorical": []}


SETS = {
    "penguins": vega("penguins.json", "CLASSIFICATION", "Species",
                     ["Beak Length (mm)", "Beak Depth (mm)", "Flipper Length (mm)", "Body Mass (g)"], ["Island", "Sex"]),
    "cars": vega("cars.json", "REGRESSION", "Miles_per_Gallon",
                 ["Displacement", "Horsepower", "Weight_in_lbs", "Acceleration"], ["Cylinders", "Origin"]),
    "movies": vega("movies.json", "REGRESSION", "IMDB Rating",
                   ["US Gross", "Worldwide Gross", "Production Budget", "Running Time min", "Rotten Tomatoes Rating", "IMDB Votes"],
                   ["MPAA Rating", "Source", "Major Genre", "Creative Type"]),
    "seattle-weather": vega("seattle-weather.csv", "CLASSIFICATION", "weather", ["precipitation", "temp_max", "temp_min", "wind"], []),
    "breast cancer": bundled(datasets.load_breast_cancer, "CLASSIFICATION"),
    "wine": bundled(datasets.load_wine, "CLASSIFICATION"),
    "diabetes": bundled(lambda: datasets.load_diabetes(scaled=False), "REGRESSION"),
    "digits": bundled(datasets.load_digits, "CLASSIFICATION"),
}


def parts_of(count, seed):
    order = np.random.default_rng(seed).permutation(count)
    holdout, validation = round(count * HOLDOUT), round(count * VALIDATION)
    parts = np.full(count, "train", dtype=object)
    parts[order[:holdout]] = "holdout"
    parts[order[holdout:holdout + validation]] = "validation"
    return parts


def pipeline(of, strength):
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    columns = ColumnTransformer([
        ("numbers", numbers, list(range(len(of["numeric"])))),
        ("categories", OneHotEncoder(handle_unknown="ignore"), list(range(len(of["numeric"]), len(of["numeric"]) + len(of["categorical"])))),
    ])
    model = Ridge(alpha=strength) if of["task"] == "REGRESSION" else LogisticRegression(C=1 / strength, max_iter=1000)
    return make_pipeline(columns, model)


def measured(of, model, x, y):
    if of["task"] == "REGRESSION":
        return {"r2": r2_score(y, model.predict(x))}
    # A class that the training rows do not have gets no probability.
    probabilities = model.predict_proba(x)
    known = np.isin(y, model.classes_)
    return {
        "accuracy": accuracy_score(y, model.predict(x)),
        "log_loss": log_loss(y[known], probabilities[known], labels=model.classes_),
    }


def loss(of, scores):
    return -scores["r2"] if of["task"] == "REGRESSION" else scores["log_loss"]


answer = []
for name, of in SETS.items():
    rows = [row for row in of["rows"] if row[of["target"]] != ""]
    of["rows"] = rows
    splits = [parts_of(len(rows), seed) for seed in range(SPLITS)]
    path = OUT / f"{name.replace(' ', '-')}.csv"
    columns = [*of["numeric"], *of["categorical"], of["target"]]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*columns, *(f"split {i}" for i in range(SPLITS))])
        for i, row in enumerate(rows):
            writer.writerow([*(row[column] for column in columns), *(parts[i] for parts in splits)])
    numbers = [[np.nan if row[column] == "" else float(row[column]) for column in of["numeric"]] for row in rows]
    x = np.array([[*values, *(row[column] for column in of["categorical"])] for values, row in zip(numbers, rows)], dtype=object)
    y = np.array([float(row[of["target"]]) if of["task"] == "REGRESSION" else row[of["target"]] for row in rows])
    results = []
    for parts in splits:
        train, validation, holdout = (parts == part for part in ("train", "validation", "holdout"))
        tried = []
        for strength in STRENGTHS:
            model = pipeline(of, strength).fit(x[train], y[train])
            tried.append((loss(of, measured(of, model, x[validation], y[validation])), strength, measured(of, model, x[holdout], y[holdout])))
        results.append({"default": next(scores for _, strength, scores in tried if strength == 1), "tuned": min(tried, key=lambda one: one[0])[2]})
    answer.append({
        "name": name, "path": str(path), "rows": len(rows), "task": of["task"], "target": of["target"],
        "numeric": of["numeric"], "categorical": of["categorical"], "splits": results,
    })
print(json.dumps({"strengths": STRENGTHS, "sets": answer}))
