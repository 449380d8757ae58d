"""Any file of ours: bytes with a digest, checked descriptions, writing in place."""
