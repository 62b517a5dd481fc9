//! `grocery`: one binary, every role.

fn main() {}
