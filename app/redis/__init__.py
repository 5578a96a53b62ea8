"""The store: the one client of Redis or Valkey, and what is built on it alone.

A *change* is one compare-and-set of a versioned record; a *durable* write has reached a replica. The *shared cache*
keeps upstream answers for the fleet; *rate limits* and the upstream *budget* count on the store's clock.
"""
