"""What other people run: older servers, plain readers, tools of a platform."""
