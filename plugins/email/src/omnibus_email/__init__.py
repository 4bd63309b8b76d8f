"""The email channel of Omnibus."""
