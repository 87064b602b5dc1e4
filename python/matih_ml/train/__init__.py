"""Trainings that run outside the service: on a Ray cluster, or in any Python that can reach the service."""
