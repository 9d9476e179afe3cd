"""Experiments: many negotiations over a grid, compared under the same draws."""
