"""Parts of the app's page, one idea each."""
