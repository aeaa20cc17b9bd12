"""The knobs: settings read once, the topics, and the example model."""
