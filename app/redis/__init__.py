"""The store: the one client of Redis or Valkey, and the modules that need nothing else.

A *change* is one compare-and-set of a versioned record; a *durable* write has reached a replica. The *shared cache*
keeps upstream answers for the fleet; *rate limits* and the upstream *budget* count on the store's clock.
"""
