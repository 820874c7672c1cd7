//! Attacks on files and processes: bad inputs, programs that die at one system call, full and failing disks, signals.

#[path = "../common/mod.rs"]
mod common;
mod deaths;
mod disks;
mod inputs;
mod memory;
mod model_files;
mod mutations;
mod program;
mod rounds;
mod signals;
