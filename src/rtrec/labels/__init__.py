"""Labels: an impression and what follows it become one example per head, or a counted reason."""
