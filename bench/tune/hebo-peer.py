"""HEBO for bench:tune -- --hebo, asked and told like Optuna in peer.py."""

import json
import os
import sys
import warnings

import numpy as np
import pandas as pd

warnings.filterwarnings("ignore")
# What libraries print must not come between the answers.
ANSWERS = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

from hebo.design_space.design_space import DesignSpace  # noqa: E402
from hebo.optimizers.hebo import HEBO  # noqa: E402


def kind_of(parameter):
    if parameter["kind"] == "CATEGORICAL":
        return {"name": parameter["name"], "type": "cat", "categories": parameter["choices"]}
    is_integer = parameter["kind"] == "INTEGER"
    if parameter.get("log"):
        kind = "pow_int" if is_integer else "pow"
        return {"name": parameter["name"], "type": kind, "base": 10, "lb": parameter["low"], "ub": parameter["high"]}
    return {
        "name": parameter["name"],
        "type": "int" if is_integer else "num",
        "lb": parameter["low"],
        "ub": parameter["high"],
    }


def plain(value):
    return value.item() if isinstance(value, np.generic) else value


def main():
    optimizer, asked, start = None, None, []
    for line in sys.stdin:
        message = json.loads(line)
        answer = {}
        if "open" in message:
            spec = message["open"]
            start = list(spec["start"])
            np.random.seed(spec["seed"])
            space = DesignSpace().parse([kind_of(parameter) for parameter in spec["parameters"]])
            optimizer = HEBO(space, rand_sample=len(start), scramble_seed=spec["seed"])
        elif "ask" in message:
            asked = pd.DataFrame([start.pop(0)]) if start else optimizer.suggest(n_suggestions=1)
            answer = {name: plain(value) for name, value in asked.iloc[0].to_dict().items()}
        else:
            optimizer.observe(asked, np.array([message["tell"]["values"]], dtype=float))
        print(json.dumps(answer), file=ANSWERS, flush=True)


if __name__ == "__main__":
    main()
