"""Training from weak labels: the tagger, the anchors it mines, and the separator."""

from uss_plugins.ecosystems import import_torchmetrics

# Lightning imports it: here first, so that what its version 0.11 makes setuptools warn of is not shown.
import_torchmetrics()
