"""Conversion of models of other frameworks to ONNX, with the agreement of both checked on sample input."""
