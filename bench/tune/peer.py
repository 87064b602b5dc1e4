"""Optuna's default sampler for bench:tune, asked and told over lines of JSON.

{"open": {"parameters": [...], "objectives": 1, "seed": 0, "start": [...]}} begins a study with these points, {"ask": true} answers parameters,
{"tell": {"values": [...], "violations": [...]}} ends the trial that was asked for.
"""

import json
import sys

import optuna


def suggest(trial, parameters):
    params = {}
    for parameter in parameters:
        name, when = parameter["name"], parameter.get("when")
        if when and params.get(when["parameter"]) not in when["oneOf"]:
            continue
        if parameter["kind"] == "CATEGORICAL":
            params[name] = trial.suggest_categorical(name, parameter["choices"])
            continue
        log, step = parameter.get("log", False), parameter.get("step")
        if parameter["kind"] == "INTEGER":
            params[name] = trial.suggest_int(name, parameter["low"], parameter["high"], log=log, step=step or 1)
        else:
            params[name] = trial.suggest_float(name, parameter["low"], parameter["high"], log=log, step=step)
    return params


def main():
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study, trial, parameters = None, None, []
    for line in sys.stdin:
        message = json.loads(line)
        answer = {}
        if "open" in message:
            spec = message["open"]
            parameters = spec["parameters"]
            sampler = optuna.samplers.TPESampler(seed=spec["seed"])
            study = optuna.create_study(directions=["minimize"] * spec["objectives"], sampler=sampler)
            for point in spec["start"]:
                study.enqueue_trial(point)
        elif "ask" in message:
            trial = study.ask()
            answer = suggest(trial, parameters)
        else:
            for i, violation in enumerate(message["tell"].get("violations", [])):
                trial.set_constraint(f"c{i}", violation)
            study.tell(trial, message["tell"]["values"])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
