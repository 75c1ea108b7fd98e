"""Events: their schema, how bytes become events or refusals, columns, duplicates."""
