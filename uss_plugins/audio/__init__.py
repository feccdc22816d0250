"""Audio files, rates, spectra and segments."""
