// The contract between the kernels and everything above them (layers, training, threads, Python).
// Plain structs of pointers, sizes, strides and scalars. The few functions are inlined at every call,
// so that files compiled with different flags never share a compiled copy.
//
// Shapes. B rows (samples), I inputs and O outputs of a layer, kPanel = 16 outputs to a panel.
//   packed weights   [ceil(O/16)][I][16]: panel p, input k, lane j is W[16p + j][k]; lanes past O are 0
//   bias             [ceil(O/16) * 16]
//   panel-major      activations as [ceil(N/16)][R][16] for R >= B rows: one layout that serves as
//                    output of one layer, broadcast operand of the next and vector operand of dW
//
// The sum rule. Every sum of n terms is cut into blocks of kBlock = 64 consecutive terms. A block is
// one chain of fused multiply-adds in increasing order from +0. The first ceil(blocks / 2) blocks,
// each added in order, are the first half, the rest the second; the result is first + second. A kernel
// may compute any number of chains side by side: the result doesn't depend on the vector width, the
// tile or the number of rows.
//
// A kernel never allocates, throws, logs, reads the environment or starts a thread.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fw {

constexpr int kPanel = 16;
constexpr int kBlock = 64;
constexpr int kMaxHyper = 8;        // hyper-parameters of an optimizer
constexpr int kMaxSlots = 3;        // state arrays of an optimizer, each as long as the parameters
constexpr int kMaxScalarState = 2;  // scalars that an optimizer keeps from step to step

#define FW_INLINED [[gnu::always_inline]] constexpr
FW_INLINED std::ptrdiff_t ceil_div(std::ptrdiff_t n, std::ptrdiff_t by) { return (n + by - 1) / by; }
FW_INLINED std::ptrdiff_t panels_of(std::ptrdiff_t n) { return ceil_div(n, kPanel); }
FW_INLINED std::ptrdiff_t blocks_of(std::ptrdiff_t n) { return ceil_div(n, kBlock); }
// how many of a sum's blocks form its first half
FW_INLINED std::ptrdiff_t first_half(std::ptrdiff_t blocks) { return ceil_div(blocks, 2); }
#undef FW_INLINED

// A name or number as a string, after the macros in it have been expanded.
#define FW_STRING_(x) #x
#define FW_STRING(x) FW_STRING_(x)

enum Activation : int {
#define ACT(name) act_##name,
#include "registry.def"
  kActivations
};
enum Loss : int {
#define LOSS(name) loss_##name,
#include "registry.def"
  kLosses
};
enum Optimizer : int {
#define OPT(name) opt_##name,
#include "registry.def"
  kOptimizers
};

// A read-only matrix (B, N) in any layout that the kernels read: element (r, k) is
// row(r)[(k / 16) * panel_stride + k % 16], where row(r) is pointers[r] if pointers are given and
// base + r * row_stride otherwise. Row-major: panel_stride 16. Panel-major: row_stride 16.
template <class T>
struct Rows {
  const T* base;
  const T* const* pointers;
  std::ptrdiff_t row_stride;
  std::ptrdiff_t panel_stride;
};

// The same for writing. `padded`: all 16 lanes of the last panel may be written.
template <class T>
struct RowsOut {
  T* base;
  std::ptrdiff_t row_stride;
  std::ptrdiff_t panel_stride;
  bool padded;
};

// One row of weights that don't fit the L2 cache: chains at once, and how many elements beyond the
// weights may be prefetched.
constexpr std::ptrdiff_t kStreamedChains = 4, kStreamedSlack = 2 * kStreamedChains * kBlock * kPanel;

// y = act(W x + b) for `rows` rows in one pass: sum, bias, activation, one store.
// If z.base is not null, z gets W x + b. If `bytes` has rows (row-major), the input is bytes * scale
// and x is ignored: bytes are converted as they are loaded, for layers so narrow that each byte is
// used by few outputs.
template <class T>
struct DenseArgs {
  Rows<T> x;
  Rows<std::uint8_t> bytes;
  T scale;
  std::ptrdiff_t rows;
  // While row r is used, row r + prefetch_distance is prefetched if it is below rows + rows_ahead.
  // Both 0: no prefetch.
  std::ptrdiff_t prefetch_distance, rows_ahead;
  std::ptrdiff_t inputs;
  const T* weights;  // packed
  const T* bias;     // packed
  std::ptrdiff_t outputs;
  RowsOut<T> y;
  RowsOut<T> z;
  // The weights don't fit the L2 cache. A single row prefetches them, and up to kStreamedSlack elements
  // beyond them; that memory must exist, since prefetching an unmapped page is slow.
  bool weights_exceed_l2 = false;
  // dW prefetches some of the rows ahead (GradientArgs::next_rows), so that the forward pass need not.
  bool split_prefetch = false;
};

// y = act(first + second + bias), from the two halves of the sums that dense_half made: panel-major.
template <class T>
struct CombineArgs {
  Rows<T> first, second;
  std::ptrdiff_t rows;
  const T* bias;     // packed
  std::ptrdiff_t outputs;
  RowsOut<T> y, z;   // as in DenseArgs
};

// dx = (dz W) * act'(below): the gradient at the layer below, whose outputs y (or sums z, whichever
// its derivative is a function of) are `below`. dz, dx and below are panel-major.
template <class T>
struct BackwardArgs {
  Rows<T> dz;
  std::ptrdiff_t rows;
  std::ptrdiff_t outputs;      // O: the length of the sums
  const T* weights;            // packed, as for the forward pass
  std::ptrdiff_t inputs;       // I
  RowsOut<T> dx;
  Rows<T> below;
  std::ptrdiff_t panel = 0, end = 0;  // panels [panel, end) of dx; end 0: all from `panel` on
};

// The scalars of one optimizer step, made by Kernels::prepare in the network's precision.
template <class T>
struct StepScalars {
  T value[kMaxHyper];
  T clip_value = 0;      // dense_update: largest absolute value of a gradient element, or 0 for any
  T gradient_scale = 1;  // update: factor of the gradient
};

// dW[k][n] = sum over the batch's rows of x[r][k] dz[r][n], for inputs [first_input, end_input) of some
// panels. Tiles of it stay in registers and are then stored to `gradient` (packed like the weights) or,
// in dense_update, passed to the optimizer at once and never stored.
// first_input is a multiple of 16. If it is 0, db is computed, too.
template <class T>
struct GradientArgs {
  Rows<T> x;
  Rows<T> dz;  // panel-major
  std::ptrdiff_t rows;
  std::ptrdiff_t inputs;
  std::ptrdiff_t panel, panels;  // panels [panel, panel + panels)
  std::ptrdiff_t first_input, end_input;
  T* gradient;               // packed (I, O), or null
  T* gradient_bias;          // packed, or null
  // Partial sums, if second_half is not null: these rows are blocks [block, ...) of the sum's `blocks`.
  // The first call initialises `gradient` (the first half) and second_half; the last adds the two.
  T* second_half;
  T* second_half_bias;
  std::ptrdiff_t block, blocks;
  T* weights;                // packed, updated in place
  T* bias;
  T* slots[kMaxSlots];       // optimizer state beside `weights`
  T* slots_bias[kMaxSlots];
  // > 0: x.pointers goes on with this many pointers to the next minibatch's rows, some of which are
  // prefetched here (see kCanSplitPrefetch in tiles.inl).
  std::ptrdiff_t next_rows;
  const StepScalars<T>* step;
  const StepScalars<T>* step_bias;  // differs from `step` by L2, which applies to weights only
};

// Losses. dz (panel-major, padded lanes set to 0) is dL/dz if the loss is fused with its output
// activation (LossInfo::fused), else dL/dy; row_loss[r] is the row's own loss. scale[r] is the row's
// share of the batch's loss: weight / sum of weights. row_correct[r] is 1 if the largest output and the
// largest target have the same index (with one output: if both are above 0.5 or neither is), else 0.
// All arrays by row have room for a multiple of 16.
template <class T>
struct LossArgs {
  Rows<T> z, y, targets;  // panel-major
  std::ptrdiff_t rows;
  std::ptrdiff_t outputs;
  const T* row_max;        // softmax's max(z) of each row, if the output is softmax,
  const T* log_sum;        // and log(sum(exp(z - max)))
  const T* scale;
  T* row_loss;
  T* row_correct;
  RowsOut<T> dz;           // base may be null: the loss alone
  T parameter;             // huber's delta, quantile's level, poisson's deviance
  const T* output_weights; // loss weight per output, padded to whole panels; null if uniform
};

// The output activation that a loss needs; `fused`: its gradient is with respect to z.
enum OutputNeeded : int { needs_any, needs_softmax, needs_sigmoid, needs_exp };
struct LossInfo {
  OutputNeeded output;
  bool fused;
};

// y = x * factor, where factor is 0 if the element's random word is below `threshold`, else `scale`.
// All are panel-major with all lanes written; y may be x, and factor's base null. Row r has position
// `position` + r in its epoch. x begins with panel `panel`, an even one, of rows of `width` elements.
template <class T>
struct DropoutArgs {
  Rows<T> x;
  RowsOut<T> y, factor;
  std::ptrdiff_t rows, columns;
  std::ptrdiff_t panel, width;
  std::uint64_t key, stream;
  std::int64_t position;
  std::uint32_t threshold;
  T scale;
};

struct OptimizerInfo {
  int slots;
  int scalar_state;           // scalars in double, kept from step to step; initially 1
  int hyper;
  const char* const* hyper_names;
};

template <class T>
struct Kernels {
  void (*dense[kActivations])(const DenseArgs<T>&);
  // one half (1 or 2) of the sums into y; the sum must have two halves, and x must not be bytes
  void (*dense_half)(const DenseArgs<T>&, int half);
  void (*combine[kActivations])(const CombineArgs<T>&);
  void (*dense_backward[kActivations])(const BackwardArgs<T>&);
  // d *= act'(below), element by element over panel-major (rows, outputs)
  void (*derivative[kActivations])(const Rows<T>& below, std::ptrdiff_t rows,
                                   std::ptrdiff_t outputs, const RowsOut<T>& d);
  bool derivative_from_z[kActivations];

  void (*dense_gradient)(const GradientArgs<T>&);
  void (*dense_update[kOptimizers])(const GradientArgs<T>&);
  void (*prepare[kOptimizers])(const double* hyper, double* scalar_state, StepScalars<T>* step);
  // the same update over n consecutive parameters and their gradients
  void (*update[kOptimizers])(T* parameters, const T* gradient, T* const* slots,
                              std::ptrdiff_t n, const StepScalars<T>& step);
  // over n consecutive elements, a multiple of 16: clip to [-most, most]; add `by` times w; the sum of
  // squares of the first `lanes` elements of every 16
  void (*clip)(T* g, std::ptrdiff_t n, T most);
  void (*add_scaled)(T* g, const T* w, std::ptrdiff_t n, T by);
  T (*sum_of_squares)(const T* g, std::ptrdiff_t n, int lanes);
  // true if none of n elements (any n) is NaN or infinite
  bool (*all_finite)(const T* x, std::ptrdiff_t n);

  // y = softmax(z) over each row's outputs; z is padded and overwritten, and may be y. row_max and
  // log_sum, (rows) each and padded to a multiple of 16, may both be null.
  void (*softmax)(const RowsOut<T>& z, std::ptrdiff_t rows, std::ptrdiff_t outputs,
                  const RowsOut<T>& y, T* row_max, T* log_sum);
  // d = y * (d - sum(d * y)): dL/dy into dL/dz through softmax
  void (*softmax_backward)(const Rows<T>& y, std::ptrdiff_t rows, std::ptrdiff_t outputs,
                           const RowsOut<T>& d);
  void (*loss[kLosses])(const LossArgs<T>&);

  void (*dropout)(const DropoutArgs<T>&);
  // d *= factor, element by element over panel-major (rows, columns)
  void (*multiply)(const Rows<T>& factor, std::ptrdiff_t rows, std::ptrdiff_t columns, const RowsOut<T>& d);

  // x * scale into panel-major rows (padded lanes 0), from uint8 or T
  void (*to_panels_u8)(const Rows<std::uint8_t>& x, std::ptrdiff_t rows, std::ptrdiff_t inputs, T scale,
                       const RowsOut<T>& out);
  void (*to_panels)(const Rows<T>& x, std::ptrdiff_t rows, std::ptrdiff_t inputs, T scale,
                    const RowsOut<T>& out);
  // sum of weights[i] * values[i] (weights may be null: all 1) by the sum rule
  T (*sum)(const T* values, const T* weights, std::ptrdiff_t n);

  // loops that measure this core's peak speed: see peak.inl
  T (*peak_fma)(std::ptrdiff_t steps);
  T (*peak_read)(const T* p, std::ptrdiff_t n);
};

struct KernelTable {
  const char* name;
  int vector_bytes;
  int peak_chains;            // vector fused multiply-adds per step of peak_fma
  LossInfo loss_info[kLosses];
  OptimizerInfo optimizer_info[kOptimizers];
  Kernels<float> f32;
  Kernels<double> f64;
};

}  // namespace fw
