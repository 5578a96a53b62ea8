"""Logs, metrics and traces that hold no personal data and no token.

The *cost* of a request is the upstream calls made for it.
"""
