"""Sessions: look a parcel up, resume, hand off to another device, end.

A *session* is what the upstream granted for one parcel, sealed in Redis with a secret that only its id holds.
A *handoff* is a session that waits for another device. A *lookup* is the upstream question behind a new session.
"""
