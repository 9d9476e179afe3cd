"""The private side: planning problems, valuation, bidding, country agents."""
