// The call of a network. For a single row of a small network a call is mostly overhead, so this type uses the C APIs of
// CPython and NumPy directly: called by vectorcall, with neither pybind11's dispatch nor a Python function in between.
// Arrays that can be used in place are handled here. All other arguments, including invalid ones, go to the method
// _forward of the derived class.
//
// The GIL protects the objects' fields: the module declares neither free threading nor multiple interpreters.
#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#define NPY_TARGET_VERSION NPY_1_25_API_VERSION  // 1.26, the oldest that pyproject.toml allows, has the same

#include "network.h"

#include <numpy/arrayobject.h>
#include <structmember.h>

namespace fw {
namespace {

// Multiply-adds, about 5 microseconds (3 for a batch, 7 for a single row of a wide layer), from which the GIL is
// released. That costs 20 ns and the wait to get it back.
constexpr double kLongWork = 200e3;

const char kDocumentation[] =
    R"(__call__($self, /, x, *, out=None, copy=None)
--

Return the outputs.

Parameters
----------
x : (inputs,) or (rows, inputs) array
    Of the network's dtype or uint8, aligned, with unit stride in the rows, it is read in
    place; anything else of real numbers is converted once.
out : array, optional
    (outputs,) or (rows, outputs) of the network's dtype, unit stride in the rows; gets the
    result and is returned.
copy : bool, optional
    False makes a conversion of `x` a ValueError.

Returns
-------
(outputs,) or (rows, outputs) array of the network's dtype

Raises
------
TypeError, ValueError
    For a wrong shape or dtype.
RuntimeError
    While another thread trains the network.)";

struct ForwardCall {
  PyObject_HEAD
  vectorcallfunc vectorcall;
  PyObject* core;        // keeps *network alive; both null until _core is assigned
  CoreNetwork* network;
  std::ptrdiff_t inputs, outputs;
  bool double_precision;
};

// Interned strings, set when the module is loaded: keyword names are compared as pointers.
PyObject* g_out;
PyObject* g_forward;

ForwardCall* as_call(PyObject* self) { return reinterpret_cast<ForwardCall*>(self); }

template <class T>
constexpr int kType = sizeof(T) == sizeof(float) ? NPY_FLOAT : NPY_DOUBLE;

// An array's rows, usable in place.
struct ArrayRows {
  char* data;
  std::ptrdiff_t rows, stride;  // in elements
  const char *begin, *end;      // the memory that they span
};

// Finds the rows of an array of `columns` columns, with elements of `size` bytes; false if they aren't contiguous.
bool array_rows(PyArrayObject* a, std::ptrdiff_t columns, std::ptrdiff_t size, ArrayRows* rows) {
  const int dimensions = PyArray_NDIM(a);
  if (dimensions != 1 && dimensions != 2) return false;
  const npy_intp* shape = PyArray_DIMS(a);
  const npy_intp* strides = PyArray_STRIDES(a);
  if (shape[dimensions - 1] != columns || (columns > 1 && strides[dimensions - 1] != size))
    return false;
  if (!PyArray_ISALIGNED(a) || !PyArray_ISNOTSWAPPED(a)) return false;
  char* data = PyArray_BYTES(a);
  *rows = {data, 1, columns, data, data + columns * size};
  if (dimensions == 1 || shape[0] == 1) return true;
  if (shape[0] == 0 || strides[0] % size != 0) return false;
  rows->rows = shape[0];
  rows->stride = strides[0] / size;
  const std::ptrdiff_t last = (rows->rows - 1) * strides[0];
  (last < 0 ? rows->begin : rows->end) += last;
  return true;
}

// The result, or null: without a Python error if an array can't be used in place or the network isn't free.
template <class T>
PyObject* forward(ForwardCall* self, PyObject* x, PyObject* out) {
  if (!PyArray_CheckExact(x)) return nullptr;
  auto* from = reinterpret_cast<PyArrayObject*>(x);
  const bool is_uint8 = PyArray_TYPE(from) == NPY_UINT8;
  ArrayRows in, to;
  if ((!is_uint8 && PyArray_TYPE(from) != kType<T>) ||
      !array_rows(from, self->inputs, is_uint8 ? 1 : sizeof(T), &in))
    return nullptr;
  const int dimensions = PyArray_NDIM(from);
  if (out) {
    if (!PyArray_CheckExact(out)) return nullptr;
    auto* a = reinterpret_cast<PyArrayObject*>(out);
    if (PyArray_TYPE(a) != kType<T> || PyArray_NDIM(a) != dimensions || !PyArray_ISWRITEABLE(a) ||
        !array_rows(a, self->outputs, sizeof(T), &to) || to.rows != in.rows ||
        (to.begin < in.end && in.begin < to.end))
      return nullptr;
    Py_INCREF(out);
  } else {
    npy_intp shape[2] = {in.rows, self->outputs};
    out = PyArray_SimpleNew(dimensions, shape + 2 - dimensions, kType<T>);
    if (!out) return nullptr;
    to = {PyArray_BYTES(reinterpret_cast<PyArrayObject*>(out)), in.rows, self->outputs, {}, {}};
  }

  // plain pointers from here on: a thread that is ended in ReleaseGil must not touch references as it unwinds
  CoreNetwork& core = *self->network;
  const auto& net = **std::get_if<std::unique_ptr<Network<T>>>(&core.net);
  const InputView view = {in.data, is_uint8, in.rows, self->inputs, in.stride};
  T* const y = reinterpret_cast<T*>(to.data);
  PyObject* const kept = self->core;  // another thread may reassign self->core meanwhile
  Py_INCREF(kept);
  bool done = true;
  try {
    if (double(in.rows) * double(net.packed_size()) < kLongWork) {
      const FloatEnvironment environment;
      const Access::TryReader reader(core.access);
      done = bool(reader);
      if (done) net.forward(view, y, to.stride);
    } else {
      const Work work;
      const Access::Reader reader(core.access);
      net.forward(view, y, to.stride);
    }
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
    done = false;
  } catch (const std::exception& e) {
    PyErr_SetString(PyExc_RuntimeError, e.what());
    done = false;
  }
  Py_DECREF(kept);
  if (!done) Py_CLEAR(out);
  return out;
}

bool ready(ForwardCall* self) {
  if (self->network) return true;
  PyErr_SetString(PyExc_RuntimeError, "expected an object whose __init__ has run");
  return false;
}

PyObject* forward_in_place(ForwardCall* self, PyObject* x, PyObject* out) {
  if (out == Py_None) out = nullptr;
  return self->double_precision ? forward<double>(self, x, out) : forward<float>(self, x, out);
}

bool is_out(PyObject* name) {
  return name == g_out || PyUnicode_CompareWithASCIIString(name, "out") == 0;
}

// tp_call. It may be reached by super().__call__, so it ignores a __call__ of self's class.
PyObject* call(PyObject* self, PyObject* args, PyObject* named) {
  if (!ready(as_call(self))) return nullptr;
  const Py_ssize_t names = named ? PyDict_GET_SIZE(named) : 0;
  if (PyTuple_GET_SIZE(args) == 1 && names < 2) {
    PyObject* out = names ? PyDict_GetItemWithError(named, g_out) : nullptr;
    if (out || !names) {
      PyObject* y = forward_in_place(as_call(self), PyTuple_GET_ITEM(args, 0), out);
      if (y || PyErr_Occurred()) return y;
    }
  }
  PyObject* method = PyObject_GetAttr(self, g_forward);
  if (!method) return nullptr;
  PyObject* y = PyObject_Call(method, args, named);
  Py_DECREF(method);
  return y;
}

// Calls the __call__ of a class that overrides it: before Python 3.12 a class kept its vectorcall flag when a
// __call__ was assigned to it.
PyObject* overridden(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* names) {
  PyObject* tuple = PyTuple_New(n);
  PyObject* named = names && tuple ? PyDict_New() : nullptr;
  bool ok = tuple && (named || !names);
  for (Py_ssize_t i = 0; ok && i < n; ++i) {
    Py_INCREF(args[i]);
    PyTuple_SET_ITEM(tuple, i, args[i]);
  }
  for (Py_ssize_t i = 0; ok && named && i < PyTuple_GET_SIZE(names); ++i)
    ok = PyDict_SetItem(named, PyTuple_GET_ITEM(names, i), args[n + i]) == 0;
  PyObject* y = ok ? Py_TYPE(self)->tp_call(self, tuple, named) : nullptr;
  Py_XDECREF(tuple);
  Py_XDECREF(named);
  return y;
}

PyObject* vectorcall(PyObject* self, PyObject* const* args, std::size_t flagged, PyObject* names) {
  const Py_ssize_t n = PyVectorcall_NARGS(flagged);
  if (Py_TYPE(self)->tp_call != call) return overridden(self, args, n, names);
  if (!ready(as_call(self))) return nullptr;
  const Py_ssize_t named = names ? PyTuple_GET_SIZE(names) : 0;
  if (n == 1 && (named == 0 || (named == 1 && is_out(PyTuple_GET_ITEM(names, 0))))) {
    PyObject* y = forward_in_place(as_call(self), args[0], named ? args[1] : nullptr);
    if (y || PyErr_Occurred()) return y;
  }
  PyObject* method = PyObject_GetAttr(self, g_forward);
  if (!method) return nullptr;
  PyObject* y = PyObject_Vectorcall(method, args, std::size_t(n), names);
  Py_DECREF(method);
  return y;
}

PyObject* make(PyTypeObject* type, PyObject*, PyObject*) {
#if PY_VERSION_HEX < 0x030C0000  // Python classes don't inherit the flag
  if (type->tp_call == call) type->tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL;
#endif
  PyObject* self = type->tp_alloc(type, 0);  // zeros
  if (self) as_call(self)->vectorcall = vectorcall;
  return self;
}

int traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(as_call(self)->core);
  return 0;
}

int clear(PyObject* self) {
  as_call(self)->network = nullptr;
  Py_CLEAR(as_call(self)->core);
  return 0;
}

void destroy(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  clear(self);
  type->tp_free(self);
  Py_DECREF(type);
}

PyObject* get_core(PyObject* self, void*) {
  if (!ready(as_call(self))) return nullptr;
  Py_INCREF(as_call(self)->core);
  return as_call(self)->core;
}

int set_core(PyObject* self, PyObject* value, void*) {
  if (!value || !py::isinstance<CoreNetwork>(value)) {
    PyErr_SetString(PyExc_TypeError, "_core: expected a CoreNetwork");
    return -1;
  }
  ForwardCall* to = as_call(self);
  CoreNetwork* network = py::handle(value).cast<CoreNetwork*>();
  if (!network->made) {
    PyErr_SetString(PyExc_RuntimeError, "_core: expected an object whose __init__ has run");
    return -1;
  }
  network->visit([&]<class T>(const Network<T>& net) {
    to->inputs = net.layers().front().inputs;
    to->outputs = net.layers().back().outputs;
    to->double_precision = kType<T> == NPY_DOUBLE;
  });
  PyObject* old = to->core;
  Py_INCREF(value);
  to->core = value;
  to->network = network;
  Py_XDECREF(old);
  return 0;
}

// Sets the documentation of the type's __call__, which would be "Call self as a function.". Derived classes would call
// a method in its place through Python's slow generic slot.
void document(PyObject* type) {
  const auto own = py::reinterpret_steal<py::object>(PyObject_GetAttrString(type, "__call__"));
  if (!own || !Py_IS_TYPE(own.ptr(), &PyWrapperDescr_Type)) return;
  const auto* wrapper = reinterpret_cast<PyWrapperDescrObject*>(own.ptr());
  static wrapperbase base;  // the descriptor refers to it
  base = *wrapper->d_base;
  base.doc = kDocumentation;
  const auto documented = py::reinterpret_steal<py::object>(PyDescr_NewWrapper(
      reinterpret_cast<PyTypeObject*>(type), &base, reinterpret_cast<void*>(call)));
  if (!documented || PyObject_SetAttrString(type, "__call__", documented.ptr()) != 0)
    throw py::error_already_set();
}

}  // namespace

void bind_forward_call(py::module_& m) {
  if (PyArray_ImportNumPyAPI() < 0) throw py::error_already_set();
  g_out = PyUnicode_InternFromString("out");
  g_forward = PyUnicode_InternFromString("_forward");
  static PyMemberDef members[] = {
      {"__vectorcalloffset__", T_PYSSIZET, offsetof(ForwardCall, vectorcall), READONLY, nullptr},
      {}};
  static PyGetSetDef attributes[] = {
      {"_core", get_core, set_core, "The CoreNetwork that computes.", nullptr}, {}};
  static PyType_Slot slots[] = {
      {Py_tp_doc, const_cast<char*>("Base class whose call is the forward pass of its _core.")},
      {Py_tp_new, reinterpret_cast<void*>(make)},
      {Py_tp_dealloc, reinterpret_cast<void*>(destroy)},
      {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
      {Py_tp_clear, reinterpret_cast<void*>(clear)},
      {Py_tp_call, reinterpret_cast<void*>(call)},
      {Py_tp_members, members},
      {Py_tp_getset, attributes},
      {}};
  static PyType_Spec spec = {"featherweight._core.ForwardCall", sizeof(ForwardCall), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
                                 Py_TPFLAGS_HAVE_VECTORCALL,
                             slots};
  const auto type = py::reinterpret_steal<py::object>(PyType_FromModuleAndSpec(m.ptr(), &spec, nullptr));
  if (!g_out || !g_forward || !type) throw py::error_already_set();
  document(type.ptr());
  m.attr("ForwardCall") = type;
}

}  // namespace fw
