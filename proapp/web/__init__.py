"""The only room that knows Flask: two faces, patients and staff, with different trust."""
