//! Chooses the VAE among the files of a folder: by its channels, by what says that it is Wan's, and by its values.

use std::path::{Path, PathBuf};

use super::super::chosen;
use super::super::component::{self, Checked};
use super::super::info::{exactness, precision};
use super::super::names::repository;
use super::choose::missing;
use super::scan::{Found, Scan};
use crate::core::{Error, Kind, Result, sha256_hex_of_reader};
use crate::onnx::{Dtype, TensorInfo, Weights};
use crate::wan::VaeConfig;
use crate::wan::names::ComponentKind;

/// Words in the names of VAEs that have Wan's tensors and other values or another output.
const FOREIGN: [&str; 9] =
    ["qwen", "upscale", "upscale2x", "2x", "rgba", "alpha", "imageonly", "anima", "krea"];
/// Published files by size, with SHA-256 and whether they are Wan's: `wan_2.1_vae`, `wan2.2_vae` and `qwen_image_vae` of
/// Comfy-Org.
const KNOWN: [(u64, &str, bool); 3] = [
    (253_815_318, "2fc39d31359a4b0a64f55876d8ff7fa8d780956ae2cb13463b0223e15148976b", true),
    (1_409_400_960, "e40321bd36b9709991dae2530eb4ac303dd168276980d3e9bc4b6e2b75fed156", true),
    (253_806_246, "a70580f0213e67967ee9c95f05bb400e8fb08307e017a924bf3441223e023d1f", false),
];
/// Tensors of the decoder whose values are compared, and how many values of each.
const COMPARED: [&str; 4] = [
    "decoder.conv_in.weight",
    "decoder.conv_out.weight",
    "decoder.mid_block.resnets.0.conv1.weight",
    "post_quant_conv.weight",
];
const VALUES: u64 = 2048;
/// Largest relative difference that comes from rounding to 16 bits.
const ROUNDING: f64 = 0.006;

/// What a VAE's name or content says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// It is Wan's.
    Wan,
    /// It is another model's, or a variant.
    Foreign,
    /// Nothing says what it is.
    Unknown,
}

/// The VAE with `channels` latent channels for `model`; `file` is the person's choice.
pub(super) fn vae(
    scan: &Scan,
    model: &str,
    channels: usize,
    file: Option<&PathBuf>,
) -> Result<Checked<VaeConfig>> {
    if let Some(path) = file {
        return chosen_vae(path, model, channels);
    }
    let wanted = if channels == 48 { "Wan 2.2's VAE (wan2.2_vae)" } else { "Wan 2.1's VAE (wan_2.1_vae)" };
    let all: Vec<_> = scan.found.iter().filter(|found| found.recognised.kind == ComponentKind::Vae).collect();
    let (mut fitting, mut unfit) = (Vec::new(), Vec::new());
    for found in all {
        match checked(found, model, channels) {
            Ok(component) => fitting.push((found, component)),
            Err(error) => unfit.push(error),
        }
    }
    let origins: Vec<_> = fitting.iter().map(|(found, _)| known_origin(scan, found)).collect();
    let of = |wanted: Origin| -> Vec<usize> {
        let places = origins.iter().enumerate().filter(|(_, origin)| **origin == wanted);
        places.map(|(place, _)| place).collect()
    };
    let (wan, unknown, foreign) = (of(Origin::Wan), of(Origin::Unknown), of(Origin::Foreign));
    let best = if wan.is_empty() { unknown } else { wan };
    if best.is_empty() {
        return Err(match (foreign.first(), unfit.into_iter().next()) {
            (Some(index), _) => foreign_alone(&fitting[*index].0.path, wanted),
            (None, Some(error)) => error.remedy(format!("Put {wanted} into the folder")),
            (None, None) => missing(scan, ComponentKind::Vae, model, wanted),
        });
    }
    let paths: Vec<_> = best.iter().map(|index| fitting[*index].0).collect();
    // a single one need not be compared, whatever its numbers are stored in
    if !paths.iter().skip(1).all(|found| has_same_values(paths[0], found)) {
        return Err(ambiguous(model, &paths));
    }
    let num_fitting = fitting.len();
    let exact =
        best.into_iter().min_by_key(|index| exactness(precision(&fitting[*index].0.recognised.weights)));
    let (found, (component, mut notes)) = fitting.swap_remove(exact.unwrap_or_default());
    if num_fitting > 1 {
        let why = if paths.len() > 1 { "the most exact of those with Wan's values" } else { "Wan's" };
        notes.push(format!("{num_fitting} VAEs fit; using {}, which is {why}", found.path.display()));
    }
    Ok((component, notes))
}

fn chosen_vae(path: &Path, model: &str, channels: usize) -> Result<Checked<VaeConfig>> {
    let file = chosen::open(path, ComponentKind::Vae, "vae")?;
    let found = Found { path: file.path, stem: String::new(), recognised: file.recognised };
    checked(&found, model, channels)
        .map_err(|error| Error::new(Kind::Input, error.message).field("vae").remedy("Choose another VAE"))
}

/// The component, if its latents have as many channels as the model's and its images the colours red, green and blue.
fn checked(found: &Found, model: &str, channels: usize) -> Result<Checked<VaeConfig>> {
    let path = found.path.display();
    let latent = found
        .recognised
        .weights
        .get("post_quant_conv.weight")
        .ok()
        .and_then(|info| info.shape.first().copied());
    if latent != Some(channels) {
        let latent = latent.unwrap_or_default();
        return Err(Error::new(
            Kind::CorruptModel,
            format!(
                "{model} has latents of {channels} channels and the VAE {path} has {latent}: it belongs to another model"
            ),
        ));
    }
    let checked = component::vae(found.recognised.clone(), None)?;
    component::check_colours(&checked.0.config, &found.path)?;
    Ok(checked)
}

/// The origin of a VAE, which is found out once for all models of the folder.
fn known_origin(scan: &Scan, found: &Found) -> Origin {
    *scan.origins.borrow_mut().entry(found.path.clone()).or_insert_with(|| origin(found))
}

fn origin(found: &Found) -> Origin {
    let weights = &found.recognised.weights;
    let real = weights.files().first();
    let stem = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
    let repository = found.path.ancestors().find_map(repository).unwrap_or_default().to_lowercase();
    let names = [stem(&found.path), real.map(|path| stem(path)).unwrap_or_default()];
    let words =
        || names.iter().chain([&repository]).flat_map(|name| name.split(|c: char| !c.is_alphanumeric()));
    if words().any(|word| FOREIGN.contains(&word)) {
        return Origin::Foreign;
    }
    if names.iter().any(|name| name.contains("wan")) {
        return Origin::Wan;
    }
    let size = real.and_then(|path| std::fs::metadata(path).ok()).map(|about| about.len());
    let Some((path, (_, sha256, is_wan))) = real.zip(KNOWN.iter().find(|(known, ..)| Some(*known) == size))
    else {
        return Origin::Unknown;
    };
    let is_known = std::fs::File::open(path).and_then(|mut file| sha256_hex_of_reader(&mut file));
    match is_known {
        Ok(hash) if hash == *sha256 => {
            if *is_wan {
                Origin::Wan
            } else {
                Origin::Foreign
            }
        }
        _ => Origin::Unknown,
    }
}

/// Whether two VAEs differ by rounding only.
fn has_same_values(one: &Found, other: &Found) -> bool {
    COMPARED.iter().all(|name| {
        let (Some(a), Some(b)) =
            (values(&one.recognised.weights, name), values(&other.recognised.weights, name))
        else {
            return false;
        };
        let norm =
            |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
        let difference = norm(&mut a.iter().zip(&b).map(|(a, b)| a - b));
        a.len() == b.len() && difference <= ROUNDING * norm(&mut a.iter().copied()).max(f64::MIN_POSITIVE)
    })
}

/// The first values of a tensor; `None` for types other than 16-bit and 32-bit floating point.
fn values(weights: &Weights, name: &str) -> Option<Vec<f64>> {
    let info = weights.get(name).ok()?;
    let width = info.dtype.size() as u64;
    let first = TensorInfo { len: info.len.min(VALUES * width), ..info.clone() };
    let bytes = weights.bytes(&first).ok()?;
    let pairs = || bytes.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair));
    Some(match info.dtype {
        Dtype::F32 => {
            bytes.as_chunks::<4>().0.iter().map(|four| f64::from(f32::from_le_bytes(*four))).collect()
        }
        Dtype::F16 => pairs().map(|bits| half::f16::from_bits(bits).to_f64()).collect(),
        Dtype::Bf16 => pairs().map(|bits| half::bf16::from_bits(bits).to_f64()).collect(),
        _ => return None,
    })
}

fn foreign_alone(path: &Path, wanted: &str) -> Error {
    Error::new(
        Kind::Input,
        format!(
            "The only VAE that fits, {}, appears from its name to belong to another model",
            path.display()
        ),
    )
    .field("vae")
    .remedy(format!("Put {wanted} into the folder, or choose the file as the VAE (--vae)"))
}

fn ambiguous(model: &str, found: &[&Found]) -> Error {
    let paths: Vec<_> = found.iter().map(|found| found.path.display().to_string()).collect();
    Error::new(
        Kind::Input,
        format!(
            "{} VAEs with different values fit {model}, and nothing says which one is Wan's: {}",
            paths.len(),
            paths.join(", ")
        ),
    )
    .field("vae")
    .remedy("Choose one (--vae FILE), or move the others away")
}
