"""One file per family of text-to-speech models, behind the port :mod:`voice_data.speech`."""
