"""Features: an anchor's windows, decay and heat, a user's profile, and the one reader of both."""
