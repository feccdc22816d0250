"""Checkpoints of other systems, made into this one's folders. One file per step of the way."""
