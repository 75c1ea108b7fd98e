"""Shells: what turns the pure stages into a running system."""
