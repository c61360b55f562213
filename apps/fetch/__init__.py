"""Fetch URLs."""
