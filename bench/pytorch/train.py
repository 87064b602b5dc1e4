"""Trains the network of the train benchmark with PyTorch on one thread, as the trainer here does.

train.py <file of float32 rows: inputs, then the class> <settings as JSON>: prints one JSON line.
"""

import json
import sys
import time

import torch
from torch import nn

settings = json.loads(sys.argv[2])
widths, train_rows, batch = settings["widths"], settings["trainRows"], settings["batchSize"]
torch.set_num_threads(1)
torch.manual_seed(42)
rows = torch.from_file(sys.argv[1], size=settings["rows"] * (widths[0] + 1)).view(settings["rows"], -1)
inputs, targets = rows[:, :-1].contiguous(), rows[:, -1].long()
x, y = inputs[:train_rows], targets[:train_rows]
held = slice(train_rows, train_rows + settings["validationRows"])
layers = []
for width, units in zip(widths, widths[1:]):
    layers += [nn.Linear(width, units), nn.ReLU()]
model = nn.Sequential(*layers[:-1])
# The fused step is PyTorch's fastest on processors; the data needs no loader, because it is in memory.
optimizer = torch.optim.Adam(model.parameters(), lr=settings["learningRate"], fused=True)
loss_of = nn.CrossEntropyLoss()
epoch_ends = []
started = time.perf_counter()
for _ in range(settings["epochs"]):
    for chosen in torch.randperm(train_rows).split(batch):
        optimizer.zero_grad()
        loss_of(model(x[chosen]), y[chosen]).backward()
        optimizer.step()
    with torch.no_grad():
        loss = loss_of(model(inputs[held]), targets[held]).item()
    epoch_ends.append((time.perf_counter() - started) * 1000)
print(json.dumps({"backend": torch.__version__, "epochEndsMs": epoch_ends, "validationLogLoss": loss}))
