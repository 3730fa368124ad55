"""The invented trial behind `make demo`: nobody in it exists.

It is made from a day and a seed, the same each time, with pure functions and bulk inserts, and shows every state that a
participant or an assessment can be in on that day. It writes only to databases that are marked as demonstrations.
"""
