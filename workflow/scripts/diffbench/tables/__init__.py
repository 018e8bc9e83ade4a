"""Tables of a summary: in the published form, extended, ladders, the best variants. Never torch."""
