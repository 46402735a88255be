"""The public and private listeners: HTTP/1.1 in, bounded connections and bodies, limits, answers out."""
