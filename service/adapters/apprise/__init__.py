"""Apprise: chat rooms, mailboxes and webhooks by their addresses."""
