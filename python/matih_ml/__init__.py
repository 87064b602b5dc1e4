"""What the MATIH ML Service runs in Python."""
