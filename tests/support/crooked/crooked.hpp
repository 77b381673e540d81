// A sound plugin with prompts, open sizes, adapters and an audit; and with the option `defect` the
// same with one deliberate mistake, which the contract suite must catch by the check that
// tests/contract/crooked_test.cpp names. What its functions share.
#pragma once

#include <algorithm>
#include <atomic>
#include <hn/cpp/plugin.hpp>
#include <string>

namespace crooked {

// The option's value; one for the process, which serves one check.
inline std::string the_defect;  // NOLINT: a test's switch
inline bool is(const char* defect) { return the_defect == defect; }

inline bool g_trimmed = false;         // NOLINT: of trims_saved
inline std::atomic<int> g_at_work{0};  // NOLINT: of one_at_a_time
inline hn_str g_tone{};                // NOLINT: of keeps_options, the host's own text

// An element of a tensor of up to four dimensions, by its strides.
inline float& at(const DLTensor& t, std::int64_t a, std::int64_t b = 0, std::int64_t c = 0,
                 std::int64_t d = 0) {
  const std::int64_t place[4] = {a, b, c, d};
  std::int64_t index = 0, plain = 1, packed = 0;
  for (std::int32_t i = t.ndim; i-- > 0;) {
    index += place[i] * t.strides[i];
    packed += place[i] * plain;
    plain *= t.shape[i];
  }
  const bool repeated = t.ndim > 0 && t.strides[0] == 0;
  return hn::data_of<float>(t)[is("ignores_zero_stride") && repeated ? packed : index];
}

inline void require_shape(const DLTensor& t, const std::vector<std::int64_t>& shape,
                          const char* what) {
  const auto got = hn::shape_of(t);
  if (!std::equal(got.begin(), got.end(), shape.begin(), shape.end()))
    throw hn::Error(HN_INVALID_ARGUMENT, std::string("[crooked] expected ") + what + " " +
                                             hn::shape_text(shape) + ", got " +
                                             hn::shape_text(hn::shape_of(t)));
}

// The wanted gradient of an input, or NULL; and whether to add.
struct Wanted {
  Wanted(const hn_vjp& vjp, std::size_t i)
      : tensor(i < vjp.n_in ? vjp.grad[i] : nullptr),
        add(vjp.accumulate != nullptr && i < vjp.n_in && vjp.accumulate[i] != 0) {}
  void put(float& into, float g) const { into = add ? into + g : g; }
  const DLTensor* tensor;
  bool add;
};
inline const DLTensor* cotangent_of(const hn_vjp& vjp, std::size_t k,
                                    const std::vector<std::int64_t>& shape) {
  const DLTensor* t = k < vjp.n_out ? vjp.cotangent[k] : nullptr;
  if (t != nullptr) require_shape(*t, shape, "a cotangent");
  return t;
}

// What a prompt comes to.
struct Encoded final : hn::Cond {
  float weight = 1;
  std::string_view text;  // of keeps_text: the caller's
  std::uint64_t size_bytes() const override { return sizeof *this; }
};
inline float weight_of(std::string_view text) {
  std::uint32_t h = 17;
  for (const char c : text) h = h * 31 + static_cast<unsigned char>(c);
  return 0.5f + static_cast<float>(h % 1000) / 1000;
}

std::unique_ptr<hn::Function> make_score();
std::unique_ptr<hn::Function> make_encode();
std::unique_ptr<hn::Function> make_noise_net();

}  // namespace crooked
