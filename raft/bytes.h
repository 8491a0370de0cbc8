// Bytes: an immutable, shared run of bytes. A command's payload is one Bytes
// from the socket to the log to the disk; copying it copies a reference.
#ifndef RAFT_BYTES_H_
#define RAFT_BYTES_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace raft {

// Copies share the buffer; the reference count is atomic, so copies may live
// in different threads. Equality is by content.
class Bytes {
 public:
  Bytes() = default;

  // Takes ownership of `text`.
  explicit Bytes(std::string text)
      : owner_(std::make_shared<const std::string>(std::move(text))),
        view_(*owner_) {}
  static Bytes Copy(std::string_view text) { return Bytes(std::string(text)); }

  // The bytes [offset, offset + size) of this buffer, sharing it.
  // Requires offset + size <= this->size().
  Bytes Slice(size_t offset, size_t size) const {
    Bytes slice;
    slice.owner_ = owner_;
    slice.view_ = view_.substr(offset, size);
    return slice;
  }

  std::string_view view() const { return view_; }
  const char* data() const { return view_.data(); }
  size_t size() const { return view_.size(); }
  bool empty() const { return view_.empty(); }

  friend bool operator==(const Bytes& a, const Bytes& b) {
    return a.view_ == b.view_;
  }

 private:
  std::shared_ptr<const std::string> owner_;
  std::string_view view_;
};

}  // namespace raft

#endif  // RAFT_BYTES_H_
