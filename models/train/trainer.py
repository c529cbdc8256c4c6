# SPDX-License-Identifier: Apache-2.0
"""A training loop's inside: FP32 weights, a BF16 working copy, AdamW, averaged weights, CUDA graphs.

Small encoders are bound by launches and by FP32 element-wise passes. So the forward and backward passes run in
a BF16 copy of the model, and each kind of step (one per padded length) is captured once as a CUDA graph.
"""
import copy
import os

import torch


class Trainer:
    """`step(factor, key, *inputs)` takes one step of loss_fn(model, key, *inputs) at `factor` of the peak rates.

    `groups` is [(parameters, peak rate, decay)]; vectors are not decayed. Inputs are device tensors whose shapes
    depend on `key` alone. `adversary`: length of a second, adversarial step on the word embeddings (0: none).
    """

    def __init__(self, model, groups, loss_fn, device, ema=0.999, clip=1.0, adversary=0.0):
        cuda = device.type == "cuda"
        self.graphed = cuda and os.environ.get("NO_CUDA_GRAPHS") is None
        self.master = model.to(device).train()
        self.work = copy.deepcopy(self.master).to(torch.bfloat16 if cuda else torch.float32)
        self.weights, self.copies = list(self.master.parameters()), list(self.work.parameters())
        self.grads = [torch.zeros_like(p) for p in self.weights]
        for parameter, grad in zip(self.weights, self.grads):
            parameter.grad = grad
        sets, peaks = [], []
        for parameters, rate, decay in groups:
            parameters = list(parameters)
            for chosen, weight_decay in ((True, decay), (False, 0.0)):
                members = [p for p in parameters if (p.ndim > 1) == chosen]
                if members:
                    sets.append({"params": members, "weight_decay": weight_decay})
                    peaks.append(rate)
        self.peaks = torch.tensor(peaks, device=device)
        self.rates = self.peaks.clone()
        for index, members in enumerate(sets):
            members["lr"] = self.rates[index]
        self.adam = torch.optim.AdamW(sets, lr=self.rates[0], betas=(0.9, 0.98), eps=1e-6, fused=cuda,
                                      capturable=cuda)
        self.loss_fn, self.clip, self.adversary, self.ema = loss_fn, clip, adversary, ema
        self.shadow = [p.detach().clone() for p in self.weights]
        self.total = torch.zeros((), device=device)
        self.count, self.seen, self.graphs, self.pool = 0, {}, {}, None
        self.pull()

    @torch.no_grad()
    def pull(self):
        torch._foreach_copy_(self.copies, self.weights)
        self.work.train()

    def plain_step(self, key, *inputs):
        loss = self.loss_fn(self.work, key, *inputs)
        grads = torch.autograd.grad(loss, self.copies, allow_unused=True)
        if self.adversary:
            word = self.work.encoder.word.weight
            with torch.no_grad():
                slope = grads[[p is word for p in self.copies].index(True)].float()
                word.add_((self.adversary * slope / (slope.norm() + 1e-9)).to(word.dtype))
            again = torch.autograd.grad(self.loss_fn(self.work, key, *inputs), self.copies, allow_unused=True)
            grads = [a if b is None else a + b for a, b in zip(grads, again)]
        with torch.no_grad():
            pairs = [(mine, grad) for mine, grad in zip(self.grads, grads) if grad is not None]
            torch._foreach_copy_([mine for mine, _ in pairs], [grad for _, grad in pairs])
            norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(self.grads)))
            torch._foreach_mul_(self.grads, (self.clip / (norm + 1e-6)).clamp(max=1.0))
        self.adam.step()
        self.pull()
        self.total += loss.detach()

    def step(self, factor, key, *inputs):
        torch.mul(self.peaks, factor, out=self.rates)
        if key in self.graphs:
            graph, static = self.graphs[key]
            for mine, given in zip(static, inputs):
                mine.copy_(given)
            graph.replay()
        else:
            self.plain_step(key, *inputs)
            self.seen[key] = self.seen.get(key, 0) + 1
            if self.graphed and self.seen[key] == 3:
                self.capture(key, inputs)
        self.count += 1
        if self.count % 4 == 0:
            updates = self.count // 4
            with torch.no_grad():
                torch._foreach_lerp_(self.shadow, self.weights,
                                     1 - min(self.ema ** 4, updates / (updates + 5)))

    def capture(self, key, inputs):
        torch.cuda.synchronize()
        static = [given.clone() for given in inputs]
        graph = torch.cuda.CUDAGraph()
        self.pool = self.pool or torch.cuda.graph_pool_handle()
        with torch.cuda.graph(graph, pool=self.pool, stream=torch.cuda.current_stream()):
            self.plain_step(key, *static)
        self.graphs[key] = (graph, static)

    def mean_loss(self, steps):
        value = round(self.total.item() / steps, 4)
        self.total.zero_()
        return value

    @torch.no_grad()
    def averaged(self):
        """The working copy with the averaged weights, for prediction; `pull` makes it the training copy again."""
        torch._foreach_copy_(self.copies, self.shadow)
        return self.work.eval()

    @torch.no_grad()
    def take_average(self):
        """The FP32 model with the averaged weights, for good."""
        torch._foreach_copy_(self.weights, self.shadow)
        return self.master.eval()


def ramp(step, steps, warm=0.1):
    """Linear warm-up over the first share of the steps, then linear to zero."""
    share = (step + 1) / (steps + 1)
    return share / warm if share < warm else (1 - share) / (1 - warm)


def side_stream(device):
    """Graphs are captured on the stream that everything else runs on, which must not be the default one."""
    if device.type != "cuda":
        import contextlib
        return contextlib.nullcontext()
    return torch.cuda.stream(torch.cuda.Stream())
