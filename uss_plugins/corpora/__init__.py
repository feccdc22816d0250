"""Corpora of weakly labelled clips, and the way from their clips to training mixtures."""
