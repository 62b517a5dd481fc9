//! The viewer from outside: what it takes over OTLP, what it holds, what it answers, what it
//! refuses. Each test starts its own viewer on free ports.

mod api;
mod browser;
// The count is of glibc's allocator, and Linux says what a process takes.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod footprint;
mod ingest;
mod live;
mod logs;
mod memory;
mod process;
mod reading;
mod security;
mod support;
mod transfer;
