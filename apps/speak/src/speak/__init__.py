"""Text in, a sound file out."""
