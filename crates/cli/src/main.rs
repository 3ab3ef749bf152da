//! The command line of Glioscope.

fn main() {}
