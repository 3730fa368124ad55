"""What the product does: one module per user story, no Flask, no commits, no clock of its own."""
