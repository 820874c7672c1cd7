//! Builder of ONNX graphs: operations in topological order, shared constants, weights as references into their files.

use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;

use super::adapter::ActiveAdapter;
use super::compute_type::ComputeType;
use super::int8::RoundedRows;
use super::proto::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto,
    TensorProto,
};
use super::row_chunks::LoopBody;
use super::spec::{Dtype, Graph, GraphSpec, ValueSpec};
use super::weights::{StoredForm, Weights};
use crate::core::{Error, Kind, Provider, Result};

/// ONNX IR version of opset 23.
const IR_VERSION: i64 = 11;
/// Version of the standard operator set: the highest with kernels for every provider used here in ONNX Runtime 1.31.
const OPSET: i64 = 23;
/// Domain of ONNX Runtime's own operators.
const CONTRIB: &str = "com.microsoft";

/// A value in the graph under construction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Var(pub(super) Rc<str>);

impl Var {
    /// A placeholder for an omitted optional input.
    pub fn none() -> Self {
        Self(Rc::from(""))
    }
}

/// Value of a node's attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Attr {
    /// An integer.
    Int(i64),
    /// A float.
    Float(f32),
    /// A list of integers.
    Ints(Vec<i64>),
    /// A string.
    Str(&'static str),
    /// The body of a loop.
    Graph(Box<GraphProto>),
}

/// Names and values of a node's attributes.
pub type Attrs<'a> = &'a [(&'static str, Attr)];

/// Builds one graph over the weights of one component.
///
/// ```
/// use wandeck::onnx::{Dtype, GraphBuilder, ValueSpec, Weights};
///
/// # fn main() -> wandeck::core::Result<()> {
/// let weights = Weights::from_files(&["tests/golden/loras/kohya.safetensors".into()])?;
/// let mut graph = GraphBuilder::new("twice", &weights);
/// let x = graph.input(ValueSpec::new("x", Dtype::F32, ["rows".into(), 4.into()]));
/// let two = graph.scalar(2.0);
/// let y = graph.op("Mul", &[&x, &two], &[]);
/// graph.output(&y, ValueSpec::new("y", Dtype::F32, ["rows".into(), 4.into()]));
/// let bytes = graph.finish().to_bytes();
/// assert!(!bytes.is_empty(), "an ONNX model in memory");
/// # Ok(())
/// # }
/// ```
pub struct GraphBuilder<'w> {
    name: &'static str,
    weights: &'w Weights,
    pub(super) adapters: Vec<ActiveAdapter<'w>>,
    /// Common ancestor folder of all weight files.
    pub(super) root: PathBuf,
    nodes: Vec<NodeProto>,
    num_nodes: usize,
    /// The loop body under construction.
    pub(super) body: Option<LoopBody>,
    initializers: Vec<TensorProto>,
    spec: GraphSpec,
    /// Compute type of the graph.
    compute: ComputeType,
    pub(super) provider: Provider,
    /// Compute type of the section under construction: that of the graph, or fp32.
    section: ComputeType,
    constants: HashMap<(Dtype, Vec<i64>, Vec<u8>), Var>,
    pub(super) views: HashMap<(String, Vec<usize>), Var>,
    pub(super) casts: HashMap<(Var, Dtype), Var>,
    /// Activations rounded to 8 bits, each with its scales.
    pub(super) rounded: HashMap<Var, RoundedRows>,
    /// Whether int8 matrices are multiplied as unsigned ones, because the processor clips sums of signed products.
    pub(super) clips_signed_int8: bool,
    /// The value that the next matrix is multiplied with; see [`Self::multiplying`].
    pub(super) multiplied: Option<Var>,
    /// Known lower bounds of values.
    pub(super) lower_bounds: HashMap<Var, f32>,
    renames: HashMap<Var, String>,
}

impl<'w> GraphBuilder<'w> {
    /// An empty graph called `name` over `weights`.
    pub fn new(name: &'static str, weights: &'w Weights) -> Self {
        Self {
            name,
            weights,
            adapters: Vec::new(),
            root: weights.root().to_path_buf(),
            nodes: Vec::new(),
            num_nodes: 0,
            body: None,
            initializers: Vec::new(),
            spec: GraphSpec::default(),
            compute: ComputeType::Fp32,
            provider: Provider::Cpu,
            section: ComputeType::Fp32,
            constants: HashMap::new(),
            views: HashMap::new(),
            casts: HashMap::new(),
            rounded: HashMap::new(),
            clips_signed_int8: crate::core::clips_signed_int8(),
            multiplied: None,
            lower_bounds: HashMap::new(),
            renames: HashMap::new(),
        }
    }

    /// Sets the compute type of the graph. Must be called before any operation.
    ///
    /// Inputs and outputs stay fp32: [`Self::narrow`] and [`Self::widen`] convert between the two. Weights of another
    /// type are cast.
    #[must_use]
    pub fn with_compute(mut self, compute: ComputeType) -> Self {
        (self.compute, self.section) = (compute, compute);
        self
    }

    /// Builds a section with fp32 weights and constants, whatever the compute type of the graph.
    ///
    /// For operations that need more range or precision than 16 bits: the transformer's residual stream with its norms,
    /// modulation and gates, the timestep embedding and the rotary position embedding; the text encoder's residual
    /// stream and attention; the norms of the VAE.
    pub fn in_fp32<R>(&mut self, section: impl FnOnce(&mut Self) -> R) -> R {
        let outer = std::mem::replace(&mut self.section, ComputeType::Fp32);
        let result = section(self);
        self.section = outer;
        result
    }

    /// Casts an fp32 value to the compute type of the graph.
    pub fn narrow(&mut self, value: &Var) -> Var {
        match self.compute {
            ComputeType::Fp32 => value.clone(),
            compute => self.cast(value, compute.dtype()),
        }
    }

    /// Casts a value from the compute type of the graph to fp32.
    pub fn widen(&mut self, value: &Var) -> Var {
        match self.compute {
            ComputeType::Fp32 => value.clone(),
            _ => self.cast_f32(value),
        }
    }

    /// Compute type of the section under construction.
    pub fn section_compute(&self) -> ComputeType {
        self.section
    }

    /// The weights of the component.
    pub fn weights(&self) -> &'w Weights {
        self.weights
    }

    /// Declares an input.
    pub fn input(&mut self, spec: ValueSpec) -> Var {
        let var = Var(Rc::from(spec.name.as_str()));
        self.spec.inputs.push(spec);
        var
    }

    /// Declares `var` as an output with the name in `spec`.
    pub fn output(&mut self, var: &Var, spec: ValueSpec) {
        self.renames.insert(var.clone(), spec.name.clone());
        self.spec.outputs.push(spec);
    }

    /// Adds a standard operation with one output.
    pub fn op(&mut self, op: &'static str, inputs: &[&Var], attrs: Attrs<'_>) -> Var {
        self.node(op, "", inputs, 1, attrs).swap_remove(0)
    }

    /// Adds one of ONNX Runtime's own operations (`com.microsoft`) with one output.
    pub fn contrib(&mut self, op: &'static str, inputs: &[&Var], attrs: Attrs<'_>) -> Var {
        self.node(op, CONTRIB, inputs, 1, attrs).swap_remove(0)
    }

    /// Adds a standard operation with `num_outputs` outputs.
    pub fn op_many(
        &mut self,
        op: &'static str,
        inputs: &[&Var],
        num_outputs: usize,
        attrs: Attrs<'_>,
    ) -> Vec<Var> {
        self.node(op, "", inputs, num_outputs, attrs)
    }

    /// Adds one of ONNX Runtime's own operations with `num_outputs` outputs.
    pub fn contrib_many(
        &mut self,
        op: &'static str,
        inputs: &[&Var],
        num_outputs: usize,
        attrs: Attrs<'_>,
    ) -> Vec<Var> {
        self.node(op, CONTRIB, inputs, num_outputs, attrs)
    }

    /// A constant list of integers, for shapes and axes.
    pub fn ints(&mut self, values: &[i64]) -> Var {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(Dtype::I64, vec![values.len() as i64], bytes)
    }

    /// A scalar constant in the current compute type.
    pub fn scalar(&mut self, value: f32) -> Var {
        let constant = self.constant(Dtype::F32, Vec::new(), value.to_le_bytes().to_vec());
        self.as_current(&constant, Dtype::F32)
    }

    /// A scalar constant of type uint8.
    pub(super) fn byte(&mut self, value: u8) -> Var {
        self.constant(Dtype::U8, Vec::new(), vec![value])
    }

    /// A constant fp32 tensor of shape `dims`.
    pub fn floats(&mut self, values: &[f32], dims: &[usize]) -> Var {
        debug_assert_eq!(values.len(), dims.iter().product::<usize>(), "a constant fills its shape");
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(Dtype::F32, dims.iter().map(|&dim| dim as i64).collect(), bytes)
    }

    /// The weight `name` in the current compute type with all its deltas.
    ///
    /// Fails with [`Kind::CorruptModel`] if it is missing or its shape is not `shape`.
    pub fn weight(&mut self, name: &str, shape: &[usize]) -> Result<Var> {
        let weight = self.base_weight(name, shape)?;
        self.with_deltas(weight, name, shape)
    }

    /// The weight `name` of the checkpoint in the current compute type, without deltas.
    pub(super) fn base_weight(&mut self, name: &str, shape: &[usize]) -> Result<Var> {
        let info = self.weights.get(name)?;
        if info.shape != shape {
            return Err(Error::new(
                Kind::CorruptModel,
                format!("The tensor {name} has the shape {:?}, but {shape:?} is expected", info.shape),
            )
            .remedy("The weights do not match the config.json beside them; fetch the model again"));
        }
        self.weight_view(name, shape)
    }

    /// Casts a constant of type `dtype` to the current compute type.
    pub(super) fn as_current(&mut self, constant: &Var, dtype: Dtype) -> Var {
        let wanted = self.section.dtype();
        if dtype == wanted {
            return constant.clone();
        }
        let key = (constant.clone(), wanted);
        if let Some(cast) = self.casts.get(&key) {
            return cast.clone();
        }
        let cast = self.cast(constant, wanted);
        self.casts.insert(key, cast.clone());
        cast
    }

    /// The weight `name` in its stored type, viewed as `dims`.
    pub fn raw_weight(&mut self, name: &str, dims: &[usize]) -> Result<Var> {
        self.raw_tensor(self.weights, name, name, dims)
    }

    /// The tensor `name` of `weights` under the name `unique` in the graph, viewed as `dims`.
    pub(super) fn raw_tensor(
        &mut self,
        weights: &Weights,
        name: &str,
        unique: &str,
        dims: &[usize],
    ) -> Result<Var> {
        let key = (unique.to_owned(), dims.to_vec());
        if let Some(var) = self.views.get(&key) {
            return Ok(var.clone());
        }
        let info = weights.get(name)?;
        if info.form != StoredForm::Plain {
            return Err(Error::new(
                Kind::Bug,
                format!("The tensor {name} was not repacked before it is used"),
            ));
        }
        let bytes = dims.iter().product::<usize>() * info.dtype.size();
        if bytes as u64 != info.len {
            return Err(Error::new(
                Kind::CorruptModel,
                format!(
                    "The tensor {name} has the shape {:?}, which cannot be viewed as {dims:?}",
                    info.shape
                ),
            )
            .remedy("The weights do not match the config.json beside them; fetch the model again"));
        }
        // the initializer has the checkpoint's name, so that LoRA keys map by name
        let is_in_body = self.body.as_ref().is_some_and(|body| body.weights.is_some());
        let unique = if is_in_body {
            self.unique(unique)
        } else if info.shape == dims {
            unique.to_owned()
        } else {
            format!("{unique}/{}", self.initializers.len())
        };
        let entry = |key: &str, value: String| StringStringEntryProto {
            key: Some(key.to_owned()),
            value: Some(value),
        };
        let tensor = TensorProto {
            dims: dims.iter().map(|&dim| dim as i64).collect(),
            data_type: Some(info.dtype as i32),
            name: Some(unique.clone()),
            raw_data: None,
            external_data: vec![
                entry("location", weights.location(info, &self.root)),
                entry("offset", info.offset.to_string()),
                entry("length", info.len.to_string()),
            ],
            data_location: Some(1),
        };
        let var = Var(Rc::from(unique));
        match self.body.as_mut().filter(|_| is_in_body) {
            Some(body) => body.own(tensor, &var),
            None => self.initializers.push(tensor),
        }
        self.views.insert(key, var.clone());
        Ok(var)
    }

    /// `value` cast to fp32.
    pub fn cast_f32(&mut self, value: &Var) -> Var {
        self.cast(value, Dtype::F32)
    }

    /// `value` cast to `to`.
    pub fn cast(&mut self, value: &Var, to: Dtype) -> Var {
        self.op("Cast", &[value], &[("to", Attr::Int(to as i64))])
    }

    /// `value` of the type `from`, cast to `to` if that is another.
    pub fn converted(&mut self, value: &Var, [from, to]: [Dtype; 2]) -> Var {
        if from == to { value.clone() } else { self.cast(value, to) }
    }

    /// The finished graph.
    pub fn finish(self) -> Graph {
        let Self { name, root, mut nodes, initializers, spec, renames, .. } = self;
        let renames: HashMap<&str, &String> = renames.iter().map(|(var, name)| (&*var.0, name)).collect();
        for node in &mut nodes {
            for value in node.input.iter_mut().chain(&mut node.output) {
                if let Some(&name) = renames.get(value.as_str()) {
                    value.clone_from(name);
                }
            }
        }
        let opset = |domain: &str, version| OperatorSetIdProto {
            domain: Some(domain.to_owned()),
            version: Some(version),
        };
        let model = ModelProto {
            ir_version: Some(IR_VERSION),
            producer_name: Some(env!("CARGO_PKG_NAME").to_owned()),
            producer_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            graph: Some(GraphProto {
                node: nodes,
                name: Some(name.to_owned()),
                initializer: initializers,
                input: spec.inputs.iter().map(ValueSpec::proto).collect(),
                output: spec.outputs.iter().map(ValueSpec::proto).collect(),
            }),
            opset_import: vec![opset("", OPSET), opset(CONTRIB, 1)],
        };
        Graph { name, model, spec, weights_root: root }
    }

    pub(super) fn constant(&mut self, dtype: Dtype, dims: Vec<i64>, bytes: Vec<u8>) -> Var {
        let key = (dtype, dims, bytes);
        if let Some(var) = self.constants.get(&key) {
            return var.clone();
        }
        let name = format!("constant_{}", self.constants.len());
        self.initializers.push(TensorProto {
            dims: key.1.clone(),
            data_type: Some(dtype as i32),
            name: Some(name.clone()),
            raw_data: Some(key.2.clone()),
            external_data: Vec::new(),
            data_location: None,
        });
        let var = Var(Rc::from(name));
        self.constants.insert(key, var.clone());
        var
    }

    fn node(
        &mut self,
        op: &'static str,
        domain: &str,
        inputs: &[&Var],
        num_outputs: usize,
        attrs: Attrs<'_>,
    ) -> Vec<Var> {
        let name = self.unique(op);
        let outputs: Vec<_> = (0..num_outputs)
            .map(|index| if num_outputs == 1 { name.clone() } else { format!("{name}.{index}") })
            .map(|name| Var(Rc::from(name)))
            .collect();
        let node = NodeProto {
            input: inputs.iter().map(|var| (*var.0).to_owned()).collect(),
            output: outputs.iter().map(|var| (*var.0).to_owned()).collect(),
            name: Some(name),
            op_type: Some(op.to_owned()),
            attribute: attrs.iter().map(|(name, value)| attribute(name, value)).collect(),
            domain: (!domain.is_empty()).then(|| domain.to_owned()),
        };
        match self.body.as_mut().filter(|body| body.contains(inputs)) {
            Some(body) => body.add(node, &outputs),
            None => self.nodes.push(node),
        }
        outputs
    }

    /// A unique node name that starts with `what`.
    pub(super) fn unique(&mut self, what: &str) -> String {
        self.num_nodes += 1;
        format!("{what}_{}", self.num_nodes - 1)
    }
}

fn attribute(name: &str, value: &Attr) -> AttributeProto {
    let mut proto = AttributeProto { name: Some(name.to_owned()), ..AttributeProto::default() };
    // AttributeProto.AttributeType
    proto.r#type = Some(match value {
        Attr::Float(value) => {
            proto.f = Some(*value);
            1
        }
        Attr::Int(value) => {
            proto.i = Some(*value);
            2
        }
        Attr::Str(value) => {
            proto.s = Some(value.as_bytes().to_vec());
            3
        }
        Attr::Graph(graph) => {
            proto.g = Some((**graph).clone());
            5
        }
        Attr::Ints(values) => {
            proto.ints.clone_from(values);
            7
        }
    });
    proto
}
