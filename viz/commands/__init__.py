"""What can be typed behind ``run.py``: one function a command, its options, what it prints."""
