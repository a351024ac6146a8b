"""What brings back lost work: the sweep looks at the state every minute; dead letters end what failed at every try.

May import every other room.
"""
