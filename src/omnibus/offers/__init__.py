"""Codes, their redemption, and the hand-over from one place to the till."""
