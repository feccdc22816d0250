"""Many recordings: which they are, who separates which, what is done already, and what came of each."""
