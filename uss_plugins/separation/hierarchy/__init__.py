"""The ontology walk: what is heard in a recording, separated node by node and level by level."""
