"""How a message leaves the house: one small class for each way, all with the same face, none knowing the database."""
