"""A script that trains the toy: the tests start it to kill it, and to run it in two processes.

``python training.py train CONFIG.json`` trains once. ``python training.py kill CONFIG.json SEED
KILLS`` forks children that train until they are killed at random moments, then one that finishes.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any


def config_from(path: str) -> Any:
    """The settings in a JSON file."""
    from tts_lora.config import TrainConfig
    from voice_data.config import from_mapping

    return from_mapping(TrainConfig, json.loads(Path(path).read_text("utf-8")))


def train_once(config: Any) -> None:
    """Train the toy to the end."""
    import torch
    from toy import register

    from tts_lora.train import train

    torch.set_num_threads(1)
    register()
    train(config, progress=False)


def kill(config: Any, seed: int, kills: int) -> None:
    """Be unkind to a run, ``kills`` times, at random moments: together about a whole run's time."""
    import accelerate  # noqa: F401  once here instead of once in every child
    import peft  # noqa: F401
    import torch  # noqa: F401

    moments, longest = random.Random(seed), 2.0 / kills
    started = time.monotonic()
    seconds, done = 0.0, 0
    while done < kills:
        child = os.fork()
        if not child:
            train_once(config)
            os._exit(0)
        if not seconds:  # measured once, on a run of its own
            os.waitpid(child, 0)
            seconds = time.monotonic() - started
            Path(config.out).rename(f"{config.out}-whole")
            continue
        time.sleep(moments.uniform(0.1, 1.0) * longest * seconds)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"killed {os.WIFSIGNALED(status)}\n")
        done += 1
    train_once(config)


if __name__ == "__main__":
    verb, path, *rest = sys.argv[1:]
    if verb == "train":
        train_once(config_from(path))
    else:
        kill(config_from(path), *(int(each) for each in rest))
