"""The users' rules once more, straight from their descriptions: what the product is held against."""
