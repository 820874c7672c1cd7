//! Layers that the transformer and the text encoder share.

use crate::core::{Quantisation, Result};
use crate::onnx::{Attr, GraphBuilder, Operators, Var};

/// `x W^T + b` for a `PyTorch` `Linear` called `name` of shape `[outputs, inputs]`, with the LoRAs' deltas; `x` is
/// `[S, inputs]`.
pub(super) fn linear(
    g: &mut GraphBuilder<'_>,
    x: &Var,
    name: &str,
    [inputs, outputs]: [usize; 2],
) -> Result<Var> {
    let bias = g.weight(&format!("{name}.bias"), &[outputs])?;
    affine(g, x, name, [inputs, outputs], Some(&bias))
}

/// [`linear`] whose bias is added later, by what reads the product anyway.
pub(super) fn product(
    g: &mut GraphBuilder<'_>,
    x: &Var,
    name: &str,
    [inputs, outputs]: [usize; 2],
) -> Result<Var> {
    affine(g, x, name, [inputs, outputs], None)
}

/// The product with the matrix of `name`, plus `bias` if there is one, plus the branches beside the matrix.
fn affine(
    g: &mut GraphBuilder<'_>,
    x: &Var,
    name: &str,
    [inputs, outputs]: [usize; 2],
    bias: Option<&Var>,
) -> Result<Var> {
    let matrix = format!("{name}.weight");
    let y = match (special_product(g, x, &matrix, [inputs, outputs])?, bias) {
        (Some(y), Some(bias)) => g.op("Add", &[&y, bias], &[]),
        (Some(y), None) => y,
        (None, bias) => gemm(g, x, &matrix, [inputs, outputs], bias)?,
    };
    g.add_branches(x, y, &matrix, [outputs, inputs])
}

/// The product with a matrix that is quantised or has magnitudes; `None` for any other.
fn special_product(
    g: &mut GraphBuilder<'_>,
    x: &Var,
    matrix: &str,
    [inputs, outputs]: [usize; 2],
) -> Result<Option<Var>> {
    let scaled = g.with_input_magnitudes(x, matrix);
    let y = match g.quantised_product(&scaled, matrix, [outputs, inputs])? {
        Some(y) => y,
        None if !g.has_magnitudes(matrix) => return Ok(None),
        None => {
            let weight = g.multiplying(x, |g| g.matrix(matrix, &[outputs, inputs]))?;
            g.op("Gemm", &[&scaled, &weight], &[("transB", Attr::Int(1))])
        }
    };
    Ok(Some(g.with_output_magnitudes(&y, matrix)))
}

fn gemm(
    g: &mut GraphBuilder<'_>,
    x: &Var,
    matrix: &str,
    [inputs, outputs]: [usize; 2],
    bias: Option<&Var>,
) -> Result<Var> {
    let weight = g.multiplying(x, |g| g.matrix(matrix, &[outputs, inputs]))?;
    let inputs: Vec<_> = [x, &weight].into_iter().chain(bias).collect();
    Ok(g.op("Gemm", &inputs, &[("transB", Attr::Int(1))]))
}

/// [`linear`] multiplied in fp32 by `gate`, `[outputs]`, if there is one.
pub(super) fn gated_linear(
    g: &mut GraphBuilder<'_>,
    x: &Var,
    name: &str,
    [inputs, outputs]: [usize; 2],
    gate: Option<&Var>,
) -> Result<Var> {
    let Some(gate) = gate else { return linear(g, x, name, [inputs, outputs]) };
    let matrix = format!("{name}.weight");
    let is_int8 = g.weights().quantisation_of(&matrix) == Some(Quantisation::Int8);
    if !g.is_for_cpu() || !is_int8 || g.has_delta(&matrix) {
        let y = linear(g, x, name, [inputs, outputs])?;
        let y = g.widen(&y);
        return Ok(g.op("Mul", &[&y, gate], &[]));
    }
    let bias = g.weight(&format!("{name}.bias"), &[outputs])?;
    let bias = g.op("Mul", &[&bias, gate], &[]);
    let y = g.int8_product(x, &matrix, [outputs, inputs], Some(gate))?;
    Ok(g.op("Add", &[&y, &bias], &[]))
}

/// [`product`] times `gate`, `[outputs]` in fp32, and in fp32.
///
/// The gate is multiplied into the matrix, which is smaller than the result, unless the matrix is quantised or has deltas of
/// a LoRA. In bf16 that rounds the gate as the matrix is rounded.
pub(super) fn gated_product(
    g: &mut GraphBuilder<'_>,
    x: &Var,
    name: &str,
    [inputs, outputs]: [usize; 2],
    gate: &Var,
) -> Result<Var> {
    let matrix = format!("{name}.weight");
    if g.weights().quantisation_of(&matrix).is_some() || g.has_delta(&matrix) {
        let y = product(g, x, name, [inputs, outputs])?;
        let y = g.widen(&y);
        return Ok(g.op("Mul", &[&y, gate], &[]));
    }
    let weight = g.multiplying(x, |g| g.gated_matrix(&matrix, [outputs, inputs], gate))?;
    let y = g.op("Gemm", &[x, &weight], &[("transB", Attr::Int(1))]);
    Ok(g.widen(&y))
}

/// [`linear`] without bias.
pub(super) fn linear_no_bias(
    g: &mut GraphBuilder<'_>,
    x: &Var,
    name: &str,
    [inputs, outputs]: [usize; 2],
) -> Result<Var> {
    let matrix = format!("{name}.weight");
    if let Some(y) = g.quantised_product(x, &matrix, [outputs, inputs])? {
        return Ok(y);
    }
    let weight = g.multiplying(x, |g| g.weight(&matrix, &[outputs, inputs]))?;
    Ok(g.op("Gemm", &[x, &weight], &[("transB", Attr::Int(1))]))
}

/// RMS norm over the last axis with the weight `name.weight`.
pub(super) fn rms_norm(g: &mut GraphBuilder<'_>, x: &Var, name: &str, width: usize, eps: f32) -> Result<Var> {
    let weight = g.weight(&format!("{name}.weight"), &[width])?;
    let attrs = [("axis", Attr::Int(-1)), ("epsilon", Attr::Float(eps)), ("stash_type", Attr::Int(1))];
    Ok(g.op("RMSNormalization", &[x, &weight], &attrs))
}

/// RMS norm of `x + bias`, `[S, width]`, over the last axis, in one operation.
pub(super) fn biased_rms_norm(
    g: &mut GraphBuilder<'_>,
    x: &Var,
    [norm, bias]: [&str; 2],
    width: usize,
    eps: f32,
) -> Result<Var> {
    let weight = g.weight(&format!("{norm}.weight"), &[width])?;
    // to the operation, the bias is what each of S samples of one row adds
    let bias = g.weight(&format!("{bias}.bias"), &[width])?;
    let bias = reshape(g, &bias, &[1, width as i64]);
    let x = reshape(g, x, &[-1, 1, width as i64]);
    let eps = [("epsilon", Attr::Float(eps))];
    Ok(g.contrib("SkipSimplifiedLayerNormalization", &[&x, &bias, &weight], &eps))
}

/// Layer norm over the last axis; scale and shift may be computed values.
pub(super) fn layer_norm(g: &mut GraphBuilder<'_>, x: &Var, scale: &Var, shift: &Var, eps: f32) -> Var {
    let attrs = [("axis", Attr::Int(-1)), ("epsilon", Attr::Float(eps)), ("stash_type", Attr::Int(1))];
    g.op("LayerNormalization", &[x, scale, shift], &attrs)
}

/// The sum of `x`, `y` and a bias, and the layer norm of it over the last axis, in one operation.
pub(super) fn added_norm(
    g: &mut GraphBuilder<'_>,
    [x, y, bias]: [&Var; 3],
    [scale, shift]: [&Var; 2],
    eps: f32,
) -> [Var; 2] {
    let inputs = [x, y, scale, shift, bias];
    let outputs = g.contrib_many("SkipLayerNormalization", &inputs, 4, &[("epsilon", Attr::Float(eps))]);
    // mean and deviation are not computed
    [outputs[3].clone(), outputs[0].clone()]
}

/// The layer norm of `x`, `[S, width]`, over the last axis, in the operation of [`added_norm`], which rounds alike.
pub(super) fn lone_norm(
    g: &mut GraphBuilder<'_>,
    x: &Var,
    [scale, shift]: [&Var; 2],
    width: usize,
    eps: f32,
) -> Var {
    // to the operation, the zeros are what each of S samples of one row adds
    let zeros = g.in_fp32(|g| g.floats(&vec![0.0; width], &[1, width]));
    let x = reshape(g, x, &[-1, 1, width as i64]);
    let y =
        g.contrib("SkipLayerNormalization", &[&x, &zeros, scale, shift], &[("epsilon", Attr::Float(eps))]);
    reshape(g, &y, &[-1, width as i64])
}

/// Slightly less than the minimum of GELU.
const LOWEST_GELU: f32 = -0.171;

/// GELU in its tanh approximation.
pub(super) fn gelu(g: &mut GraphBuilder<'_>, x: &Var) -> Var {
    let y = match g.operators() {
        Operators::OnnxRuntime => g.contrib("FastGelu", &[x], &[]),
        Operators::Plain => g.op("Gelu", &[x], &[("approximate", Attr::Str("tanh"))]),
    };
    g.set_lower_bound(&y, LOWEST_GELU);
    y
}

/// GELU of `x + bias` in one operation.
pub(super) fn biased_gelu(g: &mut GraphBuilder<'_>, x: &Var, bias: &Var) -> Var {
    g.contrib("FastGelu", &[x, bias], &[])
}

/// `x * sigmoid(x)`.
pub(super) fn silu(g: &mut GraphBuilder<'_>, x: &Var) -> Var {
    match g.operators() {
        Operators::OnnxRuntime => g.contrib("QuickGelu", &[x], &[("alpha", Attr::Float(1.0))]),
        Operators::Plain => {
            let gate = g.op("Sigmoid", &[x], &[]);
            g.op("Mul", &[x, &gate], &[])
        }
    }
}

/// `x` with the shape `dims`; one of them may be -1, and 0 keeps a dimension.
pub(super) fn reshape(g: &mut GraphBuilder<'_>, x: &Var, dims: &[i64]) -> Var {
    let dims = g.ints(dims);
    g.op("Reshape", &[x, &dims], &[])
}

/// `x[from..to]` along `axis`.
pub(super) fn slice(g: &mut GraphBuilder<'_>, x: &Var, from: i64, to: i64, axis: i64) -> Var {
    let (from, to, axis) = (g.ints(&[from]), g.ints(&[to]), g.ints(&[axis]));
    g.op("Slice", &[x, &from, &to, &axis], &[])
}

/// Inserts a dimension of 1 at `axis`.
pub(super) fn unsqueeze(g: &mut GraphBuilder<'_>, x: &Var, axis: i64) -> Var {
    let axis = g.ints(&[axis]);
    g.op("Unsqueeze", &[x, &axis], &[])
}

/// Removes the dimension of 1 at `axis`.
pub(super) fn squeeze(g: &mut GraphBuilder<'_>, x: &Var, axis: i64) -> Var {
    let axis = g.ints(&[axis]);
    g.op("Squeeze", &[x, &axis], &[])
}

/// Reorders dimensions.
pub(super) fn transpose(g: &mut GraphBuilder<'_>, x: &Var, perm: &[i64]) -> Var {
    g.op("Transpose", &[x], &[("perm", Attr::Ints(perm.to_vec()))])
}

/// Concatenates along `axis`.
pub(super) fn concat(g: &mut GraphBuilder<'_>, parts: &[&Var], axis: i64) -> Var {
    g.op("Concat", parts, &[("axis", Attr::Int(axis))])
}
