// Inverted dropout (Srivastava et al., JMLR 15, 2014): kept elements are multiplied by 1 / (1 - rate). The masks
// come from Philox4x32-10 (see net/philox.h), many counters at once. Whether an element is kept depends only on
// key, stream, the row's position in the epoch and the element's index in the row.

constexpr std::ptrdiff_t kDropoutCounters = 8;  // of 4 words each, for two adjacent panels

// Counters `first` to first + 7: their words 0 and 1 for the first panel, 2 and 3 for the second.
inline void philox_words(std::uint64_t key, std::uint64_t stream, std::uint64_t first, std::uint32_t* to) {
  constexpr int parts = kDropoutCounters / kWideLanes;
  Wide words[4 * parts];
  FW_UNROLL for (int j = 0; j < parts; ++j) {
    Wide c0 = wide_from(first + std::uint64_t(j * kWideLanes)), c1 = c0 >> 32;
    Wide c2 = wide(stream), c3 = wide(stream >> 32);
    std::uint32_t k0 = std::uint32_t(key), k1 = std::uint32_t(key >> 32);
    FW_UNROLL for (int round = 0; round < 10; ++round) {
      const Wide p0 = multiply_words(c0, wide(0xD2511F53u)), p1 = multiply_words(c2, wide(0xCD9E8D57u));
      c0 = (p1 >> 32) ^ c1 ^ wide(k0);
      c1 = p1;
      c2 = (p0 >> 32) ^ c3 ^ wide(k1);
      c3 = p0;
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    const Wide c[] = {c0, c1, c2, c3};
    FW_UNROLL for (int w = 0; w < 4; ++w) words[w * parts + j] = c[w];
  }
  FW_UNROLL for (int i = 0; i < 4 * parts; i += 2) store_words(to + i * kWideLanes, words[i], words[i + 1]);
}

template <class T>
void dropout(const DropoutArgs<T>& a) {
  const std::ptrdiff_t panel_pairs = ceil_div(panels_of(a.width), 2), panels = panels_of(a.columns);
  const V<T> scale = splat<T>(a.scale);
  for (std::ptrdiff_t r = 0; r < a.rows; ++r) {
    const std::uint64_t row = std::uint64_t(a.position + r) * std::uint64_t(panel_pairs * kDropoutCounters);
    const T* x = row_of(a.x, r);
    for (std::ptrdiff_t p = 0; p < panels; p += 2) {
      alignas(64) std::uint32_t words[2 * kPanel];
      philox_words(a.key, a.stream, row + std::uint64_t((a.panel + p) / 2 * kDropoutCounters), words);
      for (std::ptrdiff_t q = p; q < minimum(panels, p + 2); ++q)
        FW_UNROLL for (int j = 0; j < kPanel; j += Vec<T>::lanes) {
          const V<T> factor = where_at_least<T>(words + (q - p) * kPanel + j, a.threshold, scale);
          store<T>(a.y.base + r * a.y.row_stride + q * a.y.panel_stride + j,
                   load<T>(x + q * a.x.panel_stride + j) * factor);
          if (a.factor.base)
            store<T>(a.factor.base + r * a.factor.row_stride + q * a.factor.panel_stride + j, factor);
        }
    }
  }
}

// d *= factor, both panel-major
template <class T>
void multiply(const Rows<T>& factor, std::ptrdiff_t rows, std::ptrdiff_t columns, const RowsOut<T>& d) {
  for (std::ptrdiff_t p = 0; p < panels_of(columns); ++p)
    for (std::ptrdiff_t r = 0; r < rows; ++r) {
      T* to = d.base + r * d.row_stride + p * d.panel_stride;
      const T* by = row_of(factor, r) + p * factor.panel_stride;
      FW_UNROLL for (int j = 0; j < kPanel; j += Vec<T>::lanes) store<T>(to + j, load<T>(to + j) * load<T>(by + j));
    }
}
