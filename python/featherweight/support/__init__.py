"""Checks of arguments, their sentences, and other help that knows nothing of networks."""
