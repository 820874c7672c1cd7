//! The inputs and outputs that each component must have.

use crate::onnx::{Dim, Dtype, Signature, SignatureValue, dims_text, element_name};
use crate::wan::config::{TextEncoderConfig, TransformerConfig, VaeConfig};
use crate::wan::graphs::TEXT_TOKENS;

/// What is accepted for one value.
struct Wanted {
    names: &'static [&'static str],
    types: &'static [Dtype],
    /// Shapes that are accepted.
    shapes: Vec<Vec<Dim>>,
}

/// The inputs and the output that a component must have.
pub struct Interface {
    inputs: Vec<Wanted>,
    output: Wanted,
}

const NUMBERS: &[Dtype] = &[Dtype::F32, Dtype::F16, Dtype::Bf16];
const TIMES: &[Dtype] = &[Dtype::I64, Dtype::F32, Dtype::F16, Dtype::Bf16];

fn latent(channels: usize) -> Vec<Vec<Dim>> {
    vec![vec![1.into(), channels.into(), "T".into(), "H".into(), "W".into()]]
}

fn video() -> Vec<Vec<Dim>> {
    vec![vec![1.into(), 3.into(), "F".into(), "H".into(), "W".into()]]
}

impl Interface {
    /// The interface of the text encoder.
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

    /// The interface of a transformer.
    pub fn transformer(config: &TransformerConfig) -> Self {
        let rows = vec![1.into(), TEXT_TOKENS.into(), config.text_dim.into()];
        let timestep = vec![vec![1.into()], vec![1.into(), "S".into()]];
        Self {
            inputs: vec![
                Wanted { names: &["hidden_states"], types: NUMBERS, shapes: latent(config.in_channels) },
                Wanted { names: &["timestep"], types: TIMES, shapes: timestep },
                Wanted { names: &["encoder_hidden_states"], types: NUMBERS, shapes: vec![rows] },
            ],
            output: Wanted {
                names: &["out_sample", "sample"],
                types: NUMBERS,
                shapes: latent(config.channels_out()),
            },
        }
    }

    /// The interface of the VAE's encoder.
    pub fn vae_encoder(config: &VaeConfig) -> Self {
        let shapes = [2 * config.z_dim, config.z_dim].into_iter().flat_map(latent).collect();
        let names = &["latent_parameters", "latent_sample", "latent", "latent_dist"];
        Self {
            inputs: vec![Wanted { names: &["sample", "x", "pixel_values"], types: NUMBERS, shapes: video() }],
            output: Wanted { names, types: NUMBERS, shapes },
        }
    }

    /// The interface of the VAE's decoder.
    pub fn vae_decoder(config: &VaeConfig) -> Self {
        Self {
            inputs: vec![Wanted {
                names: &["latent_sample", "z"],
                types: NUMBERS,
                shapes: latent(config.z_dim),
            }],
            output: Wanted { names: &["sample"], types: NUMBERS, shapes: video() },
        }
    }

    /// All differences between `found` and this interface, each prefixed with `component`.
    pub fn differences(&self, component: &str, found: &Signature) -> Vec<String> {
        let mut wrong: Vec<_> =
            self.inputs.iter().filter_map(|wanted| wanted.difference("input", &found.inputs)).collect();
        let known = |name: &str| self.inputs.iter().any(|wanted| wanted.names.contains(&name));
        let unknown = found.inputs.iter().filter(|value| !known(&value.name));
        wrong.extend(unknown.map(|value| format!("the input {} is unknown", value.name)));
        if let [only] = &found.outputs[..] {
            wrong.extend(self.output.misfit("output", only));
        } else {
            wrong.extend(self.output.difference("output", &found.outputs));
        }
        wrong.into_iter().map(|text| format!("{component}: {text}")).collect()
    }

    /// Name of the output that is used.
    pub fn output_name<'f>(&self, found: &'f Signature) -> Option<&'f str> {
        match &found.outputs[..] {
            [only] => Some(&only.name),
            all => self.output.find(all).map(|value| value.name.as_str()),
        }
    }
}

impl Wanted {
    fn find<'f>(&self, found: &'f [SignatureValue]) -> Option<&'f SignatureValue> {
        self.names.iter().find_map(|name| found.iter().find(|value| value.name == *name))
    }

    fn difference(&self, what: &str, found: &[SignatureValue]) -> Option<String> {
        match self.find(found) {
            None => Some(format!("the {what} {} is missing", self.names.join(" or "))),
            Some(value) => self.misfit(what, value),
        }
    }

    fn misfit(&self, what: &str, value: &SignatureValue) -> Option<String> {
        // an open size matches any size, and a shape that is not declared matches any shape
        let same = |(wanted, found): (&Dim, &Dim)| match (wanted, found) {
            (Dim::Fixed(wanted), Dim::Fixed(found)) => wanted == found,
            _ => true,
        };
        let fits =
            |shape: &Vec<Dim>| shape.len() == value.dims.len() && shape.iter().zip(&value.dims).all(same);
        let typed = self.types.iter().any(|dtype| value.is(*dtype));
        let shaped = value.dims.is_empty() || self.shapes.iter().any(fits);
        // if the type is accepted, only this type is shown as expected
        let types = self.types.iter().filter(|dtype| !typed || value.is(**dtype));
        let types: Vec<_> = types.map(|dtype| element_name(*dtype as i32)).collect();
        let shapes: Vec<_> = self.shapes.iter().map(|dims| dims_text(dims)).collect();
        let wanted = format!("{} {}", types.join(" or "), shapes.join(" or "));
        (!typed || !shaped).then(|| format!("the {what} {} is {value}, expected {wanted}", value.name))
    }
}
