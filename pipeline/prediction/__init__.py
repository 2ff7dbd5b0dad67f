"""`faultline predict`: predictions for data files, by a model server or by Beam."""
