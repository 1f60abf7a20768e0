// Rows of bytes times a scale as the tiles' input: converted one block of inputs at a time into a buffer in the
// L1 cache. For layers so narrow that each byte is multiplied by few weights.

template <class T>
FW_INLINE V<T> load_scaled(const std::uint8_t* p, T scale) {
  V<T> v;
  load_bytes(p, v);
  return v * splat<T>(scale);
}
template <class T>
FW_INLINE V<T> load_scaled(const T* p, T scale) { return load<T>(p) * splat<T>(scale); }

// Bytes of one block of inputs, times scale, as panel-major rows [4][kTileRows][16].
template <class T>
inline void convert_block(const Rows<std::uint8_t>& x, std::ptrdiff_t rows, std::ptrdiff_t first,
                          std::ptrdiff_t last, T scale, T* to) {
  for (std::ptrdiff_t r = 0; r < rows; ++r) {
    const std::uint8_t* from = row_of(x, r) + first;
    T* t = to + r * kPanel;
    std::ptrdiff_t k = first;
    for (; k + kPanel <= last; k += kPanel, from += kPanel, t += kTileRows * kPanel)
      FW_UNROLL for (int j = 0; j < kPanel; j += Vec<T>::lanes) store<T>(t + j, load_scaled<T>(from + j, scale));
    for (; k < last; ++k) *t++ = T(*from++) * scale;
  }
}

// True if a tile's block has as many steps as there are vectors to convert for the next block.
template <class T, int MR>
constexpr bool converts_in_step = MR * (kPanel / Vec<T>::lanes) == kPanel;

// One tile of MR strided rows of bytes (whole panels of inputs) by one panel of outputs. Each step of a block's
// chains also converts one vector of the next block, by execution units that multiply-adds leave idle: a block
// has 64 steps and 64 vectors. The next tile's rows are prefetched as this one's are converted.
template <class T, int MR>
FW_NOINLINE void tile_of_uint8(const TileArgs<T>& args, const Rows<std::uint8_t>& x, std::ptrdiff_t r,
                               std::ptrdiff_t all_rows, T scale) {
  constexpr int L = Vec<T>::lanes, P = kPanel / L, N = P;
  constexpr std::ptrdiff_t kPart = MR * kPanel;  // elements of 16 inputs
  alignas(64) T converted[2][kBlock * MR];
  const TileArgs<T> a = args;
  const std::ptrdiff_t step = x.row_stride, n = a.inputs;
  const std::ptrdiff_t blocks = blocks_of(n), half = first_half(blocks);
  const std::uint8_t* base = x.base + r * step;
  const std::ptrdiff_t ahead = r + 2 * MR <= all_rows ? MR * step : 0;
  const auto convert = [&](std::ptrdiff_t k, std::ptrdiff_t i, T* to) FW_ALWAYS {
    const std::ptrdiff_t row = i % MR, j = i / MR * L;
    const std::uint8_t* from = base + row * step + k;
    if (P == 1 || j == 0) __builtin_prefetch(from + ahead, 0, 3);
    store<T>(to + row * kPanel + j, load_scaled<T>(from + j, scale));
  };
  for (std::ptrdiff_t k = 0; k < minimum(n, kBlock); k += kPanel)
    for (std::ptrdiff_t i = 0; i < kPanel; ++i) convert(k, i, converted[0] + k / kPanel * kPart);
  for (std::ptrdiff_t b = 0; b < blocks; ++b) {
    const std::ptrdiff_t last = minimum(n, (b + 1) * kBlock);
    const T* from = converted[b % 2];
    T* to = converted[(b + 1) % 2];
    const T* w = a.weights + b * kBlock * kPanel;
    V<T> acc[MR * N];
    FW_UNROLL for (int i = 0; i < MR * N; ++i) acc[i] = V<T>{};
    for (std::ptrdiff_t k = b * kBlock; k < last; k += kPanel, from += kPart, to += kPart) {
      const bool more = k + kBlock < n;
      for (std::ptrdiff_t i = 0; i < kPanel; ++i, w += kPanel) {
        V<T> wv[N];
        FW_UNROLL for (int v = 0; v < N; ++v) wv[v] = load<T>(w + v * L);
        FW_UNROLL for (int q = 0; q < MR; ++q) {
          const V<T> xv = splat<T>(from[q * kPanel + i]);
          FW_UNROLL for (int v = 0; v < N; ++v) acc[q * N + v] = fma(xv, wv[v], acc[q * N + v]);
        }
        if (more) convert(k + kBlock, i, to);
      }
    }
    fold<T, MR * N>(acc, b == 0 || b == half, b < half ? a.sums : a.second);
  }
}
