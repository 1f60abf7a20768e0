"""A network drawn: what is drawn and where, and an image of that."""
