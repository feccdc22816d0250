"""What `uss-plugins new` writes: the files of a plug-in, as templates to read, and how they are filled in."""
