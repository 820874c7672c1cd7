//! Two jobs are compared in the monitor.

use crate::common;
use crate::window::Window;

#[test]
fn the_measurements_of_an_earlier_job_lie_over_those_of_this_one() {
    let data_dir = common::fresh_data_dir();
    let mut window = Window::open(data_dir.path());
    window.add_job("the short one", "20");
    window.wait_for_ends(1);
    window.add_job("the long one", "60");
    window.wait_for_ends(2);
    window.click_when_there("This job");
    window.click_when_there("Compare with: none");
    window.wait_for("job 1 · ");
    window.click_containing("job 1 · ");
    window.wait_for("Compare with: job 1");
    // only what differs, with the earlier figure beside it
    window.wait_for(", was ");
}
