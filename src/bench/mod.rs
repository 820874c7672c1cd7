//! How fast this machine is with Wan: jobs of synthetic weights, measured component by component.
//!
//! A measurement runs what the program runs, on weights that need no download, and sets every speed beside what the machine
//! can do at most. Results stay in the data folder, so that versions of the program can be compared. It knows no front end.

mod ceilings;
mod compare;
mod measure;
mod observed;
mod report;
mod store;

pub use ceilings::Ceilings;
pub use compare::{BenchComparison, ComparedFigure};
pub use measure::{BenchModel, BenchOptions, measure};
pub use report::{BenchComponent, BenchFigure, BenchReport};
pub use store::{BenchList, BenchStore};
