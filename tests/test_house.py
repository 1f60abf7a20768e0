"""The house's borders: who may include what, which flags are set where, what an import costs.

Each rule is a function over text or a file that returns what is wrong with it, and is tried on a
planted violation beside the real sources.
"""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import featherweight as fw

ROOT = Path(__file__).resolve().parent.parent
CPP = ROOT / "cpp"
SUFFIXES = (".h", ".cc", ".inl", ".def")
LEVELS = {"kernels": 0, "net": 1, "binding": 2}  # the tests are above all but the binding

pytestmark = pytest.mark.skipif(not CPP.is_dir(), reason="no sources beside the tests")


def files(under=CPP, suffixes=SUFFIXES):
    """Paths below cpp/, as the rules know them, and their texts."""
    found = {
        p.relative_to(CPP).as_posix(): p.read_text(encoding="utf-8")
        for p in sorted(under.rglob("*"))
        if p.suffix in suffixes
    }
    assert found
    return found


def bare(text):
    """C++ without comments and without the insides of strings, include lines left whole."""
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    lines = []
    for line in text.splitlines():
        if not line.lstrip().startswith("#include"):
            line = re.sub(r'"(\\.|[^"\\])*"', '""', line)
        lines.append(line.split("//")[0])
    return "\n".join(lines)


def includes(text):
    """What a file includes, without the brackets or quotes."""
    return re.findall(r'^\s*#\s*include\s*[<"]([^">]+)[">]', bare(text), flags=re.M)


# ---- the rules: (path below cpp/, text) -> complaints
def pybind_outside_binding(path, text):
    """Python and pybind11 are known to binding/ alone."""
    if path.startswith("binding/"):
        return []
    bad = [i for i in includes(text) if i.startswith(("pybind11", "Python.h", "numpy"))]
    return bad + re.findall(r"\b(?:pybind11|PyObject|Py_\w+|py::\w+)", bare(text))


def intrinsics_outside_vec(path, text):
    """Intrinsics and their headers are in vec_<isa>.h alone."""
    if re.fullmatch(r"kernels/vec_\w+\.h", path):
        return []
    headers = [i for i in includes(text) if re.search(r"intrin\.h$|arm_neon|arm_sve", i)]
    names = r"\b_mm\d*_\w+|\b__m\d+\w*|\bv(?:fma|sqrt|ld1|st1|add|mul|dup)q_\w+|\bsv\w+_f(?:32|64)"
    return headers + re.findall(names, bare(text))


def cpu_queries_outside_dispatch(path, text):
    """The CPU is asked in dispatch.cc alone (and in the row that it includes)."""
    if path == "kernels/dispatch.cc":
        return []
    return re.findall(
        r"__builtin_cpu_\w+|\b__?get_?cpuid\w*|\bcpuid\b|\bgetauxval\b|\bxgetbv\b",
        bare(text),
    )


def impure_kernels(path, text):
    """What is compiled once per instruction set allocates, throws, reads and shares nothing."""
    if not path.startswith("kernels/") or path.startswith("kernels/dispatch."):
        return []
    own = {"table.h", "vec.h", "registry.def"} | {p.name for p in (CPP / "kernels").glob("*.inl")}
    allowed = {"cstddef", "cstdint"}
    if re.fullmatch(r"kernels/vec_\w+\.h", path):
        allowed |= {"immintrin.h", "arm_neon.h"}
    bad = [i for i in includes(text) if i not in own | allowed]
    words = (
        r"\b(?:new|delete|throw|try|catch|malloc|calloc|free|getenv|thread|thread_local|printf)\b"
    )
    bad += re.findall(words, bare(text))
    return bad + re.findall(r"\bstd::(?!ptrdiff_t|size_t|u?int\d+_t)\w+", bare(text))


def upward_includes(path, text):
    """Includes go down: binding -> net -> kernels/table.h."""
    room = path.split("/")[0]
    bad = []
    for name in includes(text):
        if (CPP / room / name).is_file() and "/" not in name:
            continue
        target = name.removeprefix("../").split("/")[0]
        if target not in (*LEVELS, "tests"):
            continue
        if room == "tests":
            wrong = target == "binding"
        else:
            wrong = target == "tests" or LEVELS[target] > LEVELS[room]
        # net and the binding know the kernels by their table alone
        inner = target == "kernels" and room in ("net", "binding")
        allowed = ("../kernels/table.h", "../kernels/registry.def")
        if room == "binding":
            allowed += ("../kernels/dispatch.h",)
        if wrong or (inner and name not in allowed):
            bad.append(name)
    return bad


def too_long(path, text):
    """No source over 400 lines, docstrings not counted."""
    lines = len(text.splitlines())
    if path.endswith(".py"):
        documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, documented) and ast.get_docstring(node) is not None:
                lines -= node.body[0].end_lineno - node.body[0].lineno + 1
    return [f"{lines} lines"] if lines > 400 else []


def forbidden_flags(path, text):
    """Flags that would give a file the building machine's instructions, or reorder its sums."""
    text = re.sub(r"#.*", "", text)
    return re.findall(
        r"-m(?:arch|cpu|tune)=native|-Ofast|-f(?:fast-math|associative-math|unsafe-math\w*)"
        r"|-fp-?(?:model[= ]fast)|-ffp-contract=(?:fast|on)",
        text,
    )


def incomplete_rows(path, text):
    """A row of CMakeLists.txt that gives -m flags gives the features they presuppose."""
    bad = []
    for row in re.findall(r"\badd_isa\(([^)]*)\)", text):
        name, *words = row.split()
        flags = [w[2:] for w in words if w.startswith("-m")]
        required = words[words.index("REQUIRES") + 1 :] if "REQUIRES" in words else []
        bad += [f"{name}: {flag} is not required" for flag in flags if flag not in required]
    outside = re.sub(r"\badd_isa\(([^)]*)\)", "", re.sub(r"#.*", "", text))
    return bad + re.findall(r"(?<![\w-])-m(?:avx|sse|fma|arch|cpu)\w*", outside)


RULES = {
    pybind_outside_binding: [
        ("net/network.h", "#include <pybind11/pybind11.h>\n"),
        ("kernels/dispatch.cc", "void f(PyObject* o);\n"),
        ("net/trainer.cc", "#include <Python.h>\n"),
    ],
    intrinsics_outside_vec: [
        ("net/network.cc", "#include <immintrin.h>\n"),
        ("kernels/dense.inl", "x = _mm256_add_ps(a, b);\n"),
        ("kernels/vec.h", "x = vfmaq_f32(a, b, c);\n"),
    ],
    cpu_queries_outside_dispatch: [
        ("net/network.cc", 'if (__builtin_cpu_supports("avx2")) f();\n'),
        ("kernels/vec_avx2.h", "__get_cpuid(1, &a, &b, &c, &d);\n"),
    ],
    impure_kernels: [
        ("kernels/dense.inl", "float* p = new float[4];\n"),
        ("kernels/losses.inl", "throw 1;\n"),
        ("kernels/math.inl", "x = std::exp(x);\n"),
        ("kernels/kernels.cc", "#include <cmath>\n"),
        ("kernels/vec_scalar.h", "#include <immintrin.h>\n#include <vector>\n"),
        ("kernels/kernels.cc", 'bool b = getenv("X");\n'),
    ],
    upward_includes: [
        ("net/network.cc", '#include "../binding/network.h"\n'),
        ("kernels/kernels.cc", '#include "../net/buffer.h"\n'),
        ("net/network.cc", '#include "../kernels/vec_avx2.h"\n'),
        ("binding/module.cc", '#include "../kernels/dense.inl"\n'),
        ("net/network.cc", '#include "../tests/check.h"\n'),
        ("tests/test_kernels.cc", '#include "../binding/network.h"\n'),
    ],
    too_long: [
        ("net/network.cc", "\n" * 401),
        ("network.py", '"""Of one line."""\n' + "a = 1\n" * 401),
        ("network.py", "def f():\n    return 1\n" + "a = 1\n" * 399),
    ],
}
BUILD_RULES = {
    forbidden_flags: [
        ("CMakeLists.txt", "add_compile_options(-march=native)\n"),
        ("CMakeLists.txt", "add_compile_options(-O2 -ffast-math)\n"),
        ("pyproject.toml", 'cmake.args = ["-DCMAKE_CXX_FLAGS=-Ofast"]\n'),
    ],
    incomplete_rows: [
        ("CMakeLists.txt", "add_isa(avx2 FLAGS -mavx2 -mfma REQUIRES avx2)\n"),
        ("CMakeLists.txt", "add_isa(avx2 FLAGS -mavx2)\n"),
        ("CMakeLists.txt", "target_compile_options(core PRIVATE -mavx2)\n"),
    ],
}


def planted(rules):
    """Each rule with each of its bad samples."""
    return [
        pytest.param(rule, path, text, id=f"{rule.__name__}-{i}")
        for rule, samples in rules.items()
        for i, (path, text) in enumerate(samples)
    ]


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.__name__)
def test_sources_keep_the_rule(rule):
    wrong = {path: found for path, text in files().items() if (found := rule(path, text))}
    assert not wrong, f"{rule.__doc__} {wrong}"


@pytest.mark.parametrize("rule", BUILD_RULES, ids=lambda r: r.__name__)
def test_build_files_keep_the_rule(rule):
    build_files = [ROOT / "CMakeLists.txt", *CPP.rglob("CMakeLists.txt"), ROOT / "pyproject.toml"]
    build_files += [*ROOT.glob("CMakePresets.json"), *(ROOT / "cmake").glob("*.cmake")]
    for path in build_files:
        assert not rule(path.name, path.read_text(encoding="utf-8")), f"{rule.__doc__} {path.name}"


@pytest.mark.parametrize(("rule", "path", "text"), planted(RULES) + planted(BUILD_RULES))
def test_planted_violations_are_found(rule, path, text):
    assert rule(path, text)


def test_comments_are_no_violations():
    text = '// pybind11, _mm256_add_ps, new and throw\nconst char* s = "new throw";\n'
    for rule in RULES:
        assert not rule("kernels/dense.inl", text)


@pytest.mark.parametrize("path", sorted((ROOT / "python").rglob("*.py")), ids=lambda p: p.name)
def test_python_files_are_short(path):
    assert not too_long(path.name, path.read_text(encoding="utf-8"))


# ---- what an import costs
HEAVY = (
    *("tqdm", "safetensors", "argparse", "PIL", "pooch", "sklearn", "matplotlib", "pandas"),
    "threadpoolctl",
    "threading",
)


def imported(statement):
    """Which of the heavy modules are there after a statement in a fresh interpreter."""
    code = f"{statement}\nimport sys\nprint(*[m for m in {HEAVY!r} if m in sys.modules])"
    # -I, so that nothing in the environment or the directory comes in; NumPy's imports are its own
    run = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    )
    return set(run.stdout.split())


def test_import_is_light():
    assert imported("import featherweight") <= imported("import numpy")
    assert "argparse" in imported("import argparse, featherweight")  # the check can see


ANSWERS = {"_core", "network", "model", "support"} | {
    *(f"model.{name}" for name in ("model", "outputs", "parameters")),
    *(f"support.{name}" for name in ("checks", "hints", "imports", "seed")),
    *("support.threadpoolctl", "support.threads"),
}


def test_a_network_that_only_answers_imports_little():
    answer = "import featherweight as fw, numpy as np; net = fw.Network([4, 3]); net(np.ones(4))"
    code = "{}\nimport sys\nprint(*[m for m in sys.modules if m.startswith('featherweight.')])"

    def modules(statements):
        run = subprocess.run(
            [sys.executable, "-c", code.format(statements)],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return {m.removeprefix("featherweight.") for m in run.stdout.split()}

    assert modules(answer) == ANSWERS
    assert modules(f"{answer}; fw.Adam()") > ANSWERS  # the check can see


def test_what_comes_later_is_public_and_there():
    assert set(fw._LATER) <= set(fw.__all__) <= set(dir(fw))
    assert all(getattr(fw, name) is not None for name in fw.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'Xyzzy'"):
        _ = fw.Xyzzy


# ---- versions
def version_in_cmake(text):
    """The version in CMakeLists.txt's project()."""
    return re.search(r"^project\([^)]*VERSION\s+([\w.]+)", text, flags=re.M)[1]


def test_versions_agree():
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    cmake = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    assert pyproject["project"]["version"] == fw.__version__ == version_in_cmake(cmake)
    assert version_in_cmake(cmake.replace(fw.__version__, "9.9.9")) != fw.__version__


# ---- the objects
COMPILER, NM = shutil.which("g++") or shutil.which("clang++"), shutil.which("nm")
needs_compiler = pytest.mark.skipif(
    not (COMPILER and NM), reason="needs a C++ compiler (g++ or clang++) and nm"
)


def weak_symbols(tmp_path, source, flags):
    """The weak symbols of an object: what another object's copy may stand in for."""
    target = tmp_path / "kernels.o"
    command = [COMPILER, "-std=c++20", "-ffp-contract=off", "-fno-exceptions", "-fno-rtti"]
    subprocess.run([*command, *flags, "-c", str(source), "-o", str(target)], check=True)
    run = subprocess.run([NM, "-C", str(target)], capture_output=True, text=True, check=True)
    assert " T " in run.stdout or " R " in run.stdout or " D " in run.stdout
    return [line for line in run.stdout.splitlines() if re.search(r" [WVu] ", line)]


def widest_isa():
    """The last row of CMakeLists.txt that this machine runs: its name and flags."""
    name = fw.isas()[-1]
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    row = re.search(rf"\badd_isa\({name}\b([^)]*)\)", text)[1].split()
    return name, [w for w in row if w.startswith("-m")]


@needs_compiler
@pytest.mark.parametrize("level", ["-O0", "-O3"])
def test_no_weak_symbols(tmp_path, level):
    name, flags = widest_isa()
    definitions = [f"-DFW_ISA={name}", f"-DFW_TABLE=fw_kernels_{name}"]
    definitions.append(f'-DFW_VEC_HEADER="vec_{name}.h"')
    source = CPP / "kernels" / "kernels.cc"
    assert not weak_symbols(tmp_path, source, [level, *flags, *definitions])


@needs_compiler
def test_planted_weak_symbol_is_found(tmp_path):
    source = tmp_path / "planted.cc"
    source.write_text("template <class T> T f(T x) { return x; }\ntemplate int f<int>(int);\n")
    with pytest.raises(AssertionError):
        weak_symbols(tmp_path, source, ["-O0"])  # holds nothing of its own
    source.write_text(source.read_text() + "int g(int x) { return f(x); }\n")
    assert weak_symbols(tmp_path, source, ["-O0"])
