//! The `wandeck` program.

fn main() {}
