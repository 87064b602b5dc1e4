"""Converts models of other frameworks to ONNX, and compares both models on sample rows."""
