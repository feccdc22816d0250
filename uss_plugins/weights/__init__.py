"""Published weights: where they are, how they get here when somebody asks for them, and how they are read."""
