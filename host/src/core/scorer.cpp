#include "core/scorer.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <hn/cpp/tensor.hpp>
#include <limits>
#include <numeric>
#include <optional>

#include "core/bound_function.hpp"
#include "core/finite.hpp"
#include "core/host_tensor.hpp"
#include "core/shared_resize.hpp"

namespace hn::core {
namespace {

using Rows = std::vector<std::int64_t>;  // pictures of the request, ascending

bool is_column(const Slot& output) {
  return output.dtype == at::kFloat && output.shape.size() == 1;
}

class Scorer {
 public:
  Scorer(RewardModel& reward, PromptCache& prompts, at::Device device, const ScoreRequest& request)
      : reward_(reward),
        prompts_(prompts),
        device_(device),
        request_(request),
        where_("score: " + reward.spec().name),
        want_grad_(request.want_grad || request.tensors.image_grad != nullptr),
        fn_(reward.score()) {
    fn_.need_grad[reward.image_slot()] = 1;
  }

  ScoreResult run() {
    check();
    open_result();
    const HostServices& services = reward_.instance().runtime().services;
    // A reward that mixes its samples gets them all.
    const std::int64_t batch =
        reward_.score().mixes_samples() ? std::max<std::int64_t>(count_, 1) : request_.batch;
    for (std::int64_t first = 0; first < count_; first += batch) {
      services.stop_if_cancelled("score");
      Rows rows(static_cast<std::size_t>(std::min(batch, count_ - first)));
      std::iota(rows.begin(), rows.end(), first);
      score_rows(rows);
      services.progress("scoring", static_cast<std::uint64_t>(rows.back() + 1),
                        static_cast<std::uint64_t>(count_));
    }
    for (const auto& [row, why] : result_.missing) {
      result_.scores[row] = std::numeric_limits<float>::quiet_NaN();
      if (gradient_.defined()) gradient_.select(0, static_cast<std::int64_t>(row)).zero_();
    }
    hand_over();
    return std::move(result_);
  }

 private:
  [[noreturn]] void refuse(const std::string& text, hn_status code = HN_INVALID_ARGUMENT) const {
    throw Error(code, "[" + where_ + "] " + text);
  }

  void check() {
    const Borrowed given = request_.tensors.images;
    if (given != nullptr) {
      const auto shape = shape_of(*given);
      shape_.assign(shape.begin(), shape.end());
    } else {
      shape_ = request_.images.shape;
    }
    if (shape_.size() != 4 || shape_[1] != 3)
      refuse("images: expected shape (B,3,H,W), got " + shape_text(shape_));
    count_ = shape_[0];
    images_ = given != nullptr ? view_of(*given, shape_, where_ + ": images")
                               : view_of(request_.images, shape_, where_ + ": images");
    if (request_.batch < 1)
      refuse("batch: expected 1 or more, got " + std::to_string(request_.batch));
    const auto prompts = static_cast<std::int64_t>(request_.prompts.size());
    if (prompts != count_ && (reward_.needs_prompts() || prompts != 0))
      refuse("expected one prompt an image (" + std::to_string(count_) + "), got " +
             std::to_string(prompts));
    if (want_grad_ && !reward_.differentiable())
      refuse("is score-only: it has no image gradient", HN_UNSUPPORTED);
    const std::string bad = not_finite_rows(images_, request_.prompts);
    if (!bad.empty()) refuse("images: expected finite numbers, got " + bad);
  }

  void open_result() {
    constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
    const auto count = static_cast<std::size_t>(count_);
    result_.scores.assign(count, kNaN);
    for (std::size_t o = 0; o < outputs().size(); ++o)
      if (is_column(outputs()[o]) && o != reward_.score_slot())
        result_.columns[outputs()[o].name].assign(count, kNaN);
    const ScoreTensors& into = request_.tensors;
    const std::vector<std::int64_t> columns = {static_cast<std::int64_t>(result_.columns.size()),
                                               count_};
    if (into.scores != nullptr) (void)view_of(*into.scores, {count_}, where_ + ": scores");
    if (into.columns != nullptr) (void)view_of(*into.columns, columns, where_ + ": columns");
    if (into.image_grad != nullptr)
      gradient_ =
          at::empty(shape_, view_of(*into.image_grad, shape_, where_ + ": image_grad").options());
    else if (want_grad_)
      gradient_ = allocate(result_.image_grad, shape_);
  }

  // Everything is computed: into the caller's tensors, at once.
  void hand_over() {
    const ScoreTensors& into = request_.tensors;
    const auto row = [&](const std::vector<float>& values) {
      return at::tensor(at::ArrayRef<float>(values));
    };
    if (into.scores != nullptr) write_to(*into.scores, row(result_.scores));
    if (into.columns != nullptr && !result_.columns.empty()) {
      std::vector<at::Tensor> rows;
      for (const std::string& name : column_names(reward_))
        rows.push_back(row(result_.columns.at(name)));
      write_to(*into.columns, at::stack(rows));
    }
    if (into.image_grad != nullptr) write_to(*into.image_grad, gradient_);
  }

  const std::vector<Slot>& outputs() const { return reward_.score().outputs(); }

  std::vector<Prompt> prompts_of(const Rows& rows) const {
    std::vector<Prompt> prompts;
    if (request_.prompts.empty()) return prompts;
    for (const std::int64_t row : rows)
      prompts.push_back(request_.prompts[static_cast<std::size_t>(row)]);
    return prompts;
  }

  void miss(std::int64_t row, const std::string& why) {
    const std::string name = reward_.spec().name + ": ";
    result_.missing.emplace(static_cast<std::size_t>(row),
                            why.starts_with(name) ? why : name + why);
  }

  // The rows together; of a partial request those that cannot be answered are left out, first by
  // their prompts, and where the pictures are at fault one by one.
  void score_rows(const Rows& rows) {
    try {
      forward(rows);
      return;
    } catch (const Error& e) {
      if (!request_.partial || !concerns_one_sample(e.code())) throw;
      if (rows.size() == 1) return miss(rows[0], e.what());
    }
    std::map<std::size_t, std::string> refused;
    if (reward_.needs_prompts()) refused = prompts_.refusals(reward_.instance(), prompts_of(rows));
    for (const auto& [i, why] : refused) miss(rows[i], why);
    Rows rest;
    for (std::size_t i = 0; i < rows.size(); ++i)
      if (!refused.contains(i)) rest.push_back(rows[i]);
    if (rest.size() < rows.size()) {
      if (!rest.empty()) score_rows(rest);
    } else {
      for (const std::int64_t row : rest) score_rows({row});
    }
  }

  // Without a copy where they are neighbours, which they nearly always are.
  at::Tensor pictures_of(const Rows& rows) const {
    const auto n = static_cast<std::int64_t>(rows.size());
    if (rows.back() - rows.front() + 1 == n) return images_.narrow(0, rows.front(), n);
    return images_.index_select(0,
                                at::tensor(at::ArrayRef<std::int64_t>(rows)).to(images_.device()));
  }

  void forward(const Rows& rows) {
    const auto n = static_cast<std::int64_t>(rows.size());
    const std::vector<Prompt> prompts = prompts_of(rows);
    PromptCache::Pins pins;
    if (reward_.needs_prompts()) pins = prompts_.get(reward_.instance(), prompts);
    const auto options = at::TensorOptions(at::kFloat).device(device_);
    // The caller's may have any strides; plugins get what they are tried with.
    const at::Tensor whole = pictures_of(rows).to(device_).contiguous();
    const std::int64_t edge = reward_.spec().resize;
    std::optional<SharedResize> resize;
    if (edge > 0 && (whole.size(2) != edge || whole.size(3) != edge)) resize.emplace(whole, edge);
    const at::Tensor batch = resize ? resize->resized() : whole;
    fn_.in[reward_.image_slot()] = batch;
    for (std::size_t o = 0; o < outputs().size(); ++o)
      if (is_column(outputs()[o])) fn_.out[o] = at::empty({n}, options);
    const Saved saved = fn_.forward(pins.handles(), want_grad_);
    for (std::size_t o = 0; o < outputs().size(); ++o) {
      if (!fn_.out[o].defined()) continue;
      const at::Tensor host = fn_.out[o].to(at::kCPU);
      auto& column =
          o == reward_.score_slot() ? result_.scores : result_.columns[outputs()[o].name];
      for (std::size_t i = 0; i < rows.size(); ++i)
        column[static_cast<std::size_t>(rows[i])] = host.const_data_ptr<float>()[i];
    }
    if (!request_.unchecked) check_rows(fn_.out[reward_.score_slot()], rows, "the score is ");
    if (!want_grad_) return;
    const at::Tensor grad = resize ? resize->gradient() : at::empty(batch.sizes(), options);
    fn_.cotangent[reward_.score_slot()] = at::ones({n}, options);
    fn_.grad[reward_.image_slot()] = grad;
    fn_.backward(saved, false);
    const at::Tensor there = (resize ? resize->backward() : grad).to(gradient_.device());
    for (std::int64_t i = 0; i < n; ++i)
      gradient_.select(0, rows[static_cast<std::size_t>(i)]).copy_(there.select(0, i));
    if (!request_.unchecked) check_rows(there, rows, "the image gradient is ");
  }

  // Each row of values is finite, or its picture is named.
  void check_rows(const at::Tensor& values, const Rows& rows, const std::string& what) {
    if (not_finite_rows(values, {}).empty()) return;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const at::Tensor row = values.narrow(0, static_cast<std::int64_t>(i), 1);
      if (request_.partial) {
        if (const std::string bad = not_finite(row); !bad.empty()) miss(rows[i], what + bad);
      } else if (const std::string bad = not_finite_rows(row, prompts_of({rows[i]}), rows[i]);
                 !bad.empty()) {
        refuse(what + bad, HN_DATA_LOSS);
      }
    }
  }

  RewardModel& reward_;
  PromptCache& prompts_;
  at::Device device_;
  const ScoreRequest& request_;
  std::string where_;
  bool want_grad_;
  BoundFunction fn_;
  std::int64_t count_ = 0;
  std::vector<std::int64_t> shape_;  // of the images
  // Views of the request's and the result's memory; the gradient for a tensor of the caller's has
  // memory of its own there.
  at::Tensor images_, gradient_;
  ScoreResult result_;
};

}  // namespace

std::vector<std::string> column_names(RewardModel& reward) {
  std::vector<std::string> names;
  const std::vector<Slot>& outputs = reward.score().outputs();
  for (std::size_t o = 0; o < outputs.size(); ++o)
    if (is_column(outputs[o]) && o != reward.score_slot()) names.push_back(outputs[o].name);
  return names;
}

ScoreResult score(RewardModel& reward, PromptCache& prompts, at::Device device,
                  const ScoreRequest& request) {
  return Scorer(reward, prompts, device, request).run();
}

}  // namespace hn::core
