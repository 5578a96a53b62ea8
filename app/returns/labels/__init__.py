"""The labels of returns: polled by one replica at a time for all who wait.

A *watch* is one return that callers on this replica wait for; a *poll* asks the upstream once, under the return's
lease; *evidence* tells one failed label from an outage.
"""
