"""What runs inside of Triton."""
