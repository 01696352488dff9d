"""Programs on the raw API that firmware can use as they are."""
