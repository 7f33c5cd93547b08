"""Why did it break? Values in, values out: no I/O, no clock, no chance."""
