"""The door: everything that reaches Aitia over HTTP."""
