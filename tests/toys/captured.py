"""CUDA graphs, played by the processor: operations are noted as they run, and run again on the same memory."""

from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class Graph:
    """Operations with the tensors that they read and wrote."""

    def __init__(self):
        self.steps, self.replays = [], 0

    def replay(self):
        self.replays += 1
        for function, args, kwargs, written in self.steps:
            written.copy_(function(*args, **kwargs))


class _Capture(TorchDispatchMode):
    def __init__(self, graph):
        super().__init__()
        self.graph = graph

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        self.graph.steps.append((func, args, kwargs or {}, found))
        return found


def captures(monkeypatch):
    """From now on `torch.cuda` records in this way; the graphs in the list that is returned."""
    recorded = []

    @contextmanager
    def graph(made, pool, capture_error_mode):
        assert pool == "pool" and capture_error_mode == "thread_local"
        recorded.append(made)
        with _Capture(made):
            yield

    stream = SimpleNamespace(wait_stream=lambda other: None)
    played = {
        "CUDAGraph": Graph,
        "graph": graph,
        "graph_pool_handle": lambda: "pool",
        "Stream": lambda device: stream,
        "stream": lambda stream: nullcontext(),
        "current_stream": lambda device: stream,
    }
    for name, one in played.items():
        monkeypatch.setattr(torch.cuda, name, one)
    return recorded
