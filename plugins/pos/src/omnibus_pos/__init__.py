"""The pos channel of Omnibus."""
