//! Slices in, slices out: the arithmetic of the network for each instruction set.
