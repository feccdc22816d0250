"""AudioSet's classes and ontology, and the resolving of class names that people type."""
