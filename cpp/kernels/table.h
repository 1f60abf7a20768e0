// The hinge: all that code above (layers, training, threads, Python) knows of the kernels, and all
// that the kernels know of it. Plain structs of pointers, sizes, strides and scalars; no functions
// here but pointers, so that nothing in this file can be compiled twice with different flags.
//
// Shapes. B rows (samples), I inputs and O outputs of a layer, kPanel = 16 outputs to a panel.
//   packed weights   [ceil(O/16)][I][16]: panel p, input k, lane j is W[16p + j][k]; lanes past O are 0
//   bias             [ceil(O/16) * 16]
//   panel-major      activations as [ceil(N/16)][R][16] for R >= B rows: one layout that serves as
//                    output of one layer, broadcast operand of the next and vector operand of dW
//
// Sums. Every sum of n terms is cut into blocks of kBlock = 64 consecutive terms. A block is one
// chain of fused multiply-adds in increasing order from +0. The first ceil(blocks / 2) blocks, each
// added in order, are the first half, the rest the second; the result is first + second. A kernel may
// compute as many chains side by side as it likes: no vector width, tile or row count can be seen in
// the result.
//
// A kernel never allocates, throws, logs, reads the environment or starts a thread.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fw {

constexpr int kPanel = 16;
constexpr int kBlock = 64;
constexpr int kMaxHyper = 8;      // hyper-parameters of an optimizer
constexpr int kMaxSlots = 3;      // state arrays of an optimizer, each as long as the parameters
constexpr int kMaxMemo = 2;       // running scalars of an optimizer

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

// A read-only matrix (B, N) in any layout the kernels read: element (r, k) is
// row(r)[(k / 16) * panel_stride + k % 16], where row(r) is pointers[r] if pointers are given and
// base + r * row_stride otherwise. Row-major: panel_stride 16. Panel-major: row_stride 16.
template <class T>
struct Rows {
  const T* base;
  const T* const* pointers;
  std::ptrdiff_t row_stride;
  std::ptrdiff_t panel_stride;
};

// The same, to be written. `padded`: all 16 lanes of the last panel may be written.
template <class T>
struct RowsOut {
  T* base;
  std::ptrdiff_t row_stride;
  std::ptrdiff_t panel_stride;
  bool padded;
};

constexpr std::ptrdiff_t kFarChains = 4, kFarSlack = 2 * kFarChains * kBlock * kPanel;

// y = act(W x + b) for `rows` rows, one pass: sum, bias, activation, one store.
// z, where its base is not null, also gets W x + b. Where `bytes` has rows (row-major), the input is
// bytes * scale and x is not looked at: converted as it is loaded, for layers so narrow that
// each byte is used by few outputs.
template <class T>
struct DenseArgs {
  Rows<T> x;
  Rows<std::uint8_t> bytes;
  T scale;
  std::ptrdiff_t rows;
  // While row r is used row r + distance is prefetched, if it is one of rows + ahead. 0, 0: none is.
  std::ptrdiff_t distance, ahead;
  std::ptrdiff_t inputs;
  const T* weights;  // packed
  const T* bias;     // packed
  std::ptrdiff_t outputs;
  RowsOut<T> y;
  RowsOut<T> z;
  // The weights come from beyond the second-level cache. One row asks for them ahead of their use, and for up
  // to kFarSlack elements behind them: memory must be there, since to ask for what isn't mapped is slow.
  bool far = false;
  // Of the rows ahead, some are left for dW to ask for (GradientArgs::next), if it does.
  bool halved = false;
};

// y = act(first + second + bias), from the sums' halves as dense_half leaves them: panel-major.
template <class T>
struct JoinArgs {
  Rows<T> first, second;
  std::ptrdiff_t rows;
  const T* bias;     // packed
  std::ptrdiff_t outputs;
  RowsOut<T> y, z;   // as in DenseArgs
};

// dx = (dz W) * act'(below): the gradient carried down to the layer below, whose outputs y (or sums
// z, whichever its derivative is a function of) are `below`. dz, dx and below are panel-major.
template <class T>
struct BackwardArgs {
  Rows<T> dz;
  std::ptrdiff_t rows;
  std::ptrdiff_t outputs;      // O: the length of the sums
  const T* weights;            // packed, as for the way up
  std::ptrdiff_t inputs;       // I
  RowsOut<T> dx;
  Rows<T> below;
  std::ptrdiff_t panel = 0, end = 0;  // panels [panel, end) of dx; end 0: all from there on
};

// One optimizer step's scalars, made by OptimizerInfo::prepare in the table's precision.
template <class T>
struct Step {
  T value[kMaxHyper];
  T limit = 0;  // dense_update: what each element of the gradient is limited to, or 0
  T by = 1;     // update: what the gradient is multiplied by
};

// dW[k][n] = sum over the batch's rows of x[r][k] dz[r][n], for inputs [first, last) of some panels,
// in tiles that stay in registers and are then either stored to `gradient` (packed like
// the weights) or, in dense_update, handed to the optimizer at once and never stored.
// first is a multiple of 16. If first is 0, db is treated likewise.
template <class T>
struct GradientArgs {
  Rows<T> x;
  Rows<T> dz;  // panel-major
  std::ptrdiff_t rows;
  std::ptrdiff_t inputs;
  std::ptrdiff_t panel, panels;  // panels [panel, panel + panels)
  std::ptrdiff_t first, last;
  T* gradient;               // packed (I, O), or null
  T* gradient_bias;          // packed, or null
  // Not null: these are but some of the sum's rows, from block `block` on of its `blocks`, begun with the first and
  // ended with the last; the second half's sums go here, like those at `gradient`.
  T* second;
  T* second_bias;
  std::ptrdiff_t block, blocks;
  T* weights;                // packed, updated in place
  T* bias;
  T* slots[kMaxSlots];       // optimizer state beside `weights`
  T* slots_bias[kMaxSlots];
  std::ptrdiff_t next;       // > 0: so many pointers to the next batch's rows follow those to x; see kSharesFetching
  const Step<T>* step;
  const Step<T>* step_bias;  // what is penalised in the weights isn't in the biases
};

// Losses. dz (panel-major, padded lanes set to 0) is dL/dz where the loss is fused with its output
// activation (LossInfo::fused) and dL/dy where it is not; row_loss[r] is the row's own loss.
// scale[r] is the row's share in the batch's loss: weight / sum of weights. row_hit[r] is 1 if
// the largest of y is where the largest of the targets is (of one output: both above 0.5 or neither),
// else 0. All arrays by row have room for a multiple of 16.
template <class T>
struct LossArgs {
  Rows<T> z, y, targets;  // panel-major
  std::ptrdiff_t rows;
  std::ptrdiff_t outputs;
  const T* row_max;        // softmax's max(z) of each row, where there is one,
  const T* log_sum;        // and log(sum(exp(z - max)))
  const T* scale;
  T* row_loss;
  T* row_hit;
  RowsOut<T> dz;           // base may be null: the loss alone
  T parameter;             // huber's delta, quantile's level
  const T* output_weights; // one for each output, padded to whole panels: what its part of the loss counts; or null
};

// An output that a loss can't do without; `fused`: its gradient is with respect to z.
enum OutputNeeded : int { needs_any, needs_softmax, needs_sigmoid, needs_exp };
struct LossInfo {
  OutputNeeded output;
  bool fused;
};

// y = x * factor, where factor is 0 or `scale`: 0 where a word of the generator is below `threshold`. All are
// panel-major with all lanes written; y may be x, and factor's base null. Row r is at `position` + r; x
// begins with panel `panel`, an even one, of rows of `width` elements.
template <class T>
struct DropArgs {
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
  int memo;                   // running scalars, in double, kept between steps; begin as 1
  int hyper;
  const char* const* hyper_names;
};

template <class T>
struct Kernels {
  void (*dense[kActivations])(const DenseArgs<T>&);
  // one half (1 or 2) of the sums alone, into y; there must be two, and x is not bytes
  void (*dense_half)(const DenseArgs<T>&, int half);
  void (*join[kActivations])(const JoinArgs<T>&);
  void (*dense_backward[kActivations])(const BackwardArgs<T>&);
  // d *= act'(below), element by element over panel-major (rows, outputs)
  void (*derivative[kActivations])(const Rows<T>& below, std::ptrdiff_t rows,
                                   std::ptrdiff_t outputs, const RowsOut<T>& d);
  bool derivative_from_z[kActivations];

  void (*dense_gradient)(const GradientArgs<T>&);
  void (*dense_update[kOptimizers])(const GradientArgs<T>&);
  void (*prepare[kOptimizers])(const double* hyper, double* memo, Step<T>* step);
  // the same update over n consecutive parameters and their gradients
  void (*update[kOptimizers])(T* parameters, const T* gradient, T* const* slots,
                              std::ptrdiff_t n, const Step<T>& step);
  // over n consecutive elements, a multiple of 16: limited to [-most, most]; with `by` times w added; the sum of
  // their squares, of the first `lanes` elements of every 16
  void (*clip)(T* g, std::ptrdiff_t n, T most);
  void (*add_scaled)(T* g, const T* w, std::ptrdiff_t n, T by);
  T (*squares)(const T* g, std::ptrdiff_t n, int lanes);
  // whether none of any n elements is NaN or infinite
  bool (*finite)(const T* x, std::ptrdiff_t n);

  // y = softmax(z) over each row's outputs; z is padded and overwritten, and may be y. row_max and
  // log_sum, (rows) each and padded to a multiple of 16, may be null together.
  void (*softmax)(const RowsOut<T>& z, std::ptrdiff_t rows, std::ptrdiff_t outputs,
                  const RowsOut<T>& y, T* row_max, T* log_sum);
  // d = y * (d - sum(d * y)): dL/dy into dL/dz through softmax
  void (*softmax_backward)(const Rows<T>& y, std::ptrdiff_t rows, std::ptrdiff_t outputs,
                           const RowsOut<T>& d);
  void (*loss[kLosses])(const LossArgs<T>&);

  void (*drop)(const DropArgs<T>&);
  // d *= factor, element by element over panel-major (rows, columns)
  void (*multiply)(const Rows<T>& factor, std::ptrdiff_t rows, std::ptrdiff_t columns, const RowsOut<T>& d);

  // x * scale into panel-major rows (padded lanes 0), from uint8 or T
  void (*stage_u8)(const Rows<std::uint8_t>& x, std::ptrdiff_t rows, std::ptrdiff_t inputs, T scale,
                   const RowsOut<T>& out);
  void (*stage)(const Rows<T>& x, std::ptrdiff_t rows, std::ptrdiff_t inputs, T scale,
                const RowsOut<T>& out);
  // sum of weights[i] * values[i] (weights may be null: all 1) by the sum rule
  T (*sum)(const T* values, const T* weights, std::ptrdiff_t n);

  // loops that show what this core can do at best: see peak.inl
  T (*fma_limit)(std::ptrdiff_t steps);
  T (*read_limit)(const T* p, std::ptrdiff_t n);
};

struct KernelTable {
  const char* name;
  int vector_bytes;
  int limit_chains;           // vector fused multiply-adds to a step of fma_limit
  LossInfo loss_info[kLosses];
  OptimizerInfo optimizer_info[kOptimizers];
  Kernels<float> f32;
  Kernels<double> f64;
};

}  // namespace fw
