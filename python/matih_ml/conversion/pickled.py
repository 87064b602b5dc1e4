"""Reading pickled models; only in the conversion's own process."""

import os
import pickle


def load_pickled(path: str):
    kind = os.path.splitext(path)[1]
    if kind == ".skops":
        from skops import io

        # No more than this process may do anyhow: it is there to be trusted with nothing.
        return io.load(path, trusted=io.get_untrusted_types(file=path))
    if kind == ".joblib":
        import joblib

        return joblib.load(path)
    with open(path, "rb") as file:
        # What cloudpickle writes needs its module, not another loader.
        return pickle.load(file)
