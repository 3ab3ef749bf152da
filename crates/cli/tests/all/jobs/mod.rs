//! The queue with real processes: workers, their children, the server, and what happens when they are killed.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::missing_assert_message,
    reason = "a test's material fails loudly, says where it is, and what it asserts is what its name says"
)]

mod kills;
mod material;
mod store;
