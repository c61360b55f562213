"""Benchmarks: what the toolkit costs beside the bare libraries. They assert nothing."""
