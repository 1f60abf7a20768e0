// Compiled once per instruction set (CMakeLists.txt has a row for each), with FW_ISA its name and
// FW_VEC_HEADER its vec_<isa>.h. All of it lies in the ISA's own namespace and in an anonymous one
// within it, and uses no std:: template: a template or inline function shared with another object
// could be linked as a copy that this CPU can't run.
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
#define ACT(name) &join<T, act::name>,
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
      &squares<T>,
      &finite<T>,
      &softmax<T>,
      &softmax_backward<T>,
      {
#define LOSS(name) &loss<T, loss_of::name>,
#include "registry.def"
      },
      &drop<T>,
      &multiply<T>,
      &stage<T, std::uint8_t>,
      &stage<T, T>,
      &sum<T>,
      &fma_limit<T>,
      &read_limit<T>,
  };
}

}  // namespace
}  // namespace FW_ISA

#define FW_STRING_(x) #x
#define FW_STRING(x) FW_STRING_(x)

extern const KernelTable FW_TABLE;
constinit const KernelTable FW_TABLE = {
    FW_STRING(FW_ISA),
    FW_VECTOR_BYTES,
    FW_ISA::kLimitChains,
    {
#define LOSS(name) FW_ISA::loss_of::name<float>::info,
#include "registry.def"
    },
    {
#define OPT(name)                                                              \
  {FW_ISA::opt::name<float>::slots, FW_ISA::opt::name<float>::memo,            \
   FW_ISA::opt::name<float>::hyper, FW_ISA::opt::name<float>::names},
#include "registry.def"
    },
    FW_ISA::kernels<float>(),
    FW_ISA::kernels<double>(),
};

}  // namespace fw
