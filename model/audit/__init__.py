"""A referee that reads the records of a run, works everything out again and compares.

It imports nothing of the program: a mistake in engine, ledger, protocols or settlement is not
repeated here, and what the records do not say it cannot know.
"""
