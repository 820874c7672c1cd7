//! Conversion between fp32 and the fp16 or bf16 inputs and outputs of exported graphs.

use half::{bf16, f16};
use ndarray::{ArrayD, ArrayViewD};
use ort::session::SessionInputValue;
use ort::value::{DynValue, Outlet, TensorElementType, TensorRef, ValueType};

use super::tensor::Input;

/// A 16-bit floating-point type.
#[derive(Clone, Copy)]
enum HalfType {
    F16,
    Bf16,
}

/// The inputs and outputs of a session that are converted; none for graphs built by this program.
#[derive(Default)]
pub(super) struct HalfConversion {
    /// Names and types of the 16-bit inputs.
    inputs: Vec<(String, HalfType)>,
    /// Whether 16-bit outputs are converted to fp32.
    converts_outputs: bool,
}

impl HalfConversion {
    /// The conversion for a session with `inputs`.
    pub(super) fn of(inputs: &[Outlet]) -> Self {
        let half = |input: &Outlet| Some((input.name().to_owned(), half_type(input.dtype())?));
        Self { inputs: inputs.iter().filter_map(half).collect(), converts_outputs: true }
    }

    /// Converts a value for the input `name`.
    pub(super) fn input<'v>(&self, name: &str, input: Input<'v>) -> ort::Result<SessionInputValue<'v>> {
        let wanted = self.inputs.iter().find(|(input, _)| input == name).map(|(_, half)| *half);
        Ok(match (input, wanted) {
            (Input::F32(view), Some(HalfType::F16)) => tensor(view.mapv(f16::from_f32))?.into(),
            (Input::F32(view), Some(HalfType::Bf16)) => tensor(view.mapv(bf16::from_f32))?.into(),
            (Input::F32(view), None) => TensorRef::from_array_view(view)?.into(),
            (Input::I64(view), _) => TensorRef::from_array_view(view)?.into(),
            (Input::Tensor(tensor), _) => (&tensor.0).into(),
        })
    }

    /// Converts an output.
    pub(super) fn output(&self, value: DynValue) -> ort::Result<DynValue> {
        Ok(match half_type(value.dtype()).filter(|_| self.converts_outputs) {
            None => value,
            Some(HalfType::F16) => {
                let wide = |view: ArrayViewD<'_, f16>| view.mapv(f16::to_f32);
                tensor(wide(value.try_extract_array()?))?
            }
            Some(HalfType::Bf16) => {
                let wide = |view: ArrayViewD<'_, bf16>| view.mapv(bf16::to_f32);
                tensor(wide(value.try_extract_array()?))?
            }
        })
    }
}

fn half_type(value: &ValueType) -> Option<HalfType> {
    match value {
        ValueType::Tensor { ty: TensorElementType::Float16, .. } => Some(HalfType::F16),
        ValueType::Tensor { ty: TensorElementType::Bfloat16, .. } => Some(HalfType::Bf16),
        _ => None,
    }
}

fn tensor<T>(values: ArrayD<T>) -> ort::Result<DynValue>
where
    T: ort::value::PrimitiveTensorElementType + Clone + std::fmt::Debug + 'static,
{
    // mapping a view keeps its memory order, which need not be row-major
    let values = if values.is_standard_layout() { values } else { values.as_standard_layout().into_owned() };
    Ok(ort::value::Tensor::from_array(values)?.into_dyn())
}
