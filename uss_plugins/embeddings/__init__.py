"""Embedding strategies: what a query net hears in, the condition a separator follows out."""
