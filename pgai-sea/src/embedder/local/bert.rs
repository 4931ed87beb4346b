//! BERT, without padding.
//!
//! Texts of one batch lie end to end in one matrix, a token a row. All that concerns tokens one by one (projections, feed-forward,
//! normalisation) runs over the whole matrix, attention text by text. No row is padding, so texts of any lengths share a batch at no
//! cost, and there is no attention mask to get wrong.

use candle_core::{D, DType, Device, IndexOp, Module, Result, Tensor};
use candle_nn::{VarBuilder, ops};

use super::{
    files::{Config, Pooling},
    ops::{AddBias, AddBiasGelu, AddBiasResidual, Softmax},
};

/// The network.
pub(super) struct Bert {
    words: candle_nn::Embedding,
    /// Positions, with the embedding of token type 0 added: a text of its own has no other type.
    positions: Tensor,
    norm: Norm,
    layers: Vec<Layer>,
}

struct Layer {
    /// Query, key and value side by side; the query divided by the root of the head's size.
    qkv: Linear,
    heads: usize,
    attended: Linear,
    attended_norm: Norm,
    inner: Linear,
    outer: Linear,
    outer_norm: Norm,
}

/// Weights as `(in, out)`.
struct Linear {
    weight: Tensor,
    bias: Tensor,
}

struct Norm {
    weight: Tensor,
    bias: Tensor,
    epsilon: f32,
}

impl Bert {
    /// Reads the weights. `Err` if one is missing or has another shape than `config` says.
    pub(super) fn load(safetensors: Vec<u8>, config: &Config) -> Result<Self> {
        let vb = VarBuilder::from_buffered_safetensors(safetensors, DType::F32, &Device::Cpu)?;
        // saved with a head, the encoder's tensors have a prefix
        let vb = if vb.contains_tensor("bert.embeddings.word_embeddings.weight") {
            vb.pp("bert")
        } else {
            vb
        };
        let hidden = config.hidden_size;
        let embeddings = vb.pp("embeddings");
        let words = candle_nn::embedding(config.vocab_size, hidden, embeddings.pp("word_embeddings"))?;
        let positions = embeddings.get((config.max_position_embeddings, hidden), "position_embeddings.weight")?;
        let types = embeddings.get((config.type_vocab_size, hidden), "token_type_embeddings.weight")?;
        Ok(Self {
            words,
            positions: positions.broadcast_add(&types.i(0)?)?,
            norm: Norm::load(&embeddings.pp("LayerNorm"), config)?,
            layers: (0..config.num_hidden_layers)
                .map(|layer| Layer::load(&vb.pp("encoder.layer").pp(layer), config))
                .collect::<Result<_>>()?,
        })
    }

    /// One vector of length 1 per text. No text is without tokens or longer than the model has positions.
    pub(super) fn embed(&self, texts: &[&[u32]], pooling: Pooling) -> Result<Vec<Vec<f32>>> {
        let tokens: Vec<u32> = texts.concat();
        let tokens = Tensor::new(tokens, &Device::Cpu)?;
        let positions = texts
            .iter()
            .map(|text| self.positions.narrow(0, 0, text.len()))
            .collect::<Result<Vec<_>>>()?;
        let x = (self.words.forward(&tokens)? + Tensor::cat(&positions, 0)?)?;
        let mut x = self.norm.forward(&x)?;
        for layer in &self.layers {
            x = layer.forward(&x, texts)?;
        }
        spans(texts)
            .map(|(start, length)| {
                let vector = match pooling {
                    Pooling::Mean => x.narrow(0, start, length)?.mean(0)?,
                    Pooling::Cls => x.i(start)?,
                };
                let norm = vector.sqr()?.sum_all()?.sqrt()?;
                vector.broadcast_div(&norm)?.to_vec1()
            })
            .collect()
    }
}

impl Layer {
    fn load(vb: &VarBuilder, config: &Config) -> Result<Self> {
        let hidden = config.hidden_size;
        let attention = vb.pp("attention");
        let projection = |name| Linear::load(&attention.pp("self").pp(name), hidden, hidden);
        let (query, key, value) = (projection("query")?, projection("key")?, projection("value")?);
        #[expect(clippy::cast_precision_loss, reason = "a head's size is a small number")]
        let scale = 1. / ((hidden / config.num_attention_heads) as f64).sqrt();
        let qkv = Linear {
            weight: Tensor::cat(&[&(query.weight * scale)?, &key.weight, &value.weight], 1)?,
            bias: Tensor::cat(&[&(query.bias * scale)?, &key.bias, &value.bias], 0)?,
        };
        Ok(Self {
            qkv,
            heads: config.num_attention_heads,
            attended: Linear::load(&attention.pp("output.dense"), hidden, hidden)?,
            attended_norm: Norm::load(&attention.pp("output.LayerNorm"), config)?,
            inner: Linear::load(&vb.pp("intermediate.dense"), hidden, config.intermediate_size)?,
            outer: Linear::load(&vb.pp("output.dense"), config.intermediate_size, hidden)?,
            outer_norm: Norm::load(&vb.pp("output.LayerNorm"), config)?,
        })
    }

    fn forward(&self, x: &Tensor, texts: &[&[u32]]) -> Result<Tensor> {
        let qkv = self.qkv.product(x)?;
        qkv.inplace_op2(&self.qkv.bias, &AddBias)?;
        let attended = spans(texts)
            .map(|(start, length)| self.attend(&qkv.narrow(0, start, length)?))
            .collect::<Result<Vec<_>>>()?;
        let attended = self.attended.product(&Tensor::cat(&attended, 0)?)?;
        attended.inplace_op3(&self.attended.bias, x, &AddBiasResidual)?;
        let x = self.attended_norm.forward(&attended)?;

        let inner = self.inner.product(&x)?;
        inner.inplace_op2(&self.inner.bias, &AddBiasGelu)?;
        let outer = self.outer.product(&inner)?;
        outer.inplace_op3(&self.outer.bias, &x, &AddBiasResidual)?;
        self.outer_norm.forward(&outer)
    }

    /// One text's attention, from `(tokens, 3 * hidden)` to `(tokens, hidden)`.
    fn attend(&self, qkv: &Tensor) -> Result<Tensor> {
        let (tokens, width) = qkv.dims2()?;
        let hidden = width / 3;
        let head = hidden / self.heads;
        // (3, heads, tokens, head), a view
        let qkv = qkv.reshape((tokens, 3, self.heads, head))?.permute((1, 2, 0, 3))?;
        let scores = qkv.i(0)?.matmul(&qkv.i(1)?.transpose(D::Minus1, D::Minus2)?)?;
        scores.inplace_op1(&Softmax)?;
        let attended = scores.matmul(&qkv.i(2)?)?;
        attended.transpose(0, 1)?.reshape((tokens, hidden))
    }
}

impl Linear {
    fn load(vb: &VarBuilder, inputs: usize, outputs: usize) -> Result<Self> {
        Ok(Self {
            weight: vb.get((outputs, inputs), "weight")?.t()?,
            bias: vb.get(outputs, "bias")?,
        })
    }

    /// The product alone; the bias goes with the step that follows.
    fn product(&self, x: &Tensor) -> Result<Tensor> {
        x.matmul(&self.weight)
    }
}

impl Norm {
    fn load(vb: &VarBuilder, config: &Config) -> Result<Self> {
        #[expect(clippy::cast_possible_truncation, reason = "f32 is what the network computes in")]
        let epsilon = config.layer_norm_eps as f32;
        Ok(Self {
            weight: vb.get(config.hidden_size, "weight")?,
            bias: vb.get(config.hidden_size, "bias")?,
            epsilon,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        ops::layer_norm(x, &self.weight, &self.bias, self.epsilon)
    }
}

/// First row and number of rows of each text.
fn spans(texts: &[&[u32]]) -> impl Iterator<Item = (usize, usize)> {
    texts.iter().scan(0, |start, text| {
        let span = (*start, text.len());
        *start += text.len();
        Some(span)
    })
}
