"""The protocol as plain values: which assessments a participant is asked for, when each of them is open, what state
it is in and how complete the trial's answers are. This room knows no database, no web and no clock: every function
takes the facts, the date or the instant as arguments and gives the same result for the same arguments."""
