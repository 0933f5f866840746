"""What may change: :mod:`pycape.experimental.cli`."""

from pycape.experimental import cli as cli
