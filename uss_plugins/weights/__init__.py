"""Published weights: where they are, and how they get here when somebody asks for them."""
