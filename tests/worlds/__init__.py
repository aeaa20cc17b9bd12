"""What tests are played in: the real servers, and small deployments, models and splits."""
