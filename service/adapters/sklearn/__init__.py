"""scikit-learn, skops and the boosters: from a schema and a definition to a fitted pipeline and back."""
