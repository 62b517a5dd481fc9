//! The benchmark `ask` with mimalloc, as a program that serves uses it.

#[path = "ask.rs"]
mod ask;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    ask::main();
}
