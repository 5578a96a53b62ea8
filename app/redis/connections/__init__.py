"""Connections to the store's servers, for a single server, Sentinel and Cluster alike.

The *topology* maps hash slots to servers; a *circuit* fails fast while a server does not answer.
"""
