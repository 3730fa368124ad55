"""The picture book: every page of every questionnaire as patients meet it, for the owner of the wording and for the
ethics board.

A room of its own because nothing else of proapp drives a browser. The pages are the real ones, served from a database
that lives as long as the command; only the clock stands still and chance comes from a seed, so that equal packs and an
equal version give equal pictures on one machine.
"""
