"""Rows for every table of the records, made from their declarations."""

import pandas as pd

from model.columns import (
    STEP_TABLES,
    TABLES,
    Column,
)

SAMPLES = {"int": [2, 0, 7], "float": [0.1, -3.5, 1e9], "str": ["NA", "ZA", "é>b"]}


def sample_values(column: Column, step: int) -> object:
    if column.name == "step":
        return step
    if column.kind == "time":
        return pd.to_datetime(["2030-01-01 00:00", "2030-01-01 03:00", "2030-12-31 23:00"])
    if column.allowed:
        return [column.allowed[0], column.allowed[-1], column.allowed[0]]
    return SAMPLES[column.kind]


def sample(table: str, step: int = 0, rows: int = 3) -> pd.DataFrame:
    values = {c.name: sample_values(c, step) for c in TABLES[table]}
    return pd.DataFrame(values).head(1 if table == "steps" else rows)


def samples(step: int) -> dict[str, pd.DataFrame]:
    return {name: sample(name, step) for name in STEP_TABLES}


def put_in(frame: pd.DataFrame, column: str, value: object) -> pd.DataFrame:
    return frame.assign(**{column: [value, *frame[column].tolist()[1:]]})
