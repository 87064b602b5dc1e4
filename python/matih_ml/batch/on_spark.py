"""Batch inference as a program of Spark: its tasks take part after part by mapInPandas."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

# spark-submit runs this file outside of its package.
from matih_ml.batch.predict import predictor_of
from matih_ml.batch.spec import Spec
from matih_ml.batch.work import run
from matih_ml.train.service import HttpService

if TYPE_CHECKING:
    from pandas import DataFrame


def predict_all(service: HttpService, spec: Spec) -> Iterator[str | None]:
    from pyspark.sql import SparkSession

    def predict(batches: Iterator[DataFrame]) -> Iterator[DataFrame]:
        for batch in batches:
            predictor = predictor_of(service, spec)
            yield batch.assign(failure=[predictor.predict(spec.parts[int(place)]) or "" for place in batch["id"]])

    session = SparkSession.builder.getOrCreate()
    try:
        # A task per part: a task that dies is run again by Spark, and takes only its part with it.
        places = session.range(0, len(spec.parts), 1, len(spec.parts))
        for row in places.mapInPandas(predict, "id long, failure string").collect():
            yield row["failure"] or None
    finally:
        session.stop()


if __name__ == "__main__":
    run(predict_all)
