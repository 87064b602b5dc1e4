"""Batch inference outside the service: on Ray and on Spark."""
