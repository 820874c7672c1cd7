//! Components that others exported as ONNX files, with diffusers' names for what goes in and comes out.
//!
//! What is accepted, sizes from the components' `config.json`:
//!
//! | file | inputs | output |
//! | --- | --- | --- |
//! | `text_encoder/model.onnx` | `input_ids`, `attention_mask` int64 `[1, L]` | `last_hidden_state` `[1, L, D]` |
//! | `transformer/model.onnx`, `transformer_2/model.onnx` | `hidden_states` `[1, C, T, H, W]`, `timestep` int64 or float32 `[1]` or `[1, S]`, `encoder_hidden_states` `[1, 512, D]` | `out_sample` or `sample` `[1, O, T, H, W]` |
//! | `vae_decoder/model.onnx` | `latent_sample` `[1, z, T, h, w]` | `sample` `[1, 3, F, H, W]`, the whole clip |
//!
//! Numbers are float32 where nothing else is said. A single output may have any name. A dimension may be open or of
//! a fixed size, which then is the only one that can be made. Latents go into the decoder as the VAE has them: the
//! means and deviations of its `config.json` are applied before.

use std::path::{Path, PathBuf};

use super::config::{TextEncoderConfig, TransformerConfig, VaeConfig};
use super::graphs::TEXT_TOKENS;
use crate::core::{Bytes, Result};
use crate::onnx::{Dim, Dtype, Signature, Value};

/// The file of each component.
pub const FILE: &str = "model.onnx";

/// One exported component.
#[derive(Clone, Debug)]
pub struct ExportedGraph {
    /// Name of its folder.
    pub name: &'static str,
    /// Its file; external data lies beside it.
    pub path: PathBuf,
    /// What it takes and gives.
    pub signature: Signature,
}

/// The components of a model that others exported.
#[derive(Clone, Debug)]
pub struct Exported {
    /// Tokens to rows.
    pub text_encoder: ExportedGraph,
    /// The high-noise expert, or the only transformer.
    pub transformer: ExportedGraph,
    /// The low-noise expert.
    pub transformer_2: Option<ExportedGraph>,
    /// Latent to frames, a whole clip.
    pub vae_decoder: ExportedGraph,
}

impl ExportedGraph {
    /// Reads what the component `name` in the folder of a model takes and gives.
    pub fn read(model: &Path, name: &'static str) -> Result<Self> {
        let path = model.join(name).join(FILE);
        Ok(Self { name, signature: Signature::read(&path)?, path })
    }

    /// The input called `name`.
    pub fn input(&self, name: &str) -> Option<&Value> {
        self.signature.inputs.iter().find(|value| value.name == name)
    }

    /// What is in the way of giving `name` these sizes: the file may be made for others only.
    pub fn size_difference(&self, name: &str, dims: &[usize]) -> Option<String> {
        let value = self.input(name)?;
        let fits = |(dim, size): (&Dim, &usize)| !matches!(dim, Dim::Is(fixed) if fixed != size);
        (!value.dims.iter().zip(dims).all(fits))
            .then(|| format!("the {} takes {name} as {value} and the request needs {dims:?}", self.name))
    }

    /// Its file and those of its weights.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        std::iter::once(&self.path).chain(&self.signature.data)
    }

    /// Size of its files.
    pub fn size(&self) -> Bytes {
        let size = |path: &PathBuf| std::fs::metadata(path).map(|about| about.len()).unwrap_or_default();
        Bytes(self.files().map(size).sum())
    }

    /// Tells these files, as they are now, from all others.
    pub fn identity(&self) -> String {
        let line = |path: &PathBuf| {
            let about = std::fs::metadata(path).ok();
            let changed = about.as_ref().and_then(|about| about.modified().ok());
            format!("{} {:?} {changed:?}", path.display(), about.map(|about| about.len()))
        };
        self.files().map(line).collect::<Vec<_>>().join(" ")
    }
}

impl Exported {
    /// All files.
    pub fn graphs(&self) -> impl Iterator<Item = &ExportedGraph> {
        [&self.text_encoder, &self.transformer, &self.vae_decoder].into_iter().chain(&self.transformer_2)
    }
}

/// What is expected of one value.
struct Wanted {
    names: &'static [&'static str],
    types: &'static [Dtype],
    /// Shapes that are accepted.
    shapes: Vec<Vec<Dim>>,
}

/// What is expected of a component.
pub struct Interface {
    inputs: Vec<Wanted>,
    output: Wanted,
}

const NUMBERS: &[Dtype] = &[Dtype::F32];

fn video(channels: usize) -> Vec<Vec<Dim>> {
    vec![vec![1.into(), channels.into(), "T".into(), "H".into(), "W".into()]]
}

impl Interface {
    /// Of the text encoder.
    pub fn text_encoder(config: &TextEncoderConfig) -> Self {
        let tokens = |names| Wanted { names, types: &[Dtype::I64], shapes: vec![vec![1.into(), "L".into()]] };
        Self {
            inputs: vec![tokens(&["input_ids"]), tokens(&["attention_mask"])],
            output: Wanted {
                names: &["last_hidden_state"],
                types: NUMBERS,
                shapes: vec![vec![1.into(), "L".into(), config.d_model.into()]],
            },
        }
    }

    /// Of a transformer.
    pub fn transformer(config: &TransformerConfig) -> Self {
        let rows = vec![1.into(), TEXT_TOKENS.into(), config.text_dim.into()];
        let timestep = vec![vec![1.into()], vec![1.into(), "S".into()]];
        Self {
            inputs: vec![
                Wanted { names: &["hidden_states"], types: NUMBERS, shapes: video(config.in_channels) },
                Wanted { names: &["timestep"], types: &[Dtype::I64, Dtype::F32], shapes: timestep },
                Wanted { names: &["encoder_hidden_states"], types: NUMBERS, shapes: vec![rows] },
            ],
            output: Wanted {
                names: &["out_sample", "sample"],
                types: NUMBERS,
                shapes: video(config.channels_out()),
            },
        }
    }

    /// Of the VAE's decoder.
    pub fn vae_decoder(config: &VaeConfig) -> Self {
        Self {
            inputs: vec![Wanted { names: &["latent_sample"], types: NUMBERS, shapes: video(config.z_dim) }],
            output: Wanted { names: &["sample"], types: NUMBERS, shapes: video(3) },
        }
    }

    /// Everything in which `found` is not as expected; `component` goes in front.
    pub fn differences(&self, component: &str, found: &Signature) -> Vec<String> {
        let mut wrong: Vec<_> =
            self.inputs.iter().filter_map(|wanted| wanted.difference("input", &found.inputs)).collect();
        let known = |name: &str| self.inputs.iter().any(|wanted| wanted.names.contains(&name));
        let unknown = found.inputs.iter().filter(|value| !known(&value.name));
        wrong.extend(unknown.map(|value| format!("the input {} is not known", value.name)));
        if let [only] = &found.outputs[..] {
            wrong.extend(self.output.misfit("output", only));
        } else {
            wrong.extend(self.output.difference("output", &found.outputs));
        }
        wrong.into_iter().map(|text| format!("{component}: {text}")).collect()
    }

    /// The name of the output that counts.
    pub fn output_name<'f>(&self, found: &'f Signature) -> Option<&'f str> {
        match &found.outputs[..] {
            [only] => Some(&only.name),
            all => self.output.find(all).map(|value| value.name.as_str()),
        }
    }
}

impl Wanted {
    fn find<'f>(&self, found: &'f [Value]) -> Option<&'f Value> {
        self.names.iter().find_map(|name| found.iter().find(|value| value.name == *name))
    }

    fn difference(&self, what: &str, found: &[Value]) -> Option<String> {
        match self.find(found) {
            None => Some(format!("the {what} {} is missing", self.names.join(" or "))),
            Some(value) => self.misfit(what, value),
        }
    }

    fn misfit(&self, what: &str, value: &Value) -> Option<String> {
        // a size that either side leaves open fits anything; so does a shape that is not declared
        let same = |(wanted, found): (&Dim, &Dim)| match (wanted, found) {
            (Dim::Is(wanted), Dim::Is(found)) => wanted == found,
            _ => true,
        };
        let fits =
            |shape: &Vec<Dim>| shape.len() == value.dims.len() && shape.iter().zip(&value.dims).all(same);
        let typed = self.types.iter().any(|dtype| value.is(*dtype));
        let shaped = value.dims.is_empty() || self.shapes.iter().any(fits);
        let wanted = |(dtype, shape): (&Dtype, &Vec<Dim>)| {
            Value { name: String::new(), element: *dtype as i32, dims: shape.clone() }.to_string()
        };
        let all = self.types.iter().flat_map(|dtype| self.shapes.iter().map(move |shape| (dtype, shape)));
        let wanted: Vec<_> = all.map(wanted).collect();
        (!typed || !shaped)
            .then(|| format!("the {what} {} is {value} and should be {}", value.name, wanted.join(" or ")))
    }
}
