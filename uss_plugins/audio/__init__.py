"""Audio files, resampling, and cutting long audio into overlapping segments. NumPy only, no torch."""
