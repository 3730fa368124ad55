"""Files that leave the house: data sets for statisticians, with everything needed to read them and to prove them equal.

The same data and the same cut-off give the same bytes, on any day and any machine, so a file can be made again years
later and compared. Nothing here knows a name, a telephone number or a free-text note.
"""
