"""PyPSA and PyPSA-Earth networks in and out: read, check, split by country, write back."""
