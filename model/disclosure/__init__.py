"""What a run's messages give away, measured as an attack on its records after the run."""
