"""What `rtrec replay` reads: stored events as lines of JSON, from any format, resumable by a position."""
