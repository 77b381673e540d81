#include <algorithm>
#include <hn/nn/byte_count.hpp>
#include <unordered_map>

namespace hn {

class ByteCount::Reporter final : public c10::MemoryReportingInfoBase {
 public:
  explicit Reporter(c10::MemoryReportingInfoBase* outer) : outer_(outer) {}

  void reportMemoryUsage(void* place, int64_t size, size_t allocated, size_t reserved,
                         c10::Device device) override {
    if (outer_ != nullptr) outer_->reportMemoryUsage(place, size, allocated, reserved, device);
    if (size > 0) {
      std::uint64_t& known = sizes_[place];
      live_ += static_cast<std::uint64_t>(size) - known;
      known = static_cast<std::uint64_t>(size);
      peak_ = std::max(peak_, live_);
    } else if (const auto found = sizes_.find(place); found != sizes_.end()) {
      live_ -= found->second;
      sizes_.erase(found);
    }
  }
  bool memoryProfilingEnabled() const override { return true; }

  std::uint64_t live() const { return live_; }
  std::uint64_t peak() const { return peak_; }
  void reset_peak() { peak_ = live_; }

 private:
  c10::MemoryReportingInfoBase* outer_;
  // By address: the end of a block that was taken elsewhere must not count.
  std::unordered_map<void*, std::uint64_t> sizes_;
  std::uint64_t live_ = 0, peak_ = 0;
};

namespace {

constexpr auto kKind = c10::DebugInfoKind::PROFILER_STATE;

c10::MemoryReportingInfoBase* current() {
  return static_cast<c10::MemoryReportingInfoBase*>(c10::ThreadLocalDebugInfo::get(kKind));
}

}  // namespace

ByteCount::ByteCount()
    : reporter_(std::make_shared<Reporter>(current())), guard_(kKind, reporter_) {}
ByteCount::~ByteCount() = default;

std::uint64_t ByteCount::live() const { return reporter_->live(); }
std::uint64_t ByteCount::peak() const { return reporter_->peak(); }
void ByteCount::reset_peak() { reporter_->reset_peak(); }

}  // namespace hn
