"""What is given: validated scenarios, their profiles and their time axis."""
