"""Recording troubles: noise, gaps, bias and wrong rates, found by the recordings alone."""
