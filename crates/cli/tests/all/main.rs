//! Everything that is asked of the program from outside, in one program of tests, since two would compile the server twice.

mod cli;
mod jobs;
