"""The client side of HTTP."""
