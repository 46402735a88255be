"""How a request proves who it is from: signatures, keys, temporary credentials."""
