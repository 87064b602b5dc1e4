"""A registered model as an application of Ray Serve."""
