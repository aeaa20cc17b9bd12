"""The world, one room per capability: CONTRIBUTING lists the rooms and their order."""
