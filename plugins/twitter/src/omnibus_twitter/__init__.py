"""The twitter channel of Omnibus."""
