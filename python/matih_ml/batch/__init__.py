"""Batch inference outside the service: on Ray."""
