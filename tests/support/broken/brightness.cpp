// A sound reward, brightness(x) = mean(x^2) a sample with its derivative by hand; and with the
// option `defect`, the same with one deliberate mistake, which the contract suite must catch by the
// check that tests/contract/broken_test.cpp names.
#include <unistd.h>

#include <atomic>
#include <cfenv>
#include <clocale>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <hn/cpp/plugin.hpp>
#include <stdexcept>
#include <string>
#include <thread>

namespace {

// The option's value; one for the process, which serves one check.
std::string the_defect;  // NOLINT: a test's switch

bool is(const char* defect) { return the_defect == defect; }

float& at(const DLTensor& t, std::int64_t b, std::int64_t c, std::int64_t y, std::int64_t x) {
  char* base = static_cast<char*>(t.data) + (is("ignores_offset") ? 0 : t.byte_offset);
  const std::int64_t plain = ((b * t.shape[1] + c) * t.shape[2] + y) * t.shape[3] + x;
  const std::int64_t index = is("ignores_strides") ? plain
                                                   : b * t.strides[0] + c * t.strides[1] +
                                                         y * t.strides[2] + x * t.strides[3];
  return reinterpret_cast<float*>(base)[index];
}
float& at(const DLTensor& t, std::int64_t b) { return hn::data_of<float>(t)[b * t.strides[0]]; }

template <class Body>
void each_pixel(const DLTensor& image, Body body) {
  for (std::int64_t b = 0; b < image.shape[0]; ++b)
    for (std::int64_t c = 0; c < image.shape[1]; ++c)
      for (std::int64_t y = 0; y < image.shape[2]; ++y)
        for (std::int64_t x = 0; x < image.shape[3]; ++x) body(b, c, y, x);
}

struct Kept final : hn::Saved {
  const DLTensor* view = nullptr;
  DLTensor image{};  // borrowed until saved_release
  std::vector<std::int64_t> shape, strides;
};

const DLTensor* latest = nullptr;  // of keeps_pointer
float calls = 0;                   // of remembers

class Score final : public hn::Function {
 public:
  Score() {
    inputs_ = {
        {"image_rgb01", "image_rgb01", {HN_DIM_BATCH, 3, HN_DIM_ANY, HN_DIM_ANY}, HN_SLOT_DIFF}};
    outputs_ = {{"score", "score", {HN_DIM_BATCH}, HN_SLOT_DIFF}};
    if (is("two_images")) {
      inputs_.push_back(inputs_[0]);
      inputs_[1].name = "second";
    }
    if (is("own_word")) inputs_[0].semantic = "picture";
    if (is("own_name")) inputs_[0].name = "picture";  // no defect: the semantic is what counts
    if (is("unknown_slot_flag")) inputs_[0].flags |= 1u << 9;
  }

  std::unique_ptr<hn::Saved> forward(const hn::Call& call) override {
    const DLTensor& image = *call.in(0);
    const DLTensor& score = *call.out(0);
    const auto pixels = static_cast<double>(image.shape[1] * image.shape[2] * image.shape[3]);
    std::vector<double> sums(static_cast<std::size_t>(image.shape[0]));
    each_pixel(image, [&](auto b, auto c, auto y, auto x) {
      const double v = at(image, b, c, y, x);
      sums[static_cast<std::size_t>(b)] += v * v;
    });
    if (is("mixes_samples") && sums.size() > 1) sums[0] += 0.1 * sums[1];
    for (std::int64_t b = 0; b < image.shape[0] - (is("skips_last_sample") ? 1 : 0); ++b)
      at(score, b) = static_cast<float>(sums[static_cast<std::size_t>(b)] / pixels);
    if (is("writes_past_end")) at(score, score.shape[0]) = 1.0f;
    if (is("changes_input") && image.shape[0] > 0) at(image, 0, 0, 0, 0) = 0.5f;
    if (is("remembers") && image.shape[0] > 0) at(score, 0) += (calls += 1e-3f);
    if (is("draws_own_noise") && image.shape[0] > 0)
      at(score, 0) += 1e-3f * static_cast<float>(call.raw().rng_seed);
    if (is("needs_samples") && image.shape[0] == 0)
      throw hn::Error(HN_INVALID_ARGUMENT, "[brightness] expected samples, got none");
    if (is("moves_away") && ::chdir("/") != 0) std::abort();
    if (is("catches_signals")) std::signal(SIGINT, [](int) {});
    if (is("rounds_up")) std::fesetround(FE_UPWARD);
    if (is("leaks")) leaked_ = new char[64];
    if (is("sets_locale")) std::setlocale(LC_ALL, "C.UTF-8");
    if (!call.want_grad()) return nullptr;
    auto kept = std::make_unique<Kept>();
    kept->shape.assign(image.shape, image.shape + 4);
    kept->strides.assign(image.strides, image.strides + 4);
    kept->image = image;
    kept->image.shape = kept->shape.data();
    kept->image.strides = kept->strides.data();
    latest = call.in(0);
    thread_ = std::this_thread::get_id();
    uses_ = 0;
    return kept;
  }

  void backward(hn::Saved& saved, const hn_vjp& vjp) override {
    if (is("crashes")) std::raise(SIGSEGV);
    if (is("exits")) std::exit(0);
    if (is("hangs"))
      for (;;) std::this_thread::yield();
    if (is("frees_once") && ++uses_ > 1)
      throw hn::Error(HN_INTERNAL, "[brightness] the graph is gone");
    if (is("binds_thread") && thread_ != std::this_thread::get_id())
      throw hn::Error(HN_INTERNAL, "[brightness] called from another thread");
    const DLTensor& image = is("keeps_pointer") ? *latest : static_cast<Kept&>(saved).image;
    const DLTensor* grad = vjp.n_in > 0 ? vjp.grad[0] : nullptr;
    if (grad == nullptr) return;
    for (int d = 0; d < 4; ++d)
      if (grad->shape[d] != image.shape[d])
        throw hn::Error(HN_INVALID_ARGUMENT, "[brightness] expected a gradient " +
                                                 hn::shape_text(hn::shape_of(image)) + ", got " +
                                                 hn::shape_text(hn::shape_of(*grad)));
    const DLTensor* cotangent = vjp.n_out > 0 ? vjp.cotangent[0] : nullptr;
    if (cotangent != nullptr && cotangent->shape[0] != image.shape[0])
      throw hn::Error(HN_INVALID_ARGUMENT,
                      "[brightness] expected a cotangent of the score's shape");
    bool add = vjp.accumulate != nullptr && vjp.accumulate[0] != 0;
    if (is("overwrites")) add = false;
    if (is("always_adds")) {
      if (vjp.accumulate == nullptr)
        each_pixel(*grad, [&](auto b, auto c, auto y, auto x) { at(*grad, b, c, y, x) = 0.25f; });
      add = true;
    }
    const auto pixels = static_cast<float>(image.shape[1] * image.shape[2] * image.shape[3]);
    each_pixel(image, [&](auto b, auto c, auto y, auto x) {
      float g = cotangent != nullptr ? at(*cotangent, b) : is("assumes_cotangent") ? 1.0f : 0.0f;
      g *= 2.0f * at(image, b, c, y, x) / pixels;
      if (is("wrong_gradient")) g *= 1.05f;
      if (is("detaches")) g = 0;
      if (is("partial_gradient") && c == 2) g = 0;
      if (is("clips_gradient")) g = std::min(std::max(g, -1e-4f), 1e-4f);
      at(*grad, b, c, y, x) = add ? at(*grad, b, c, y, x) + g : g;
    });
    if (is("writes_past_gradient")) at(*grad, grad->shape[0], 0, 0, 0) = 1.0f;
    if (is("changes_cotangent") && cotangent != nullptr) at(*cotangent, 0) = 2.0f;
  }

 private:
  std::thread::id thread_;
  int uses_ = 0;
  char* volatile leaked_ = nullptr;
};

// "generate" of a generator of one size, for what it does with another one.
class OneSize final : public hn::Function {
 public:
  OneSize() {
    inputs_ = {{"noise", "noise", {HN_DIM_BATCH, 3, 8, 8}, HN_SLOT_DIFF}};
    outputs_ = {{"image_rgb01", "image_rgb01", {HN_DIM_BATCH, 3, 8, 8}, HN_SLOT_DIFF}};
  }
  std::unique_ptr<hn::Saved> forward(const hn::Call&) override { return nullptr; }
  void backward(hn::Saved&, const hn_vjp&) override {}
};

class Brightness final : public hn::Instance {
 public:
  Brightness(const hn::Host& host, const hn::Config& config) : Instance(host) {
    the_defect = config.str("defect", "");
    if (is("refuses_size") && config.i64("width", 8) != 8)  // no defect
      throw hn::Error(HN_UNSUPPORTED, "[brightness] expected width = 8");
    const std::string device = is("takes_any_device") ? "cpu" : config.str("device", "cpu");
    if (device != "cpu")
      throw hn::Error(HN_UNSUPPORTED, "[brightness] expected device cpu, got " + device);
    if (is("fails_to_create")) throw hn::Error(HN_INTERNAL, "[brightness] no instance today");
    if (is("leaves_thread")) std::thread([] { ::pause(); }).detach();
    if (is("joins_thread"))
      worker_ = std::thread([this] {  // no defect
        while (!done_) ::usleep(1000);
      });
  }
  ~Brightness() override {
    done_ = true;
    if (worker_.joinable()) worker_.join();
  }
  std::unique_ptr<hn::Function> open(std::string_view name, const hn::Config&) override {
    if (name == "generate" && (is("passes_over_size") || is("refuses_size")))
      return std::make_unique<OneSize>();
    if (name != "score") throw unknown_function(name);
    return std::make_unique<Score>();
  }

 private:
  std::atomic<bool> done_{false};
  std::thread worker_;
};

// Some mistakes the C++ layer makes impossible; they are made on a copy of its table.
hn_status throwing_forward(hn_fn*, const hn_call*, hn_saved**, hn_error*) {
  throw std::runtime_error("escaped");
}
hn_status silent_open(hn_instance* p, hn_str name, const hn_config* config, hn_fn** out,
                      hn_error*) {
  return hn::tables::fn_open(p, name, config, out, nullptr);
}
hn_status lenient_forward(hn_fn* p, const hn_call* call, hn_saved** saved, hn_error* error) {
  hn_call known = *call;
  known.flags &= HN_CALL_WANT_GRAD | HN_CALL_DETERMINISTIC;
  return hn::tables::fn_forward(p, &known, saved, error);
}
hn_status whole_info(hn_fn*, hn_fn_info* out, hn_error*) {
  *out = {sizeof(hn_fn_info), 0, 1, 1};  // whatever room the caller has
  return HN_OK;
}
hn_status unchecked_counts(hn_fn* p, const hn_call* call, hn_saved** saved, hn_error* error) {
  hn_call known = *call;
  known.n_out = 1;
  return hn::tables::fn_forward(p, &known, saved, error);
}

hn_status open_despite(hn_instance* p, hn_str name, const hn_config* config, hn_fn** out,
                       hn_error* error) {
  const hn_status status = hn::tables::fn_open(p, name, config, out, error);
  if (status != HN_OK) *out = reinterpret_cast<hn_fn*>(p);
  return status;
}
hn_status open_with_spill(hn_instance* p, hn_str name, const hn_config* config, hn_fn** out,
                          hn_error* error) {
  const hn_status status = hn::tables::fn_open(p, name, config, out, error);
  if (status != HN_OK && error != nullptr && HN_HAS(error, hn_error, length) &&
      error->message != nullptr && error->capacity == 8)
    error->message[8] = 'x';
  return status;
}
hn_status open_with_other_code(hn_instance* p, hn_str name, const hn_config* config, hn_fn** out,
                               hn_error* error) {
  const hn_status status = hn::tables::fn_open(p, name, config, out, error);
  if (status != HN_OK && error != nullptr) error->code = HN_INTERNAL;
  return status;
}
hn_status reserved_slot(hn_fn* p, std::int32_t direction, std::uint64_t index, hn_slot* out,
                        hn_error* error) {
  const hn_status status = hn::tables::fn_slot(p, direction, index, out, error);
  if (status == HN_OK && HN_HAS(out, hn_slot, reserved)) out->reserved = 7;
  return status;
}
hn_status any_slot(hn_fn* p, std::int32_t direction, std::uint64_t, hn_slot* out, hn_error* error) {
  return hn::tables::fn_slot(p, direction == HN_SLOT_OUTPUT ? direction : HN_SLOT_INPUT, 0, out,
                             error);
}
hn_status flagged_info(hn_fn* p, hn_fn_info* out, hn_error* error) {
  const hn_status status = hn::tables::fn_info(p, out, error);
  if (status == HN_OK) out->flags |= 1u << 9;
  return status;
}
hn_status keeping_forward(hn_fn* p, const hn_call* call, hn_saved** saved, hn_error* error) {
  hn_call known = *call;
  known.flags |= HN_CALL_WANT_GRAD;
  return hn::tables::fn_forward(p, &known, saved, error);
}
hn_status forgetting_forward(hn_fn* p, const hn_call* call, hn_saved** saved, hn_error* error) {
  hn_call known = *call;
  known.flags &= ~HN_CALL_WANT_GRAD;
  known.need_grad = nullptr;
  return hn::tables::fn_forward(p, &known, saved, error);
}
hn_status half_plan(hn_fn*, const hn_call*, hn_plan* out, hn_error*) {
  if (HN_HAS(out, hn_plan, saved_bytes)) out->saved_bytes = 10;
  if (HN_HAS(out, hn_plan, peak_bytes)) out->peak_bytes = 5;
  return HN_OK;
}
void careless_close(hn_fn* p) {
  if (p == nullptr) std::raise(SIGSEGV);
  hn::tables::fn_close(p);
}

// Not constant: the defect is known only after create.
hn_fn_v1 table = hn::tables::kFn;

void spoil_table() {
  if (is("throws")) table.forward = &throwing_forward;
  if (is("no_text")) table.open = &silent_open;
  if (is("takes_any_flag")) table.forward = &lenient_forward;
  if (is("takes_any_shape")) table.forward = &unchecked_counts;
  if (is("old_sizes")) table.info = &whole_info;
  if (is("opens_despite")) table.open = &open_despite;
  if (is("spills_text")) table.open = &open_with_spill;
  if (is("other_code")) table.open = &open_with_other_code;
  if (is("sets_reserved")) table.slot = &reserved_slot;
  if (is("any_slot")) table.slot = &any_slot;
  if (is("unknown_fn_flag")) table.info = &flagged_info;
  if (is("keeps_unasked")) table.forward = &keeping_forward;
  if (is("keeps_nothing")) table.forward = &forgetting_forward;
  if (is("half_plan")) table.plan = &half_plan;
  if (is("dislikes_null")) table.close = &careless_close;
}

const void* get_interface(hn_instance* instance, const char* id) {
  spoil_table();
  if (is("new_tables") && std::strcmp(id, HN_FN_V1) == 0) return new hn_fn_v1(table);
  if (std::strcmp(id, HN_FN_V1) == 0) return &table;
  if (is("makes_up_interfaces")) return &table;
  return hn::tables::get_interface(instance, id);
}

}  // namespace

extern "C" {
const hn_plugin_v1 hn_plugin_entry_v1 = {sizeof(hn_plugin_v1),
                                         HN_ABI_MAJOR,
                                         0u,
                                         0u,
                                         HN_STR("hn.test.brightness"),
                                         HN_STR("1.0.0"),
                                         &hn::tables::create<Brightness>,
                                         &hn::tables::destroy,
                                         &get_interface,
                                         HN_ABI_MINOR,
                                         0u,
                                         nullptr};
}
