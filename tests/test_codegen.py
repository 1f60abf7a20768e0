"""The hot loops keep their accumulators in registers, on every instruction set and compiler here.

A compiler that runs out of registers, or stops unrolling, moves a tile's accumulators to the stack
and says nothing: the bits stay the same and the speed halves. So the kernels are compiled to
assembly, and the innermost loops of the functions that matter are looked at: as many fused
multiply-adds as the tile has accumulators, and no vector to or from the stack.
"""

import re
import shutil
import subprocess

import pytest

import featherweight as fw
from test_house import CPP, ROOT

COMPILERS = [c for c in ("g++", "clang++") if shutil.which(c)]
ISAS = [i for i in fw.isas() if i in ("avx2", "avx512")]
pytestmark = [
    pytest.mark.skipif(not CPP.is_dir(), reason="no sources beside the tests"),
    pytest.mark.skipif(not COMPILERS, reason="needs a C++ compiler (g++ or clang++)"),
    pytest.mark.skipif(not ISAS, reason="knows the assembly of x86-64 with AVX2 or AVX-512 alone"),
]


def flags(isa):
    """The flags of an instruction set's row in CMakeLists.txt."""
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    row = re.search(rf"\badd_isa\({isa}\b([^)]*)\)", text)[1].split()
    return [w for w in row if w.startswith("-m")]


def assembly(compiler, isa, kernels, target):
    """Compile the kernels as the build does, to assembly."""
    command = [compiler, "-std=c++20", "-O3", "-ffp-contract=off", "-fno-math-errno", "-fPIC"]
    command += ["-fno-exceptions", "-fno-rtti", "-w", *flags(isa), f"-DFW_ISA={isa}"]
    command += [f"-DFW_TABLE=fw_kernels_{isa}", f'-DFW_VEC_HEADER="vec_{isa}.h"']
    subprocess.run([*command, "-S", str(kernels / "kernels.cc"), "-o", str(target)], check=True)
    return target.read_text()


def functions(text):
    """Each function's lines by its mangled name, without directives and comments."""
    found, name = {}, None
    for line in text.splitlines():
        label = re.match(r"(_Z\w[\w.]*):", line)
        if label:
            name = label[1]
            found[name] = []
        elif name and (re.match(r"\.L\w+:", line) or re.match(r"\t[a-z]", line)):
            found[name].append(line.split("#")[0].strip())
    return found


def innermost_loops(lines):
    """The bodies of loops that hold no other: from a label to a jump back to it."""
    labels = {line[:-1].rstrip(":"): i for i, line in enumerate(lines) if line.startswith(".L")}
    loops = []
    for end, line in enumerate(lines):
        jump = re.match(r"j\w+\s+(\.L\w+)", line)
        if jump and labels.get(jump[1], end) < end:
            loops.append((labels[jump[1]], end))
    return [
        lines[a : b + 1]
        for a, b in loops
        if not any((a, b) != (c, d) and a <= c and d <= b for c, d in loops)
    ]


def on_stack(line, frame):
    """Whether an instruction moves a vector of many numbers to or from the stack."""
    base = r"\(%r[sb]p" if frame else r"\(%rsp"
    return bool(re.search(r"[yz]mm\d", line) and re.search(base, line))


def hot_loops(lines, accumulators, broadcasts):
    """The innermost loops that could be a tile's: by their multiply-adds and broadcasts."""
    return [
        body
        for body in innermost_loops(lines)
        if sum(line.startswith("vfmadd") for line in body) >= accumulators
        and sum("vbroadcast" in line or "{1to" in line for line in body) >= broadcasts
    ]


def complaints(bodies, accumulators, broadcasts):
    """What is wrong with functions that should hold so many accumulators in registers."""
    found, seen = [], False
    for lines in bodies:
        frame = any(re.match(r"movq\s+%rsp, %rbp", line) for line in lines)
        for body in hot_loops(lines, accumulators, broadcasts):
            seen = True
            found += [line for line in body if on_stack(line, frame)]
    return found if seen else [f"no innermost loop with {accumulators} fused multiply-adds"]


def gradient_tile(letter, inputs, panels, vectors):
    """A pattern of where a tile of dW is: by itself or, if it is small, inlined."""
    name = f"gradient_tileI{letter}Li{inputs}ELi{panels}E"
    if inputs * panels * vectors < 16:
        name = f"({name}|walk_gradientI{letter}|dense_updateI{letter})"
    return f"{name}.*sgd"


def tiles(isa):
    """The largest tiles of an instruction set: a pattern of the mangled name, and accumulators."""
    text = (CPP / "kernels" / f"vec_{isa}.h").read_text(encoding="utf-8")
    found = []
    for letter, kind, size in (("f", "float", 4), ("d", "double", 8)):
        sizes = re.search(rf"FW_VEC\({kind}, [\w:]+, ([^)]+)\)", text)[1]
        number = {name: int(n) for name, n in re.findall(r"\.(\w+) = (\d+)", sizes)}
        rows, rows_one, most, chains = (
            number[name] for name in ("rows", "rows_one", "panels", "row_chains")
        )
        inputs, inputs_one, most_down = (
            number[f"gradient_{name}"] for name in ("inputs", "inputs_one", "panels")
        )
        vectors = 16 * size // {"avx2": 32, "avx512": 64}[isa]  # to a panel
        found += [
            *(
                (f"5tilesI{letter}Li{r}ELi{p}ELi{layout}E", r * p * vectors, r)
                for r, p in {*((rows, p) for p in range(2, most + 1)), (rows_one, 1)}
                for layout in range(3)
            ),
            (
                f"gradient_blocksI{letter}Li{inputs}ELi{most_down}E",
                inputs * most_down * vectors,
                inputs,
            ),
            *(  # dW of up to 64 rows
                (gradient_tile(letter, k, p, vectors), k * p * vectors, k)
                for k, p in {(inputs_one, 1), *((inputs, p) for p in range(2, most_down + 1))}
            ),
            *(
                (f"row_sumsI{letter}Li{p}ELb0E", chains // p * p * vectors, chains // p)
                for p in (2, 4)
                if p <= chains
            ),
            (f"row_sumsI{letter}Li1ELb0E", chains * vectors, chains),
            (f"row_sumsI{letter}Li1ELb1E", min(chains, 4) * vectors, min(chains, 4)),  # Streamed
        ]
        if rows_one * vectors == 16:  # bytes are converted in step with the sums
            found.append((f"tile_of_uint8I{letter}", rows_one * vectors, rows_one))
    return found


def check(text, isa):
    """Every complaint about the hot functions of an assembly."""
    all_functions, found = functions(text), []
    for pattern, accumulators, broadcasts in tiles(isa):
        bodies = [lines for name, lines in all_functions.items() if re.search(pattern, name)]
        found += [f"{pattern}: {c}" for c in complaints(bodies, accumulators, broadcasts)]
    return found


@pytest.mark.parametrize("name", ISAS)
@pytest.mark.parametrize("compiler", COMPILERS)
def test_accumulators_stay_in_registers(tmp_path, compiler, name):
    assert not check(assembly(compiler, name, CPP / "kernels", tmp_path / "kernels.s"), name)


@pytest.mark.skipif("g++" not in COMPILERS, reason="what is planted is a weakness of GCC")
def test_accumulators_on_the_stack_are_found(tmp_path):
    kernels = tmp_path / "kernels"
    shutil.copytree(CPP / "kernels", kernels)
    source = kernels / "tiles.inl"
    text = source.read_text(encoding="utf-8")
    unroll = '#define FW_UNROLL _Pragma("GCC unroll 32")'
    assert unroll in text
    source.write_text(text.replace(unroll, "#define FW_UNROLL"), encoding="utf-8")
    # AVX-512's tiles are the largest, and compiling for it needs no CPU that has it
    found = check(assembly("g++", "avx512", kernels, tmp_path / "kernels.s"), "avx512")
    assert any("gradient_tile" in f for f in found), "GCC unrolls up to 16 by itself"


def test_the_checks_can_see():
    loop = [".L2:", "vfmadd231ps (%rax){1to16}, %zmm0, %zmm1", "addq $4, %rax", "jne .L2"]
    assert not complaints([loop], 1, 1)
    assert complaints([loop], 2, 1)
    assert complaints([loop], 1, 2)
    assert complaints([], 1, 1)
    spill = [loop[0], "vmovaps 64(%rsp), %zmm1", *loop[1:]]
    assert complaints([spill], 1, 1) == [spill[1]]
    outer = [".L1:", *loop, "vmovaps %zmm1, (%rsp)", "jne .L1"]
    assert not complaints([outer], 1, 1)
    framed = ["movq %rsp, %rbp", loop[0], "vmovaps -64(%rbp), %zmm1", *loop[1:]]
    assert complaints([framed], 1, 1)
    assert not complaints([framed[1:]], 1, 1)
