"""Converts one model in its own process, because unpickling a model runs the code of its author.

Usage: python -m matih_ml.conversion REQUEST RESULT, both JSON files.

Request: {"modelDir": folder with an MLmodel file, "output": path for model.onnx,
"sample": {"columns": [...], "rows": [[...]]} or null,
"tolerance": largest |a - b| / max(1, |a|) between the answers of the two}.

Result: {"state": ...} with
  CONVERTED          framework, frameworkVersion, converter, opsets, precision, sampleRows, sampleSource,
                     maxAbsDiff, maxScaledDiff, columns ([{"name", "type"}] in the order of the input, or null),
                     classes (in the order of the probabilities, or null)
  DISAGREES          the same: the converted model answers otherwise than the original
  MISSING_CONVERTER  framework, missing (modules), install (the command)
  NEEDS_SAMPLE       reason: the model takes no random rows, and came with no input example
  UNSUPPORTED        reason: nothing that can be installed would help
  FAILED             reason
"""

import json
import sys
import traceback

from .convert import MAX_REASON_CHARACTERS, ConversionFailed, convert


def main(request_path: str, result_path: str) -> None:
    with open(request_path, encoding="utf-8") as file:
        request = json.load(file)
    try:
        result = convert(request["modelDir"], request["output"], request.get("sample"), request["tolerance"])
    except ConversionFailed as failure:
        result = failure.result
    except Exception as error:
        traceback.print_exc()
        result = {"state": "FAILED", "reason": f"{type(error).__name__}: {error}"[:MAX_REASON_CHARACTERS]}
    with open(result_path, "w", encoding="utf-8") as file:
        json.dump(result, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
