"""The commands that look at rows: one model, every case, two folders or models beside each other; as text or tables."""
