// Philox4x32-10, the counter-based generator of Salmon, Moraes, Dror and Shaw, "Parallel random
// numbers: as easy as 1, 2, 3" (SC 2011): the i-th number of a stream depends only on (key, stream, i),
// not on threads or the order of calls.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace fw {

class Philox {
 public:
  explicit Philox(std::uint64_t key) : key_(key) {}

  // four 32-bit words for counter i of a stream
  std::array<std::uint32_t, 4> block(std::uint64_t stream, std::uint64_t i) const {
    std::array<std::uint32_t, 4> c = {std::uint32_t(i), std::uint32_t(i >> 32),
                                      std::uint32_t(stream), std::uint32_t(stream >> 32)};
    std::uint32_t k0 = std::uint32_t(key_), k1 = std::uint32_t(key_ >> 32);
    for (int round = 0; round < 10; ++round) {
      const std::uint64_t p0 = std::uint64_t(0xD2511F53u) * c[0];
      const std::uint64_t p1 = std::uint64_t(0xCD9E8D57u) * c[2];
      c = {std::uint32_t(p1 >> 32) ^ c[1] ^ k0, std::uint32_t(p1),
           std::uint32_t(p0 >> 32) ^ c[3] ^ k1, std::uint32_t(p0)};
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    return c;
  }

  // words 2i and 2i + 1 of a stream
  std::array<std::uint64_t, 2> two_words(std::uint64_t stream, std::uint64_t i) const {
    const auto b = block(stream, i);
    return {std::uint64_t(b[1]) << 32 | b[0], std::uint64_t(b[3]) << 32 | b[2]};
  }
  std::uint64_t word(std::uint64_t stream, std::uint64_t i) const {
    return two_words(stream, i >> 1)[i & 1];
  }

  // in [0, 1), a multiple of 2^-53
  double uniform(std::uint64_t stream, std::uint64_t i) const {
    return double(word(stream, i) >> 11) * 0x1p-53;
  }

  // Fisher-Yates shuffle of n elements, from the last one down
  template <class Element>
  void shuffle(std::uint64_t stream, Element* order, std::ptrdiff_t n) const {
    const auto exchange = [&](std::ptrdiff_t i, std::uint64_t word) {
      std::swap(order[i], order[scaled(word, std::uint64_t(i) + 1)]);
    };
    for (std::ptrdiff_t two = (n + 1) / 2 - 1; two >= 0; --two) {
      const auto words = two_words(stream, std::uint64_t(two));
      if (2 * two + 1 < n) exchange(2 * two + 1, words[1]);
      exchange(2 * two, words[0]);  // element 0 with itself in the end
    }
  }

  // a word scaled to [0, n) by Lemire's multiplication; its bias, below n / 2^64, is accepted
  static std::uint64_t scaled(std::uint64_t word, std::uint64_t n) {
    return std::uint64_t((unsigned __int128)(word)*n >> 64);
  }

 private:
  std::uint64_t key_;
};

// Streams: what a number is drawn for. The low half distinguishes repeated uses.
constexpr std::uint64_t kStreamInitial = 1ull << 32, kStreamShuffle = 2ull << 32,
                        kStreamSplit = 3ull << 32, kStreamDropout = 16ull << 32;  // the last: + layer << 32

}  // namespace fw
