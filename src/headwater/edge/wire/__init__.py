"""How AWS's services speak: JSON, REST, query and CBOR, routes, error envelopes."""
