"""Names of libraries that are no part of their public interface: one module for each library.

Each module has the version that it was written for and `NAMES`, which a test resolves: after an
upgrade it says which name is gone. Nothing else in the project uses such a name.
"""
