"""What may change: :mod:`pycape.experimental.cli`."""
