"""Announcements on their way to Kafka.

Not here: the Kafka clients (`adapters.kafka`), and what a record means (`handlers`).
"""
