// hnhost.h with owners: a host and sessions, as an embedder has them.
#pragma once

#include <hnhost/hnhost.h>

#include <cstdint>
#include <hn/cpp/error.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace hn::gpu {

class Host {
 public:
  Host() {
    ErrorBuffer error;
    check(hnhost_open(nullptr, &raw_, error.get()), error);
  }
  ~Host() { hnhost_close(raw_); }
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;
  hnhost* raw() const { return raw_; }

 private:
  hnhost* raw_ = nullptr;
};

// A float32 tensor of the caller's, contiguous.
struct Numbers {
  explicit Numbers(std::vector<std::int64_t> s) : shape(std::move(s)), strides(shape.size()) {
    std::int64_t n = 1;
    for (std::size_t d = shape.size(); d-- > 0; n *= shape[d]) strides[d] = n;
    data.resize(static_cast<std::size_t>(n));
    view.data = data.data();
    view.device = {kDLCPU, 0};
    view.ndim = static_cast<std::int32_t>(shape.size());
    view.dtype = {kDLFloat, 32, 1};
    view.shape = shape.data();
    view.strides = strides.data();
  }
  Numbers(const Numbers&) = delete;
  Numbers& operator=(const Numbers&) = delete;

  std::vector<std::int64_t> shape, strides;
  std::vector<float> data;
  DLTensor view{};
};

// Prompts as the library takes them; the texts are borrowed.
class Prompts {
 public:
  explicit Prompts(const std::vector<std::string>& texts) : prompts_(texts.size()) {
    for (std::size_t i = 0; i < texts.size(); ++i) {
      prompts_[i].struct_size = sizeof prompts_[i];
      prompts_[i].text = str(texts[i]);
      each_.push_back(&prompts_[i]);
    }
  }
  const hnhost_prompt* const* data() const { return each_.data(); }
  std::size_t size() const { return each_.size(); }

 private:
  std::vector<hnhost_prompt> prompts_;
  std::vector<const hnhost_prompt*> each_;
};

class Session {
 public:
  // stream: the caller's, all zero: the device's default.
  Session(const Host& host, const std::string& config, hn_stream stream = {0, 0, 0}) {
    ErrorBuffer error;
    hnhost_session_args args{};
    args.struct_size = sizeof args;
    args.config = str(config);
    args.stream = stream;
    check(hnhost_session_open(host.raw(), &args, &raw_, error.get()), error);
    hnhost_text* text = nullptr;
    check(hnhost_session_describe(raw_, &text, error.get()), error);
    description_ = hn::view(hnhost_text_view(text));
    hnhost_text_free(text);
  }
  ~Session() { hnhost_session_close(raw_); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  hnhost_session* raw() const { return raw_; }

  // A list of sizes of the description, such as "image": [3, H, W], with the batch before it.
  std::vector<std::int64_t> shape(const std::string& name, std::int64_t batch) const {
    const std::size_t key = description_.find('"' + name + '"');
    std::size_t at = description_.find('[', key);
    if (key == std::string::npos || at == std::string::npos)
      throw Error(HN_INTERNAL, "[session] it does not describe its " + name);
    const std::size_t end = description_.find(']', at);
    std::vector<std::int64_t> sizes = {batch};
    while ((at = description_.find_first_of("0123456789", at)) < end) {
      std::size_t length = 0;
      sizes.push_back(std::stoll(description_.substr(at), &length));
      at += length;
    }
    return sizes;
  }

  // One optimiser step.
  struct Step {
    double loss = 0, grad_norm = 0, reward = 0;
    bool skipped = false;
  };
  Step train() {
    Step step;
    hnhost_hooks hooks{};
    hooks.struct_size = sizeof hooks;
    hooks.ctx = &step;
    hooks.on_step = +[](void* out, const hnhost_step* s) -> std::int32_t {
      *static_cast<Step*>(out) = {s->loss, s->grad_norm, s->reward,
                                  (s->flags & HNHOST_STEP_SKIPPED) != 0};
      return 0;
    };
    ErrorBuffer error;
    check(hnhost_train(raw_, 1, &hooks, error.get()), error);
    return step;
  }
  // Pictures of the prompts into `images`, [prompts, 3, H, W].
  void sample(const std::vector<std::string>& prompts, bool adapted, const Numbers& images) {
    sample(prompts, adapted, images.view);
  }
  void sample(const std::vector<std::string>& prompts, bool adapted, const DLTensor& images) {
    const Prompts given(prompts);
    hnhost_sample_args args{};
    args.struct_size = sizeof args;
    args.flags = adapted ? 0u : HNHOST_SAMPLE_UNADAPTED;
    args.prompts = given.data();
    args.n_prompts = given.size();
    args.images = &images;
    ErrorBuffer error;
    check(hnhost_sample(raw_, &args, error.get()), error);
  }
  void save(const std::string& file) {
    ErrorBuffer error;
    check(hnhost_checkpoint_save(raw_, str(file), error.get()), error);
  }
  void load(const std::string& file) {
    ErrorBuffer error;
    check(hnhost_checkpoint_load(raw_, str(file), error.get()), error);
  }

 private:
  hnhost_session* raw_ = nullptr;
  std::string description_;
};

}  // namespace hn::gpu
