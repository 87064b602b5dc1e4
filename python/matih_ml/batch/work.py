"""The frame of a batch inference: reads what to do, has it done, and stores the result last."""

from __future__ import annotations

import json
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

from ..train.service import HttpService, RefusedError, Reporter, SupersededError
from .spec import Spec

#: Predicts all parts, in any order, and says for each why it can never work, or None.
PredictAll = Callable[[HttpService, Spec], Iterable[str | None]]

_FINAL = (ValueError, TypeError, KeyError, RefusedError, MemoryError)


def run(predict_all: PredictAll) -> None:
    """Predicts. A failure without a result is one after which another attempt may succeed."""
    service = HttpService.from_environment()
    service.require_reachable()
    # It asks every few seconds whether the work shall go on, and ends this process when not.
    reporter = Reporter(service)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        try:
            service.download("spec.json", folder / "spec.json")
            spec = Spec.read(folder / "spec.json")
            failure = next((each for each in predict_all(service, spec) if each is not None), None)
        except SupersededError as error:
            print(f"This work is over: {error}", file=sys.stderr)
            return
        except _FINAL as error:
            traceback.print_exc()
            failure = f"{type(error).__name__}: {error}".splitlines()[0][:2000]
        result = {"state": "PREDICTED"} if failure is None else {"state": "FAILED", "message": failure}
        path = folder / "result.json"
        path.write_text(json.dumps(result))
        service.upload("result.json", path)
    reporter.close()
