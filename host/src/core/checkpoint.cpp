#include "core/checkpoint.hpp"

#include <ATen/ATen.h>

#include <array>
#include <charconv>
#include <cstring>
#include <hn/formats/json_file.hpp>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "core/noise_policy.hpp"
#include "core/sealed_file.hpp"
#include "core/tensor_io.hpp"

namespace hn::core {
namespace {

constexpr const char* kFormatKey = "hn.checkpoint";
// 3: with the running average, the best state, and what keeps the training on its way.
constexpr const char* kFormat = "4";
constexpr const char* kSpecKey = "hn.spec";
constexpr std::string_view kNotePrefix = "hn.note.";
constexpr const char* kCounters[] = {"steps_done", "skips", "updates", "average_updates",
                                     "best_step"};
constexpr const char* kWayKey = "way";
constexpr const char* kObjectiveKey = "best_objective";
constexpr const char* kHasBestKey = "hn.best";

std::string adapter_key(const std::string& name) { return "adapter." + name; }
std::string reward_key(const std::string& name) { return "reward." + name; }
constexpr const char* kGuardKey = "guard";
constexpr const char* kPolicyMeansKey = "policy.means";
constexpr const char* kPolicyValuesKey = "policy.values";
std::string buffer_key(const std::string& buffer, const std::string& name) {
  return "optimiser." + buffer + "." + name;
}

// Doubles bit by bit: a state may hold what is not finite, and nothing may be rounded.
at::Tensor bits_of(std::span<const double> numbers) {
  at::Tensor bits = at::empty({static_cast<std::int64_t>(numbers.size())}, at::kLong);
  std::memcpy(bits.data_ptr(), numbers.data(), numbers.size_bytes());
  return bits;
}
at::Tensor bits_of(const at::Tensor& numbers) { return numbers.contiguous().view(at::kLong); }
std::vector<double> numbers_of(const at::Tensor& bits) {
  std::vector<double> numbers(static_cast<std::size_t>(bits.numel()));
  std::memcpy(numbers.data(), bits.const_data_ptr(), numbers.size() * sizeof(double));
  return numbers;
}

// Those that run in training; the others have no state.
std::vector<std::size_t> running_rewards(const SessionSpec& spec) {
  std::vector<std::size_t> running;
  for (std::size_t k = 0; k < spec.rewards.size(); ++k)
    if (spec.rewards[k].every > 0) running.push_back(k);
  return running;
}

bool longer(const std::string& now, const std::string& then) {
  std::uint64_t a = 0, b = 0;
  const auto read = [](const std::string& text, std::uint64_t& number) {
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
    return failed == std::errc() && end == text.data() + text.size();
  };
  return read(now, a) && read(then, b) && a > b;
}

void compare_specs(const std::map<std::string, std::string>& ours, const SafetensorsFile& file,
                   TensorProblems& problems) {
  const auto at = file.metadata().find(kSpecKey);
  if (at == file.metadata().end()) return problems.add("the configuration is missing");
  const nlohmann::json theirs = parse_json(at->second, file.path().string() + ": " + kSpecKey);
  const auto differs = [&](const std::string& field, const std::string& a, const std::string& b) {
    problems.add(field + ": the checkpoint has " + a + ", the session " + b);
  };
  for (const auto& [field, value] : ours) {
    const auto it = theirs.find(field);
    const std::string other = it == theirs.end() ? "nothing"
                              : it->is_string()  ? it->get<std::string>()
                                                 : it->dump();
    // A training may be given more steps than it was begun with.
    if (field == "train.steps" && longer(value, other)) continue;
    if (other != value) differs(field, other, value);
  }
  for (const auto& [field, value] : theirs.items())
    if (!ours.contains(field))
      differs(field, value.is_string() ? value.get<std::string>() : value.dump(), "nothing");
}

void check_format(const SafetensorsFile& file) {
  const auto format = file.metadata().find(kFormatKey);
  if (format == file.metadata().end())
    throw Error(HN_INVALID_ARGUMENT, "[checkpoint] " + file.path().string() +
                                         " is not a checkpoint of version " + kFormat);
  if (format->second != kFormat)
    throw Error(HN_INVALID_ARGUMENT,
                "[checkpoint] " + file.path().string() + " is a checkpoint of version " +
                    format->second + ", expected " + kFormat +
                    ": another release of hn wrote it, and only that one can go on from it; the "
                    "adapter beside it can be used");
}

}  // namespace

void save_checkpoint(const SessionSpec& spec, const Adapter& adapter, Trainer& trainer,
                     const Notes& notes, const std::filesystem::path& path) {
  TensorFile file;
  for (const Adapter::Matrix& matrix : adapter.matrices()) {
    file.add(adapter_key(matrix.name), matrix.value);
    for (const auto& [name, flat] : trainer.optimiser().buffers())
      file.add(buffer_key(name, matrix.name), adapter.part(flat, matrix));
  }
  const KeptWeights& kept = trainer.kept();
  for (const auto& [name, flat] : kept.buffers())
    for (const Adapter::Matrix& matrix : adapter.matrices())
      file.add(buffer_key(name, matrix.name), adapter.part(flat, matrix));
  const BestState best = kept.best().value_or(BestState{});
  const std::int64_t counters[] = {static_cast<std::int64_t>(trainer.steps_done()),
                                   trainer.skips_in_a_row(), trainer.optimiser().updates(),
                                   static_cast<std::int64_t>(kept.updates()),
                                   static_cast<std::int64_t>(best.step)};
  for (std::size_t i = 0; i < std::size(kCounters); ++i)
    file.add(kCounters[i], at::full({1}, counters[i], at::kLong));
  file.add(kWayKey, bits_of(trainer.numbers()));
  file.add(kObjectiveKey, bits_of(std::array{best.objective}));
  for (const std::size_t k : running_rewards(spec))
    file.add(reward_key(spec.rewards[k].name), bits_of(trainer.rewards().at(k).numbers()));
  file.add(kGuardKey, bits_of(trainer.rewards().numbers()));
  if (NoisePolicy* policy = trainer.policy()) {
    file.add(kPolicyMeansKey, policy->means());
    file.add(kPolicyValuesKey, bits_of(policy->values()));
  }
  std::map<std::string, std::string> metadata = {
      {kFormatKey, kFormat},
      {kSpecKey, nlohmann::json(fingerprint(spec)).dump()},
      {kHasBestKey, kept.best() ? "true" : "false"}};
  for (const auto& [key, text] : notes) metadata.emplace(std::string(kNotePrefix) + key, text);
  write_sealed(path, file.tensors(), metadata);
}

Notes load_checkpoint(const SessionSpec& spec, Adapter& adapter, Trainer& trainer,
                      const std::filesystem::path& path) {
  const SafetensorsFile file = SafetensorsFile::open(path);
  check_format(file);
  check_seal(file);
  TensorProblems problems("[checkpoint] " + path.string());
  compare_specs(fingerprint(spec), file, problems);

  // Everything is read beside the session and moved in at the end, so a bad file changes nothing.
  std::vector<ExpectedTensorInto> wanted;
  const at::Tensor values = at::zeros(adapter.values().sizes(), at::kFloat);
  std::vector<at::Tensor> staged;
  for (const auto& [name, flat] : trainer.optimiser().buffers()) {
    staged.push_back(at::zeros(flat.sizes(), at::kFloat));
    for (const Adapter::Matrix& matrix : adapter.matrices())
      wanted.push_back({buffer_key(name, matrix.name), adapter.part(staged.back(), matrix)});
  }
  for (const Adapter::Matrix& matrix : adapter.matrices())
    wanted.push_back({adapter_key(matrix.name), adapter.part(values, matrix)});
  const auto has_best = file.metadata().find(kHasBestKey);
  std::vector<std::pair<std::string, at::Tensor>> kept;
  for (const char* name : {"average", "best"}) {
    const bool there = std::string_view(name) == "best"
                           ? has_best != file.metadata().end() && has_best->second == "true"
                           : spec.train.ema > 0;
    if (!there) continue;
    kept.emplace_back(name, at::zeros(values.sizes(), at::kFloat));
    for (const Adapter::Matrix& matrix : adapter.matrices())
      wanted.push_back({buffer_key(name, matrix.name), adapter.part(kept.back().second, matrix)});
  }
  std::vector<at::Tensor> counters;
  for (const char* name : kCounters) {
    counters.push_back(at::zeros({1}, at::kLong));
    wanted.push_back({name, counters.back()});
  }
  std::vector<at::Tensor> states;
  for (const std::size_t k : running_rewards(spec)) {
    states.push_back(at::zeros({RewardState::kNumbers}, at::kLong));
    wanted.push_back({reward_key(spec.rewards[k].name), states.back()});
  }
  const at::Tensor guard = at::zeros({2}, at::kLong);
  wanted.push_back({kGuardKey, guard});
  const at::Tensor way = at::zeros({Trainer::kNumbers}, at::kLong);
  wanted.push_back({kWayKey, way});
  const at::Tensor objective = at::zeros({1}, at::kLong);
  wanted.push_back({kObjectiveKey, objective});
  at::Tensor means, scores;
  if (NoisePolicy* policy = trainer.policy()) {
    means = at::zeros_like(policy->means());
    scores = at::zeros(policy->values().sizes(), at::kLong);
    wanted.push_back({kPolicyMeansKey, means});
    wanted.push_back({kPolicyValuesKey, scores});
  }
  read_tensors(file, wanted, problems, {kSealName});
  std::vector<std::int64_t> counts;
  for (const at::Tensor& counter : counters) counts.push_back(counter.item<std::int64_t>());
  for (std::size_t i = 0; i < counts.size(); ++i)
    if (counts[i] < 0) problems.add(std::string(kCounters[i]) + ": expected 0 or more");
  if (counts[1] + counts[2] > counts[0])
    problems.add("updates and skips: more than the steps that were done");
  for (std::size_t i = 0; i < staged.size(); ++i)
    if (trainer.optimiser().buffers()[i].first == "exp_avg_sq" && staged[i].numel() > 0 &&
        staged[i].min().item<float>() < 0)
      problems.add("exp_avg_sq: negative");
  problems.finish();

  adapter.values().copy_(values);
  for (std::size_t i = 0; i < staged.size(); ++i)
    trainer.optimiser().buffers()[i].second.copy_(staged[i]);
  std::size_t next = 0;
  for (const std::size_t k : running_rewards(spec))
    trainer.rewards().at(k) = RewardState::from(numbers_of(states[next++]));
  trainer.rewards().restore(numbers_of(guard));
  if (NoisePolicy* policy = trainer.policy()) {
    policy->means().copy_(means);
    policy->values().copy_(scores.view(at::kDouble));
  }
  trainer.restore(static_cast<std::uint64_t>(counts[0]), counts[1], counts[2]);
  const std::vector<double> on_the_way = numbers_of(way);
  trainer.restore_numbers(std::span<const double, Trainer::kNumbers>(on_the_way));
  std::optional<BestState> best;
  if (!kept.empty() && kept.back().first == "best")
    best = BestState{static_cast<std::uint64_t>(counts[4]), numbers_of(objective)[0]};
  trainer.kept().restore(static_cast<std::uint64_t>(counts[3]), best);
  for (auto& [name, into] : trainer.kept().buffers())
    for (const auto& [read, numbers] : kept)
      if (read == name) into.copy_(numbers);
  Notes notes;
  for (const auto& [key, text] : file.metadata())
    if (key.starts_with(kNotePrefix)) notes.emplace(key.substr(kNotePrefix.size()), text);
  return notes;
}

}  // namespace hn::core
