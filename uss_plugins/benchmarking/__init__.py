"""What a component costs, and how combinations of components compare."""
