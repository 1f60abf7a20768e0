// Aligned memory that grows and never shrinks, so that repeated steps and calls allocate nothing.
#pragma once

#include <cstddef>
#include <cstring>
#include <limits>
#include <new>

namespace fw {

constexpr std::size_t kAlignment = 128;  // two cache lines, since the CPU prefetches adjacent lines together

template <class T>
class Buffer {
 public:
  Buffer() = default;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { release(); }

  // Memory for at least n elements. Growing loses the contents; new memory is zero.
  T* reserve(std::size_t n) {
    if (n <= size_) return data_;
    if (n > std::numeric_limits<std::size_t>::max() / sizeof(T) / 2) throw std::bad_alloc();
    release();
    data_ = static_cast<T*>(::operator new(n * sizeof(T), std::align_val_t{kAlignment}));
    std::memset(static_cast<void*>(data_), 0, n * sizeof(T));
    size_ = n;
    return data_;
  }
  T* data() { return data_; }
  const T* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  void release() {
    if (data_) ::operator delete(data_, std::align_val_t{kAlignment});
    data_ = nullptr;
    size_ = 0;
  }
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace fw
