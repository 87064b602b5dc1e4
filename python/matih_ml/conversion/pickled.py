"""Reads pickled models; only used in the process of the conversion."""

import os
import pickle
from typing import Any


def load_pickled(path: str) -> Any:
    kind = os.path.splitext(path)[1]
    if kind == ".skops":
        from skops import io

        # The code of the model can do no more than this process may do, and the process has no rights.
        return io.load(path, trusted=io.get_untrusted_types(file=path))
    if kind == ".joblib":
        import joblib

        return joblib.load(path)
    with open(path, "rb") as file:
        # A file of cloudpickle needs its module, but no other loader.
        return pickle.load(file)
