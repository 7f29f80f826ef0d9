"""CUDA sources without a GPU: compiled by NVRTC, and run on the CPU by the host's C++ compiler."""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

COMPILERS = ("c++", "g++", "clang++")

_NUMPY_TYPES = {"double": np.float64, "float": np.float32, "int": np.int32, "long long": np.int64}
_C_TYPES = {
    "double": ctypes.c_double,
    "float": ctypes.c_float,
    "int": ctypes.c_int,
    "long long": ctypes.c_longlong,
}


class CompilationFailed(Exception):
    """What the compiler said."""


# ---------------------------------------------------------------------------------------------- NVRTC


@functools.cache
def nvrtc() -> tuple[ctypes.CDLL | None, str]:
    """Return NVRTC from its wheel, or None and the reason why there is none.

    The wheel that the tests ask for comes before one that another library has brought, as PyTorch does.
    """
    spec = importlib.util.find_spec("nvidia")
    for root in () if spec is None else spec.submodule_search_locations:
        found = sorted(Path(root).glob("*/lib/libnvrtc.so.*"))
        for library in sorted(found, key=lambda path: path.parts[-3] != "cuda_nvrtc"):
            try:
                for part in library.parent.glob("libnvrtc-builtins.so.*"):
                    ctypes.CDLL(str(part))  # it asks for it by name, and some do not look beside themselves
                return ctypes.CDLL(str(library)), str(library)
            except OSError as error:
                return None, f"NVRTC does not load: {error}"
    return None, "NVRTC is not installed (nvidia-cuda-nvrtc-cu12)"


def nvrtc_architectures() -> list[int]:
    """Return the compute capabilities that NVRTC compiles for, times ten."""
    library, _ = nvrtc()
    count = ctypes.c_int()
    library.nvrtcGetNumSupportedArchs(ctypes.byref(count))
    values = (ctypes.c_int * count.value)()
    library.nvrtcGetSupportedArchs(values)
    return list(values)


def nvrtc_compile(source: str, options: tuple[str, ...]) -> str:
    """Return the PTX of a source, or raise with the compiler's log."""
    library, _ = nvrtc()
    program = ctypes.c_void_p()
    library.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernel.cu", 0, None, None)
    try:
        flags = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
        if library.nvrtcCompileProgram(program, len(options), flags) != 0:
            raise CompilationFailed(_nvrtc_text(library, program, "ProgramLog"))
        return _nvrtc_text(library, program, "PTX")
    finally:
        library.nvrtcDestroyProgram(ctypes.byref(program))


def _nvrtc_text(library: ctypes.CDLL, program: ctypes.c_void_p, what: str) -> str:
    size = ctypes.c_size_t()
    getattr(library, f"nvrtcGet{what}Size")(program, ctypes.byref(size))
    text = ctypes.create_string_buffer(size.value)
    getattr(library, f"nvrtcGet{what}")(program, text)
    return text.value.decode()


# ------------------------------------------------------------------------------------------ emulation


def compiler() -> str | None:
    """Return a C++ compiler of this machine, if it has one."""
    return next((path for name in COMPILERS if (path := shutil.which(name))), None)


def parameters(source: str, kernel: str) -> list[str]:
    """Return the C types of a kernel's parameters, without ``const`` and names: ``"double*"``, ``"int"``."""
    declaration = re.search(rf"__global__\s+void\s+{kernel}\s*\(([^)]*)\)", source)
    assert declaration is not None, f"no kernel {kernel} in the source"
    types = []
    for parameter in declaration[1].split(","):
        words = re.sub(r"\bconst\b|__restrict__", " ", parameter).replace("*", " * ").split()
        types.append(" ".join(words[:-1]).replace(" *", "*"))
    return types


class EmulatedKernel:
    """A kernel run on the CPU: the threads of a block take turns, each until it ends or meets the others.

    Called as ``kernel(grid, block, args, shared_mem=bytes)`` like CuPy's ``RawKernel``, with NumPy arrays.
    Arguments must have the exact types of the declaration: on a device, others would be read as garbage. The
    call fails where only some threads of a block arrive at ``__syncthreads``, and where more shared memory is
    written than was asked for. Backwards, turns go round the other way: where results differ, threads race.
    """

    def __init__(self, source: str, name: str, options: tuple[str, ...] = ()) -> None:
        self.name = name
        defined = dict(option[2:].split("=", 1) for option in options if option.startswith("-D"))
        self.types = [
            defined.get(kind.rstrip("*"), kind.rstrip("*")) + "*" * kind.count("*")
            for kind in parameters(source, name)
        ]
        self._call = _emulator(source, name, tuple(options))

    def __call__(
        self,
        grid: tuple[int, ...],
        block: tuple[int, ...],
        args: tuple,
        *,
        shared_mem: int = 0,
        backwards: bool = False,
    ) -> None:
        assert len(args) == len(self.types), f"{self.name} takes {len(self.types)} arguments, got {len(args)}"
        values = [
            _c_value(value, kind, f"{self.name}, argument {index}")
            for index, (value, kind) in enumerate(zip(args, self.types, strict=True))
        ]
        assert np.prod(block) <= 1024 and shared_mem <= 48 * 1024, "more than a block is given"
        failure = self._call(*_three(grid), *_three(block), shared_mem, int(backwards), *values)
        assert failure != 1, f"{self.name}: only some threads of a block arrive at __syncthreads"
        assert failure != 2, f"{self.name} writes beyond its {shared_mem} bytes of shared memory"


def _three(extent: tuple[int, ...]) -> list[int]:
    return [int(size) for size in (*extent, 1, 1)[:3]]


def _c_value(value: object, kind: str, where: str):
    wanted = _NUMPY_TYPES[kind.rstrip("*")]
    if not kind.endswith("*"):
        assert type(value) is wanted, f"{where} must be {wanted.__name__}, got {type(value).__name__}"
        return _C_TYPES[kind](value.item())
    assert isinstance(value, np.ndarray), f"{where} must be an array, got {type(value).__name__}"
    assert value.dtype == wanted, f"{where} must hold {wanted.__name__}, got {value.dtype}"
    assert value.flags.c_contiguous, f"{where} must be C-contiguous"
    return value.ctypes.data_as(ctypes.c_void_p)


_MACHINE = r"""
#define _XOPEN_SOURCE 700
#include <ucontext.h>
extern "C" { double sqrt(double), exp(double), log(double), tanh(double), fabs(double), floor(double); }
#define __global__
#define __device__
struct Extent { unsigned x, y, z; };
static Extent gridDim, blockDim, blockIdx, threadIdx;
enum { STACK = 65536, SHARED = 49152, GUARD = 4096, READY = 0, WAITS = 1, ENDED = 2 };
alignas(16) static unsigned char shared_memory[SHARED + GUARD];
static ucontext_t scheduler, threads[1024];
static int states[1024], running;
[[maybe_unused]] static void __syncthreads()
{
    const int self = running;
    states[self] = WAITS;
    swapcontext(&threads[self], &scheduler);
}
"""

_SCHEDULER = """
static void thread_body()
{{
    {kernel}({saved});
    states[running] = ENDED;
}}
extern "C" int emulate(unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                       int shared_bytes, int backwards, {declared})
{{
    {saving}
    gridDim = {{gx, gy, gz}};
    blockDim = {{bx, by, bz}};
    const long long n_blocks = (long long)gx * gy * gz;
    const int n_threads = bx * by * bz;
    unsigned char* stacks = (unsigned char*)__builtin_malloc((long long)STACK * n_threads);
    int failure = 0;
    for (long long block = 0; block < n_blocks && !failure; ++block) {{
        const unsigned b = backwards ? n_blocks - 1 - block : block;
        blockIdx = {{b % gx, b / gx % gy, b / gx / gy}};
        __builtin_memset(shared_memory, 0xff, sizeof shared_memory);  // not a number, in either precision
        for (int t = 0; t < n_threads; ++t) {{
            getcontext(&threads[t]);
            threads[t].uc_stack.ss_sp = stacks + (long long)STACK * t;
            threads[t].uc_stack.ss_size = STACK;
            threads[t].uc_link = &scheduler;
            makecontext(&threads[t], thread_body, 0);
            states[t] = READY;
        }}
        int ended = 0;
        while (!ended && !failure) {{
            for (int n = 0; n < n_threads; ++n) {{
                running = backwards ? n_threads - 1 - n : n;
                threadIdx = {{running % bx, running / bx % by, running / bx / by}};
                swapcontext(&scheduler, &threads[running]);
            }}
            for (int t = 0; t < n_threads; ++t) ended += states[t] == ENDED;
            if (ended && ended < n_threads) failure = 1;
        }}
        for (int n = shared_bytes; n < SHARED + GUARD && !failure; ++n)
            if (shared_memory[n] != 0xff) failure = 2;
    }}
    __builtin_free(stacks);
    return failure;
}}
"""


@functools.cache
def _emulator(source: str, kernel: str, options: tuple[str, ...]):
    types = parameters(source, kernel)
    names = [f"a{index}" for index in range(len(types))]
    pairs = list(zip(types, names, strict=True))
    # All shared memory is asked for at the launch, and is one array.
    text = re.sub(r"extern\s+__shared__\s+(\w+)\s+(\w+)\[\];", r"\1* \2 = (\1*)shared_memory;", source)
    statics = "\n".join(f"static {kind} saved_{name};" for kind, name in pairs)
    program = (
        _MACHINE
        + text
        + statics
        + _SCHEDULER.format(
            kernel=kernel,
            saved=", ".join(f"saved_{name}" for name in names),
            declared=", ".join(f"{kind} {name}" for kind, name in pairs),
            saving=" ".join(f"saved_{name} = {name};" for name in names),
        )
    )
    with tempfile.TemporaryDirectory() as folder:
        file, library = Path(folder) / "kernel.cpp", Path(folder) / "kernel.so"
        file.write_text(program, encoding="utf-8")
        # No fused multiply-add: the results can then be compared closely with NumPy's.
        flags = ["-std=c++17", "-O1", "-ffp-contract=off", "-fPIC", "-shared", "-Wall", "-Wextra", "-Werror"]
        flags += ["-Wno-unknown-pragmas", "-Wno-deprecated-declarations"]
        command = [compiler(), *flags, *options, "-o", str(library), str(file)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise CompilationFailed(done.stderr)
        function = ctypes.CDLL(str(library)).emulate  # stays loaded when the file is gone
    function.restype = ctypes.c_int
    return function
