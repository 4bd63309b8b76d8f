"""The instagram channel of Omnibus."""
