"""What proapp costs beside the least an app of this kind can cost. Run by `make bench`; asserts nothing."""
