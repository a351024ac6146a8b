"""Recovers lost work: the sweep checks the state every minute; dead letters end what failed at every try.

May import every other room.
"""
