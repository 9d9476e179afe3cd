"""The public side: messages, products, protocols."""
