"""The sms channel of Omnibus."""
