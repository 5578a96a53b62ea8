"""Portal settings: a shop's return settings as the public sees them, cached for the fleet."""
