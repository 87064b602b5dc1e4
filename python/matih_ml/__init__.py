"""The Python code that the MATIH ML Service runs."""
