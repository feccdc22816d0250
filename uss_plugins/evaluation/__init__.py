"""Judging a trained model: metrics, the evaluation set, the run, its results and their report."""
