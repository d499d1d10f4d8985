"""A folder of recordings in, a voice out."""
