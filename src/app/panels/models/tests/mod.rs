//! Tests of the models panel.

mod detail;
mod fetching;
mod fixture;
mod list;
mod pages;
mod snapshots;
