"""Query nets: audio in, what is heard in it out. One file per family."""
