"""Ranking: who may be shown, who is considered, and in which order."""
