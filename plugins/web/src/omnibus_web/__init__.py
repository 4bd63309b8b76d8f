"""The web channel of Omnibus."""
