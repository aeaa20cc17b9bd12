"""The inference service: it serves the champion and knows neither Kafka nor DVC nor the run store."""
