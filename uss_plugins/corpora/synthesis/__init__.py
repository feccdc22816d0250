"""Generators of the synthetic corpus: one file per family of sounds, over a few shared tools.

Every generator is `(draws, seconds, sample_rate) -> Audio`: all that varies comes from `draws`, the
result fills about the whole of `seconds`, holds nothing above the Nyquist frequency, and its level is
free, since the corpus sets it.
"""
