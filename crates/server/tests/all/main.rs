//! Everything that is asked of the application from outside, in one program: what is awaited is compiled in each program that
//! awaits it, and so would be the application, once for each.

mod http;
mod store;
