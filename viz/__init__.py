"""What people see: terminal, app, figures and report; reads records and solves nothing."""
