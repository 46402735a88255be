"""Who a request is from, and what they may do: SigV4, keys, temporary credentials."""
