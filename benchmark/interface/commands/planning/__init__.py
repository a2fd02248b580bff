"""What comes before measuring: plans of what can run here, and files that are fetched ahead."""
