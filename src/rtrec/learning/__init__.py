"""Learning: FTRL-Proximal over hashed slots, the model around it, its weights for scorers, its progress."""
