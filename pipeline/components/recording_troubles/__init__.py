"""Recording troubles: noise, gaps, bias and wrong rates, detected from the recordings alone."""
