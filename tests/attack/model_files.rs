//! Model files that are cut while a job uses them.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use crate::common;
use crate::program::Desk;

#[test]
fn a_model_file_that_is_cut_during_a_run_fails_its_job_and_no_other() {
    // the transformer's pages are read in the next step, which would end the program; the decoder's when it is loaded
    for part in ["transformer_2", "vae"] {
        let desk = Desk::new();
        let model = desk.path("models/copy");
        common::copy_all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models/toy-t2v-A14B"), &model);
        let cut = desk.path("cut.mp4");
        let settings = ["--model", model.to_str().unwrap(), "--weights", "in-place", "--guidance", "1"];
        let size = ["--size", "64x64", "--frames", "5", "--steps", "6", "-o", cut.to_str().unwrap()];
        let added = desk.run(&[&["queue", "add", "a red circle"][..], &settings, &size].concat());
        assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
        let good = desk.add("good.mp4", &[]);
        let mut run = desk.spawn(&["queue", "run", "--events"], "slow@step:6=1500");
        let mut lines = BufReader::new(run.stdout.take().unwrap()).lines().map(Result::unwrap);
        assert!(lines.any(|line| line.contains(r#""stage":"denoise_low","step":1"#)), "{part}");
        let weights = model.join(part).join("diffusion_pytorch_model.safetensors");
        fs::File::options().write(true).open(weights).unwrap().set_len(4096).unwrap();
        let failed = lines.find(|line| line.contains(r#""event":"failed""#)).unwrap();
        assert!(failed.contains("corrupt_model") && failed.contains("its size changed from"), "{failed}");
        assert!(failed.contains(part), "the file is named: {failed}");
        assert!(lines.any(|line| line.contains(r#""event":"finished""#)), "{part}");
        assert_eq!(run.wait().unwrap().code(), Some(1), "{part}");
        assert_eq!(desk.statuses(), ["failed", "done"], "{part}");
        assert!(!cut.exists() && good.exists());
    }
}
