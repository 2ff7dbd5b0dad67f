"""Signatures of model folders, in OpenSSF's format: keys, signing, verification."""
