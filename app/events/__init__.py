"""Events: what happened to a shop's returns, told to an address of the shop in the form of Standard Webhooks.

A *letter* is one event as it waits, sealed beside its return; the *outbox* is all letters. The *queue* names the
letters of each brand with the moment from which each may be tried. An *endpoint* is where a shop takes its events. A
*dead letter* was given up: no replica tries it until the shop asks for it.
"""
