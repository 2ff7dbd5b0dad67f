"""Why a model answers as it does: for one example, and on the whole."""
