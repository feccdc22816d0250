"""What all reports are made of: their style, figures as SVG, and sounds that a page carries in itself."""
