"""Registers models of three frameworks, one that must be told its columns, and one whose file is hostile."""

import json
import os
import pickle

import lightgbm
import mlflow
import pandas
import xgboost
from mlflow import MlflowClient
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes, load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

mlflow.set_experiment("conversion")
iris, species = load_iris(return_X_y=True, as_frame=True)
diabetes, progression = load_diabetes(return_X_y=True, as_frame=True)
answers = {}


def register(name, flavor, model, **options):
    with mlflow.start_run():
        info = flavor.log_model(model, name=name, registered_model_name=name, **options)
    return info


logistic = LogisticRegression(max_iter=500).fit(iris, species)
register("logistic", mlflow.sklearn, logistic, input_example=iris[:20])
answers["logistic"] = logistic.predict_proba(iris[:3]).tolist()
boosted = xgboost.XGBRegressor(n_estimators=20, max_depth=3).fit(diabetes, progression)
register("boosted", mlflow.xgboost, boosted, input_example=diabetes[:20])
answers["boosted"] = boosted.predict(diabetes[:3]).tolist()
light = lightgbm.LGBMClassifier(n_estimators=20, verbose=-1).fit(iris, species)
register("light", mlflow.lightgbm, light, input_example=iris[:20])
answers["light"] = light.predict_proba(iris[:3]).tolist()

cars = json.load(open(os.environ["CARS_FILE"]))

frame = pandas.DataFrame(cars)[["Horsepower", "Weight_in_lbs", "Origin", "Miles_per_Gallon"]].dropna()
columns = ColumnTransformer([("numbers", StandardScaler(), ["Horsepower", "Weight_in_lbs"]), ("origin", OneHotEncoder(), ["Origin"])])
strict = make_pipeline(columns, LinearRegression()).fit(frame.drop(columns="Miles_per_Gallon"), frame["Miles_per_Gallon"])
register("strict", mlflow.sklearn, strict, serialization_format="cloudpickle", input_example=frame.drop(columns="Miles_per_Gallon")[:20])
columns.set_params(origin__handle_unknown="ignore")
pipeline = make_pipeline(columns, LinearRegression()).fit(frame.drop(columns="Miles_per_Gallon"), frame["Miles_per_Gallon"])
register("cars", mlflow.sklearn, pipeline, serialization_format="cloudpickle")
answers["cars"] = pipeline.predict(frame.drop(columns="Miles_per_Gallon")[:3]).tolist()
rows = {"iris": iris[:3].values.tolist(), "diabetes": diabetes[:3].values.tolist(), "cars": frame[:3].to_dict("records")}


class Hostile:
    """Looks around when it is unpickled, and tells what it found in the error."""

    def __reduce__(self):
        code = (
            "(lambda os, socket: (_ for _ in ()).throw(RuntimeError(repr({"
            "'secrets': sorted(name for name in os.environ if 'SECRET' in name or 'DATABASE' in name),"
            "'data': os.path.exists(%r), 'processes': len([p for p in os.listdir('/proc') if p.isdigit()]) > 10}))))"
            "(__import__('os'), __import__('socket'))" % os.environ["DATA_DIR_OF_SERVICE"]
        )
        return eval, (code,)


with mlflow.start_run():
    info = mlflow.sklearn.log_model(logistic, name="hostile", serialization_format="cloudpickle")
    folder = os.path.join(os.getcwd(), "hostile")
    mlflow.artifacts.download_artifacts(info.model_uri, dst_path=folder)
    path = next(os.path.join(top, file) for top, _, files in os.walk(folder) for file in files if file == "model.pkl")
    with open(path, "wb") as file:
        pickle.dump(Hostile(), file)
    mlflow.log_artifacts(os.path.dirname(path), "hostile")
    run_id = mlflow.active_run().info.run_id
client = MlflowClient()
client.create_registered_model("hostile")
client.create_model_version("hostile", f"runs:/{run_id}/hostile", run_id=run_id)

print(json.dumps({"answers": answers, "rows": rows, "columns": {"iris": list(iris.columns), "diabetes": list(diabetes.columns)}}))
