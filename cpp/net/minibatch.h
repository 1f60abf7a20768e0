// A minibatch: the rows of the samples that one step uses, and how the first layer reads them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "../kernels/table.h"
#include "views.h"

namespace fw {

template <class T>
struct Workspace;

// How many rows of a shuffled minibatch are prefetched ahead of their use. A whole minibatch of 200 would evict too
// much of the L2 cache.
constexpr std::ptrdiff_t kBatchPrefetchRows = 32;

struct LossOptions {
  int kind;              // loss_...
  double parameter = 0;  // huber's delta, quantile's level, poisson's deviance
  // label smoothing: targets t become t (1 - smoothing) + smoothing * smooth_to
  double smoothing = 0;
  double smooth_to = 0;
  std::vector<double> output_weights = {};  // weight of each output's part of the loss; empty if uniform
};

// The data to train or evaluate on. Row weights may be null.
template <class T>
struct Samples {
  InputView x;
  Targets<T> targets;
  const T* weights;
  const std::int64_t* index = nullptr;  // row numbers of x in the order of use; null: all rows of x
  std::ptrdiff_t count = 0;             // length of index
  std::ptrdiff_t rows() const { return index ? count : x.rows; }
};

// A target or weight that can't be trained on. Data are checked before training, but may be changed meanwhile.
struct Invalid {
  enum class Of { nothing, labels, values, weights };
  Of of = Of::nothing;
  std::ptrdiff_t row = 0;  // of x
  double value = 0;        // of values and weights
  std::int64_t label = 0;
  explicit operator bool() const { return of != Of::nothing; }
};

// The sentence for users: what was expected and what was found.
std::string describe(const Invalid& invalid, const LossOptions& loss, std::ptrdiff_t outputs);

// The invalid value of the lowest row so far. Any thread may report one.
class FirstInvalid {
 public:
  void clear() { set({}); }
  void report(const Invalid& invalid) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!first_ || invalid.row < first_.row) first_ = invalid;
  }
  Invalid get() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return first_;
  }

 private:
  void set(const Invalid& invalid) {
    const std::lock_guard<std::mutex> lock(mutex_);
    first_ = invalid;
  }
  std::mutex mutex_;
  Invalid first_;
};

template <class T>
struct Minibatch {
  const Samples<T>& samples;
  const std::int64_t* order;     // row numbers of x in the order of use, or null: 0, 1, 2, ...
  std::ptrdiff_t first;          // index in `order` of the minibatch's first row
  std::ptrdiff_t rows;
  // dropout masks are a function of the epoch and the first row's position in it
  std::uint64_t epoch = 0;
  std::ptrdiff_t position = 0;

  T total_weight = 0;            // set by normalise_row_weights
  // set by gather_pointers:
  Rows<T> input = {};            // the rows as the first layer reads them
  std::ptrdiff_t next_rows = 0;  // rows of the next minibatch that follow in the list of pointers
  bool split_prefetch = false;   // forward pass and dW each prefetch half of the next minibatch's rows

  // A part of a sum over more rows: the part's offset, and how many rows there are in all. 0: not a part.
  std::ptrdiff_t offset = 0, sum_rows = 0;

  std::ptrdiff_t row_number(std::ptrdiff_t r) const { return order ? order[first + r] : first + r; }
};

// Rows [first, first + count) of a minibatch.
struct RowSpan {
  std::ptrdiff_t first, count;
};
// Columns [first, first + count) of x.
struct ColumnSpan {
  std::ptrdiff_t first, count;
};

// Loads the row weights, and each row's share of their sum. False if the sum is 0: nothing to learn.
template <class T>
bool normalise_row_weights(Workspace<T>& w, Minibatch<T>* batch);
// A row's weight; 0 if it is invalid, which is reported.
template <class T>
T valid_row_weight(Workspace<T>& w, const Samples<T>& samples, std::ptrdiff_t row);
// Collects pointers to the minibatch's rows, and to the next one's for prefetching. The first layer reads the
// caller's array by these pointers or, if rows must be converted, scratch memory; the pointers are then to each
// row's element `column`, the first that is to be converted.
template <class T>
void gather_pointers(Workspace<T>& w, Minibatch<T>* batch, std::ptrdiff_t column = 0);
// Converts and scales some columns of some rows into scratch memory, with dropout if `dropout`, if that is needed.
// Returns these rows as the first layer reads them.
template <class T>
Rows<T> convert_rows_to_scratch(Workspace<T>& w, const Minibatch<T>& batch, RowSpan rows, ColumnSpan columns,
                                bool dropout);
// Loads the targets of some rows and checks them; with an upstream gradient, loads that.
template <class T>
void load_targets(Workspace<T>& w, const Minibatch<T>& batch, RowSpan rows);
// The arguments of dropout for what layer l reads, for `rows` rows from this position of an epoch on.
template <class T>
DropoutArgs<T> dropout_args(const Workspace<T>& w, std::size_t l, std::ptrdiff_t rows, std::uint64_t epoch,
                            std::ptrdiff_t position);
// Applies the input's dropout masks to its gradient dx, (rows, inputs).
template <class T>
void drop_input_gradient(Workspace<T>& w, const Minibatch<T>& batch, T* dx, RowSpan rows);

}  // namespace fw
