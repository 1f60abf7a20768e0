// Compiled once per instruction set (CMakeLists.txt has a row for each), with FW_ISA its name and
// FW_VEC_HEADER its vec_<isa>.h. Everything is in the ISA's own namespace and in an anonymous namespace
// inside it, and no std:: template is used: the linker could otherwise replace a template or inline
// function by another object's copy, which this CPU may not be able to run.
#include "table.h"

#include FW_VEC_HEADER

namespace fw {
namespace FW_ISA {
namespace {

template <int N> struct Int { static constexpr int value = N; };

#include "math.inl"
#include "activations.inl"
#include "tiles.inl"
#include "single_row.inl"
#include "dense.inl"
#include "optimizers.inl"
#include "gradient.inl"
#include "losses.inl"
#include "dropout.inl"
#include "peak.inl"

template <class T>
constexpr Kernels<T> kernels() {
  return {
      {
#define ACT(name) &dense<T, act::name>,
#include "registry.def"
      },
      &dense_half<T>,
      {
#define ACT(name) &combine<T, act::name>,
#include "registry.def"
      },
      {
#define ACT(name) &dense_backward<T, act::name>,
#include "registry.def"
      },
      {
#define ACT(name) &derivative<T, act::name>,
#include "registry.def"
      },
      {
#define ACT(name) act::name<T>::from_z,
#include "registry.def"
      },
      &dense_gradient<T>,
      {
#define OPT(name) &dense_update<T, opt::name>,
#include "registry.def"
      },
      {
#define OPT(name) &prepare<T, opt::name>,
#include "registry.def"
      },
      {
#define OPT(name) &update<T, opt::name>,
#include "registry.def"
      },
      &clip<T>,
      &add_scaled<T>,
      &sum_of_squares<T>,
      &all_finite<T>,
      &softmax<T>,
      &softmax_backward<T>,
      {
#define LOSS(name) &loss<T, loss_of::name>,
#include "registry.def"
      },
      &dropout<T>,
      &multiply<T>,
      &to_panels<T, std::uint8_t>,
      &to_panels<T, T>,
      &sum<T>,
      &peak_fma<T>,
      &peak_read<T>,
  };
}

}  // namespace
}  // namespace FW_ISA

extern const KernelTable FW_TABLE;
constinit const KernelTable FW_TABLE = {
    FW_STRING(FW_ISA),
    FW_VECTOR_BYTES,
    FW_ISA::kPeakChains,
    {
#define LOSS(name) FW_ISA::loss_of::name<float>::info,
#include "registry.def"
    },
    {
#define OPT(name)                                                              \
  {FW_ISA::opt::name<float>::slots, FW_ISA::opt::name<float>::scalar_state,            \
   FW_ISA::opt::name<float>::hyper, FW_ISA::opt::name<float>::names},
#include "registry.def"
    },
    FW_ISA::kernels<float>(),
    FW_ISA::kernels<double>(),
};

}  // namespace fw
