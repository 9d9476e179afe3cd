"""Networks in and out: PyPSA and PyPSA-Earth files as scenarios (to come)."""
