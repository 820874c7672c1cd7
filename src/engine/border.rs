//! Numbers of 16 bits at the border of graphs that others made: they are given and taken as fp32 all the same.

use half::{bf16, f16};
use ndarray::{ArrayD, ArrayViewD};
use ort::session::SessionInputValue;
use ort::value::{DynValue, Outlet, TensorElementType, TensorRef, ValueType};

use super::tensor::Input;

/// A type of 16 bits.
#[derive(Clone, Copy)]
enum Short {
    F16,
    Bf16,
}

/// What has to be cast on the way in and out of a session; nothing, where the graph is our own.
#[derive(Default)]
pub(super) struct Border {
    /// Inputs of 16 bits.
    short: Vec<(String, Short)>,
    /// Whether outputs of 16 bits are cast to fp32.
    widens: bool,
}

impl Border {
    /// Of a session that takes `inputs`.
    pub(super) fn of(inputs: &[Outlet]) -> Self {
        let short = |input: &Outlet| Some((input.name().to_owned(), short(input.dtype())?));
        Self { short: inputs.iter().filter_map(short).collect(), widens: true }
    }

    /// A value for the input `name`.
    pub(super) fn give<'v>(&self, name: &str, input: Input<'v>) -> ort::Result<SessionInputValue<'v>> {
        let wanted = self.short.iter().find(|(input, _)| input == name).map(|(_, short)| *short);
        Ok(match (input, wanted) {
            (Input::F32(view), Some(Short::F16)) => tensor(view.mapv(f16::from_f32))?.into(),
            (Input::F32(view), Some(Short::Bf16)) => tensor(view.mapv(bf16::from_f32))?.into(),
            (Input::F32(view), None) => TensorRef::from_array_view(view)?.into(),
            (Input::I64(view), _) => TensorRef::from_array_view(view)?.into(),
            (Input::Tensor(tensor), _) => (&tensor.0).into(),
        })
    }

    /// A result as it is handed on.
    pub(super) fn take(&self, value: DynValue) -> ort::Result<DynValue> {
        Ok(match short(value.dtype()).filter(|_| self.widens) {
            None => value,
            Some(Short::F16) => {
                let wide = |view: ArrayViewD<'_, f16>| view.mapv(f16::to_f32);
                tensor(wide(value.try_extract_array()?))?
            }
            Some(Short::Bf16) => {
                let wide = |view: ArrayViewD<'_, bf16>| view.mapv(bf16::to_f32);
                tensor(wide(value.try_extract_array()?))?
            }
        })
    }
}

fn short(value: &ValueType) -> Option<Short> {
    match value {
        ValueType::Tensor { ty: TensorElementType::Float16, .. } => Some(Short::F16),
        ValueType::Tensor { ty: TensorElementType::Bfloat16, .. } => Some(Short::Bf16),
        _ => None,
    }
}

fn tensor<T>(values: ArrayD<T>) -> ort::Result<DynValue>
where
    T: ort::value::PrimitiveTensorElementType + Clone + std::fmt::Debug + 'static,
{
    // a mapped view keeps the order of its memory, which need not be row-major
    let values = if values.is_standard_layout() { values } else { values.as_standard_layout().into_owned() };
    Ok(ort::value::Tensor::from_array(values)?.into_dyn())
}
