//! Whole models of the manifest: plan, fetch, adopt, resolve, verify, import, remove.

use std::cell::Cell;
use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use wandeck::core::{CancelToken, Fix, Kind};
use wandeck::models::fetch::{FetchPlan, Fetcher, PlannedState, import_model};
use wandeck::models::manifest::{Manifest, load_manifest};
use wandeck::models::{self, ChecksumSource, Removal, VerifyOptions};
use wandeck::transfers::HubEnvironment;

use crate::common::copy_all;
use crate::hub::{LoopbackHub, manifest_of};

const REPOSITORY: &str = "toys/t2v";
const ID: &str = "fetched-toy";

pub(crate) fn toy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models/toy-t2v-A14B")
}

struct Setting {
    hub: LoopbackHub,
    dir: TempDir,
    manifest: Manifest,
}

/// A hub with the toy model, and a data folder with a manifest that names it.
fn setting() -> Setting {
    let hub = LoopbackHub::start();
    hub.put_folder(REPOSITORY, &toy());
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("models-manifest.ron"), manifest_of(ID, REPOSITORY)).unwrap();
    let manifest = load_manifest(dir.path()).unwrap();
    Setting { hub, dir, manifest }
}

impl Setting {
    /// A fetcher that looks for files in `models` only; the checkout's own toys lie above the test program.
    fn fetcher(&self, environment: HubEnvironment) -> Fetcher {
        Fetcher { environment, ..Fetcher::new(self.dir.path(), None) }
    }
}

fn same_files(one: &Path, other: &Path) {
    for entry in fs::read_dir(one).unwrap() {
        let path = entry.unwrap().path();
        let twin = other.join(path.file_name().unwrap());
        if path.is_dir() {
            same_files(&path, &twin);
        } else if path.extension().is_none_or(|extension| extension != "md") {
            assert!(fs::read(&path).unwrap() == fs::read(&twin).unwrap(), "{}", path.display());
        }
    }
}

/// The hub cache of Hugging Face's tools with the toy in it.
fn hub_cache(hub: &LoopbackHub, root: &Path) -> HubEnvironment {
    let repository = root.join("hub/models--toys--t2v");
    fs::create_dir_all(repository.join("blobs")).unwrap();
    let mut folders = vec![toy()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let content = fs::read(&path).unwrap();
            let name = crate::hub::object(&content).digits().to_owned();
            fs::write(repository.join("blobs").join(name), content).unwrap();
        }
    }
    HubEnvironment { home: Some(root.to_path_buf()), ..hub.environment() }
}

#[test]
fn a_model_is_planned_fetched_resolved_and_not_asked_for_again() {
    let setting = setting();
    // the toys of the checkout are found by name and size, so their bytes need not come
    let fetcher = setting.fetcher(setting.hub.environment());
    let missing = models::find(ID, setting.dir.path(), None).unwrap_err();
    assert_eq!(
        (missing.kind, missing.fixes()),
        (Kind::MissingModel, &[Fix::Fetch(format!("{ID}-diffusers"))][..])
    );
    assert_eq!(setting.hub.asked(), [], "nothing is asked before it is allowed");
    let plan = fetcher.plan(&setting.manifest, ID, None).unwrap();
    assert!(plan.total().0 > 20_000_000 && plan.free.is_some(), "{plan:?}");
    assert!(!plan.folder.exists(), "a plan writes nothing");
    let plans = Cell::new(0);
    let resolve = |variant| {
        let planned = |_: &FetchPlan| plans.set(plans.get() + 1);
        fetcher.resolve(&setting.manifest, ID, variant, &planned, &|_| {}).unwrap()
    };
    let folder = resolve(None);
    assert_eq!(plans.get(), 1);
    same_files(&toy(), &folder);
    models::open(&folder).unwrap();
    // complete and unchanged: no request
    let asked = setting.hub.asked().len();
    assert_eq!([resolve(None), resolve(Some("diffusers"))], [folder.clone(), folder.clone()]);
    assert_eq!((setting.hub.asked().len(), plans.get()), (asked, 1));
    let again = fetcher.plan(&setting.manifest, &format!("{ID}@1"), Some("diffusers")).unwrap();
    assert!(again.files.iter().all(|file| file.state == PlannedState::Ready), "{again:?}");
    // a file that changed is found by its time, and replaced
    let vae = folder.join("vae/diffusion_pytorch_model.safetensors");
    let mut bytes = fs::read(&vae).unwrap();
    bytes[2_000_000] ^= 4;
    fs::remove_file(&vae).unwrap();
    fs::write(&vae, bytes).unwrap();
    let changed = || models::changed_files(setting.dir.path(), &models::open(&folder).unwrap());
    assert_eq!(changed(), [vae.canonicalize().unwrap()], "the first run says so");
    assert!(changed().is_empty(), "once");
    let selection = setting.manifest.select(ID, None).unwrap();
    assert_eq!(fetcher.fetched(&setting.manifest, &selection), None);
    assert_eq!((resolve(None), plans.get()), (folder.clone(), 2));
    same_files(&toy(), &folder);
}

#[test]
fn a_hub_cache_is_adopted_without_a_copy_and_a_damaged_blob_is_not() {
    let setting = setting();
    let cache = tempfile::tempdir().unwrap();
    let environment = hub_cache(&setting.hub, cache.path());
    let fetcher = setting.fetcher(environment);
    let plan = fetcher.plan(&setting.manifest, ID, None).unwrap();
    assert!(plan.files.iter().all(|file| matches!(file.state, PlannedState::Elsewhere(_))), "{plan:?}");
    // one blob is damaged
    let vae = fs::read(toy().join("vae/diffusion_pytorch_model.safetensors")).unwrap();
    let blob = cache.path().join("hub/models--toys--t2v/blobs").join(crate::hub::object(&vae).digits());
    let mut bytes = vae.clone();
    bytes[3_000_000] ^= 1;
    fs::write(&blob, bytes).unwrap();
    setting.hub.reset_served();
    let refused = std::sync::Mutex::new(Vec::new());
    let folder = fetcher
        .run(&plan, &|event| {
            if let wandeck::models::fetch::ModelFetchEvent::NotAdopted { reason, .. } = event {
                refused.lock().unwrap().push(reason);
            }
        })
        .unwrap();
    same_files(&toy(), &folder);
    assert_eq!(setting.hub.served(), vae.len() as u64, "only what was damaged is fetched");
    assert!(refused.into_inner().unwrap()[0].contains("checksum"));
    let transformer = folder.join("transformer/diffusion_pytorch_model.safetensors");
    assert!(std::os::unix::fs::MetadataExt::nlink(&fs::metadata(transformer).unwrap()) > 1, "no copy");
    // removing it frees only what has no other name
    let model = models::Installed::new(ID.into(), folder.clone(), models::inspect(&folder));
    let removal = Removal::plan(&model, std::slice::from_ref(&model)).unwrap();
    assert!(removal.frees.0 > vae.len() as u64 && removal.frees.0 < vae.len() as u64 + 20_000, "{removal:?}");
}

#[test]
fn a_file_of_another_size_makes_room_for_a_link() {
    let setting = setting();
    let cache = tempfile::tempdir().unwrap();
    let fetcher = setting.fetcher(hub_cache(&setting.hub, cache.path()));
    let selection = setting.manifest.select(ID, None).unwrap();
    let vae = fetcher.folder(&selection).join("vae/diffusion_pytorch_model.safetensors");
    fs::create_dir_all(vae.parent().unwrap()).unwrap();
    fs::write(&vae, "cut").unwrap();
    let plan = fetcher.plan(&setting.manifest, ID, None).unwrap();
    assert_eq!(plan.to_fetch().0, 0);
    let folder = fetcher.run(&plan, &|_| {}).unwrap();
    same_files(&toy(), &folder);
    assert_eq!(setting.hub.served(), 0, "everything is linked");
}

#[test]
fn experts_of_one_name_and_size_are_each_adopted_from_their_own_folder() {
    let setting = setting();
    let models = tempfile::tempdir().unwrap();
    copy_all(&toy(), &models.path().join("toy"));
    let fetcher = Fetcher {
        models_dir: Some(models.path().to_path_buf()),
        ..setting.fetcher(setting.hub.environment())
    };
    let plan = fetcher.plan(&setting.manifest, ID, None).unwrap();
    let experts = plan.files.iter().filter(|file| file.to.starts_with("transformer"));
    let mut adopted = 0;
    for file in experts.filter(|file| file.to.ends_with(".safetensors")) {
        let PlannedState::Elsewhere(from) = &file.state else { panic!("{file:?}") };
        assert!(from.ends_with(&file.to), "{} from {}", file.to, from.display());
        adopted += 1;
    }
    assert_eq!(adopted, 2);
}

#[test]
fn every_flipped_byte_of_a_fetched_model_is_found() {
    let setting = setting();
    let fetcher = setting.fetcher(hub_cache(&setting.hub, setting.dir.path()));
    let folder = fetcher.resolve(&setting.manifest, ID, None, &|_| {}, &|_| {}).unwrap();
    let file = folder.join("vae/diffusion_pytorch_model.safetensors");
    // with a content of its own, so that the cache stays right
    let content = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    fs::write(&file, &content).unwrap();
    let options = VerifyOptions::new(setting.dir.path(), &folder);
    let verify = || models::verify(&folder, &options, &CancelToken::new(), &mut |_| {}).unwrap();
    let report = verify();
    assert!(report.is_sound(), "{:?}", report.lines().collect::<Vec<_>>());
    assert!(
        report.files.iter().all(|file| file.known_by == Some(ChecksumSource::Record)),
        "{:?}",
        report.files
    );
    // in the data, where a header cannot show it; `WANDECK_FLIPS=5000` is the long form
    let flips: u32 = std::env::var("WANDECK_FLIPS").map_or(3, |text| text.parse().unwrap());
    let mut random = rand_mt::Mt::new(1);
    let mut open = fs::OpenOptions::new().read(true).write(true).open(&file).unwrap();
    let begin = 100_000;
    for _ in 0..flips {
        let at = begin + u64::from(random.next_u32()) % (content.len() as u64 - begin);
        let mut flip = || {
            let mut byte = [0];
            open.seek(SeekFrom::Start(at)).unwrap();
            open.read_exact(&mut byte).unwrap();
            open.seek(SeekFrom::Start(at)).unwrap();
            open.write_all(&[byte[0] ^ 1]).unwrap();
        };
        flip();
        let report = verify();
        assert!(
            report
                .files
                .iter()
                .any(|one| one.problem.is_some() && one.path == fs::canonicalize(&file).unwrap())
        );
        flip();
    }
    assert!(verify().is_sound());
}

#[test]
fn damage_that_a_check_found_is_fetched_again_though_size_and_time_are_the_same() {
    let setting = setting();
    let fetcher = setting.fetcher(setting.hub.environment());
    let folder = fetcher.resolve(&setting.manifest, ID, None, &|_| {}, &|_| {}).unwrap();
    let model = models::Installed::new(ID.into(), folder.clone(), models::inspect(&folder));
    assert_eq!(models::publisher(&model).as_deref(), Some("toys"));
    let file = folder.join("vae/diffusion_pytorch_model.safetensors");
    let set_time = |time| fs::File::options().write(true).open(&file).unwrap().set_modified(time).unwrap();
    let time = fs::metadata(&file).unwrap().modified().unwrap();
    let mut bytes = fs::read(&file).unwrap();
    bytes[2_000_000] ^= 4;
    fs::remove_file(&file).unwrap();
    fs::write(&file, &bytes).unwrap();
    set_time(time);
    let plan = || fetcher.plan(&setting.manifest, ID, None).unwrap();
    let is_ready = || plan().files.iter().all(|file| file.state == PlannedState::Ready);
    assert!(is_ready(), "size and time are those of the record");

    let options = VerifyOptions::new(setting.dir.path(), &folder);
    let verify = || {
        let mut read = 0;
        let report = models::verify(&folder, &options, &CancelToken::new(), &mut |bytes| read += bytes.0);
        assert_eq!(read, models::size_to_verify(&folder, &options).unwrap().0, "the total is known before");
        report.unwrap()
    };
    let report = verify();
    assert!(!report.is_sound());
    let command = format!("wandeck models fetch {ID} --variant diffusers");
    assert!(report.remedy().contains(&command), "{}", report.remedy());
    let selection = setting.manifest.select(ID, None).unwrap();
    assert_eq!(fetcher.fetched(&setting.manifest, &selection), None);
    let last = std::sync::Mutex::new(None);
    let done = fetcher.run(&plan(), &|event| {
        if let wandeck::models::fetch::ModelFetchEvent::Progress(progress) = event {
            *last.lock().unwrap() = Some(progress);
        }
    });
    assert_eq!(done.unwrap(), folder);
    let last = last.into_inner().unwrap().unwrap();
    assert_eq!(last.done, last.of, "what is checked counts once");
    same_files(&toy(), &folder);
    assert!(verify().is_sound() && is_ready());
    // another time and the same content
    set_time(std::time::SystemTime::now());
    assert!(!is_ready());
    assert!(verify().is_sound() && is_ready());
}

#[test]
fn an_interrupted_check_goes_on() {
    let setting = setting();
    let fetcher = setting.fetcher(setting.hub.environment());
    let folder = fetcher.resolve(&setting.manifest, ID, None, &|_| {}, &|_| {}).unwrap();
    let options = VerifyOptions::new(setting.dir.path(), &folder);
    let cancel = CancelToken::new();
    let mut first = 0;
    let stopped = models::verify(&folder, &options, &cancel, &mut |bytes| {
        first += bytes.0;
        if first > 9_000_000 {
            cancel.cancel();
        }
    });
    assert_eq!(stopped.unwrap_err().kind, Kind::Cancelled);
    let mut rest = 0;
    models::verify(&folder, &options, &CancelToken::new(), &mut |bytes| rest += bytes.0).unwrap();
    let mut whole = 0;
    models::verify(&folder, &options, &CancelToken::new(), &mut |bytes| whole += bytes.0).unwrap();
    assert!(rest + 5_000_000 < whole, "{rest} of {whole} were read again");
    // once the files are compared, only the tensors are read again
    let cancel = CancelToken::new();
    let mut first = 0;
    let stopped = models::verify(&folder, &options, &cancel, &mut |bytes| {
        first += bytes.0;
        if first > whole - 3_000_000 {
            cancel.cancel();
        }
    });
    assert_eq!(stopped.unwrap_err().kind, Kind::Cancelled);
    let mut rest = 0;
    let report =
        models::verify(&folder, &options, &CancelToken::new(), &mut |bytes| rest += bytes.0).unwrap();
    assert_eq!(rest, report.read.0);
}

#[test]
fn an_interrupted_fetch_is_offered_again_by_the_name_of_its_model() {
    for stop_at in [1, 3, 7] {
        let setting = setting();
        let fetcher = setting.fetcher(setting.hub.environment());
        let plan = fetcher.plan(&setting.manifest, ID, None).unwrap();
        assert!(plan.files.len() > stop_at);
        let stopped = fetcher.run(&plan, &|event| {
            if let wandeck::models::fetch::ModelFetchEvent::File { number, .. } = event
                && number == stop_at
            {
                fetcher.cancel.cancel();
            }
        });
        assert_eq!(stopped.unwrap_err().kind, Kind::Cancelled);
        for name in [ID.to_owned(), format!("{ID}-diffusers")] {
            let error = models::find(&name, setting.dir.path(), None).unwrap_err();
            assert_eq!(error.fixes(), [Fix::Fetch(format!("{ID}-diffusers"))], "{stop_at}: {error:#}");
        }
        let run = program(&setting.hub, setting.dir.path())
            .args(["generate", "a red circle", "--model", &format!("{ID}-diffusers"), "--frames", "1"])
            .args(["--steps", "1", "--size", "32x32"])
            .output()
            .unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    }
}

#[test]
fn a_lora_of_the_manifest_is_no_model_and_a_broken_manifest_is_reported() {
    let setting = setting();
    let manifest = setting.dir.path().join("models-manifest.ron");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replace("kind: model", "kind: lora")).unwrap();
    let error = models::find(ID, setting.dir.path(), None).unwrap_err();
    assert!(error.fixes().is_empty() && error.message.contains("not found"), "{error:#}");
    fs::write(&manifest, "(version: 2)").unwrap();
    let error = models::find(ID, setting.dir.path(), None).unwrap_err();
    assert!(error.message.contains("not a valid manifest"), "{error:#}");
}

#[test]
fn models_elsewhere_are_imported_in_place() {
    let (data, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mine = elsewhere.path().join("mine");
    copy_all(&toy(), &mine);
    let imported = import_model(data.path(), &mine).unwrap();
    assert!(imported.path.is_symlink() && !imported.models.is_empty());
    models::open(&models::find("mine", data.path(), Some(data.path())).unwrap()).unwrap();
    assert_eq!(import_model(data.path(), &mine).unwrap(), imported, "twice is the same as once");
    let vae = import_model(data.path(), &mine.join("vae/diffusion_pytorch_model.safetensors")).unwrap();
    assert!(vae.path.ends_with("imported/vae/diffusion_pytorch_model.safetensors"));
    let empty = elsewhere.path().join("empty");
    fs::create_dir(&empty).unwrap();
    assert_eq!(import_model(data.path(), &empty).unwrap_err().kind, Kind::MissingModel);
    // removing takes the link away, and nothing of what it leads to
    let all = models::installed(data.path(), None);
    let model = all.iter().find(|model| model.path == imported.path).unwrap();
    let removal = Removal::plan(model, &all).unwrap();
    assert_eq!(removal.paths, [imported.path]);
    assert!(removal.frees.0 < 1000, "{removal:?}");
}

#[test]
fn too_little_room_is_said_before_anything_is_fetched() {
    let setting = setting();
    let fetcher = setting.fetcher(setting.hub.environment());
    let mut plan = fetcher.plan(&setting.manifest, ID, None).unwrap();
    for file in &mut plan.files {
        file.state = PlannedState::Missing;
    }
    plan.free = Some(wandeck::core::Bytes(1 << 20));
    let error = fetcher.run(&plan, &|_| {}).unwrap_err();
    assert!(
        error.message.contains("Not enough disk space") && error.message.contains("1.0 MiB free"),
        "{error:#}"
    );
    assert!(!plan.folder.exists());
}

/// The program on a data folder and this hub, with nothing of this machine's own.
pub(crate) fn program(hub: &LoopbackHub, data_dir: &Path) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_wandeck"));
    program
        .env("WANDECK_DATA_DIR", data_dir)
        .env("HF_ENDPOINT", hub.endpoint())
        .env("HF_HOME", data_dir.join("no-cache"))
        .env_remove("HF_TOKEN")
        .env_remove("MODELS_ROOT");
    program
}

#[test]
fn the_command_line_shows_the_plan_and_fetches() {
    let setting = setting();
    let run = |args: &[&str]| program(&setting.hub, setting.dir.path()).args(args).output().unwrap();
    let available = String::from_utf8(run(&["models", "available"]).stdout).unwrap();
    assert!(
        available.contains("fetched-toy@1  MIT  Draws shapes") && available.contains("fits"),
        "{available}"
    );
    let plan = String::from_utf8(run(&["models", "fetch", ID, "--dry-run"]).stdout).unwrap();
    assert!(plan.contains("licence MIT") && plan.contains("in all"), "{plan}");
    let done = run(&["models", "fetch", ID, "--json", "--limit-rate", "100M"]);
    let document: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(document["status"], "done");
    models::open(Path::new(document["folder"].as_str().unwrap())).unwrap();
    let unknown = run(&["models", "fetch", "nothing"]);
    let text = String::from_utf8(unknown.stderr).unwrap();
    assert!(!unknown.status.success() && text.contains("fetched-toy@1"), "{text}");
    let verified = String::from_utf8(run(&["models", "verify", &format!("{ID}-diffusers")]).stdout).unwrap();
    assert!(verified.contains("0 damaged") && verified.contains("compared with a checksum"), "{verified}");
}
