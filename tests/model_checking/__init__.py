"""Every interleaving of the promotion protocol, with crashes, run on the product's own code."""
