"""Statistics, tables and figures of a finished comparison; reads its tables and nothing else."""
