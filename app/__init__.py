"""The Return Portal BFF."""

__version__ = "0.1.0"
