"""The composed model, its folder on disk, and the separation of recordings."""
