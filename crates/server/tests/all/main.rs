//! Everything that is asked of the application from outside, in one program: what is awaited is compiled in each program that
//! awaits it, and that takes longer than all of these tests.

mod http;
mod store;
