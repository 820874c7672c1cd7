//! A list of parameters under construction.

/// Name and shape of one parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// diffusers' name.
    pub name: String,
    /// Shape.
    pub shape: Vec<usize>,
}

/// Parameters in the order they are added.
#[derive(Default)]
pub(super) struct List(pub(super) Vec<Parameter>);

impl List {
    pub(super) fn add(&mut self, name: impl Into<String>, shape: &[usize]) {
        self.0.push(Parameter { name: name.into(), shape: shape.to_vec() });
    }

    /// Weight and bias of a linear layer or convolution; the first dimension is its outputs.
    pub(super) fn layer(&mut self, name: &str, shape: &[usize]) {
        self.add(format!("{name}.weight"), shape);
        self.add(format!("{name}.bias"), &shape[..1]);
    }
}
