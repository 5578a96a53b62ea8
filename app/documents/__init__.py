"""Labels and customs declarations on their way to the shopper.

A *download* fetches one document from the upstream, checked, into Redis. A *delivery* is that document on its way to
one reader: from Redis, from a download under way, or straight from the upstream.
"""
