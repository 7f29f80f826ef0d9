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
    """Return NVRTC from its wheel, or None and the reason why there is none."""
    spec = importlib.util.find_spec("nvidia")
    for root in () if spec is None else spec.submodule_search_locations:
        for library in sorted(Path(root).glob("*/lib/libnvrtc.so.*")):
            try:
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
    """A kernel whose threads do not talk to each other, run one thread after the other on the CPU.

    Called as ``kernel(grid, block, args)`` like CuPy's ``RawKernel``, with NumPy arrays. Arguments must
    have the exact types of the declaration: on a device, others would be read as garbage.
    """

    def __init__(self, source: str, name: str, options: tuple[str, ...] = ()) -> None:
        self.name = name
        self.types = parameters(source, name)
        self._call = _emulator(source, name, tuple(options))

    def __call__(self, grid: tuple[int, ...], block: tuple[int, ...], args: tuple, backwards: bool = False):
        assert len(args) == len(self.types), f"{self.name} takes {len(self.types)} arguments, got {len(args)}"
        values = [
            _c_value(value, kind, f"{self.name}, argument {index}")
            for index, (value, kind) in enumerate(zip(args, self.types, strict=True))
        ]
        self._call(*_three(grid), *_three(block), int(backwards), *values)


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


@functools.cache
def _emulator(source: str, kernel: str, options: tuple[str, ...]):
    types = parameters(source, kernel)
    names = [f"a{index}" for index in range(len(types))]
    declared = ", ".join(f"{kind} {name}" for kind, name in zip(types, names, strict=True))
    program = f"""
extern "C" {{ double sqrt(double), exp(double), log(double), tanh(double), fabs(double), floor(double); }}
#define __global__
#define __device__
struct Extent {{ unsigned x, y, z; }};
static Extent gridDim, blockDim, blockIdx, threadIdx;
{source}
extern "C" void emulate(unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                        int backwards, {declared})
{{
    gridDim = {{gx, gy, gz}};
    blockDim = {{bx, by, bz}};
    const long long blocks = (long long)gx * gy * gz, threads = (long long)bx * by * bz;
    for (long long n = 0; n < blocks * threads; ++n) {{
        const long long at = backwards ? blocks * threads - 1 - n : n;
        const unsigned b = at / threads, t = at % threads;
        blockIdx = {{b % gx, b / gx % gy, b / gx / gy}};
        threadIdx = {{t % bx, t / bx % by, t / bx / by}};
        {kernel}({", ".join(names)});
    }}
}}
"""
    with tempfile.TemporaryDirectory() as folder:
        text, library = Path(folder) / "kernel.cpp", Path(folder) / "kernel.so"
        text.write_text(program, encoding="utf-8")
        # No fused multiply-add: the results can then be compared closely with NumPy's.
        flags = ["-std=c++17", "-O1", "-ffp-contract=off", "-fPIC", "-shared", "-Wall", "-Wextra", "-Werror"]
        command = [compiler(), *flags, *options, "-o", str(library), str(text)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise CompilationFailed(done.stderr)
        function = ctypes.CDLL(str(library)).emulate  # stays loaded when the file is gone
    function.restype = None
    return function
