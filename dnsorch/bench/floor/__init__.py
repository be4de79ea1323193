"""The floor of the API: the same server and caller, and nothing but the INSERTs."""
