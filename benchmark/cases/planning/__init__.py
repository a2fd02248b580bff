"""What a run would do here, and about how long it would take: nothing is loaded and nothing is fetched."""
