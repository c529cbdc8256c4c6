# SPDX-License-Identifier: Apache-2.0
"""The networks: the BERT encoder with its heads (`base`), and the convolutional student (`fast`)."""
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

from corpus import CLS, MASK, PAD, SEP, UNK
from labels import EXPORTED, TASKS

VOCABULARY = 21128
POSITIONS = 512


class Layer(nn.Module):
    """One post-norm BERT layer; query, key and value are one matrix."""

    def __init__(self, width, heads, inner):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)
        self.attention_norm = nn.LayerNorm(width, eps=1e-12)
        self.expand = nn.Linear(width, inner)
        self.shrink = nn.Linear(inner, width)
        self.output_norm = nn.LayerNorm(width, eps=1e-12)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x, allowed):
        batch, seq, width = x.shape
        q, k, v = self.qkv(x).view(batch, seq, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        drop = 0.1 if self.training else 0.0
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed, dropout_p=drop)
        mixed = mixed.transpose(1, 2).reshape(batch, seq, width)
        x = self.attention_norm(x + self.dropout(self.project(mixed)))
        return self.output_norm(x + self.dropout(self.shrink(F.gelu(self.expand(x)))))


class Encoder(nn.Module):
    def __init__(self, width=512, layers=4, heads=8, inner=2048):
        super().__init__()
        self.word = nn.Embedding(VOCABULARY, width, padding_idx=None)
        self.position = nn.Embedding(POSITIONS, width)
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.dropout = nn.Dropout(0.1)
        self.layers = nn.ModuleList(Layer(width, heads, inner) for _ in range(layers))

    def forward(self, ids, mask):
        position = torch.arange(ids.shape[1], device=ids.device)
        x = self.dropout(self.norm(self.word(ids) + self.position(position)))
        allowed = mask[:, None, None, :]
        for layer in self.layers:
            x = layer(x, allowed)
        return x

    def load_bert(self, path):
        """Takes Hugging Face names. The token-type row 0 is added to the positions for good."""
        theirs = {name: value.float() for name, value in load_file(path).items()}
        mine = {
            "word.weight": theirs["embeddings.word_embeddings.weight"],
            "position.weight": theirs["embeddings.position_embeddings.weight"]
            + theirs["embeddings.token_type_embeddings.weight"][0],
            "norm.weight": theirs["embeddings.LayerNorm.weight"],
            "norm.bias": theirs["embeddings.LayerNorm.bias"],
        }
        for i in range(len(self.layers)):
            for kind in ("weight", "bias"):
                prefix, at = f"encoder.layer.{i}.", f"layers.{i}."
                parts = [theirs[f"{prefix}attention.self.{n}.{kind}"] for n in ("query", "key", "value")]
                mine[f"{at}qkv.{kind}"] = torch.cat(parts)
                for own, name in [("project", "attention.output.dense"),
                                  ("attention_norm", "attention.output.LayerNorm"),
                                  ("expand", "intermediate.dense"), ("shrink", "output.dense"),
                                  ("output_norm", "output.LayerNorm")]:
                    mine[f"{at}{own}.{kind}"] = theirs[f"{prefix}{name}.{kind}"]
        self.load_state_dict(mine)


def stack_layers(state, layers):
    """An encoder's state with its layers repeated, in order, until there are `layers`."""
    have = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("layers."))
    result = {name: value for name, value in state.items() if not name.startswith("layers.")}
    for index in range(layers):
        prefix = f"layers.{index % have}."
        result |= {f"layers.{index}.{name[len(prefix):]}": value for name, value in state.items()
                   if name.startswith(prefix)}
    return result


def head_sizes(tasks=EXPORTED):
    """{task: number of labels}, as both networks take them."""
    return {task: len(TASKS[task]) for task in tasks}


class BaseModel(nn.Module):
    """Encoder, then [CLS] beside the mean over real tokens, then one linear layer per task."""

    def __init__(self, sizes, **shape):
        super().__init__()
        self.encoder = Encoder(**shape)
        width = self.encoder.word.embedding_dim
        self.heads = nn.ModuleDict({task: nn.Linear(2 * width, size) for task, size in sizes.items()})
        self.dropout = nn.Dropout(0.2)
        for head in self.heads.values():
            nn.init.normal_(head.weight, std=0.02)
            nn.init.zeros_(head.bias)

    def forward(self, ids, mask):
        x = self.encoder(ids, mask)
        share = mask.to(x.dtype)[:, :, None]
        mean = (x * share).sum(1) / share.sum(1).clamp(min=1.0)
        pooled = self.dropout(torch.cat([x[:, 0], mean], dim=1))
        return {task: head(pooled).float() for task, head in self.heads.items()}


class MaskedWordHead(nn.Module):
    """BERT's masked-word head; the output matrix is the word embedding."""

    def __init__(self, width=512):
        super().__init__()
        self.dense = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.bias = nn.Parameter(torch.zeros(VOCABULARY))

    def forward(self, x, word):
        return F.linear(self.norm(F.gelu(self.dense(x))), word.weight, self.bias)


class NgramModel(nn.Module):
    """A linear model on hashed n-grams of one to three tokens, weighted by rarity: a teacher unlike the others."""

    BUCKETS, ORDERS, SCALE = 1 << 20, 3, 4.0

    def __init__(self, sizes):
        super().__init__()
        self.sizes = sizes
        self.table = nn.Embedding(self.BUCKETS, sum(sizes.values()))
        self.bias = nn.Parameter(torch.zeros(sum(sizes.values())))
        self.register_buffer("rarity", torch.ones(self.BUCKETS))
        nn.init.zeros_(self.table.weight)

    def buckets(self, ids, mask):
        real = mask & (ids != CLS) & (ids != SEP)
        seq = ids.shape[1]
        code, here, codes, valid = torch.zeros_like(ids), torch.ones_like(mask), [], []
        for n in range(self.ORDERS):
            code = (code * 1000003 + F.pad(ids, (0, n))[:, n:n + seq] * 7919 + n + 1) % 2147483647
            here = here & F.pad(real, (0, n))[:, n:n + seq]
            codes.append(code % self.BUCKETS)
            valid.append(here)
        return torch.cat(codes, 1), torch.cat(valid, 1)

    @torch.no_grad()
    def count(self, batches, texts):
        """Sets the rarity from all training batches (pairs of ids and mask); what occurs once counts nothing."""
        count = torch.zeros_like(self.rarity)
        for ids, mask in batches:
            codes, valid = self.buckets(ids, mask)
            count += torch.bincount(codes[valid], minlength=self.BUCKETS)
        self.rarity.copy_((texts / (1 + count)).log().clamp(min=0.5) * (count >= 2))

    def forward(self, ids, mask):
        codes, valid = self.buckets(ids, mask)
        share = self.rarity[codes] * valid
        share = share / share.norm(dim=1, keepdim=True).clamp(min=1e-6)
        logits = (self.table(codes) * share[:, :, None]).sum(1) * self.SCALE + self.bias
        return dict(zip(self.sizes, logits.split(list(self.sizes.values()), 1)))


BIGRAM_BUCKETS = 16384
# previous * 793 + current stays under 2^24, so the hash is exact even where a runtime does
# integer arithmetic in FP32.
BIGRAM_FACTOR = 793


def bigram_buckets(ids):
    """Bucket of (previous token, token); the first token's previous one is 0. Never looks ahead."""
    previous = F.pad(ids[:, :-1], (1, 0))
    return (previous * BIGRAM_FACTOR + ids) % BIGRAM_BUCKETS


class MaskedBatchNorm(nn.Module):
    """Batch normalisation over real tokens only; folded into the convolution at export."""

    def __init__(self, width, momentum=0.02):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("variance", torch.ones(width))
        self.momentum, self.eps = momentum, 1e-5

    def forward(self, x, share):
        if self.training:
            x32 = x.float()
            count = share.sum()
            mean = (x32 * share).sum((0, 1)) / count
            variance = ((x32 * x32) * share).sum((0, 1)) / count - mean * mean
            with torch.no_grad():
                self.mean.lerp_(mean, self.momentum)
                self.variance.lerp_(variance, self.momentum)
        else:
            mean, variance = self.mean, self.variance
        scale = self.weight * torch.rsqrt(variance.clamp(min=0) + self.eps)
        return x * scale.to(x.dtype) + (self.bias - mean * scale).to(x.dtype)


class FastModel(nn.Module):
    """Word and bigram embeddings, kernel-3 convolutions, one attention pool per task and a max pool.

    Every tensor is zeroed where the mask is zero before a convolution sees it, so a padded text
    gives the same answer as the bare one.
    """

    def __init__(self, sizes, width=128, layers=2, hidden=192, dropout=0.1):
        super().__init__()
        self.word = nn.Embedding(VOCABULARY, width)
        self.bigram = nn.Embedding(BIGRAM_BUCKETS, width)
        self.convolutions = nn.ModuleList(nn.Linear(3 * width, width) for _ in range(layers))
        self.norms = nn.ModuleList(MaskedBatchNorm(width) for _ in range(layers))
        self.attention = nn.Linear(width, 2)
        self.hidden = nn.Linear(3 * width, hidden)
        self.heads = nn.ModuleDict({task: nn.Linear(hidden, size) for task, size in sizes.items()})
        self.dropout = nn.Dropout(dropout)
        nn.init.normal_(self.word.weight, std=0.5)
        nn.init.normal_(self.bigram.weight, std=0.1)

    def forward(self, ids, mask):
        share = mask[:, :, None].float()
        x = self.word(ids) + self.bigram(bigram_buckets(ids))
        x = self.dropout(x) * share
        for index, (convolution, norm) in enumerate(zip(self.convolutions, self.norms)):
            window = torch.cat([F.pad(x[:, :-1], (0, 0, 1, 0)), x, F.pad(x[:, 1:], (0, 0, 0, 1))], dim=2)
            y = F.relu(norm(convolution(window), share)) * share
            x = y if index == 0 else x + y
        scores = self.attention(x).float().masked_fill(~mask[:, :, None], -1e4)
        pooled = torch.einsum("bst,bsc->btc", scores.softmax(1).to(x.dtype), x).flatten(1)
        pooled = torch.cat([pooled, x.amax(1)], dim=1)  # x >= 0 and zero at padding
        hidden = self.dropout(F.relu(self.hidden(pooled)))
        return {task: head(hidden).float() for task, head in self.heads.items()}

    @torch.no_grad()
    def folded(self):
        """[(weight [3*width, width], bias [width])] with the normalisation folded in."""
        result = []
        for convolution, norm in zip(self.convolutions, self.norms):
            scale = norm.weight * torch.rsqrt(norm.variance + norm.eps)
            bias = (convolution.bias - norm.mean) * scale + norm.bias
            result.append((convolution.weight * scale[:, None], bias))
        return result

    @torch.no_grad()
    def fold(self):
        """Replaces each normalisation by the identity, its effect moved into the convolution."""
        for (weight, bias), convolution, norm in zip(self.folded(), self.convolutions, self.norms):
            convolution.weight.copy_(weight)
            convolution.bias.copy_(bias)
            norm.weight.fill_(1.0)
            norm.bias.zero_()
            norm.mean.zero_()
            norm.variance.fill_(1.0 - norm.eps)
        return self


SPECIAL = torch.tensor([PAD, UNK, CLS, SEP, MASK])
FIRST_REAL_ID = MASK + 1


class Average:
    """Exponential moving average of a model's parameters and buffers."""

    def __init__(self, model, decay):
        self.decay = decay
        self.model = model
        self.shadow = [p.detach().clone() for p in model.parameters()]
        self.steps = 0

    @torch.no_grad()
    def update(self):
        self.steps += 1
        decay = min(self.decay, self.steps / (self.steps + 10))
        torch._foreach_lerp_(self.shadow, list(self.model.parameters()), 1.0 - decay)

    @torch.no_grad()
    def swap(self):
        """Exchanges the averaged weights with the model's: once to use them, again to go on."""
        for mean, parameter in zip(self.shadow, self.model.parameters()):
            kept = parameter.detach().clone()
            parameter.copy_(mean)
            mean.copy_(kept)
