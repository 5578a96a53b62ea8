"""Who asks: the address of a client, the credential and the partner key that it shows, and the origins of pages.

A *session id* is opaque; one half finds the record in Redis, the other opens it.
"""
