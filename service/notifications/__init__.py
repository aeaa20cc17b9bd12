"""Notifies people of events by chat, mail and webhooks.

Not here: the library of channels (`adapters.apprise`).
"""
