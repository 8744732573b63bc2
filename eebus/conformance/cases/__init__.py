"""The code of the cases, one module per layer and role."""
