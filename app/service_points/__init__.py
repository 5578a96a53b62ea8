"""Service points: where a parcel can be handed in.

A *search* is shared by the fleet by rounded place and filtered exactly here. *Opening hours* are in the point's own
zone.
"""
