"""Training from weak labels: the tagger, the anchors it mines, and the separator."""
